"""Commands that run Python with the module search path of this process."""

from __future__ import annotations

import multiprocessing.spawn
import os
import sys
from pathlib import Path

from .exceptions import WorkerDiedError

_ROOT = str(Path(__file__).parents[1])
_EXTENSIONS = ("lib-dynload", "DLLs")  # folders of the standard library

# `python -c` would first search the working folder, which may contain untrusted files.
# The option -P needs Python 3.11, and -I ignores PYTHONPATH. Importing `sys`, which is
# built in, searches no folder.
_PRELUDE = "import sys; sys.path[:] = sys.argv.pop(1).split('\\n'); "


def python_executable() -> str:
    """Return the path of the Python interpreter."""
    # Applications that embed Python set this path for `multiprocessing`.
    executable = multiprocessing.spawn.get_executable()
    if not executable:
        raise WorkerDiedError(
            "The path of the Python interpreter is unknown (sys.executable is empty). "
            "Set it with multiprocessing.set_executable."
        )
    return os.fsdecode(executable)


def python_command(program: str, *arguments: str) -> list[str]:
    """Return the command that runs a program with the search path of this process.

    The standard library comes first. The working folder is not searched, so that files
    such as ``json.py`` in it are not run.
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
