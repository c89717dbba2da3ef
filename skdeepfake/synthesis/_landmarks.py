"""Landmarks of a face, detected by dlib or taken from a standard face."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._landmarks import find_landmarks

# Array of shape (n_points, 2) with x and y. The first 68 points are in dlib's order.
# Points of the forehead may follow: 13 detected points or 10 estimated points.
Points = NDArray[np.float32]

# Valid numbers of points, without and with the forehead.
_N_POINTS = (68, 81)

# Points from which a missing forehead is estimated.
_BROWS, _NOSE_TOP, _NOSE_BASE = slice(17, 27), 27, 33


class Box(NamedTuple):
    """Face box of dlib's detector in pixels."""

    left: float
    top: float
    width: float
    height: float

    def to_image(self) -> NDArray[np.float64]:
        """Return the affine map (2, 3) from box units, 0 to 1, to pixel coordinates."""
        # Integer coordinates are at the centers of pixels.
        return np.array(
            [[self.width, 0, self.left - 0.5], [0, self.height, self.top - 0.5]]
        )


def box_in_crop(shape: tuple[int, ...], margin: float) -> Box:
    """Return the face box in a crop that was enlarged by a margin."""
    height, width = (side / (1 + 2 * margin) for side in shape[:2])
    return Box(margin * width, margin * height, width, height)


@functools.lru_cache(maxsize=1)
def standard_face() -> Points:
    """Return the points of a face of average proportions, in box units."""
    turn = np.linspace(0, np.pi, 17)
    middle = 0.52  # dlib's boxes are slightly left of the face
    jaw = [middle - 0.445 * np.cos(turn), 0.33 + 0.73 * np.sin(turn) ** 1.2]
    brow = [np.linspace(0.16, 0.46, 5), np.array([0.25, 0.19, 0.17, 0.175, 0.2])]
    other_brow = [2 * middle - brow[0][::-1], brow[1][::-1]]
    bridge = [np.full(4, middle), np.linspace(0.31, 0.55, 4)]
    base = [np.linspace(0.42, 0.62, 5), np.array([0.6, 0.62, 0.635, 0.62, 0.6])]
    parts = [
        *(jaw, brow, other_brow, bridge, base),
        *(_ellipse(middle + dx, 0.345, 0.075, 0.028, 6) for dx in (-0.205, 0.205)),
        _ellipse(middle, 0.8, 0.17, 0.075, 12),
        _ellipse(middle, 0.8, 0.14, 0.03, 8),
    ]
    points = with_forehead(np.hstack(parts).T.astype(np.float32))
    points.flags.writeable = False
    return points


def _ellipse(x: float, y: float, a: float, b: float, n: int) -> list[NDArray]:
    turn = np.arange(n) * 2 * np.pi / n
    return [x - a * np.cos(turn), y - b * np.sin(turn)]


def with_forehead(points: Points) -> Points:
    """Add a forehead to 68 points: the brows, moved up by the length of the nose."""
    if len(points) > _N_POINTS[0]:
        return points
    up = points[_NOSE_TOP] - points[_NOSE_BASE]
    return np.concatenate([points, points[_BROWS] + up])


def find_points(image: NDArray[np.uint8], box: Box, path: str) -> Points:
    """Return the points of a face in pixels, detected by a dlib shape predictor."""
    right, bottom = round(box.left + box.width), round(box.top + box.height)
    edges = (round(box.left), round(box.top), right, bottom)
    return with_forehead(find_landmarks(image, edges, path, _N_POINTS))
