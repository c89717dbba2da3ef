"""Command lines of new Python processes that import what this one imports."""

from __future__ import annotations

import multiprocessing.spawn
import os
import sys
from pathlib import Path

from .exceptions import WorkerDiedError

_ROOT = str(Path(__file__).parents[1])
_EXTENSIONS = ("lib-dynload", "DLLs")  # of the standard library

# `python -c` looks for modules in the working folder first, which may hold downloads.
# `sys` is built in. Options against it, -P and -I, are too new or ignore PYTHONPATH.
_PRELUDE = "import sys; sys.path[:] = sys.argv.pop(1).split('\\n'); "


def python_executable() -> str:
    """Return the path of the interpreter."""
    # As for `multiprocessing`, whose users set it where Python is embedded.
    executable = multiprocessing.spawn.get_executable()
    if not executable:
        raise WorkerDiedError(
            "Python does not know its own interpreter (sys.executable is empty); set "
            "it by multiprocessing.set_executable"
        )
    return os.fsdecode(executable)


def python_command(program: str, *arguments: str) -> list[str]:
    """Return the command that runs a program with the module path of this process.

    The standard library comes first, and the working folder is not searched: a file
    there, like ``json.py``, is never run.
    """
    library = os.path.dirname(os.__file__)
    entries = [
        entry
        for entry in (*sys.path, _ROOT)
        if isinstance(entry, str) and os.path.isabs(entry)
    ]
    entries.sort(
        key=lambda entry: (
            entry != library and os.path.basename(entry) not in _EXTENSIONS
        )
    )
    path = "\n".join(dict.fromkeys(entries))
    return [python_executable(), "-c", _PRELUDE + program, path, *arguments]
