"""Files and processes that remain when processes are killed while they write.

A process writes a cache entry, copies of videos, a model or a network into a temporary
folder, and is killed (SIGKILL). Half of the processes are killed after writing and
before renaming a file, the others at a random time.

- `half`: number of incomplete files with their final name.
- `processes`: number of processes left one second after the kill.
- `left`: number of temporary files and folders.
- `stay`: number of these that still exist after they are made two days old and another
  process writes into the folder.

Linux only.

Example: ``python benchmarks/kill.py --kills 200``
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fuzz
import imageio_ffmpeg
import joblib
import numpy as np
from _report import environment, print_table, write

# Approximate seconds for writing.
SECONDS = {"cache": 0.05, "copies": 1.0, "models": 0.3, "networks": 0.2}
KINDS = tuple(SECONDS)
FRAMES = 100


def make_clip(path: Path) -> str:
    source = ("-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=4")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", *source]
    subprocess.run([*command, "-c:v", "mpeg4", str(path)], check=True)
    return str(path)


def writers(folder: Path, clip: str) -> dict[str, Callable[[], object]]:
    """Return a function per kind that writes into the folder of the same name."""
    from skdeepfake import CNNDetector, persistence
    from skdeepfake.preprocessing import CropCache, VideoTranscoder

    X = np.random.RandomState(0).randint(1, 256, (4, 1, 8, 8, 3)).astype(np.uint8)
    detector = CNNDetector(filters=(2,), random_state=0).initialize(X, [0, 1] * 2)
    cache = CropCache(folder / "cache")
    return {
        "cache": lambda: cache._write("key", {"a": os.urandom(2**20)}),
        "copies": lambda: VideoTranscoder(folder / "copies").transform([clip]),
        "models": lambda: persistence.save(detector, folder / "models" / "a.skops"),
        "networks": lambda: joblib.dump(detector, folder / "model.joblib"),
    }


def run(write_it: Callable[[], object], kind: str, pause: int | None) -> None:
    """Write files. With a pipe, report when they are written, and wait."""
    import keras

    def stop(*_: Any, **__: Any) -> None:
        assert pause is not None
        os.write(pause, b"w")
        signal.pause()

    os.setsid()
    if pause is not None and kind == "networks":
        save = keras.Model.save
        keras.Model.save = lambda *args: (save(*args), stop())
    elif pause is not None:
        os.replace = stop
    write_it()


def kill_one(write_it: Callable[[], object], kind: str, after: float | None) -> int:
    """Kill a process that writes, and return how many of its children outlive it."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            run(write_it, kind, theirs if after is None else None)
        finally:
            os._exit(0)
    os.close(theirs)
    if after is None:
        os.read(ours, 1)
    else:
        time.sleep(after)
    os.close(ours)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return len(fuzz.outliving(pid))


def is_whole(path: Path) -> bool:
    """Return True if a file can be read to its end."""
    if path.suffix == ".mp4":
        return imageio_ffmpeg.count_frames_and_secs(str(path))[0] == FRAMES
    with zipfile.ZipFile(path) as archive:
        return archive.testzip() is None


def finished(folder: Path) -> list[Path]:
    names = folder.rglob("*")
    return [path for path in names if path.suffix in (".zip", ".mp4", ".skops")]


def temporary(folder: Path) -> list[Path]:
    return [*folder.rglob(".*.part"), *folder.glob("skdeepfake-tmp-*")]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the results to this file")
    options = parser.parse_args()
    print("environment:", environment(), flush=True)
    rng = np.random.default_rng(options.seed)
    columns = ("kills", "half", "processes", "left", "stay")
    rows = {kind: {"what": kind, **dict.fromkeys(columns, 0)} for kind in KINDS}
    with tempfile.TemporaryDirectory(prefix="kill-") as name:
        folders = {kind: Path(name) / kind for kind in KINDS}
        for folder in folders.values():
            folder.mkdir()
        tempfile.tempdir = str(folders["networks"])
        write_by_kind = writers(Path(name), make_clip(Path(name) / "clip.avi"))
        for number in range(options.kills):
            kind = KINDS[number % len(KINDS)]
            for copy in folders["copies"].glob("*.mp4"):
                copy.unlink()  # an existing copy is not written again
            waits = number // len(KINDS) % 2 == 0
            after = None if waits else float(rng.uniform(0, SECONDS[kind]))
            rows[kind]["kills"] += 1
            rows[kind]["processes"] += kill_one(write_by_kind[kind], kind, after)
            rows[kind]["half"] += sum(not is_whole(p) for p in finished(folders[kind]))
        for kind, row in rows.items():
            row["left"] = len(temporary(folders[kind]))
            for path in temporary(folders[kind]):
                os.utime(path, (time.time() - 2 * 86400,) * 2)
        for kind, row in rows.items():
            for copy in folders["copies"].glob("*.mp4"):
                copy.unlink()
            write_by_kind[kind]()
            row["stay"] = len(temporary(folders[kind]))
    sums = {name: sum(row[name] for row in rows.values()) for name in columns}
    print_table(table := [*rows.values(), {"what": "all", **sums}])
    if options.json:
        write(table, options.json, seed=options.seed)


if __name__ == "__main__":
    main()
