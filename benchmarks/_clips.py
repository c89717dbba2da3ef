"""Clips for the benchmarks, from a folder or rendered."""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
from _report import environment

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("SKDEEPFAKE_DATA", ROOT.parent / "shared" / "data"))
SUFFIXES = {".avi", ".mkv", ".mov", ".mp4", ".webm"}
AS_IS = "as is"

SECONDS = 10
FPS = 30
RENDERED = (480, 720, 1080)  # heights

# Head in scikit-image's picture of an astronaut: center (x, y) and half-axes in pixels.
_HEAD = (222, 115)
_AXES = (75, 105)
_NOISE = 1.5  # standard deviation of the sensor noise, in gray levels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for the clips and the results."""
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=DATA / "videos" / "real",
        help="folder of clips, including subfolders (default: %(default)s)",
    )
    parser.add_argument("--clips", type=int, help="maximum number of clips from FOLDER")
    parser.add_argument(
        "--rendered",
        action="store_true",
        help="add rendered clips of 480p, 720p and 1080p",
    )
    parser.add_argument(
        "--work",
        type=Path,
        help="folder in which to keep rendered clips (default: temporary)",
    )
    parser.add_argument("--json", type=Path, help="write the results to this file")


def prepare(options: argparse.Namespace, work: Path) -> dict[str, list[str]]:
    """Find and render the clips, and print them and the environment."""
    found = groups(options, work)
    print("environment:", environment())
    print("clips:", ", ".join(names(found)), flush=True)
    return found


def names(found: dict[str, list[str]]) -> list[str]:
    """Return the file names of the clips."""
    return [Path(path).name for paths in found.values() for path in paths]


@contextlib.contextmanager
def work_folder(options: argparse.Namespace) -> Iterator[Path]:
    """Yield the working folder. A temporary folder is deleted on exit."""
    if options.work:
        options.work.mkdir(parents=True, exist_ok=True)
        yield options.work
    else:
        with tempfile.TemporaryDirectory(prefix="skdeepfake-") as folder:
            yield Path(folder)


def groups(options: argparse.Namespace, work: Path) -> dict[str, list[str]]:
    """Return the clips by resolution. The key of clips from the folder is "as is"."""
    found = {AS_IS: listed(options.folder)[: options.clips]}
    if options.rendered:
        for height in RENDERED:
            found[f"{height}p"] = [str(rendered(height, work))]
    found = {name: paths for name, paths in found.items() if paths}
    if not found:
        raise SystemExit(
            f"{options.folder} contains no videos. Pass another folder or --rendered."
        )
    return found


def listed(folder: Path) -> list[str]:
    """List the videos in a folder and its subfolders."""
    return sorted(str(p) for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)


def rendered(height: int, work: Path) -> Path:
    """Render a clip once: H.264, 16:9, 10 s at 30 frames per second, with sound.

    A head moves in front of a textured background with sensor noise. The CRF is 23, as
    in FaceForensics++ c23 and the paper's transcoding.
    """
    path = work / f"rendered-{height}p.mp4"
    if path.exists():
        return path
    part = path.with_suffix(".part.mp4")
    width = height * 16 // 9 // 2 * 2
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
    command += ["-r", str(FPS), "-i", "-", "-f", "lavfi", "-i", "sine", "-shortest"]
    command += ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    command += ["-preset", "medium", "-crf", "23", str(part)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder:
        assert encoder.stdin is not None
        for frame in _frames(height, width):
            encoder.stdin.write(frame.tobytes())
        encoder.stdin.close()
    if encoder.returncode:
        raise SystemExit(f"FFmpeg could not write {path}.")
    part.rename(path)
    return path


def _frames(height: int, width: int) -> Iterator[np.ndarray]:
    from skimage import data  # only needed for rendering

    rng = np.random.default_rng(0)
    background = cv2.resize(data.coffee(), (width, height))
    # The height of the head is half of the height of the frame.
    photo = data.astronaut()
    scale = height / 2 / (2 * _AXES[1])
    photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    mask = np.zeros(photo.shape[:2], np.float32)
    center = tuple(round(c * scale) for c in _HEAD)
    axes = tuple(round(a * scale) for a in _AXES)
    cv2.ellipse(mask, center, axes, 0, 0, 360, 1.0, -1)
    mask = cv2.GaussianBlur(mask, None, 4 * scale)[..., None]
    # Larger than a frame, so that each frame gets the noise of a random window.
    noise = rng.normal(0, _NOISE, (height + 64, width + 64, 3)).astype(np.float32)
    for number in range(SECONDS * FPS):
        turn = 2 * np.pi * number / FPS / SECONDS
        x = width * (0.5 + 0.1 * np.sin(turn)) - center[0]
        y = height * (0.5 + 0.05 * np.sin(2 * turn)) - center[1]
        moved = np.array([[1, 0, x], [0, 1, y]], np.float32)
        head = cv2.warpAffine(photo, moved, (width, height))
        alpha = cv2.warpAffine(mask, moved, (width, height))[..., None]
        frame = background * (1 - alpha) + head * alpha
        down, right = rng.integers(64, size=2)
        frame += noise[down : down + height, right : right + width]
        yield frame.clip(0, 255).astype(np.uint8)
