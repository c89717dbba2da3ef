"""Face detection: the paper's setting against FaceFollower, on the same frames.

The paper runs dlib's frontal detector on the whole frame in color, at twice its
size. Both see the same frames in the same run, one after the other frame by frame, so
that whatever else the machine does slows both: read the ratio, not the milliseconds.

Example: ``python benchmarks/detect.py ../shared/data/videos/real --json detect.json``
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np
from _clips import DATA, listed
from _report import environment, print_table, write

from skdeepfake.preprocessing._faces import ALGORITHM_VERSION, FaceFollower

SECONDS = 10.0
HEIGHTS: dict[str, int | None] = {
    "as is": None,
    "480p": 480,
    "720p": 720,
    "1080p": 1080,
}

Box = tuple[int, int, int, int]


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
    """Every face that the paper's setting finds, best first."""
    boxes, scores, _ = detector.run(frame, 1, 0.0)
    ranked = sorted(zip(scores, boxes, strict=True), key=lambda pair: -pair[0])
    return [(b.left(), b.top(), b.right() + 1, b.bottom() + 1) for _, b in ranked]


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    both = max(0, width) * max(0, height)
    areas = sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b))
    return both / (areas - both)


def measure(clips: list[list[np.ndarray]], height: int | None) -> list[dict[str, Any]]:
    """Run both on every frame; give a row for each."""
    detector = dlib.get_frontal_face_detector()
    FaceFollower().find(np.zeros((100, 100, 3), np.uint8))  # builds its own detector
    seconds: dict[str, list[float]] = {"paper": [], "FaceFollower": []}
    found = {"paper": 0, "FaceFollower": 0}
    overlaps: list[float] = []
    lost = extra = 0
    for clip in clips:
        follower = FaceFollower()
        for original in clip:
            frame = at_height(original, height)
            start = time.perf_counter()
            boxes = paper(detector, frame)
            middle = time.perf_counter()
            face = follower.find(frame)
            end = time.perf_counter()
            seconds["paper"].append(middle - start)
            seconds["FaceFollower"].append(end - middle)
            found["paper"] += bool(boxes)
            found["FaceFollower"] += face is not None
            lost += bool(boxes) and face is None
            extra += not boxes and face is not None
            if boxes and face is not None:
                overlaps.append(iou(boxes[0], face[:4]))
    slow = statistics.fmean(seconds["paper"])
    return [
        {
            "finder": name,
            "frames": len(times),
            "ms a frame": 1000 * statistics.fmean(times),
            "median ms": 1000 * statistics.median(times),
            "times faster": slow / statistics.fmean(times),
            "found": found[name],
            # Against the paper's best-scoring box of the same frame.
            "lost": lost if name != "paper" else 0,
            "extra": extra if name != "paper" else 0,
            "mean IoU": statistics.fmean(overlaps or [0.0]) if name != "paper" else 1.0,
            "min IoU": min(overlaps, default=0.0) if name != "paper" else 1.0,
        }
        for name, times in seconds.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=DATA / "videos" / "real",
        help="clips, searched for in subfolders too (default: %(default)s)",
    )
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--frames", type=int, default=10, help="frames a clip")
    parser.add_argument(
        "--clips", type=int, help="the first so many clips only (default: all)"
    )
    parser.add_argument(
        "--heights",
        nargs="+",
        choices=list(HEIGHTS),
        default=list(HEIGHTS),
        help="resolutions to measure (default: all)",
    )
    options = parser.parse_args()

    paths = [Path(path) for path in listed(options.folder)[: options.clips]]
    if not paths:
        raise SystemExit(f"No clip in {options.folder}; give a folder with videos.")
    clips = [sample(path, options.frames) for path in paths]
    print("environment:", environment())
    print("clips:", ", ".join(path.name for path in paths))

    rows = []
    for name in options.heights:
        for row in measure(clips, HEIGHTS[name]):
            rows.append({"resolution": name, **row})
    if options.json:
        write(
            rows,
            options.json,
            clips=[path.name for path in paths],
            frames_a_clip=options.frames,
            algorithm_version=ALGORITHM_VERSION,
        )
    print_table(rows)


if __name__ == "__main__":
    main()
