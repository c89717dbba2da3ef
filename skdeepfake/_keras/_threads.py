"""TensorFlow's share of the cores in a worker process; importing this sets it.

joblib and Dask tell the libraries in their workers how many threads each may use by
`OMP_NUM_THREADS` and its like, which TensorFlow does not read: each worker would have
threads for all cores. TensorFlow reads variables of its own when it first computes, so
this is imported before whatever loads Keras.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import MutableMapping

_VARIABLES = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def share_cores(environ: MutableMapping[str, str], *, is_worker: bool) -> None:
    """Set TensorFlow's variables to what the other libraries are told."""
    n_threads = environ.get("OMP_NUM_THREADS", "")
    if is_worker and n_threads.isdecimal():
        for variable in _VARIABLES:
            environ.setdefault(variable, n_threads)


share_cores(os.environ, is_worker=multiprocessing.parent_process() is not None)
