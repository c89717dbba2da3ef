"""Clips per second from sampler to resizer, with one and two workers.

Workers are threads of joblib, processes of joblib (loky) or processes of Dask (a
cluster on this machine with one thread per worker). The cropper distributes the cores
among its jobs, so a single job uses one decoder thread per core. `times as is` is
relative to such a single worker, and `times` to a worker that is pinned to one core
with one decoder thread, both with the same scheduler. Since loky runs a single job in
the calling process, its results are relative to single jobs of threads.

All workers are started before the measurements, and run in turn. Results are medians.

Example: ``python benchmarks/scaling.py --json scaling.json``
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator

import joblib
from _clips import add_arguments, names, prepare, work_folder
from _report import print_table, write
from _timing import Worker, available_cores, pin, steps
from distributed import Client, LocalCluster

Timer = Callable[[list[str]], "tuple[float, float]"]

# Environment variable with the number of cores for joblib.
CORES = "LOKY_MAX_CPU_COUNT"


def timed(paths: list[str], n_jobs: int | None = None) -> tuple[float, float]:
    """Return the seconds from sampler to cropper, and from sampler to resizer."""
    pipeline = steps(n_jobs=n_jobs)
    began = time.perf_counter()
    crops = pipeline[:-1].fit_transform(paths)
    cropped = time.perf_counter() - began
    pipeline[-1].fit_transform(crops)
    return cropped, time.perf_counter() - began


def in_process(worker: Worker, n_jobs: int, backend: str) -> Timer:
    return lambda paths: worker(_with_backend, paths, n_jobs, backend)


def _with_backend(paths: list[str], n_jobs: int, backend: str) -> tuple[float, float]:
    with joblib.parallel_config(backend=backend):
        return timed(paths, n_jobs)


def on_cluster(client: Client, n_threads: int) -> Timer:
    """Measure on a cluster, as if this machine had `n_threads` cores per worker."""

    def run(paths: list[str]) -> tuple[float, float]:
        n_workers = len(client.scheduler_info()["workers"])
        os.environ[CORES] = str(n_threads * n_workers)
        try:
            with client.as_current(), joblib.parallel_config(backend="dask"):
                return timed(paths)
        finally:
            del os.environ[CORES]

    return run


@contextlib.contextmanager
def cluster(n_workers: int, n_cores: int | None = None) -> Iterator[Client]:
    """Start Dask workers with one thread each, on `n_cores` cores."""
    with (
        LocalCluster(
            n_workers=n_workers, threads_per_worker=1, dashboard_address=":0"
        ) as local,
        Client(local, set_as_default=False) as client,
    ):
        if n_cores is not None:
            client.run(pin, n_cores)
        yield client


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--copies", type=int, default=2, help="number of times to process each clip"
    )
    options = parser.parse_args()
    cores = available_cores()
    if cores < 2:
        raise SystemExit("Two workers need two cores.")
    with contextlib.ExitStack() as stack:
        found = prepare(options, stack.enter_context(work_folder(options)))
        paths = [p for group in found.values() for p in group] * options.copies
        # Use two cores, so that results are comparable on a larger machine.
        pin(2)
        one, two = (stack.enter_context(Worker(n)) for n in (1, 2))
        pinned = stack.enter_context(cluster(1, n_cores=1))
        single = stack.enter_context(cluster(1))
        pair = stack.enter_context(cluster(2))
        # Scheduler, workers, cores, decoder threads per worker.
        ways: dict[tuple[str, int, int, int], Timer] = {
            ("threads", 1, 1, 1): in_process(one, 1, "threading"),
            ("threads", 1, 2, 2): in_process(two, 1, "threading"),
            ("threads", 2, 2, 1): in_process(two, 2, "threading"),
            # In this process, since a Worker would wait for loky's processes when it
            # ends.
            ("loky", 2, 2, 1): lambda paths: _with_backend(paths, 2, "loky"),
            ("dask", 1, 1, 1): on_cluster(pinned, 1),
            ("dask", 1, 2, 2): on_cluster(single, 2),
            ("dask", 2, 2, 1): on_cluster(pair, 1),
        }
        for timer in ways.values():  # warm up
            timer(paths[:4])
        took: dict[tuple[str, int, int, int], list[tuple[float, float]]]
        took = defaultdict(list)
        for _ in range(options.repeats):
            for way, timer in ways.items():
                took[way].append(timer(paths))
    rows = []
    for way, runs in took.items():
        scheduler = "threads" if way[0] == "loky" else way[0]
        spent = {
            w: statistics.median(whole for _, whole in took[w])
            for w in (way, (scheduler, 1, 1, 1), (scheduler, 1, 2, 2))
        }
        rows.append(
            {
                **dict(
                    zip(
                        ("workers are", "workers", "cores", "decoder threads each"),
                        way,
                        strict=True,
                    )
                ),
                "clips/s": len(paths) / spent[way],
                "clips/s to cropper": len(paths)
                / statistics.median(cropped for cropped, _ in runs),
                "times": spent[scheduler, 1, 1, 1] / spent[way],
                "times as is": spent[scheduler, 1, 2, 2] / spent[way],
            }
        )
    if options.json:
        write(
            rows,
            options.json,
            clips=names(found),
            copies=options.copies,
            repeats=options.repeats,
        )
    print_table(rows)


if __name__ == "__main__":
    main()
