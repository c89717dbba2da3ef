"""Time from a clip to ten resized faces, compared with the paper and with decoding.

"paper" is the procedure of the paper's appendix 7.1, including all files that it
writes. Its first step uses FFmpeg here instead of moviepy, which takes the same time,
since encoding dominates. "ffmpeg" is `ffmpeg -i clip -t 10 -an -f null -`, including
the start of the process.

"ours" decodes in a separate process, since a damaged video may crash the decoder. The
stages and "uncontained" are measured without that process.

All methods process each clip in turn, in a process that is pinned to one core and in
one that has two cores, with one decoder thread per core. Compare the ratios, since
other processes slow down all methods. The stages are measured separately. On two cores,
they overlap, so that their sum exceeds the total.

Example: ``python benchmarks/preprocess.py --rendered --json preprocess.json``
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import dlib
import imageio_ffmpeg
import joblib
import numpy as np
from _clips import add_arguments, names, prepare, work_folder
from _report import print_table, write
from _timing import Worker, available_cores, seconds, steps

from skdeepfake._video import _reader
from skdeepfake._video._opencv import Video, promised_times
from skdeepfake._video._server import answer_to
from skdeepfake.preprocessing import Resizer
from skdeepfake.preprocessing._faces import DlibFinder
from skdeepfake.preprocessing._following import FaceFollower

STAGES = ("container", "decode", "retrieve", "face search", "resize")


def run_ffmpeg(*arguments: str) -> None:
    words = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y"]
    subprocess.run([*words, *arguments], check=True)


def ffmpeg_alone(path: str) -> float:
    threads = str(joblib.cpu_count())
    command = ("-threads", threads, "-i", path, "-t", "10", "-an", "-f", "null", "-")
    return seconds(lambda: run_ffmpeg(*command))


def ours(path: str) -> tuple[float, int]:
    """Return the seconds and the number of faces of our pipeline."""
    began = time.perf_counter()
    faces = steps(n_jobs=1).fit_transform([path])
    return time.perf_counter() - began, int(faces.any(axis=(2, 3, 4)).sum())


class InThisProcess:
    """A replacement for the decoder process that decodes in this process."""

    is_usable = True
    has_waited = False

    def ask(self, max_pixels: int | None, **request: Any) -> Iterator[Any]:
        """Return the answer to a request."""
        return answer_to({"max_pixels": max_pixels, **request})

    def kill(self) -> None:
        """Raise an error, since there is no process to kill."""
        raise RuntimeError("the decoder exceeded its timeout")


def uncontained(path: str) -> float:
    """Return the seconds of `ours` with decoding in this process."""
    take, give = _reader.take_process, _reader.give_back
    _reader.take_process, _reader.give_back = InThisProcess, lambda process: None
    try:
        return ours(path)[0]
    finally:
        _reader.take_process, _reader.give_back = take, give


def stages(path: str) -> dict[str, float]:
    """Return the seconds of each stage, run one after the other."""
    n_threads = joblib.cpu_count()
    crops = steps(n_jobs=1)[:-1].fit_transform([path])
    clip = steps()[:1].fit_transform([path])[0]
    wanted = set(clip.indices.tolist()) - {-1}

    def grab() -> None:
        video = Video(path, None, None, n_threads)
        next(index for index, _ in enumerate(video) if index == max(wanted))
        video.close()

    frames: list[np.ndarray] = []

    def retrieve() -> None:
        frames.append(video.frame())

    retrieving = 0.0
    video = Video(path, None, None, n_threads)
    for index, _ in enumerate(video):
        if index in wanted:
            retrieving += seconds(retrieve)
        if index == max(wanted):
            break
    video.close()
    follower = FaceFollower(DlibFinder())
    took = (
        seconds(lambda: promised_times(path, 10.0)),
        seconds(grab),
        retrieving,
        seconds(lambda: [follower.find(frame) for frame in frames]),
        seconds(lambda: Resizer().transform(crops)),
    )
    return dict(zip(STAGES, took, strict=True))


def paper(path: str) -> tuple[float, int]:
    """Return the seconds and the number of faces of the paper's procedure."""
    with tempfile.TemporaryDirectory(prefix="skdeepfake-") as folder:
        began = time.perf_counter()
        faces = _paper(path, Path(folder))
        return time.perf_counter() - began, len(faces)


def _paper(path: str, folder: Path) -> np.ndarray:
    n_threads = joblib.cpu_count()
    threads = ("-threads", str(n_threads))
    # Trim to ten seconds, with re-encoding.
    trimmed = str(folder / "trimmed.mp4")
    codecs = ("-c:v", "libx264", *threads, "-c:a", "aac")
    run_ffmpeg(*threads, "-i", path, "-t", "10", *codecs, trimmed)
    # Read each frame, and write the selected ones. The last index that the paper
    # computes is past the end.
    capture = cv2.VideoCapture(
        trimmed, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, n_threads]
    )
    interval = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) / 9
    wanted = {int(interval * i) for i in range(10)}
    frames, count = [], 0
    success, image = capture.read()
    while success:
        if count in wanted:
            frames.append(str(folder / f"frame_{len(frames) + 1}.jpg"))
            cv2.imwrite(frames[-1], image)
        success, image = capture.read()
        count += 1
    capture.release()
    # Write all faces of each frame.
    faces = []
    for frame in frames:
        image = cv2.imread(frame)
        detector = dlib.get_frontal_face_detector()
        for box in detector(image, 1):
            x, y = box.left(), box.top()
            face = image[y : y + box.height(), x : x + box.width()]
            if face.size:
                faces.append(str(folder / f"face_{len(faces)}.jpg"))
                cv2.imwrite(faces[-1], face)
    images = (cv2.imread(face) for face in faces)
    return np.array([cv2.resize(image, (224, 224)) for image in images])


def measure(
    worker: Worker, paths: list[str], slow_paths: list[str], repeats: int
) -> dict[str, Any]:
    """Run all methods on each clip in turn, and return the results of one row."""
    took: dict[tuple[str, str], list[float]] = defaultdict(list)
    n_faces = {"paper": 0, "ours": 0}
    for repeat in range(repeats):
        for path in paths:
            took["ffmpeg", path].append(worker(ffmpeg_alone, path))
            spent, found = worker(ours, path)
            took["ours", path].append(spent)
            took["uncontained", path].append(worker(uncontained, path))
            for stage, part in worker(stages, path).items():
                took[f"{stage} s", path].append(part)
            if repeat == 0 and path in slow_paths:
                spent, faces = worker(paper, path)
                took["paper", path].append(spent)
                n_faces["paper"] += faces
                n_faces["ours"] += found

    def mean(what: str, over: Iterable[str] = paths) -> float:
        found = [statistics.median(took[what, path]) for path in over]
        return statistics.fmean(found) if found else float("nan")

    times_faster = mean("paper", slow_paths) / mean("ours", slow_paths)
    return {
        "clips": len(paths),
        "by paper": len(slow_paths),
        "paper s": mean("paper", slow_paths),
        "ours s": mean("ours"),
        "ffmpeg s": mean("ffmpeg"),
        "paper / ours": times_faster,
        "ours / ffmpeg": mean("ours") / mean("ffmpeg"),
        "ours / uncontained": mean("ours") / mean("uncontained"),
        "faces by paper": n_faces["paper"],
        "faces by ours": n_faces["ours"],
        **{f"{stage} s": mean(f"{stage} s") for stage in STAGES},
    }


def spread(paths: list[str], n: int) -> list[str]:
    """Return n evenly spaced clips of the list."""
    chosen = np.linspace(0, len(paths) - 1, min(n, len(paths))).round()
    return [paths[int(i)] for i in chosen]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument(
        "--repeats", type=int, default=5, help="repeats; results are medians"
    )
    parser.add_argument(
        "--paper-clips",
        type=int,
        default=3,
        help="clips per resolution for the paper's procedure, which runs once; its "
        "ratio is for these (default: %(default)s)",
    )
    options = parser.parse_args()
    rows = []
    with work_folder(options) as work:
        found = prepare(options, work)
        for n_cores in range(1, min(2, available_cores()) + 1):
            with Worker(n_cores) as worker:
                for name, paths in found.items():
                    slow_paths = spread(paths, options.paper_clips)
                    row = measure(worker, paths, slow_paths, options.repeats)
                    rows.append({"clips of": name, "cores": n_cores, **row})
    if options.json:
        write(rows, options.json, clips=names(found), repeats=options.repeats)
    parts = [f"{stage} s" for stage in STAGES]
    print_table([{k: v for k, v in row.items() if k not in parts} for row in rows])
    print("\nStages, measured separately:\n")
    keys = ["clips of", "cores", "ours s", *parts]
    print_table([{key: row[key] for key in keys} for row in rows])


if __name__ == "__main__":
    main()
