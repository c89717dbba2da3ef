"""Real faces for the training and calibration of the reference detector.

Faces come from images (`faces/real`, `faces_extra_real`) and clips (`videos/real`,
`videos_extra_real`), which are also re-encoded in several ways. All fakes are made from
these faces. Faces are cropped like the input of the detector, and cached in a folder.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import imageio_ffmpeg
import joblib
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from _clips import DATA, SUFFIXES

from skdeepfake.preprocessing import DlibFaceCropper, Resizer, VideoFrameSampler
from skdeepfake.preprocessing._faces import DlibFinder
from skdeepfake.preprocessing._following import FaceFollower
from skdeepfake.preprocessing._regions import region_of

#: Size in pixels and margin of the face crops for the detector.
SIZE, MARGIN = 160, 0.3

#: Frames per clip and encoding.
N_FRAMES = 16

#: Encodings of each clip: the scale, and the CRF of each successive compression.
ENCODINGS: dict[str, tuple[float, tuple[int, ...]]] = {
    "original": (1, ()),
    "crf23": (1, (23,)),
    "crf30": (1, (30,)),
    "crf35": (1, (35,)),
    "crf42": (1, (42,)),
    "half": (0.5, (23,)),
    "half_crf35": (0.5, (35,)),
    "twice": (1, (28, 34)),
}

#: Clips that show the same person as another clip.
SAME_PERSON = {"sadtalker_ref_1": "retalking_3"}


class Faces(NamedTuple):
    """Real faces.

    `X` is uint8 of shape (n, size, size, 3). `names` contains the names of images or
    clips, and `encodings` "image" or a key of ENCODINGS. `held_out` faces are only used
    for model selection and calibration.
    """

    X: NDArray[np.uint8]
    names: NDArray[np.str_]
    encodings: NDArray[np.str_]
    held_out: NDArray[np.bool_]


def make_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the arguments of all scripts in this folder."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--landmarks", required=True, help="dlib's 68-point model")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of media")
    parser.add_argument("--cache", type=Path, required=True, help="folder for caching")
    return parser


def load_faces(
    data: Path, cache: Path, *, size: int = SIZE, margin: float = MARGIN
) -> Faces:
    """Return all faces. The first call takes some minutes."""
    memory = joblib.Memory(cache, verbose=0)
    images = sorted((data / "faces" / "real").iterdir())
    images += sorted((data / "faces_extra_real").iterdir())
    X, kept = memory.cache(_faces_of_images)(images, size=size, margin=margin)
    parts = [(X, [images[i].stem for i in kept], ["image"] * len(kept))]
    for clip in list_clips(data):
        for name in ENCODINGS:
            frames = memory.cache(_faces_of_clip)(
                clip, ENCODINGS[name], n_frames=N_FRAMES, size=size, margin=margin
            )
            parts.append((frames, [clip.stem] * len(frames), [name] * len(frames)))
    names = np.concatenate([part[1] for part in parts])
    encodings = np.concatenate([part[2] for part in parts])
    held_out = np.array(
        [is_held_out(n, e) for n, e in zip(names, encodings, strict=True)]
    )
    return Faces(
        np.concatenate([part[0] for part in parts]), names, encodings, held_out
    )


def list_clips(data: Path) -> list[Path]:
    """Return the paths of the real clips."""
    folders = data / "videos" / "real", data / "videos_extra_real"
    found = [path for folder in folders for path in folder.iterdir()]
    return sorted(path for path in found if path.suffix.lower() in SUFFIXES)


def is_held_out(name: str, encoding: str) -> bool:
    """Return True if an image or a clip is held out, by a hash of its name."""
    person = SAME_PERSON.get(name, name)
    number = int(hashlib.sha256(person.encode()).hexdigest(), 16)
    return number % 12 == 0 if encoding == "image" else number % 3 == 0


def _faces_of_images(
    paths: list[Path], *, size: int, margin: float
) -> tuple[NDArray[np.uint8], list[int]]:
    crops = joblib.Parallel(n_jobs=-1)(
        joblib.delayed(_face_of_image)(path, margin) for path in paths
    )
    kept = [i for i, crop in enumerate(crops) if crop is not None]
    column = np.empty((len(kept), 1), dtype=object)
    column[:, 0] = [crops[i] for i in kept]
    return Resizer((size, size)).fit_transform(column)[:, 0], kept


def _face_of_image(path: Path, margin: float) -> NDArray[np.uint8] | None:
    image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    (face,) = FaceFollower(DlibFinder()).find(image)
    return None if face is None else region_of(image, face, "face", margin)


def _faces_of_clip(
    path: Path,
    encoding: tuple[float, tuple[int, ...]],
    *,
    n_frames: int,
    size: int,
    margin: float,
) -> NDArray[np.uint8]:
    with encoded(path, *encoding) as copy:
        clips = VideoFrameSampler(n_frames).fit_transform([str(copy)])
        crops = DlibFaceCropper(margin=margin).fit_transform(clips)
        faces = Resizer((size, size)).fit_transform(crops)[0]
    return faces[faces.any(axis=(1, 2, 3))]


@contextlib.contextmanager
def encoded(path: Path, scale: float, crfs: tuple[int, ...]) -> Iterator[Path]:
    """Encode the first ten seconds of a clip once per CRF, in succession."""
    if not crfs:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="skdeepfake-") as folder:
        for number, crf in enumerate(crfs):
            copy = Path(folder) / f"{number}.mp4"
            # Only the first generation is resized.
            size = f"scale=trunc(iw*{scale}/2)*2:trunc(ih*{scale}/2)*2"
            command = [
                *(imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path)),
                *("-t", "10", "-an", "-vf", size, "-pix_fmt", "yuv420p"),
                *("-c:v", "libx264", "-preset", "veryfast", "-crf", str(crf)),
                str(copy),
            ]
            subprocess.run(command, check=True)
            path, scale = copy, 1.0
        yield path
