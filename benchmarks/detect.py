"""Time and results of face detection by DlibFaceCropper and in the paper's setting.

The paper runs dlib's frontal detector on each whole frame in color, at twice its size.
Both detectors process each frame in turn. Compare ratios, since other processes slow
down both.
The sets of frames, each at several resolutions, are:

- "faces": the clips of a folder.
- "empty": the same frames upside down, in which dlib finds no face.
- "cuts": alternately five frames of a clip and five upside-down frames.
- "small", "dark", "turned": a face of scikit-image that moves over blurred pictures. It
  is 45 to 75 pixels wide, underexposed, or rotated by up to 20 degrees and squeezed.

`slowest tenth, ms` is the mean for the slowest tenth of frames, and `its share` their
share of the total time. `lost` and `extra` are the numbers of frames in which only the
paper's setting, or only the cropper, finds a face.

The second table has the CPU seconds of DlibFaceCropper, including decoders, on videos
with a face, and on the same videos upside down.

Example: ``python benchmarks/detect.py ../shared/data/videos/real --json detect.json``
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import cv2
import dlib
import imageio_ffmpeg
import numpy as np
import psutil
from _clips import DATA, listed
from _report import environment, print_table, write
from skimage import data

from skdeepfake.exceptions import NoFaceWarning
from skdeepfake.preprocessing import DlibFaceCropper, VideoFrameSampler
from skdeepfake.preprocessing._faces import ALGORITHM_VERSION, DlibFinder
from skdeepfake.preprocessing._following import FaceFollower

SECONDS = 10.0
HEIGHTS: dict[str, int | None] = {"as is": None, "720p": 720, "1080p": 1080}
RENDERED = ("small", "dark", "turned")
SETS = ("faces", "empty", "cuts", *RENDERED)

Box = tuple[int, int, int, int]
Clip = list[np.ndarray]


def sample(path: Path, n_frames: int) -> list[np.ndarray]:
    """Decode RGB frames, evenly spaced over the first seconds of a clip."""
    capture = cv2.VideoCapture(str(path))
    limit = round(SECONDS * (capture.get(cv2.CAP_PROP_FPS) or 25.0))
    frames = []
    while len(frames) < limit:
        found, frame = capture.read()
        if not found:
            break
        frames.append(frame)
    capture.release()
    if not frames:
        raise SystemExit(f"{path}: no frame could be decoded.")
    chosen = np.linspace(0, len(frames) - 1, min(n_frames, len(frames))).round()
    return [cv2.cvtColor(frames[int(i)], cv2.COLOR_BGR2RGB) for i in chosen]


def at_height(frame: np.ndarray, height: int | None) -> np.ndarray:
    """Scale a frame to a height and pad it with black to 16:9."""
    if height is None:
        return frame
    scale = height / frame.shape[0]
    full = height * 16 // 9
    width = min(full, round(frame.shape[1] * scale))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(frame, (width, height), interpolation=interpolation)
    left = (full - width) // 2
    return cv2.copyMakeBorder(
        scaled, 0, 0, left, full - width - left, cv2.BORDER_CONSTANT
    )


def paper(detector: Any, frame: np.ndarray) -> list[Box]:
    """Return the faces that the paper's setting finds, with the best one first."""
    boxes, scores, _ = detector.run(frame, 1, 0.0)
    ranked = sorted(zip(scores, boxes, strict=True), key=lambda pair: -pair[0])
    return [(b.left(), b.top(), b.right() + 1, b.bottom() + 1) for _, b in ranked]


def iou(a: Box, b: Box) -> float:
    """Compute the intersection over union of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    both = max(0, width) * max(0, height)
    areas = sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b))
    return both / (areas - both)


def rendered(kind: str, height: int, n_frames: int) -> list[Clip]:
    """Render clips with a face that is difficult to detect."""
    rng = np.random.default_rng(0)
    head = data.astronaut()[:260, 90:350]
    width = height * 16 // 9
    clips = []
    for picture in 2 * (data.coffee(), data.chelsea(), data.rocket()):
        background = cv2.GaussianBlur(cv2.resize(picture, (width, height)), (0, 0), 2)
        x, y = rng.uniform(0.2, 0.8) * width, rng.uniform(0.25, 0.75) * height
        side = rng.uniform(*((45, 75) if kind == "small" else (80, 220)))
        clips.append([])
        for _ in range(n_frames):
            tilt = rng.uniform(-20, 20) if kind == "turned" else rng.uniform(-5, 5)
            turn = cv2.getRotationMatrix2D((130, 120), tilt, 1)
            face = cv2.warpAffine(head, turn, (260, 260), borderMode=cv2.BORDER_REFLECT)
            scale = side * rng.uniform(0.92, 1.08) / 105
            squeeze = rng.uniform(0.6, 0.9) if kind == "turned" else 1.0
            face = cv2.resize(face, None, fx=scale * squeeze, fy=scale)
            high, wide = face.shape[:2]
            mask = np.zeros((high, wide), np.float32)
            axes = (int(wide * 0.45), int(high * 0.48))
            cv2.ellipse(mask, (wide // 2, high // 2), axes, 0, 0, 360, 1.0, -1)
            mask = cv2.GaussianBlur(mask, (0, 0), wide * 0.03)[..., np.newaxis]
            x, y = x + rng.normal(0, width * 0.01), y + rng.normal(0, height * 0.01)
            left = int(np.clip(x - wide / 2, 0, width - wide))
            top = int(np.clip(y - high / 2, 0, height - high))
            frame = background.copy()
            part = frame[top : top + high, left : left + wide]
            part[:] = mask * face + (1 - mask) * part
            if kind == "dark":
                dark = frame * rng.uniform(0.12, 0.3) + rng.normal(0, 2, frame.shape)
                frame = dark.clip(0, 255).astype(np.uint8)
            clips[-1].append(frame)
    return clips


def frames_of(kind: str, clips: list[Clip], height: int | None) -> list[Clip]:
    """Return the clips of a set at a resolution."""
    if kind in RENDERED:
        return rendered(kind, height or 480, max(map(len, clips)))
    upright = [[at_height(frame, height) for frame in clip] for clip in clips]
    if kind == "faces":
        return upright
    flipped = [[np.ascontiguousarray(frame[::-1]) for frame in c] for c in upright]
    if kind == "empty":
        return flipped
    turns = itertools.cycle([True] * 5 + [False] * 5)
    return [
        [a if here else b for a, b, here in zip(up, down, turns, strict=False)]
        for up, down in zip(upright, flipped, strict=True)
    ]


def measure(clips: list[Clip]) -> dict[str, Any]:
    """Run both detectors on every frame."""
    detector = dlib.get_frontal_face_detector()
    # The first call builds the detector.
    FaceFollower(DlibFinder()).find(np.zeros((100, 100, 3), np.uint8))
    slow, times, with_face, overlaps = [], [], [], []
    n_paper = lost = extra = 0
    for clip in clips:
        follower = FaceFollower(DlibFinder())
        for frame in clip:
            start = time.thread_time()
            boxes = paper(detector, frame)
            middle = time.thread_time()
            (face,) = follower.find(frame)
            times.append(time.thread_time() - middle)
            slow.append(middle - start)
            with_face.append(face is not None)
            n_paper += bool(boxes)
            lost += bool(boxes) and face is None
            extra += not boxes and face is not None
            if boxes and face is not None:
                overlaps.append(max(iou(box, face[:4]) for box in boxes))
    ms, found = 1000 * np.array(times), np.array(with_face)
    tenth = np.sort(ms)[-max(1, len(ms) // 10) :]
    return {
        "frames": len(ms),
        "ms": ms.mean(),
        "ms with a face": ms[found].mean() if found.any() else None,
        "ms without": ms[~found].mean() if not found.all() else None,
        "slowest tenth, ms": tenth.mean(),
        "its share": tenth.sum() / ms.sum(),
        "paper ms": 1000 * statistics.fmean(slow),
        "paper finds": n_paper,
        "lost": lost,
        "extra": extra,
        "mean IoU": statistics.fmean(overlaps or [0.0]),
    }


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of its decoders so far."""
    process = psutil.Process()
    return sum(
        sum(each.cpu_times()[:2])
        for each in (process, *process.children(recursive=True))
    )


def cropping(path: Path) -> float:
    """Return the CPU seconds of cropping a video."""
    clips = VideoFrameSampler(duration=SECONDS).transform([path])
    start = cpu_seconds()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoFaceWarning)
        DlibFaceCropper().transform(clips)
    return cpu_seconds() - start


def compare_videos(paths: list[Path], height: int, repeats: int) -> dict[str, Any]:
    """Crop videos and their upside-down copies in turn."""
    sums = {"with a face": 0.0, "without": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            copies = {}
            for name, turn in (("with a face", ""), ("without", ",vflip")):
                copies[name] = Path(folder, f"{path.stem} {name}.mp4")
                scale = f"scale=-2:{height}{turn}"
                command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error"]
                command += ["-t", str(SECONDS), "-i", str(path), "-vf", scale, "-an"]
                subprocess.run([*command, str(copies[name])], check=True)
            found: dict[str, list[float]] = {name: [] for name in sums}
            for _ in range(repeats):
                for name, copy in copies.items():
                    found[name].append(cropping(copy))
            for name in sums:
                sums[name] += statistics.median(found[name])
    return {
        "height": height,
        "videos": len(paths),
        **{f"s {name}": total for name, total in sums.items()},
        "times": sums["without"] / sums["with a face"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=DATA / "videos" / "real",
        help="folder of clips, including subfolders (default: %(default)s)",
    )
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--frames", type=int, default=10, help="frames per clip")
    parser.add_argument(
        "--clips", type=int, help="maximum number of clips (default: all)"
    )
    parser.add_argument(
        "--heights",
        nargs="+",
        choices=list(HEIGHTS),
        default=list(HEIGHTS),
        help="resolutions to measure (default: all)",
    )
    parser.add_argument(
        "--sets", nargs="*", choices=SETS, default=SETS, help="sets (default: all)"
    )
    parser.add_argument(
        "--repeats", type=int, default=3, help="number of times to crop each video"
    )
    options = parser.parse_args()

    paths = [Path(path) for path in listed(options.folder)[: options.clips]]
    if not paths:
        raise SystemExit(f"{options.folder} contains no videos. Pass another folder.")
    clips = [sample(path, options.frames) for path in paths]
    print("environment:", environment())
    print("clips:", ", ".join(path.name for path in paths))
    heights = {name: HEIGHTS[name] for name in options.heights}
    rows = [
        {"set": kind, "resolution": name, **measure(frames_of(kind, clips, height))}
        for kind in options.sets
        for name, height in heights.items()
        if not (kind in RENDERED and height is None)
    ]
    if rows:
        print_table(rows)
    videos = [
        compare_videos(paths, height, options.repeats)
        for height in heights.values()
        if height is not None and options.repeats
    ]
    if videos:
        print_table(videos)
    if options.json:
        write(
            [*rows, *videos],
            options.json,
            clips=[path.name for path in paths],
            frames_per_clip=options.frames,
            algorithm_version=ALGORITHM_VERSION,
        )


if __name__ == "__main__":
    main()
