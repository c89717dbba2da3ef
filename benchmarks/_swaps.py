"""Face swaps between real clips: fakes of another kind than those trained on.

    python benchmarks/_swaps.py --out FOLDER [--landmarks FILE] [--margin 0.5]

The face of one clip is put into the frames of another, frame by frame: moved onto the
target's face by an affine map, given its colors (Reinhard et al., "Color transfer
between images", 2001) and blended in by its gradients (Perez et al., "Poisson image
editing", 2003). Untouched and swapped frames are cut with the same boxes and go
through the same steps, so that nothing but the face tells them apart. The command
writes pictures to look at.
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

ROWS = 720  # frames that are higher are reduced to it
MIN_FACES = 3  # frames with a face that a clip needs
MIN_SIDE = 16  # pixels that a mask needs

# The map is fitted to dlib's points. The hull goes up to here between the brows and the
# forehead's points, for the rest of it may be under hair.
N_POINTS = 68
BROWS = slice(17, 27)
FOREHEAD = 0.4

# dlib's boxes come in steps: of 8 pixels in place and 1.2 in size, where a face has
# 80. The mean of what is found at some scales within a step lies between them.
SCALES = 1.1 * 80 * np.geomspace(1, 1.2, 5, endpoint=False)
REGION = 2.0  # that is searched, in sizes of the face
REACH = 0.35  # how far off what is found may lie, in the same

# How far the hull is shrunk, so that its edge lies on skin and not on hair or
# background: that of the very face, and that of a face of mean proportions.
SHRUNK, SHRUNK_MEAN = 0.88, 0.8

# Faces are compared on a small canvas that goes with the face: its side in pixels, what
# it shows around the points' box, and how coarse shades are that do not count.
CANVAS = 48
AROUND = 0.1
SHADES = 6.0

SOFTNESS = 0.06  # of a feathered edge, in sizes of the face
LARGEST_GAIN = 1.5  # of a channel's contrast, lest noise be all there is


class Videos(NamedTuple):
    """Videos as a detector takes them.

    `X` is uint8 of shape (n_videos, n_frames, size, size, 3), zeros in slots without a
    face. `y` is 1 for a fake. `groups` says whose clip a video is, `sources` whose
    face is in it: the same where nothing was swapped.
    """

    X: Image
    y: NDArray[np.int_]
    groups: NDArray[np.str_]
    sources: NDArray[np.str_]
    names: NDArray[np.str_]


class Swaps(NamedTuple):
    """Untouched and swapped clips, and apart from them the pair of SDFVD.

    The first five are as in :class:`Videos`; untouched clips come first. `pair` are
    deepfakes that others made, and the clips they were made of.
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
    look: NDArray[np.float32]  # the face on a canvas, without its light


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
    """Make the real clips of a data folder, and swaps between them, into arrays.

    Each clip under `data/videos/real` is taken for a person of its own, as those of the
    shared data are by the look of them. It gets the faces of `partners` others, and
    gives its own to as many; which ones depends on the names of the clips alone. Into
    a frame goes that of the source's faces which looks most like the one there. Clips
    with too few faces are left out, with a line that says so.

    Parameters
    ----------
    data : Path
        Holds `videos/real` and `videos/fake`.
    size : int
        Side of the crops in pixels.
    n_frames : int, default=10
        Frames a video, from its first ten seconds.
    margin : float, default=0.5
        That of the :class:`~skdeepfake.preprocessing.DlibFaceCropper` to be matched.
        With the default, a face's box is half as wide as the crop, as in the fakes
        among the face images of `data`; in the real ones it is narrower. More than
        half of the crops are then cut off at the edge of their frame.
    partners : int, default=2
        Swaps a clip.
    landmarks : str, os.PathLike or None, default=None
        A shape predictor of dlib's. None takes the box for the face.
    memory : str, os.PathLike, joblib.Memory or None, default=None
        Keeps the result for the next call with the same clips and this very module.
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
            f"{folder} is not there; give the folder that holds videos/real and "
            "videos/fake, or name it in SKDEEPFAKE_DATA."
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
    """Make the swaps and the messages; `facts` and `version` are for the cache."""
    messages = []
    shots: dict[str, Shots] = {}
    for path in real + fake:
        found = _shots(path, n_frames, landmarks)
        n_found = sum(shot is not None for shot in found)
        if n_found < min(MIN_FACES, n_frames):
            messages.append(f"{path.name} is left out: {n_found} frames with a face")
        else:
            shots[path.stem] = found
    clips = [path.stem for path in real if path.stem in shots]
    # A fake of SDFVD has the number of the real clip, and an s before it.
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
        f"{len(clips)} untouched clips, {len(rows) - len(clips)} swaps; their frames: "
        + ", ".join(f"{n} {way}" for way, n in ways.items())
    )
    return Swaps(*ours, pair=_videos(others, size, margin)), messages


def _partners(clips: Sequence[str], partners: int) -> Iterator[tuple[str, str]]:
    """Give targets and their sources: each clip as often the one as the other."""
    n = len(clips)
    if n <= 2 * partners:
        raise SystemExit(
            f"{partners} partners a clip need {2 * partners + 1} clips with faces, but "
            f"there are {n}."
        )
    for i, name in enumerate(clips):
        for k in range(1, partners + 1):
            # Less than half way round, so that no two clips swap faces both ways.
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
    """Decode the frames of a clip, and find the face in each."""
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
    """Find the box of a face more finely than dlib's detector does."""
    side = max(face.right - face.left, face.bottom - face.top)
    centre = np.array([face.left + face.right, face.top + face.bottom]) / 2
    corner = centre - REGION * side / 2
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    found, scores = [], []
    for scale in SCALES / side:
        to_frame = np.column_stack([np.eye(2) / scale, corner])
        width = round(REGION * side * scale)
        region = cv2.warpAffine(
            _smoothed(grey, scale),
            to_frame,
            (width, width),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for box, score in zip(*_detector().run(region, 0, 0.0)[:2], strict=True):
            place = [box.left() + box.right() + 1, box.top() + box.bottom() + 1]
            middle = np.array(place) / 2 / scale + corner
            if np.hypot(*(middle - centre)) < REACH * side:
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
    centre = face.mean(axis=0)
    hull = cv2.convexHull((centre + (face - centre) * shrunk).astype(np.float32))
    mask = np.zeros(frame.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, np.rint(hull).astype(np.int32), 255)
    # What is blended in needs something around it.
    mask[[0, 1, -2, -1]] = mask[:, [0, 1, -2, -1]] = 0
    return mask


def _look(frame: Image, points: Points) -> NDArray[np.float32]:
    """Show eyes, nose and mouth at their places, whatever the light and the skin."""
    canvas = (standard_face() + AROUND) * CANVAS / (1 + 2 * AROUND)
    to_canvas = _affine(points, canvas[:N_POINTS])
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    face = cv2.warpAffine(
        _smoothed(grey, _scale(to_canvas)),
        to_canvas,
        (CANVAS, CANVAS),
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.float32)
    face -= cv2.GaussianBlur(face, (0, 0), SHADES)
    return face / np.linalg.norm(face)


def _smoothed(image: Image, scale: float) -> Image:
    """Take away what an image that is shrunk by an affine map cannot show."""
    if scale >= 1:
        return image
    return cv2.GaussianBlur(image, (0, 0), 0.5 * np.sqrt(1 / scale**2 - 1))


# -- swaps -----------------------------------------------------------------------


def _swap_clip(targets: Shots, sources: Shots) -> tuple[Shots, list[str]]:
    """Give each frame the source's face that looks most like its own, and say how."""
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
    # Both faces: a turned one would bring its background along.
    both = cv2.warpAffine(source.hull, to_target, (width, height))
    mask = np.where(both == 255, target.hull, 0).astype(np.uint8)
    left, top, *size = cv2.boundingRect(mask)
    if min(size) < MIN_SIDE:
        return None, "left empty, without a common part"
    moved = _recolored(moved, target.frame, mask)
    centre = (left + size[0] // 2, top + size[1] // 2)
    try:
        blended = cv2.seamlessClone(
            moved,
            target.frame,
            mask.copy(),  # OpenCV writes into it
            centre,
            cv2.NORMAL_CLONE,
        )
    except cv2.error:
        return _feathered(moved, target, mask), "alpha blends, as OpenCV refused"
    # OpenCV also rounds what it does not blend.
    return np.where(mask[..., np.newaxis] > 0, blended, target.frame), "gradient blends"


def _affine(source: Points, target: Points) -> NDArray[np.float64]:
    """Fit the affine map (2, 3) by least squares."""
    homogeneous = np.column_stack([source, np.ones(len(source))])
    return np.linalg.lstsq(homogeneous, target, rcond=None)[0].T


def _scale(affine: NDArray[np.float64]) -> float:
    return float(np.sqrt(abs(np.linalg.det(affine[:, :2]))))


def _recolored(image: Image, like: Image, mask: Image) -> Image:
    """Give each channel in LAB the mean and standard deviation of another image's."""
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
    # Inwards only: beyond the mask there may be no source.
    side = 2 * round(2 * softness) + 1
    core = cv2.erode(mask, np.ones((side, side), np.uint8)) / np.float32(255)
    alpha = cv2.GaussianBlur(core, (0, 0), softness)[..., np.newaxis]
    alpha[mask == 0] = 0
    return np.rint(face * alpha + target.frame * (1 - alpha)).astype(np.uint8)


# -- pictures --------------------------------------------------------------------


def write_sheets(swaps: Swaps, folder: Path, *, clips: int = 4) -> list[Path]:
    """Write a picture of all swaps, and one of all frames of some of them.

    The first has a target, a source and the swap for each, at half time. The second
    has the frames of the target above those of the swap.
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
            raise SystemExit(f"{path} could not be written.")
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, required=True, help="folder of the PNGs")
    parser.add_argument("--size", type=int, default=128, help="pixels, square")
    parser.add_argument("--frames", type=int, default=10, help="frames a video")
    parser.add_argument("--margin", type=float, default=0.5)
    parser.add_argument("--partners", type=int, default=2, help="swaps a clip")
    parser.add_argument("--landmarks", help="a shape predictor of dlib's")
    parser.add_argument("--memory", help="folder that keeps the swaps")
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
