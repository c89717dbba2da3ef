"""On-disk cache of face crops."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Hashable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import DTypeLike, NDArray

from .._cache import DAMAGE, ArchiveCache
from .._html import thumbnail
from .._video._reader import Plan
from ..exceptions import CacheError


@dataclass(repr=False, eq=False)
class StoredCrop:
    """A face crop in the cache.

    ``np.asarray(crop)`` reads it from disk.

    Parameters
    ----------
    entry : str
        Cache file with the crops of the video.
    slot : int
        Position of the crop among the slots of the video.

    Raises
    ------
    CacheError
        If the entry has been pruned or damaged by the time the crop is read.

    See Also
    --------
    DlibFaceCropper : Returns stored crops if `memory` is set.

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

    def _repr_html_(self) -> str:
        """Show the crop in a notebook."""
        try:
            return thumbnail(np.asarray(self), f"{self.entry}, slot {self.slot}")
        except CacheError as error:
            return f"<p>{escape(str(error))}</p>"

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        if copy is False:
            raise ValueError("A StoredCrop is always copied from disk. Use copy=None.")
        try:
            with zipfile.ZipFile(self.entry) as archive:
                crop = _decode(archive.read(_member(self.slot)))
        except DAMAGE as error:
            raise CacheError(
                f"{self.entry!r} was pruned or damaged after the crops were made "
                f"({error}). Run the cropper again."
            ) from error
        return crop if dtype is None else crop.astype(dtype)


# Box of the face in each slot (left, top, right, bottom in pixels), or None.
Boxes = list["tuple[int, int, int, int] | None"]


class Entry(NamedTuple):
    """Cached crops of one clip."""

    crops: list[StoredCrop | None]
    plan: Plan
    left_out: bool  # True if some people were not followed
    boxes: Boxes


class CropCache(ArchiveCache):
    """Cache of the face crops written by ``DlibFaceCropper(memory=...)``.

    Each entry is a zip archive with one lossless PNG per face. The key of an entry
    consists of the path, size and modification time of the video, a hash of parts of
    its content, the parameters of the sampler and the cropper, and the version of the
    cropping algorithm. Several processes and machines can share a cache.

    Parameters
    ----------
    memory : str, os.PathLike or joblib.Memory
        Folder of the cache. Entries are in its subfolder `skdeepfake-crops`.

    See Also
    --------
    DlibFaceCropper : Writes and reads the cache.
    skdeepfake.features.FeatureCache : Cache of features.

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
            raise ValueError(f"{sorted(missing)} not found")
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
        """Write the crops, None in empty slots, and the indices of their frames."""
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
    # These settings are the fastest to read. For faces from compressed video, the
    # files are not larger.
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
