"""What the preprocessing steps share: they work video by video."""

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
) -> Iterator[R]:
    """Apply `function` to each item through joblib, in order.

    Threads by default, since decoding and face detection release the GIL; any
    backend that the user sets by `joblib.parallel_config` takes precedence.
    """
    tasks: Iterable[Any] = (delayed(function)(item) for item in items)
    # One by one where the backend can, so that the progress shows; Ray's cannot.
    backend, _ = get_active_backend(prefer="threads")
    return_as = "generator" if backend.supports_return_generator else "list"
    parallel = Parallel(n_jobs=n_jobs, prefer="threads", return_as=return_as)
    results = parallel(tasks)
    total, done = len(items), 0
    try:
        for result in progress(
            results, total=total, desc=desc, unit="video", verbose=verbose
        ):
            yield result
            done += 1
    except BrokenProcessPool as error:
        raise WorkerDiedError(
            f"a worker process died while {desc}, at {items[done]!r} or one of the "
            f"videos after it; {done} of {len(items)} were finished. Leave that video "
            "out or give the workers more memory; with memory= or a cache_dir, what "
            "was finished is not done again"
        ) from error
