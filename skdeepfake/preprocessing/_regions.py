"""Regions to crop from a frame, located by the box or landmarks of a face."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .._landmarks import Box, find_landmarks, load_predictor
from ._faces import Face

# Left, top, right and bottom of regions, as fractions of the width and height of the
# face box. The regions of eyes and mouth contain their landmarks in 98% of real faces.
BOXES = {
    "face": (0.0, 0.0, 1.0, 1.0),
    "eyes": (0.05, 0.1, 0.95, 0.5),
    "nose": (0.25, 0.25, 0.75, 0.7),
    "mouth": (0.15, 0.52, 0.85, 0.97),
    "body": (-1.0, 1.1, 2.0, 3.6),
}
REGIONS = ("face", "frame", *list(BOXES)[1:])

# Landmarks of each region, for models with 68 and with 5 landmarks.
_LANDMARKS = {
    68: {"eyes": range(36, 48), "nose": range(27, 36), "mouth": range(48, 68)},
    5: {"eyes": range(4)},
}
# Horizontal and vertical margin around the landmarks, as fractions of their width.
_WIDENED = {"eyes": (0.2, 0.25), "nose": (0.4, 0.1), "mouth": (0.2, 0.2)}

#: Parts of the face that landmarks locate.
PARTS = frozenset(_WIDENED)


def region_of(
    frame: NDArray[np.uint8],
    face: Face,
    region: str,
    margin: float,
    landmarks: str | None = None,
) -> NDArray[np.uint8] | None:
    """Return the crop of a region, or None if the region is outside the frame."""
    box = None
    if landmarks is not None and region in _WIDENED:
        box = _box_by_landmarks(frame, face, region, landmarks)
    if box is None:
        width, height = face.right - face.left, face.bottom - face.top
        left, top, right, bottom = BOXES[region]
        box = (
            face.left + round(left * width),
            face.top + round(top * height),
            face.left + round(right * width),
            face.top + round(bottom * height),
        )
    left, top, right, bottom = box
    x, y = round((right - left) * margin), round((bottom - top) * margin)
    # A view would keep the whole frame in memory.
    crop = frame[
        max(0, top - y) : max(0, bottom + y), max(0, left - x) : max(0, right + x)
    ].copy()
    return crop if crop.size else None


def _box_by_landmarks(
    frame: NDArray[np.uint8], face: Face, region: str, path: str
) -> Box | None:
    """Return the box around the landmarks of a region, or None if it has none."""
    found = find_landmarks(frame, face[:4], path, _LANDMARKS)
    wanted = _LANDMARKS[len(found)].get(region)
    if wanted is None:
        return None
    points = found[list(wanted)]
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    x, y = (round((right - left) * share) for share in _WIDENED[region])
    return int(left) - x, int(top) - y, int(right) + x, int(bottom) + y


def check_regions(region: str | Sequence[str]) -> tuple[str, ...]:
    """Check one or more region names and return them as a tuple."""
    regions = (region,) if isinstance(region, str) else tuple(region)
    if not regions or not set(regions).issubset(REGIONS):
        raise ValueError(
            f"region must be one of {', '.join(map(repr, REGIONS))}, or a sequence of "
            f"these; got {region!r}."
        )
    return regions


def check_landmarks(path: str | os.PathLike[str]) -> str:
    """Check that a file contains a model with 5 or 68 landmarks. Return its path."""
    name = os.path.abspath(os.fspath(path))
    load_predictor(name, _LANDMARKS)
    return name
