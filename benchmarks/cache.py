"""Time that `DlibFaceCropper(memory=...)` saves, with an empty and a full cache.

Each pass processes all clips: without a cache, with an empty cache, with a full cache,
and with a full cache in a new process (without imports). The four passes are repeated,
and results are medians. `times faster` is relative to no cache. The cropper returns
references to cached crops, and the resizer reads the crops from disk.

Bytes per face are for a new crop in memory, a crop in the cache on disk, its reference
in memory, and a resized face.

Example: ``python benchmarks/cache.py --json cache.json``
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import tracemalloc
from collections import defaultdict
from typing import Any

import numpy as np
from _clips import add_arguments, names, prepare, work_folder
from _report import print_table, write
from _timing import Worker, available_cores, steps

from skdeepfake.preprocessing import CropCache, DlibFaceCropper

WITHOUT = "no cache"


def timed(paths: list[str], memory: str | None, n_jobs: int) -> tuple[float, float]:
    """Return the seconds from sampler to cropper, and from sampler to resizer."""
    pipeline = steps(memory=memory, n_jobs=n_jobs)
    began = time.perf_counter()
    crops = pipeline[:-1].fit_transform(paths)
    cropped = time.perf_counter() - began
    pipeline[-1].fit_transform(crops)
    return cropped, time.perf_counter() - began


def sizes(paths: list[str], memory: str) -> list[dict[str, Any]]:
    """Return the bytes per face in memory and on disk."""
    pipeline = steps()
    clips = pipeline[:1].fit_transform(paths)
    fresh = [crop for crop in pipeline[1].transform(clips).flat if crop is not None]
    cropper = DlibFaceCropper(memory=memory)
    cropper.transform(clips)
    tracemalloc.start()
    cached = cropper.transform(clips)
    in_memory, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    faces = pipeline[-1].fit_transform(cached)
    n = len(fresh)
    row = {
        "faces": n,
        "crop in memory": sum(crop.nbytes for crop in fresh) // n,
        "cached on disk": CropCache(memory).nbytes // n,
        "cached in memory": in_memory // n,
        "resized": int(np.prod(faces.shape[2:])),
    }
    return [row]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--n-jobs", type=int, default=1, help="n_jobs of the cropper")
    options = parser.parse_args()
    cores = available_cores()
    took: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with work_folder(options) as work, Worker(cores) as worker:
        found = prepare(options, work)
        paths = [path for group in found.values() for path in group]
        for _ in range(options.repeats):
            with tempfile.TemporaryDirectory(dir=work) as memory, Worker(cores) as new:
                for name, process, cache in (
                    (WITHOUT, worker, None),
                    ("empty cache", worker, memory),
                    ("full cache", worker, memory),
                    ("full cache, new process", new, memory),
                ):
                    took[name].append(process(timed, paths, cache, options.n_jobs))
                faces = worker(sizes, paths, memory)
    cropped, resized = (
        {name: statistics.median(run[i] for run in runs) for name, runs in took.items()}
        for i in (0, 1)
    )
    rows = [
        {
            "pass": name,
            "to cropper s": cropped[name],
            "to resizer s": resized[name],
            "cropper, times faster": cropped[WITHOUT] / cropped[name],
            "resizer, times faster": resized[WITHOUT] / resized[name],
        }
        for name in took
    ]
    if options.json:
        write(
            rows,
            options.json,
            clips=names(found),
            repeats=options.repeats,
            n_jobs=options.n_jobs,
            bytes_a_face=faces,
        )
    print_table(rows)
    print("\nBytes per face:\n")
    print_table(faces)


if __name__ == "__main__":
    main()
