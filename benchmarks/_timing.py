"""What the timed benchmarks share: the way measured, and a process to measure in."""

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
    """Make the way from paths to faces, with its defaults but for the cropper."""
    return make_pipeline(VideoFrameSampler(), DlibFaceCropper(**cropping), Resizer())


def seconds(function: Callable[[], Any]) -> float:
    """Give what a call takes."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


class Worker:
    """A fresh process on the first so many cores, that runs functions one by one.

    Decoders, joblib and OpenCV take no more threads than it has cores.
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
    """Count the cores that this process may use."""
    if not hasattr(os, "sched_setaffinity"):
        raise SystemExit("This system cannot pin a process to a core; Linux can.")
    return len(os.sched_getaffinity(0))


def pin(n_cores: int) -> None:
    """Keep all threads of this process on the first so many of its cores."""
    cores: Sequence[int] = sorted(os.sched_getaffinity(0))[:n_cores]
    for thread in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(thread), cores)
    cv2.setNumThreads(n_cores)


def _start(n_cores: int, warm: bool) -> None:
    pin(n_cores)
    if warm:  # builds the detector, which takes longer than a clip
        FaceFollower(DlibFinder()).find(np.zeros((100, 100, 3), np.uint8))
