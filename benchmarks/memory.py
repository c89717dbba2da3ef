"""Peak memory of the way from paths to faces, for few and for many videos.

Each run is a fresh process, and goes first to the cropper, then on to the resizer. Each
video is a path of its own (a link to one of the clips) and a sample of its own. MB
are beyond what the process took after its imports; `peak` is the kernel's high-water
mark of resident memory. Of that, `anon` is the process's own (its peak is sampled every
10 ms) and `file` is mapped from files, which the kernel takes back when it needs it:
both as they are at the end, with the result alive. What the decoder's process takes
is not in them. Linux only.

Only the first second of each clip is sampled, since the length changes the time and not
the memory.

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
    """Read a field of the kernel's account of this process, in MB."""
    for line in STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1000 * 1.024
    raise SystemExit(f"The kernel does not give {field}.")


class AnonPeak(threading.Thread):
    """Watch the memory that is the process's own."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0.0
        self.done = threading.Event()

    def run(self) -> None:
        """Watch until told that it is done."""
        while not self.done.wait(0.01):
            self.peak = max(self.peak, status("RssAnon"))


def measure(
    paths: list[str], memory: str | None, memmap_dir: str | None
) -> dict[str, float]:
    """Go all the way; give MB beyond the imports."""
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
    """Give so many videos paths of their own."""
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
        raise SystemExit("This needs Linux.")
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
