"""On-disk caches with one zip archive per entry."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import zipfile
import zlib
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import joblib

from ._atomic import remove_abandoned, write_atomically
from .exceptions import CacheError

Cache = TypeVar("Cache", bound="ArchiveCache")

# Errors raised for damaged archives. RuntimeError is raised if a flipped bit looks like
# encryption or a newer format.
DAMAGE = (
    *(OSError, ValueError, KeyError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)


class ArchiveCache:
    """Base class for caches whose entries are written atomically.

    Subclasses define the folder, the version of the file format, and `_parse`.
    """

    _folder: ClassVar[str]
    _format: ClassVar[int]

    def __init__(self, memory: str | os.PathLike[str] | joblib.Memory) -> None:
        location = memory.location if isinstance(memory, joblib.Memory) else memory
        if location is None:
            raise ValueError("memory is a joblib.Memory without a location.")
        self.folder = Path(os.path.abspath(location)) / self._folder

    @classmethod
    def of(
        cls: type[Cache], memory: str | os.PathLike[str] | joblib.Memory | None
    ) -> Cache | None:
        """Return the cache for the parameter `memory` of an estimator.

        Parameters
        ----------
        memory : str, os.PathLike, joblib.Memory or None
            Location of the cache. None disables caching.

        Returns
        -------
        ArchiveCache or None
            Cache, or None if caching is disabled.
        """
        location = memory.location if isinstance(memory, joblib.Memory) else memory
        return None if location is None else cls(memory)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.folder.parent)!r})"

    def __len__(self) -> int:
        return sum(1 for _ in self._entries())

    @property
    def nbytes(self) -> int:
        """Size of all entries on disk in bytes."""
        return sum(found.st_size for _, found in self._entries())

    def prune(self, max_bytes: int = 0) -> int:
        """Delete the least recently used entries.

        Parameters
        ----------
        max_bytes : int, default=0
            Maximum total size of the remaining entries in bytes. 0 deletes all entries.

        Returns
        -------
        int
            Number of deleted entries.
        """
        entries = sorted(self._entries(), key=lambda e: e[1].st_mtime_ns, reverse=True)
        kept = deleted = 0
        for path, found in entries:
            kept += found.st_size
            if kept > max_bytes:
                path.unlink(missing_ok=True)
                deleted += 1
        for folder in self.folder.glob("*"):
            remove_abandoned(folder)
        return deleted

    def _entries(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self.folder.glob("*/*.zip"):
            with contextlib.suppress(FileNotFoundError):  # pruned by another process
                yield path, path.stat()

    # -- one entry -----------------------------------------------------------

    @staticmethod
    def _parse(archive: zipfile.ZipFile, path: Path) -> Any:
        """Read an entry; raise a ValueError if it is damaged."""
        raise NotImplementedError

    def _load(self, key: Hashable) -> Any:
        """Return an entry, or None if missing; raise a CacheError if damaged."""
        path = self._path(key)
        try:
            with zipfile.ZipFile(path) as archive:
                content = self._parse(archive, path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except DAMAGE as error:
            raise CacheError(f"{str(path)!r} is damaged: {error}") from error
        with contextlib.suppress(OSError):  # read-only cache
            os.utime(path)  # last use, for `prune`
        return content

    def _write(self, key: Hashable, members: Mapping[str, bytes]) -> None:
        """Write an entry atomically."""
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for name, member in members.items():
                archive.writestr(name, member)
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, lambda file: file.write(content.getbuffer()))
        except OSError as error:
            raise CacheError(
                f"The cache in {str(self.folder)!r} cannot be written to: "
                f"{error.strerror or error}. Existing entries are kept. Free disk "
                f"space, call {type(self).__name__}.prune, or set memory to "
                "another folder."
            ) from error

    def _path(self, key: Hashable) -> Path:
        digest = hashlib.sha256(repr((self._format, key)).encode()).hexdigest()
        return self.folder / digest[:2] / f"{digest}.zip"
