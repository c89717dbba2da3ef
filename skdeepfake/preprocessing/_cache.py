"""A cache of face crops on disk, keyed by what they were cut from and how."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import tempfile
import time
import zipfile
import zlib
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import joblib
import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..exceptions import CacheError

# Raise it when the files are laid out otherwise.
_FORMAT = 1
_FOLDER = "skdeepfake-crops"
_PART = ".part"

# A file of this age, in seconds, that was to be renamed when whole belongs to a
# process that was killed.
_ABANDONED = 3600.0

# What reading a damaged archive may raise: zipfile takes a flipped bit for a password
# or for a later version of the format.
_DAMAGE = (
    *(OSError, ValueError, KeyError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)


class StoredCrop:
    """A face crop in the cache, read from disk whenever it is used as an array.

    So the crops of many videos take no memory. ``np.asarray(crop)`` reads it.

    Parameters
    ----------
    entry : str
        The file of the cache that holds the video's crops.
    slot : int
        Which of them.

    Raises
    ------
    CacheError
        When read, if the entry has been pruned or damaged since.
    """

    def __init__(self, entry: str, slot: int) -> None:
        self.entry = entry
        self.slot = slot

    def __repr__(self) -> str:
        return f"StoredCrop({self.entry!r}, {self.slot})"

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        if copy is False:
            raise ValueError("a StoredCrop is read from disk, which makes a copy")
        try:
            with zipfile.ZipFile(self.entry) as archive:
                crop = _decode(archive.read(_member(self.slot)))
        except _DAMAGE as error:
            raise CacheError(
                f"{self.entry!r} was pruned or damaged after the crops were made "
                f"({error}); run the cropper again"
            ) from error
        return crop if dtype is None else crop.astype(dtype)


class Entry(NamedTuple):
    """What the cache holds of one clip."""

    crops: list[StoredCrop | None]
    indices: NDArray[np.intp]  # of the frames sampled
    timestamps: NDArray[np.float64]  # theirs, in seconds


class CropCache:
    """The cache that ``DlibFaceCropper(memory=...)`` keeps.

    Each video has one file: a zip archive with one PNG for each face, which any
    viewer opens. PNG is lossless, so cached crops equal fresh ones to the last bit;
    it takes about a third of their size in memory.

    An entry is found by path, size and time of change of the video, by how it was
    sampled, by the parameters of the cropper and by the version of its algorithm.
    It appears when it is whole and not before, whatever happens to the process that
    writes it; several processes and machines may share a cache.

    Parameters
    ----------
    memory : str, os.PathLike or joblib.Memory
        Where the cache lives, in a folder `skdeepfake-crops` of its own.

    Examples
    --------
    >>> import tempfile
    >>> from skdeepfake.preprocessing import CropCache
    >>> cache = CropCache(tempfile.mkdtemp())
    >>> len(cache), cache.nbytes
    (0, 0)
    >>> cache.prune(max_bytes=10**9)
    0
    """

    def __init__(self, memory: str | os.PathLike[str] | joblib.Memory) -> None:
        location = memory.location if isinstance(memory, joblib.Memory) else memory
        if location is None:
            raise ValueError("memory is a joblib.Memory without a location")
        self.folder = Path(os.path.abspath(location)) / _FOLDER

    def __repr__(self) -> str:
        return f"CropCache({str(self.folder.parent)!r})"

    def __len__(self) -> int:
        return sum(1 for _ in self._entries())

    @property
    def nbytes(self) -> int:
        """Size of all entries on disk, in bytes."""
        return sum(found.st_size for _, found in self._entries())

    def prune(self, max_bytes: int = 0) -> int:
        """Delete the entries that were not used for longest.

        Parameters
        ----------
        max_bytes : int, default=0
            What may stay, in bytes. 0 deletes everything.

        Returns
        -------
        int
            Number of entries deleted.
        """
        entries = sorted(self._entries(), key=lambda e: e[1].st_mtime_ns, reverse=True)
        kept = deleted = 0
        for path, found in entries:
            kept += found.st_size
            if kept > max_bytes:
                path.unlink(missing_ok=True)
                deleted += 1
        oldest = time.time() - _ABANDONED
        for part in self.folder.glob(f"*/*{_PART}"):
            with contextlib.suppress(FileNotFoundError):
                if part.stat().st_mtime < oldest:
                    part.unlink()
        return deleted

    def _entries(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self.folder.glob("*/*.zip"):
            with contextlib.suppress(FileNotFoundError):  # pruned by another process
                yield path, path.stat()

    # -- one entry -----------------------------------------------------------

    def load(self, key: Hashable) -> Entry | None:
        """Get an entry without decoding its crops.

        Parameters
        ----------
        key : tuple of plain values
            What the crops depend on.

        Returns
        -------
        Entry or None
            None if there is no such entry.

        Raises
        ------
        CacheError
            If the entry is damaged.
        """
        path = self._path(key)
        try:
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()
                about = json.loads(archive.read("clip.json"))
                found = set(archive.namelist())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except _DAMAGE as error:
            raise CacheError(f"{str(path)!r} is damaged: {error}") from error
        if damaged is not None:
            raise CacheError(f"{str(path)!r} is damaged: bad checksum of {damaged!r}")
        if missing := {_member(slot) for slot in about["filled"]} - found:
            raise CacheError(f"{str(path)!r} is damaged: {sorted(missing)} are missing")
        with contextlib.suppress(OSError):  # a cache that may only be read
            os.utime(path)  # `prune` goes by the last use
        filled = set(about["filled"])
        return Entry(
            [
                StoredCrop(str(path), slot) if slot in filled else None
                for slot in range(about["n_frames"])
            ],
            np.array(about["indices"], dtype=np.intp),
            np.array(about["timestamps"], dtype=np.float64),
        )

    def store(
        self,
        key: Hashable,
        crops: list[NDArray[np.uint8] | None],
        indices: NDArray[np.intp],
        timestamps: NDArray[np.float64],
    ) -> None:
        """Write an entry, whole or not at all.

        Parameters
        ----------
        key : tuple of plain values
            What the crops depend on.
        crops : list of ndarray of shape (height, width, 3), uint8, or None
            The crop of each slot.
        indices, timestamps : ndarray
            Of the frames sampled.

        Raises
        ------
        CacheError
            If it cannot be written: no permission, no space left.
        """
        filled = [slot for slot, crop in enumerate(crops) if crop is not None]
        about = {
            "key": repr(key),
            "n_frames": len(crops),
            "filled": filled,
            "indices": indices.tolist(),
            "timestamps": timestamps.tolist(),
        }
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:  # PNGs are compressed already
            archive.writestr("clip.json", json.dumps(about))
            for slot in filled:
                archive.writestr(_member(slot), _encode(crops[slot]))  # type: ignore[arg-type]
        path = self._path(key)
        temporary = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=_PART)
            with os.fdopen(handle, "wb") as file:
                file.write(content.getbuffer())
            os.replace(temporary, path)
        except BaseException as error:
            if temporary is not None:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
            if isinstance(error, OSError):
                raise CacheError(
                    f"the cache in {str(self.folder)!r} cannot be written: "
                    f"{error.strerror or error}. Entries written before are whole and "
                    "stay; free space, call CropCache.prune, or pass another memory"
                ) from error
            raise

    def _path(self, key: Hashable) -> Path:
        digest = hashlib.sha256(repr((_FORMAT, key)).encode()).hexdigest()
        return self.folder / digest[:2] / f"{digest}.zip"


def _member(slot: int) -> str:
    return f"{slot:04d}.png"


def _encode(crop: NDArray[np.uint8]) -> bytes:
    # The quickest to read: other levels and strategies are a sixth slower, and no
    # smaller on faces from compressed video.
    _, png = cv2.imencode(
        ".png",
        cv2.cvtColor(crop, cv2.COLOR_RGB2BGR),
        [
            *(cv2.IMWRITE_PNG_COMPRESSION, 1),
            *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
        ],
    )
    return png.tobytes()


def _decode(png: bytes) -> NDArray[np.uint8]:
    crop = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    if crop is None:
        raise ValueError("not a PNG")
    return cv2.cvtColor(crop, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]
