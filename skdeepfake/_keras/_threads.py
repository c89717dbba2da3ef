"""Limit TensorFlow threads in workers, and suppress messages of TensorFlow on import.

joblib and Dask limit the threads of libraries in their workers with environment
variables such as `OMP_NUM_THREADS`. TensorFlow ignores these variables and would start
threads for all cores in each worker. This module sets the variables of TensorFlow on
import. It is imported before Keras, since TensorFlow reads its variables only once.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.util
import multiprocessing
import os
import sys
from collections.abc import Iterator, MutableMapping
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_LIBRARIES = {"keras", "tensorflow"}
_VARIABLES = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def share_cores(environ: MutableMapping[str, str], *, is_worker: bool) -> None:
    """Limit TensorFlow to the same number of threads as other libraries."""
    n_threads = environ.get("OMP_NUM_THREADS", "")
    if is_worker and n_threads.isdecimal():
        for variable in _VARIABLES:
            environ.setdefault(variable, n_threads)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Import Keras and its backend without their startup messages.

    Messages are shown if the user has set ``TF_CPP_MIN_LOG_LEVEL`` below 3. Errors are
    always raised.
    """
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if level in ("0", "1", "2"):
        yield
        return
    # Redirect the file descriptor: TensorFlow writes to it before reading its settings.
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


class QuietImport(importlib.abc.MetaPathFinder):
    """Import Keras and its backend quietly, wherever they are imported.

    For example, a worker process imports Keras when it unpickles a detector. Nothing
    changes if the user has already imported Keras or TensorFlow.
    """

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        if name not in _LIBRARIES or _LIBRARIES & sys.modules.keys():
            return None
        sys.meta_path.remove(self)  # needed only once
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_quietly(module: ModuleType) -> None:
                with quietly():
                    execute(module)

            spec.loader.exec_module = execute_quietly  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, QuietImport())
share_cores(os.environ, is_worker=multiprocessing.parent_process() is not None)
