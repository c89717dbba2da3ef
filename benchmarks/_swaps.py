"""Face swaps between real clips. These fakes differ in kind from the training data.

    python benchmarks/_swaps.py --out FOLDER [--landmarks FILE] [--margin 0.5]

The face of one clip is inserted into each frame of another clip. It is aligned with the
target face by an affine map, recolored (Reinhard et al., "Color transfer between
images", 2001) and blended (Perez et al., "Poisson image editing", 2003). Original and
swapped frames are cropped with the same boxes and processed in the same way, so that
they differ only in the face. The command writes images of the swaps.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import dlib
import joblib
import numpy as np
from _clips import DATA, SUFFIXES
from numpy.typing import NDArray

from skdeepfake.preprocessing import Resizer, VideoFrameSampler
from skdeepfake.preprocessing._faces import DlibFinder, Face
from skdeepfake.preprocessing._following import FaceFollower
from skdeepfake.preprocessing._regions import region_of
from skdeepfake.synthesis._landmarks import Box, Points, find_points, standard_face

Image = np.ndarray  # uint8, RGB or of one channel

ROWS = 720  # maximum height of a frame; higher frames are resized
MIN_FACES = 3  # minimum number of frames with a face per clip
MIN_SIDE = 16  # minimum side of a mask in pixels

# The map is fitted to dlib's landmarks. The hull extends by this share of the distance
# from the brows to the forehead points, beyond which hair may cover the forehead.
N_POINTS = 68
BROWS = slice(17, 27)
FOREHEAD = 0.4

# For a face of 80 pixels, dlib's boxes have steps of 8 pixels in position and a factor
# of 1.2 in size. The mean over several scales within a step is more precise.
SCALES = 1.1 * 80 * np.geomspace(1, 1.2, 5, endpoint=False)
REGION = 2.0  # side of the searched region, relative to the face size
REACH = 0.35  # maximum distance from the face, relative to the face size

# Factors by which the hull is shrunk with detected landmarks and with mean landmarks,
# so that its edge is on skin instead of hair or background.
SHRUNK, SHRUNK_MEAN = 0.88, 0.8

# Canvas on which aligned faces are compared: its side in pixels, the margin around the
# box of the landmarks, and the scale of shading that is removed.
CANVAS = 48
AROUND = 0.1
SHADES = 6.0

SOFTNESS = 0.06  # width of a feathered edge, relative to the face size
LARGEST_GAIN = 1.5  # maximum gain of contrast per channel, which limits noise


class Videos(NamedTuple):
    """Videos as inputs of a detector.

    `X` is uint8 of shape (n_videos, n_frames, size, size, 3), with zeros in slots
    without a face. `y` is 1 for a fake. `groups` contains the name of the target clip,
    and `sources` the name of the source clip. They are equal for original clips.
    """

    X: Image
    y: NDArray[np.int_]
    groups: NDArray[np.str_]
    sources: NDArray[np.str_]
    names: NDArray[np.str_]


class Swaps(NamedTuple):
    """Original and swapped clips, and the pair of SDFVD.

    The first five fields are as in :class:`Videos`, with original clips first. `pair`
    contains published deepfakes and their original clips.
    """

    X: Image
    y: NDArray[np.int_]
    groups: NDArray[np.str_]
    sources: NDArray[np.str_]
    names: NDArray[np.str_]
    pair: Videos


class Shot(NamedTuple):
    """A frame with a face."""

    frame: Image
    face: Face
    points: Points  # (68, 2), in pixels of the frame
    hull: Image  # a mask of the frame, 255 or 0
    look: NDArray[np.float32]  # the aligned face without shading


Shots = list["Shot | None"]


def make_swaps(
    data: Path = DATA,
    *,
    size: int,
    n_frames: int = 10,
    margin: float = 0.5,
    partners: int = 2,
    landmarks: str | os.PathLike[str] | None = None,
    memory: str | os.PathLike[str] | joblib.Memory | None = None,
) -> Swaps:
    """Return the real clips of a data folder and swaps between them as arrays.

    Each clip in `data/videos/real` is assumed to show a different person. It receives
    the faces of `partners` other clips, and its face is inserted into the same number
    of clips. These are selected by the names of the clips. Each frame receives the most
    similar face of the source clip. Clips with too few faces are skipped with a
    message.

    Parameters
    ----------
    data : Path
        Folder with `videos/real` and `videos/fake`.
    size : int
        Side of the crops in pixels.
    n_frames : int, default=10
        Number of frames per video, from the first ten seconds.
    margin : float, default=0.5
        Margin as in :class:`~skdeepfake.preprocessing.DlibFaceCropper`. With the
        default, a face box is half as wide as the crop, as in the fake face images in
        `data`, and more than half of the crops are clipped at the edge of the frame. In
        the real face images, the box is narrower.
    partners : int, default=2
        Number of swaps per clip.
    landmarks : str, os.PathLike or None, default=None
        File of a dlib shape predictor. None derives mean landmarks from the face box.
    memory : str, os.PathLike, joblib.Memory or None, default=None
        Cache for the result. Changed clips or changes to this module invalidate it.
    """
    cache = memory
    if not isinstance(cache, joblib.Memory):
        cache = joblib.Memory(memory, verbose=0)
    real, fake = _listed(data / "videos" / "real"), _listed(data / "videos" / "fake")
    files = real + fake + ([] if landmarks is None else [Path(landmarks)])
    result, messages = cache.cache(_make)(
        real,
        fake,
        facts=[_facts(path) for path in files],
        version=hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
        size=size,
        n_frames=n_frames,
        margin=margin,
        partners=partners,
        landmarks=None if landmarks is None else os.fspath(landmarks),
    )
    print("\n".join(messages), flush=True)
    return result


def _listed(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise SystemExit(
            f"{folder} does not exist. Pass a folder that contains videos/real and "
            "videos/fake, or set SKDEEPFAKE_DATA."
        )
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)


def _facts(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _make(
    real: list[Path],
    fake: list[Path],
    *,
    facts: list[tuple[int, int]],
    version: str,
    size: int,
    n_frames: int,
    margin: float,
    partners: int,
    landmarks: str | None,
) -> tuple[Swaps, list[str]]:
    """Return the swaps and messages; `facts` and `version` are cache keys."""
    messages = []
    shots: dict[str, Shots] = {}
    for path in real + fake:
        found = _shots(path, n_frames, landmarks)
        n_found = sum(shot is not None for shot in found)
        if n_found < min(MIN_FACES, n_frames):
            messages.append(f"{path.name} is skipped: {n_found} frames with a face")
        else:
            shots[path.stem] = found
    clips = [path.stem for path in real if path.stem in shots]
    # In SDFVD, vs1 is the fake of v1.
    pairs = [
        (name.replace("_vs", "_v"), name)
        for name in (path.stem for path in fake)
        if name in shots and name.replace("_vs", "_v") in clips
    ]

    ways: Counter[str] = Counter()
    rows = [(shots[name], 0, name, name, name) for name in clips]
    for name, partner in _partners(clips, partners):
        swapped, how = _swap_clip(shots[name], shots[partner])
        ways.update(how)
        rows.append((swapped, 1, name, partner, f"{partner} in {name}"))
    ours = _videos(rows, size, margin)
    others = [
        (shots[name], label, real_name, name, name)
        for real_name, fake_name in pairs
        for label, name in enumerate((real_name, fake_name))
    ]
    messages.append(
        f"{len(clips)} original clips, {len(rows) - len(clips)} swaps; their frames: "
        + ", ".join(f"{n} {way}" for way, n in ways.items())
    )
    return Swaps(*ours, pair=_videos(others, size, margin)), messages


def _partners(clips: Sequence[str], partners: int) -> Iterator[tuple[str, str]]:
    """Yield pairs of target and source, with each clip equally often in both roles."""
    n = len(clips)
    if n <= 2 * partners:
        raise SystemExit(
            f"{partners} partners per clip need {2 * partners + 1} clips with faces, "
            f"but there are {n}."
        )
    for i, name in enumerate(clips):
        for k in range(1, partners + 1):
            # Offsets are less than n / 2, so that no two clips exchange their faces.
            yield name, clips[(i + k * n // (2 * partners + 1)) % n]


def _videos(
    rows: Sequence[tuple[Shots, int, str, str, str]], size: int, margin: float
) -> Videos:
    n_frames = max((len(row[0]) for row in rows), default=0)
    crops = np.empty((len(rows), n_frames), dtype=object)
    for i, (shots, *_) in enumerate(rows):
        for k, shot in enumerate(shots):
            crops[i, k] = shot and region_of(shot.frame, shot.face, "face", margin)
    shape = (0, n_frames, size, size, 3)
    X = Resizer((size, size)).fit_transform(crops) if rows else np.empty(shape, "u1")
    columns = list(zip(*(row[1:] for row in rows), strict=True)) or [()] * 4
    return Videos(
        X, np.array(columns[0], int), *(np.array(c, str) for c in columns[1:])
    )


# -- faces -----------------------------------------------------------------------


def _shots(path: Path, n_frames: int, landmarks: str | None) -> Shots:
    """Decode the frames of a clip, and detect the face in each frame."""
    clip = VideoFrameSampler(n_frames).fit_transform([path])[0]
    follower = FaceFollower(DlibFinder())
    shots: Shots = []
    for frame in clip:
        face = None
        if frame is not None:
            frame = _reduced(frame)
            (face,) = follower.find(frame)
        if face is None:
            shots.append(None)
            continue
        box = _steady_box(frame, face)
        if landmarks is None:
            scale, offset = [box.width, box.height], [box.left, box.top]
            points = (standard_face() * scale + offset).astype(np.float32)
        else:
            points = find_points(frame, box, landmarks)
        shrunk = SHRUNK_MEAN if landmarks is None else SHRUNK
        hull = _hull(frame, points, shrunk)
        points = points[:N_POINTS]
        shots.append(Shot(frame, face, points, hull, _look(frame, points)))
    return shots


def _reduced(frame: Image) -> Image:
    scale = ROWS / len(frame)
    if scale >= 1:
        return frame
    return cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _steady_box(frame: Image, face: Face) -> Box:
    """Return the box of a face with higher precision than dlib's detector."""
    side = max(face.right - face.left, face.bottom - face.top)
    center = np.array([face.left + face.right, face.top + face.bottom]) / 2
    corner = center - REGION * side / 2
    gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    found, scores = [], []
    for scale in SCALES / side:
        to_frame = np.column_stack([np.eye(2) / scale, corner])
        width = round(REGION * side * scale)
        region = cv2.warpAffine(
            _smoothed(gray, scale),
            to_frame,
            (width, width),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for box, score in zip(*_detector().run(region, 0, 0.0)[:2], strict=True):
            place = [box.left() + box.right() + 1, box.top() + box.bottom() + 1]
            middle = np.array(place) / 2 / scale + corner
            if np.hypot(*(middle - center)) < REACH * side:
                found.append([*middle, box.width() / scale])
                scores.append(score)
    if not found:
        return Box(face.left, face.top, side, side)
    x, y, size = np.average(found, axis=0, weights=scores)
    return Box(x - size / 2, y - size / 2, size, size)


@functools.cache
def _detector() -> Any:
    return dlib.get_frontal_face_detector()


def _hull(frame: Image, points: Points, shrunk: float) -> Image:
    face, forehead = points[:N_POINTS], points[N_POINTS:]
    brows = face[BROWS]
    up = forehead.mean(axis=0) - brows.mean(axis=0)
    face = np.concatenate([face, brows + FOREHEAD * up])
    center = face.mean(axis=0)
    hull = cv2.convexHull((center + (face - center) * shrunk).astype(np.float32))
    mask = np.zeros(frame.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, np.rint(hull).astype(np.int32), 255)
    # Blending needs a border around the mask.
    mask[[0, 1, -2, -1]] = mask[:, [0, 1, -2, -1]] = 0
    return mask


def _look(frame: Image, points: Points) -> NDArray[np.float32]:
    """Return the aligned face without shading and skin color."""
    canvas = (standard_face() + AROUND) * CANVAS / (1 + 2 * AROUND)
    to_canvas = _affine(points, canvas[:N_POINTS])
    gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    face = cv2.warpAffine(
        _smoothed(gray, _scale(to_canvas)),
        to_canvas,
        (CANVAS, CANVAS),
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.float32)
    face -= cv2.GaussianBlur(face, (0, 0), SHADES)
    return face / np.linalg.norm(face)


def _smoothed(image: Image, scale: float) -> Image:
    """Blur an image to avoid aliasing when an affine map shrinks it."""
    if scale >= 1:
        return image
    return cv2.GaussianBlur(image, (0, 0), 0.5 * np.sqrt(1 / scale**2 - 1))


# -- swaps -----------------------------------------------------------------------


def _swap_clip(targets: Shots, sources: Shots) -> tuple[Shots, list[str]]:
    """Insert the most similar source face into each frame, and return the methods."""
    faces = [source for source in sources if source is not None]
    swapped: Shots = []
    how = []
    for target in targets:
        if target is None:
            swapped.append(None)
            continue
        likeness = [float((target.look * face.look).sum()) for face in faces]
        frame, way = _swap(target, faces[int(np.argmax(likeness))])
        swapped.append(None if frame is None else target._replace(frame=frame))
        how.append(way)
    return swapped, how


def _swap(target: Shot, source: Shot) -> tuple[Image | None, str]:
    height, width = target.frame.shape[:2]
    to_target = _affine(source.points, target.points)
    moved = cv2.warpAffine(
        _smoothed(source.frame, _scale(to_target)),
        to_target,
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    # Intersect both faces, since a turned face would include its background.
    both = cv2.warpAffine(source.hull, to_target, (width, height))
    mask = np.where(both == 255, target.hull, 0).astype(np.uint8)
    left, top, *size = cv2.boundingRect(mask)
    if min(size) < MIN_SIDE:
        return None, "left empty, since the faces do not overlap"
    moved = _recolored(moved, target.frame, mask)
    center = (left + size[0] // 2, top + size[1] // 2)
    try:
        blended = cv2.seamlessClone(
            moved,
            target.frame,
            mask.copy(),  # OpenCV writes into it
            center,
            cv2.NORMAL_CLONE,
        )
    except cv2.error:
        return _feathered(moved, target, mask), "alpha blends after an OpenCV error"
    # OpenCV also changes pixels outside the mask by rounding.
    return np.where(mask[..., np.newaxis] > 0, blended, target.frame), "gradient blends"


def _affine(source: Points, target: Points) -> NDArray[np.float64]:
    """Fit the affine map (2, 3) by least squares."""
    homogeneous = np.column_stack([source, np.ones(len(source))])
    return np.linalg.lstsq(homogeneous, target, rcond=None)[0].T


def _scale(affine: NDArray[np.float64]) -> float:
    return float(np.sqrt(abs(np.linalg.det(affine[:, :2]))))


def _recolored(image: Image, like: Image, mask: Image) -> Image:
    """Match the mean and standard deviation of each LAB channel to another image."""
    left, top, width, height = cv2.boundingRect(mask)
    part = np.s_[top : top + height, left : left + width]
    face, model = (
        cv2.cvtColor(i[part].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        for i in (image, like)
    )
    inside = mask[part] > 0
    mean, model_mean = face[inside].mean(axis=0), model[inside].mean(axis=0)
    gain = model[inside].std(axis=0) / (face[inside].std(axis=0) + 1e-6)
    face = (face - mean) * np.minimum(gain, LARGEST_GAIN) + model_mean
    rgb = cv2.cvtColor(face.astype(np.float32), cv2.COLOR_LAB2RGB)
    result = image.copy()
    result[part] = np.rint(rgb.clip(0, 1) * 255).astype(np.uint8)
    return result


def _feathered(face: Image, target: Shot, mask: Image) -> Image:
    softness = SOFTNESS * (target.face.right - target.face.left)
    # Only blend inside the mask, since the source face may not extend beyond it.
    side = 2 * round(2 * softness) + 1
    core = cv2.erode(mask, np.ones((side, side), np.uint8)) / np.float32(255)
    alpha = cv2.GaussianBlur(core, (0, 0), softness)[..., np.newaxis]
    alpha[mask == 0] = 0
    return np.rint(face * alpha + target.frame * (1 - alpha)).astype(np.uint8)


# -- pictures --------------------------------------------------------------------


def write_sheets(swaps: Swaps, folder: Path, *, clips: int = 4) -> list[Path]:
    """Write an image of all swaps, and one of all frames of some swaps.

    The first image shows the middle frames of target, source and swap. The second one
    shows the frames of the target above those of the swap.
    """
    folder.mkdir(parents=True, exist_ok=True)
    untouched = {name: X for name, X in zip(swaps.names, swaps.X, strict=True)}
    fakes = np.flatnonzero(swaps.y)
    half = swaps.X.shape[1] // 2
    triples = [
        np.hstack(
            [
                untouched[swaps.groups[i]][half],
                untouched[swaps.sources[i]][half],
                swaps.X[i, half],
            ]
        )
        for i in fakes
    ]
    triples += [np.zeros_like(triples[0])] * (-len(triples) % 3)
    overview = np.vstack(
        [np.hstack(triples[i : i + 3]) for i in range(0, len(triples), 3)]
    )
    chosen = fakes[:: max(1, len(fakes) // clips)][:clips]
    frames = np.vstack(
        [np.hstack(X) for i in chosen for X in (untouched[swaps.groups[i]], swaps.X[i])]
    )
    paths = [folder / "swaps.png", folder / "frames.png"]
    for path, picture in zip(paths, (overview, frames), strict=True):
        if not cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
            raise SystemExit(f"{path} cannot be written.")
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, required=True, help="folder for the PNGs")
    parser.add_argument("--size", type=int, default=128, help="crop size in pixels")
    parser.add_argument("--frames", type=int, default=10, help="frames per video")
    parser.add_argument("--margin", type=float, default=0.5)
    parser.add_argument("--partners", type=int, default=2, help="swaps per clip")
    parser.add_argument("--landmarks", help="file of a dlib shape predictor")
    parser.add_argument("--memory", help="folder for caching the swaps")
    args = parser.parse_args()

    began = time.perf_counter()
    swaps = make_swaps(
        args.data,
        size=args.size,
        n_frames=args.frames,
        margin=args.margin,
        partners=args.partners,
        landmarks=args.landmarks,
        memory=args.memory,
    )
    print(f"{time.perf_counter() - began:.0f} s")
    for path in write_sheets(swaps, args.out):
        print(path)


if __name__ == "__main__":
    main()
