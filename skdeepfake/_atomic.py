"""Files that are there as a whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def write_atomically(
    path: str | os.PathLike[str], write: Callable[[BinaryIO], object]
) -> None:
    """Write a file beside its place, and put it there when it is whole.

    Parameters
    ----------
    path : str or os.PathLike
        Where it shall be; what is there is replaced.
    write : callable
        Writes the content to the open file that it is given.

    Raises
    ------
    OSError
        If it cannot be written. What was there before is still there.
    """
    path = Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp gives it to the owner alone
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
