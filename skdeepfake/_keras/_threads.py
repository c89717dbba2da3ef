"""Settings of TensorFlow that take effect on import: threads of workers, messages.

joblib and Dask limit the threads of their workers by `OMP_NUM_THREADS` and similar
variables, which TensorFlow ignores: each worker would start threads for all cores.
TensorFlow reads its own variables when it first computes, so this module is imported
before Keras.
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
    """Set TensorFlow's variables to the limit of the other libraries."""
    n_threads = environ.get("OMP_NUM_THREADS", "")
    if is_worker and n_threads.isdecimal():
        for variable in _VARIABLES:
            environ.setdefault(variable, n_threads)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Hide the messages that TensorFlow writes when it is imported.

    Nothing is hidden if the user has set ``TF_CPP_MIN_LOG_LEVEL`` below 3. Errors are
    raised as usual.
    """
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if level in ("0", "1", "2"):
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


class QuietImport(importlib.abc.MetaPathFinder):
    """Import Keras and its backend quietly, in whichever module that happens.

    A worker process imports the module of a detector, and Keras with it, when it
    unpickles one. If the user has imported Keras or TensorFlow, nothing changes.
    """

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        if name not in _LIBRARIES or _LIBRARIES & sys.modules.keys():
            return None
        sys.meta_path.remove(self)  # once is enough
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
