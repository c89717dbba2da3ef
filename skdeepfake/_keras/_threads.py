"""Number of TensorFlow threads in workers, and TensorFlow's messages on import.

joblib and Dask limit the threads of libraries in their workers with environment
variables such as `OMP_NUM_THREADS`. TensorFlow ignores them and would start threads for
all cores in each worker. It reads its own variables in the first computation, so this
module, which sets them on import, is imported before Keras.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Iterator, MutableMapping

_VARIABLES = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def share_cores(environ: MutableMapping[str, str], *, is_worker: bool) -> None:
    """Limit TensorFlow to the number of threads of the other libraries."""
    n_threads = environ.get("OMP_NUM_THREADS", "")
    if is_worker and n_threads.isdecimal():
        for variable in _VARIABLES:
            environ.setdefault(variable, n_threads)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Import Keras and its backend without their startup messages.

    If the user has set ``TF_CPP_MIN_LOG_LEVEL`` below 3, messages are shown. Errors are
    always raised.
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
        except (AttributeError, OSError):  # the process has no stderr
            pass
        else:
            stack.callback(os.close, kept)
            stack.callback(os.dup2, kept, 2)
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), 2)
        yield


share_cores(os.environ, is_worker=multiprocessing.parent_process() is not None)
