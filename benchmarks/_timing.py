"""Pipeline and worker process of the timed benchmarks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import cv2
import numpy as np
from sklearn.pipeline import Pipeline, make_pipeline

from skdeepfake.preprocessing import DlibFaceCropper, Resizer, VideoFrameSampler
from skdeepfake.preprocessing._faces import DlibFinder
from skdeepfake.preprocessing._following import FaceFollower


def steps(**cropping: Any) -> Pipeline:
    """Return a pipeline from paths to faces, with parameters for the cropper."""
    return make_pipeline(VideoFrameSampler(), DlibFaceCropper(**cropping), Resizer())


def seconds(function: Callable[[], Any]) -> float:
    """Return the seconds of a call."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


class Worker:
    """Process that runs functions one at a time on the first `n_cores` cores.

    Decoders, joblib and OpenCV use at most one thread per core.
    """

    def __init__(self, n_cores: int, *, warm: bool = True) -> None:
        self._pool = ProcessPoolExecutor(
            1, get_context("spawn"), initializer=_start, initargs=(n_cores, warm)
        )

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return self._pool.submit(function, *arguments).result()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown()


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if not hasattr(os, "sched_setaffinity"):
        raise SystemExit("This system cannot pin a process to a core. Use Linux.")
    return len(os.sched_getaffinity(0))


def pin(n_cores: int) -> None:
    """Keep all threads of this process on its first `n_cores` cores."""
    cores: Sequence[int] = sorted(os.sched_getaffinity(0))[:n_cores]
    for thread in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(thread), cores)
    cv2.setNumThreads(n_cores)


def _start(n_cores: int, warm: bool) -> None:
    pin(n_cores)
    if warm:  # build the face detector, which takes longer than processing a clip
        FaceFollower(DlibFinder()).find(np.zeros((100, 100, 3), np.uint8))
