"""Parallel processing of videos with joblib."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from joblib import Parallel, delayed
from joblib.parallel import get_active_backend

from ._progress import progress
from .exceptions import WorkerDiedError

T = TypeVar("T")
R = TypeVar("R")


def map_videos(
    function: Callable[[T], R],
    items: Sequence[T],
    *,
    n_jobs: int | None,
    verbose: int,
    desc: str,
    unit: str = "video",
) -> Iterator[R]:
    """Apply `function` to each item with joblib and yield the results in order.

    Threads are the default, since decoding and face detection release the GIL. A
    backend set by the user with `joblib.parallel_config` takes precedence.
    """
    tasks: Iterable[Any] = (delayed(function)(item) for item in items)
    # A generator updates the progress bar as results arrive. Ray does not support it.
    backend, _ = get_active_backend(prefer="threads")
    return_as = "generator" if backend.supports_return_generator else "list"
    parallel = Parallel(n_jobs=n_jobs, prefer="threads", return_as=return_as)
    results = parallel(tasks)
    total, done = len(items), 0
    try:
        for result in progress(
            results, total=total, desc=desc, unit=unit, verbose=verbose
        ):
            yield result
            done += 1
    except BrokenProcessPool as error:
        raise WorkerDiedError(
            f"A worker process died while {desc}, at {items[done]!r} or a later "
            f"{unit}; {done} of {len(items)} {unit}s were finished. Remove the "
            f"{unit} that caused the crash, or give the workers more RAM. If the "
            "parameter memory or cache_dir is set, finished videos are not processed "
            "again."
        ) from error
