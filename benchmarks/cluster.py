"""Face crops of many clips on a Dask cluster that loses a worker.

Two workers on this machine write crops to shards. When a tenth of the shards are
written, a worker is killed (SIGKILL), and Dask replaces it.

- `lost`: number of rows that are missing or differ from those of a single process.
- `doubled`: number of clips that were decoded to the end more than once.
- `rewritten`: number of shards that were written more than once.
- `missing done`: number of clips decoded by a second run after every tenth shard was
  deleted. Without a cache, these are all clips of the deleted shards.
- `CPU s per clip`: user and system time of all processes.
- `ratio`: that time divided by the time of one process without a cluster.
- `fit MB` and `quarter MB`: increase of the anonymous memory of this process while a
  network is trained on all shards, and on a quarter of them.

Linux only.

Example: ``python benchmarks/cluster.py --clips 2000``
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
import joblib
import numpy as np
from _report import environment, print_table, write
from distributed import Client, LocalCluster, WorkerPlugin
from sklearn.pipeline import Pipeline, make_pipeline

from skdeepfake.datasets import make_videos
from skdeepfake.preprocessing import (
    DlibFaceCropper,
    Resizer,
    ShardedArray,
    VideoFrameSampler,
    write_shards,
)

N_RENDERED = 20


class Log(WorkerPlugin):
    """Log each clip that workers decode and each shard that they write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def setup(self, worker: Any) -> None:
        """Replace the two functions, including in workers that start later."""
        from skdeepfake import _shards
        from skdeepfake.preprocessing import _crops

        decode, write_one = _crops._decode_and_crop, _shards.write_atomically

        def note(name: str, line: str) -> None:
            with open(self.folder / name, "a") as file:
                file.write(line + "\n")

        def decode_and_note(clip: Any, *args: Any) -> Any:
            found = decode(clip, *args)
            note("decoded", clip.path)
            return found

        def write_and_note(path: Any, write: Any) -> None:
            write_one(path, write)
            note("written", path)

        _crops._decode_and_crop = decode_and_note
        _shards.write_atomically = write_and_note

    def take(self, name: str) -> Counter[str]:
        """Return the counts of the lines of a log, and delete it."""
        path = self.folder / name
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return Counter(lines)


def steps(n_frames: int, size: int, memory: Path | None) -> Pipeline:
    return make_pipeline(
        VideoFrameSampler(n_frames=n_frames, duration=None),
        DlibFaceCropper(memory=memory),
        Resizer((size, size)),
    )


def link_clips(folder: Path, n_clips: int, duration: float) -> list[str]:
    """Render a few clips, and create many links to each of them."""
    rendered = make_videos(
        folder / "rendered",
        n_real=N_RENDERED // 2,
        n_fake=N_RENDERED // 2,
        duration=duration,
        size=(200, 240),
        random_state=0,
    ).data
    (folder / "clips").mkdir()
    paths = [str(folder / "clips" / f"{i:07d}.mp4") for i in range(n_clips)]
    for i, path in enumerate(paths):
        os.link(rendered[i % len(rendered)], path)
    return paths


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and its finished child processes."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def kill_worker(client: Client, folder: Path, n_shards: int) -> None:
    """Kill a worker when `n_shards` shards are written."""
    pids = [*client.run(os.getpid).values()]

    def wait_and_kill() -> None:
        while len(list(folder.glob("*.npy"))) < n_shards:
            time.sleep(0.02)
        os.kill(pids[0], signal.SIGKILL)

    threading.Thread(target=wait_and_kill, daemon=True).start()


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """Measure the increase of the anonymous memory of this process, in MB."""

    def now() -> float:
        status = Path("/proc/self/status").read_text()
        return int(status.split("RssAnon:")[1].split()[0]) / 1024

    before = now()
    found, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            found[0] = max(found[0], now() - before)

    thread = threading.Thread(target=watch)
    thread.start()
    yield found
    done.set()
    thread.join()


def fit(X: ShardedArray) -> None:
    from skdeepfake.detectors import CNNDetector

    detector = CNNDetector(
        filters=(4,), epochs=1, validation_fraction=None, random_state=0
    )
    detector.fit(X, np.arange(len(X)) % 2)


def measure(
    options: argparse.Namespace, work: Path, paths: list[str], *, cached: bool
) -> dict[str, Any]:
    """Write shards on a cluster while a worker is killed, and return the counts."""
    name = "memory=" if cached else "no cache"
    folder = work / name
    memory = work / "cache" if cached else None
    pipeline = steps(options.frames, options.size, memory)
    arguments = (pipeline, paths, folder)
    n_shards = -(-len(paths) // options.shard_size)
    log = Log(work)
    cpu, began = cpu_seconds(), time.perf_counter()
    with (
        # On a busy machine, starting a worker takes longer than the default timeout.
        dask.config.set({"distributed.deploy.lost-worker-timeout": "10 minutes"}),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            local_directory=work,
        ) as cluster,
        Client(cluster) as client,
        joblib.parallel_config(backend="dask"),
    ):
        client.register_plugin(log)
        kill_worker(client, folder, n_shards // 10)
        X = write_shards(*arguments, shard_size=options.shard_size)
        seconds = time.perf_counter() - began
        decoded, written = log.take("decoded"), log.take("written")
        for file in sorted(folder.glob("*.npy"))[::10]:
            file.unlink()
        X = write_shards(*arguments, shard_size=options.shard_size)
        again = log.take("decoded")
    cpu = cpu_seconds() - cpu
    expected = pipeline.transform(paths[:N_RENDERED])
    differ = [
        not np.array_equal(X[i], expected[i % N_RENDERED]) for i in range(len(paths))
    ]
    return {
        "crops": name,
        "clips": len(paths),
        "lost": sum(differ),
        "doubled": sum(n > 1 for n in decoded.values()),
        "rewritten": sum(n > 1 for n in written.values()),
        "missing done": sum(again.values()),
        "s": seconds,
        "CPU s per clip": cpu / len(paths),
        "MB": sum(file.stat().st_size for file in folder.glob("*.npy")) / 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--duration", type=float, default=0.3, help="seconds per clip")
    parser.add_argument("--frames", type=int, default=2, help="frames per clip")
    parser.add_argument("--size", type=int, default=64, help="face size in pixels")
    parser.add_argument("--shard-size", type=int, default=16)
    parser.add_argument(
        "--alone", type=int, default=200, help="number of clips for one process"
    )
    parser.add_argument("--json", type=Path, help="write the results to this file")
    options = parser.parse_args()
    print("environment:", environment(), flush=True)
    rows = []
    with tempfile.TemporaryDirectory(prefix="cluster-") as name:
        work = Path(name)
        paths = link_clips(work, options.clips, options.duration)
        alone = paths[: options.alone]
        cpu = cpu_seconds()
        pipeline = steps(options.frames, options.size, None)
        write_shards(pipeline, alone, work / "alone", shard_size=options.shard_size)
        one_process = (cpu_seconds() - cpu) / len(alone)
        for cached in (True, False):
            row = measure(options, work, paths, cached=cached)
            row["ratio"] = row["CPU s per clip"] / one_process
            rows.append(row)
            print_table(rows)
            sys.stdout.flush()
        X = ShardedArray(work / "no cache")
        fit(X[:32])  # loads Keras
        for key, part in (("quarter MB", X[: len(X) // 4]), ("fit MB", X)):
            with peak_memory() as found:
                fit(part)
            rows[-1][key] = found[0]
    rows[0].update({"quarter MB": "", "fit MB": ""})
    print_table(rows)
    if options.json:
        write(
            rows,
            options.json,
            **{k: v for k, v in vars(options).items() if k != "json"},
        )


if __name__ == "__main__":
    main()
