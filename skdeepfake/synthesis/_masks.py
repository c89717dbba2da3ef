"""Random soft masks of faces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ._landmarks import Points

Mask = NDArray[np.float32]

# Masks are smooth and therefore drawn on a small canvas in box coordinates. The face
# box has a side of `_UNIT` pixels, and the canvas adds half a box at each edge.
_UNIT = 96
_SIDE = 2 * _UNIT

# Corners of polygons are in units of 1/16 pixel.
_SUBPIXEL = 4

# Points of the convex hull of each shape. Points from 68 on are the forehead.
SHAPES: dict[str, list[slice]] = {
    "whole": [slice(None)],
    "without_forehead": [slice(0, 68)],
    "inner": [slice(17, 68)],  # brows, eyes, nose and mouth
    "lower": [slice(2, 15), slice(29, 36)],  # from the nose down
    "eyes": [slice(17, 28), slice(36, 48)],  # with the brows
    "mouth": [slice(6, 11), slice(31, 36), slice(48, 68)],  # with the chin
}

#: Default of the parameter `shapes`.
DEFAULT_SHAPES = ("whole", "without_forehead", "inner", "lower")

# Elastic deformation: number of waves per side of the canvas, and their amplitude as a
# fraction of the box. This is similar to alpha=50 and sigma=7 for 256 x 256 pixels.
_WAVES, _AMPLITUDE = 24, 0.012

# Ranges of the radii of the erosion and the Gaussian kernel, as fractions of the box.
_EROSION, _SOFTNESS = (0.01, 0.08), (0.02, 0.12)


class MaskRecipe(NamedTuple):
    """Random parameters of a mask."""

    shape: str
    waves: NDArray[np.float32]
    erosion: float
    softness: float
    ratio: float


def draw_mask(
    rng: np.random.Generator, shapes: Sequence[str], ratios: Sequence[float]
) -> MaskRecipe:
    """Draw the parameters of a mask, with one of the shapes and one of the ratios."""
    return MaskRecipe(
        shape=shapes[int(rng.integers(len(shapes)))],
        waves=rng.standard_normal((_WAVES, _WAVES, 2), np.float32),
        erosion=rng.uniform(*_EROSION),
        softness=rng.uniform(*_SOFTNESS),
        ratio=float(ratios[int(rng.integers(len(ratios)))]),
    )


def mask_on_canvas(recipe: MaskRecipe, points: Points) -> Mask:
    """Return the mask of a face on the canvas. `points` are in box units."""
    hull = cv2.convexHull(
        np.concatenate([points[part] for part in SHAPES[recipe.shape]])
    )
    corners = np.rint(((hull + 0.5) * _UNIT - 0.5) * 2**_SUBPIXEL).astype(np.int32)
    mask = np.zeros((_SIDE, _SIDE), np.uint8)
    cv2.fillConvexPoly(mask, corners, 255, cv2.LINE_AA, _SUBPIXEL)

    waves = cv2.resize(recipe.waves, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    shift = np.float32(_AMPLITUDE * _UNIT) * waves
    grid = np.arange(_SIDE, dtype=np.float32)
    x, y = shift[..., 0] + grid, shift[..., 1] + grid[:, np.newaxis]
    deformed = cv2.remap(mask, x, y, cv2.INTER_LINEAR)

    # Erode the mask. Shiohara and Yamasaki (2022) instead blur it and set values below
    # 1 to 0.
    side = 2 * round(recipe.erosion * _UNIT) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    # Blurring integers keeps the maximum exact.
    eroded = cv2.erode(deformed, kernel).astype(np.uint16) * 257
    radius = max(1, round(recipe.softness * _UNIT))
    side = 2 * radius + 1
    soft = cv2.GaussianBlur(eroded, (side, side), radius / 2)
    return soft.astype(np.float32) / np.float32(65535) * np.float32(recipe.ratio)


def mask_in_image(
    mask: Mask, to_image: NDArray[np.float64], shape: tuple[int, ...]
) -> Mask:
    """Transform a mask from the canvas to an image of the given shape.

    `to_image` is the affine map (2, 3) from box units to pixels.
    """
    linear = to_image[:, :2] / _UNIT
    offset = to_image @ [0.5 / _UNIT - 0.5, 0.5 / _UNIT - 0.5, 1]
    to_pixels = np.column_stack([linear, offset])
    return cv2.warpAffine(mask, to_pixels, shape[1::-1])  # type: ignore[return-value]
