"""Atomic writing of files, and temporary folders."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from typing import BinaryIO

# Seconds without changes after which a temporary file is considered abandoned.
_ABANDONED = 86400.0

_PARTS = f".*.{'[0-9a-f]' * 32}.part"
_FOLDERS = f"skdeepfake-tmp-{'[a-z0-9_]' * 8}"


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the path of an empty file that replaces `path` when the block ends.

    The file is in the folder of `path`. If the block raises an error, the file is
    deleted and `path` is not changed. Files in this folder that a killed process left
    more than a day ago are deleted, too.
    """
    folder, name = os.path.split(os.path.abspath(path))
    remove_abandoned(folder)
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
    """Call `write` with an open file that replaces `path` at the end."""
    with atomic_path(path) as part, open(part, "wb") as file:
        write(file)


def written(text: str, path: str | os.PathLike[str] | None) -> str:
    """Write a text to `path`, unless `path` is None, and return the text."""
    if path is not None:
        write_atomically(path, lambda file: file.write(text.encode()))
    return text


def returned_or_written(text: str, path: str | os.PathLike[str] | None) -> str | None:
    """Return a text if `path` is None; otherwise, write it to `path`."""
    if path is None:
        return text
    written(text, path)
    return None


@contextlib.contextmanager
def temporary_folder() -> Iterator[str]:
    """Yield a folder that is deleted at the end.

    Folders that a killed process left more than a day ago are deleted, too.
    """
    remove_abandoned(tempfile.gettempdir(), _FOLDERS)
    with tempfile.TemporaryDirectory(
        prefix="skdeepfake-tmp-", ignore_cleanup_errors=True
    ) as folder:
        yield folder


def remove_abandoned(folder: str | os.PathLike[str], pattern: str = _PARTS) -> None:
    """Delete files and folders that match a pattern and have not changed for a day.

    A file of memory-mapped faces is kept while the process that wrote it is running.
    """
    for found in glob.glob(pattern, root_dir=folder):
        path = os.path.join(folder, found)
        with contextlib.suppress(OSError):  # already deleted, or no permission
            if os.lstat(path).st_mtime >= time.time() - _ABANDONED:
                continue
            process = re.match(r"skdeepfake-faces-(\d+)-", found)
            if process is not None and _is_running(process[1]):
                continue
            if os.path.isdir(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                os.unlink(path)


def _is_running(process: str) -> bool:
    if os.name != "posix":  # Windows does not delete files in use
        return False
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # the process belongs to another user
    return True
