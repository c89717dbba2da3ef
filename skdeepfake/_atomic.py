"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import glob
import os
import time
import uuid
from collections.abc import Callable, Iterator
from typing import BinaryIO

# Seconds from which on a temporary file is abandoned: one in use changes more often.
_ABANDONED = 3600.0


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the path of an empty file that replaces `path` when the block ends.

    It lies in the same folder. If the block raises, it is deleted, and whatever is at
    `path` stays. What killed processes left there of the same file is deleted, too.
    """
    folder, name = os.path.split(os.path.abspath(path))
    remove_abandoned(folder, name)
    part = os.path.join(folder, f".{name}.{uuid.uuid4().hex}.part")
    try:
        with open(part, "xb"):
            pass
        yield part
        os.replace(part, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)


def write_atomically(
    path: str | os.PathLike[str], write: Callable[[BinaryIO], object]
) -> None:
    """Write a file by a function that gets it open; `path` is replaced at the end."""
    with atomic_path(path) as part, open(part, "wb") as file:
        write(file)


def remove_abandoned(folder: str | os.PathLike[str], name: str | None = None) -> None:
    """Delete the temporary files in a folder, of one file or of all, that are old."""
    pattern = "*" if name is None else glob.escape(name)
    parts = glob.glob(f".{pattern}.{'[0-9a-f]' * 32}.part", root_dir=folder)
    for part in (os.path.join(folder, found) for found in parts):
        with contextlib.suppress(OSError):  # deleted by another process, or not ours
            if os.stat(part).st_mtime < time.time() - _ABANDONED:
                os.unlink(part)
