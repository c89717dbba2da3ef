"""A cache of face crops on disk, keyed by what they were cut from and how."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import DTypeLike, NDArray

from .._cache import DAMAGE, ArchiveCache
from .._video._reader import Plan
from ..exceptions import CacheError


@dataclass(repr=False, eq=False)
class StoredCrop:
    """A face crop in the cache, read from disk whenever it is used as an array.

    ``np.asarray(crop)`` reads it.

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

    See Also
    --------
    DlibFaceCropper : Gives such crops with `memory`.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.preprocessing import StoredCrop
    >>> np.asarray(StoredCrop("pruned.zip", 0))
    Traceback (most recent call last):
        ...
    skdeepfake.exceptions.CacheError: 'pruned.zip' was pruned or damaged after ...
    """

    entry: str
    slot: int

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
        except DAMAGE as error:
            raise CacheError(
                f"{self.entry!r} was pruned or damaged after the crops were made "
                f"({error}); run the cropper again"
            ) from error
        return crop if dtype is None else crop.astype(dtype)


# Left, top, right and bottom of the face in each slot in pixels, None without one.
Boxes = list["tuple[int, int, int, int] | None"]


class Entry(NamedTuple):
    """What the cache holds of one clip."""

    crops: list[StoredCrop | None]
    plan: Plan  # of the frames sampled
    left_out: bool  # whether there were more people than places
    boxes: Boxes  # of the faces, by slot


class CropCache(ArchiveCache):
    """The cache that ``DlibFaceCropper(memory=...)`` keeps.

    Each video has one zip archive with one PNG, which is lossless, per face. An entry
    is found by path, size, time of change and content (a hash at eight places) of the
    video, by its sampling and by the cropper. Several processes and machines may share
    a cache.

    Parameters
    ----------
    memory : str, os.PathLike or joblib.Memory
        Where the cache lives, in a folder `skdeepfake-crops` of its own.

    See Also
    --------
    DlibFaceCropper : Keeps it.
    skdeepfake.features.FeatureCache : The same for features.

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

    _folder = "skdeepfake-crops"
    _format = 3

    @staticmethod
    def _parse(archive: zipfile.ZipFile, path: Path) -> Entry:
        """Read an entry without decoding its crops."""
        damaged = archive.testzip()
        about = json.loads(archive.read("clip.json"))
        if damaged is not None:
            raise ValueError(f"bad checksum of {damaged!r}")
        filled = set(about["filled"])
        if missing := {_member(slot) for slot in filled} - set(archive.namelist()):
            raise ValueError(f"{sorted(missing)} are missing")
        return Entry(
            [
                StoredCrop(str(path), slot) if slot in filled else None
                for slot in range(about["n_slots"])
            ],
            Plan(
                np.array(about["indices"], dtype=np.intp),
                np.array(about["timestamps"], dtype=np.float64),
                proven=True,
                missing=float(about["missing"]),
            ),
            bool(about["left_out"]),
            [box and tuple(box) for box in about["boxes"]],
        )

    def _store(
        self,
        key: Hashable,
        crops: list[NDArray[np.uint8] | None],
        plan: Plan,
        left_out: bool = False,
        boxes: Boxes | None = None,
    ) -> None:
        """Write the crop, or None, of each slot, and the frames they were cut from."""
        filled = [slot for slot, crop in enumerate(crops) if crop is not None]
        about = {
            "key": repr(key),
            "n_slots": len(crops),
            "filled": filled,
            "indices": plan.indices.tolist(),
            "timestamps": plan.timestamps.tolist(),
            "missing": plan.missing,
            "left_out": left_out,
            "boxes": boxes or [None] * len(crops),
        }
        pngs = {_member(slot): _encode(crops[slot]) for slot in filled}  # type: ignore[arg-type]
        self._write(key, {"clip.json": json.dumps(about).encode(), **pngs})


def _member(slot: int) -> str:
    return f"{slot:04d}.png"


def _encode(crop: NDArray[np.uint8]) -> bytes:
    # The quickest to read, and no larger on faces from compressed video.
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
