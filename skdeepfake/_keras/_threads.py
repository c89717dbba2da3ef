"""TensorFlow's share of the cores in a worker, which importing this sets; its messages.

joblib and Dask tell the libraries in their workers how many threads each may use by
`OMP_NUM_THREADS` and its like, which TensorFlow does not read: each worker would have
threads for all cores. TensorFlow reads variables of its own when it first computes, so
this is imported before whatever loads Keras.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Iterator, MutableMapping

_VARIABLES = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def share_cores(environ: MutableMapping[str, str], *, is_worker: bool) -> None:
    """Set TensorFlow's variables to what the other libraries are told."""
    n_threads = environ.get("OMP_NUM_THREADS", "")
    if is_worker and n_threads.isdecimal():
        for variable in _VARIABLES:
            environ.setdefault(variable, n_threads)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Import Keras and its backend without their messages at the start.

    A user's own ``TF_CPP_MIN_LOG_LEVEL`` below 3 is left as it is, and so are the
    messages. Errors are raised all the same.
    """
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    loaded = {"keras", "tensorflow"} & sys.modules.keys()
    if level in ("0", "1", "2") or loaded:
        yield
        return
    # TensorFlow writes to the descriptor before it reads its settings.
    with contextlib.ExitStack() as stack:
        try:
            sys.stderr.flush()
            kept = os.dup(2)
        except (AttributeError, OSError):  # a process without stderr
            pass
        else:
            stack.callback(os.close, kept)
            stack.callback(os.dup2, kept, 2)
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), 2)
        yield


share_cores(os.environ, is_worker=multiprocessing.parent_process() is not None)
