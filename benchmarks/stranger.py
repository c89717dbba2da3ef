"""Measure the installation in a new environment and the analysis of one video.

A virtual environment is created in a temporary folder, and skdeepfake is installed from
this checkout. `skdeepfake predict CLIP --html report` then runs twice. The first run is
slower, since no file of the environment is in the page cache. The table has wall-clock
and CPU seconds per command.

Example: ``python benchmarks/stranger.py interview.mp4``
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _report import print_table, write

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("SKDEEPFAKE_DATA", ROOT.parent / "shared" / "data"))


def timed(name: str, command: list[str], folder: str) -> dict[str, object]:
    """Run a command without the environment variables of the caller's Python."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, cwd=folder, env=environ)
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"command": name, "seconds": round(seconds, 1), "CPU s": round(cpu, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path, nargs="?", help="video to analyze")
    parser.add_argument("--json", type=Path, help="write the result to this file")
    options = parser.parse_args()
    clip = options.clip or min((DATA / "videos" / "real").glob("*.mp4"))
    with tempfile.TemporaryDirectory() as folder:
        bin = Path(folder, "venv", "bin")
        predict = [str(bin / "skdeepfake"), "predict", str(clip.resolve())]
        commands = {
            "venv": [sys.executable, "-m", "venv", "venv"],
            "install": [str(bin / "pip"), "install", "-q", str(ROOT)],
            "predict, first": [*predict, "--html", "report"],
            "predict, again": [*predict, "--html", "again"],
        }
        rows = [timed(name, command, folder) for name, command in commands.items()]
        size = Path(folder, "report", f"{clip.name}.html").stat().st_size
    print_table(rows)
    print(f"the page has {size / 2**10:.0f} KiB")
    if options.json:
        write(rows, options.json, page_bytes=size)


if __name__ == "__main__":
    main()
