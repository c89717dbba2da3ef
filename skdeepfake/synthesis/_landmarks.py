"""Where the points of a face lie: of any face in its box, or of this one by dlib."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._landmarks import find_landmarks

# (n_points, 2), x and y. The first 68 in dlib's order, then the forehead.
Points = NDArray[np.float32]

# Numbers of points that a model may have: dlib's own, and those with the forehead.
_N_POINTS = (68, 81)

# The points that the forehead is placed by where a model has none.
_BROWS, _NOSE_TOP, _NOSE_BASE = slice(17, 27), 27, 33


class Box(NamedTuple):
    """The face in an image as dlib's detector frames it, in pixels."""

    left: float
    top: float
    width: float
    height: float

    def to_image(self) -> NDArray[np.float64]:
        """Return the affine map (2, 3) from the box, 0 to 1 either way, to pixels."""
        # A pixel is a square about its coordinates.
        return np.array(
            [[self.width, 0, self.left - 0.5], [0, self.height, self.top - 0.5]]
        )


def box_in_crop(shape: tuple[int, ...], margin: float) -> Box:
    """Say where the face's box lies in a crop that was widened by a margin."""
    height, width = (side / (1 + 2 * margin) for side in shape[:2])
    return Box(margin * width, margin * height, width, height)


@functools.lru_cache(maxsize=1)
def standard_face() -> Points:
    """Return the points of a face of mean proportions, in units of its box."""
    turn = np.linspace(0, np.pi, 17)
    middle = 0.52  # dlib's boxes lie a little to the left of faces
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
    """Add a forehead to 68 points: as far above the brows as the nose is long."""
    if len(points) > _N_POINTS[0]:
        return points
    up = points[_NOSE_TOP] - points[_NOSE_BASE]
    return np.concatenate([points, points[_BROWS] + up])


def find_points(image: NDArray[np.uint8], box: Box, path: str) -> Points:
    """Find the points of a face by a model of dlib's, in pixels."""
    right, bottom = round(box.left + box.width), round(box.top + box.height)
    edges = (round(box.left), round(box.top), right, bottom)
    return with_forehead(find_landmarks(image, edges, path, _N_POINTS))
