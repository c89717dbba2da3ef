"""Peak memory from paths to faces, for few and many videos.

Each run is a new process that runs the cropper, then the resizer. Each video is a
separate path (a link to one of the clips) and a separate sample. MB are in addition to
the memory after imports. `peak` is the maximum resident memory, as recorded by the
kernel. It consists of anonymous memory and of mapped files, which the kernel can evict.
`anon` and `file` are the sizes of these parts at the end, while the result exists. The
peak of `anon` is sampled every 10 ms. The decoder process is not included. Linux only.

Only the first second of each clip is sampled, since the duration does not affect the
memory.

Example: ``python benchmarks/memory.py --videos 50 100 500 --json memory.json``
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from _clips import add_arguments, names, prepare, work_folder
from _report import print_table, write
from _timing import Worker, available_cores

from skdeepfake.preprocessing import DlibFaceCropper, Resizer, VideoFrameSampler

STATUS = Path("/proc/self/status")
SECONDS = 1.0


def status(field: str) -> float:
    """Return a field of the kernel's status of this process, in MB."""
    for line in STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1000 * 1.024
    raise SystemExit(f"The kernel does not report {field}.")


class AnonPeak(threading.Thread):
    """Sample the anonymous memory of this process."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0.0
        self.done = threading.Event()

    def run(self) -> None:
        """Sample until `done` is set."""
        while not self.done.wait(0.01):
            self.peak = max(self.peak, status("RssAnon"))


def measure(
    paths: list[str], memory: str | None, memmap_dir: str | None
) -> dict[str, float]:
    """Run all steps, and return MB in addition to the imports."""
    before = {name: status(name) for name in ("VmRSS", "RssAnon", "RssFile")}
    watch = AnonPeak()
    watch.start()
    clips = VideoFrameSampler(duration=SECONDS).fit_transform(paths)
    crops = DlibFaceCropper(memory=memory).fit_transform(clips)
    to_cropper = status("VmHWM")
    faces = Resizer(memmap_dir=memmap_dir).fit_transform(crops)
    watch.done.set()
    watch.join()
    return {
        "peak to cropper": to_cropper - before["VmRSS"],
        "peak to resizer": status("VmHWM") - before["VmRSS"],
        "anon, peak": watch.peak - before["RssAnon"],
        "anon": status("RssAnon") - before["RssAnon"],
        "file": status("RssFile") - before["RssFile"],
        "result": faces.nbytes / 1e6,
    }


def link(clips: list[str], n_videos: int, folder: Path) -> list[str]:
    """Return `n_videos` paths that link to the clips."""
    paths = []
    for i in range(n_videos):
        clip = Path(clips[i % len(clips)]).resolve()
        path = folder / f"{i:05d}{clip.suffix}"
        path.symlink_to(clip)
        paths.append(str(path))
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument("--videos", nargs="+", type=int, default=[50, 100, 500])
    options = parser.parse_args()
    if not STATUS.exists():
        raise SystemExit("This benchmark needs Linux.")
    rows: list[dict[str, Any]] = []
    with work_folder(options) as work:
        found = prepare(options, work)
        clips = [path for group in found.values() for path in group]
        for memory, mapped in ((False, False), (True, False), (True, True)):
            for n_videos in options.videos:
                with tempfile.TemporaryDirectory(dir=work) as folder:
                    paths = link(clips, n_videos, Path(folder))
                    arguments = (
                        str(Path(folder) / "memory") if memory else None,
                        str(Path(folder) / "faces") if mapped else None,
                    )
                    with Worker(available_cores(), warm=False) as worker:
                        figures = worker(measure, paths, *arguments)
                row = {
                    "memory=": "yes" if memory else "no",
                    "memmap_dir=": "yes" if mapped else "no",
                    "videos": n_videos,
                    **{name: round(mb, 1) for name, mb in figures.items()},
                }
                rows.append(row)
                print(row, file=sys.stderr, flush=True)
    if options.json:
        write(rows, options.json, clips=names(found), unit="MB beyond the imports")
    print_table(rows)


if __name__ == "__main__":
    main()
