"""Face crops of one clip, decoded or read from the cache."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..exceptions import CacheError, CacheWarning, VideoReadError
from ._cache import Boxes, CropCache, StoredCrop
from ._clip import Clip, Plan
from ._faces import FINDERS, Face
from ._following import FaceFollower
from ._regions import region_of

# Crop in each slot, or None in slots without a face.
Crops = list["NDArray[np.uint8] | StoredCrop | None"]

# A crop, and the box of its face.
_Cell = tuple["NDArray[np.uint8] | None", "tuple[int, int, int, int] | None"]


class Search(NamedTuple):
    """Parameters of the face search and of the crops, as part of the cache key."""

    finder: tuple[Any, ...]
    margin: float
    max_faces: int
    regions: tuple[str, ...]
    landmarks: tuple[str, int, int] | None
    box: str
    jpeg_quality: int | None
    version: int

    @property
    def n_crops(self) -> int:
        """Number of crops per frame."""
        return len(self.regions) * self.max_faces


class Found(NamedTuple):
    """Crops of a clip, with its sampled frames or the error of a skipped clip."""

    crops: Crops
    outcome: Plan | VideoReadError
    left_out: bool = False  # True if some people were not followed
    boxes: Boxes | None = None


def crop_clip(
    clip: Clip, *, search: Search, cache: CropCache | None, n_threads: int | None
) -> Found:
    """Return the crops of one clip, or the error of a clip that is skipped."""
    error = clip.error
    if error is None:
        try:
            return _cached_or_cropped(clip, search, cache, n_threads)
        except VideoReadError as caught:
            if clip.on_error == "raise":
                raise
            error = caught
    empty: Crops = [None] * (len(clip) * search.n_crops)
    return Found(empty, error)


def _cached_or_cropped(
    clip: Clip, search: Search, cache: CropCache | None, n_threads: int | None
) -> Found:
    if cache is None:
        return _decode_and_crop(clip, search, n_threads)
    key = (clip.identity, tuple(search))
    try:
        entry = cache._load(key)
    except CacheError as error:
        warnings.warn(
            f"{error}. {clip.path!r} is cropped again.", CacheWarning, stacklevel=2
        )
        entry = None
    if entry is None:
        found = _decode_and_crop(clip, search, n_threads)
        try:
            cache._store(key, *found)  # type: ignore[arg-type]
        except CacheError as error:
            raise CacheError(f"Crops of {clip.path!r}: {error}") from error
        entry = cache._load(key)
        if entry is None:  # pruned by another process
            return found
    return Found(list(entry.crops), *entry[1:])


def _decode_and_crop(clip: Clip, search: Search, n_threads: int | None) -> Found:
    follower: FaceFollower | None = None

    def start() -> Callable[..., list[_Cell]]:
        nonlocal follower
        finder, *arguments = search.finder
        follower = FaceFollower(FINDERS[finder](*arguments), search.max_faces)
        return _FrameCropper(follower, search, clip.burst)

    cells = clip._map_faces(start, n_threads=n_threads)
    empty: list[_Cell] = [(None, None)] * search.n_crops
    slots = [cell for found in cells for cell in found or empty]
    assert clip.plan is not None
    assert follower is not None
    crops: Crops = [crop for crop, _ in slots]
    boxes = [box for _, box in slots]
    return Found(crops, clip.plan, follower.left_out, boxes)


class _FrameCropper:
    """Crop the faces of one clip, frame by frame in order."""

    def __init__(self, follower: FaceFollower, search: Search, burst: int) -> None:
        self._follower, self._search = follower, search
        self._frames_per_search = burst if search.box == "burst" else 1
        self._numbers = itertools.count()
        self._faces: list[Face | None] = []

    def __call__(
        self, frame: NDArray[np.uint8], search_in: NDArray[np.uint8] | None = None
    ) -> list[_Cell]:
        search = self._search
        frame = _as_jpeg(frame, search.jpeg_quality)
        is_next = next(self._numbers) % self._frames_per_search == 0
        if is_next and set(search.regions) != {"frame"}:
            self._faces = self._follower.find(
                frame if search_in is None else _as_jpeg(search_in, search.jpeg_quality)
            )
        landmarks = None if search.landmarks is None else search.landmarks[0]
        cells: list[_Cell] = []
        for region in search.regions:
            if region == "frame":
                cells.append((frame.copy(), None))
                continue
            for face in self._faces:
                crop = face and region_of(frame, face, region, search.margin, landmarks)
                box = face[:4] if face and crop is not None else None
                cells.append((crop, box))
        return [
            (None if crop is None else _as_jpeg(crop, search.jpeg_quality), box)
            for crop, box in cells
        ]


def _as_jpeg(image: NDArray[np.uint8], quality: int | None) -> NDArray[np.uint8]:
    """Compress an image as JPEG and decode it again."""
    if quality is None:
        return image
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    _, written = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    read = cv2.imdecode(written, cv2.IMREAD_COLOR)
    assert read is not None
    return cv2.cvtColor(read, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]
