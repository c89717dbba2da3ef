"""Random parameters of a fake, shared by all frames of a video."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ._alterations import Alteration, Image, alter, draw_alteration
from ._landmarks import Points, standard_face
from ._masks import (
    DEFAULT_SHAPES,
    Mask,
    MaskRecipe,
    draw_mask,
    mask_in_image,
    mask_on_canvas,
)

#: Values of the parameter `altered`.
ALTERED = ("source", "target", "either")

#: Blending ratios of Shiohara and Yamasaki (2022).
RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)

# Warp of the source: number of waves per side, and the standard deviation of the shift
# with warp=1, as a fraction of the box.
_WAVES, _WARP = 5, 0.015

# Largest translation of the source, as fractions of the width and height of the box,
# and its smallest scale. The largest scale is the inverse of the smallest.
_TRANSLATION, _SCALE = np.array([0.03, 0.015]), 0.95


class Parts(NamedTuple):
    """A fake, its target and its mask."""

    fake: Image
    target: Image
    mask: Mask


# Function of source, target and mask that returns the fake.
Blend = Callable[[Image, Image, Mask], Image]


def _blend_linearly(source: Image, target: Image, mask: Mask) -> Image:
    # Where the mask is 0, the result equals the target exactly.
    return cv2.blendLinear(source, target, mask, 1 - mask)  # type: ignore[return-value]


@dataclasses.dataclass(eq=False)
class Recipe:
    """Random parameters of a fake."""

    alters_source: bool
    alteration: Alteration
    move: NDArray[np.float64]
    mask: MaskRecipe
    seed: int
    warp: NDArray[np.float32]

    def apply(
        self,
        image: Image,
        to_image: NDArray[np.float64],
        points: Points | None = None,
        source: Image | None = None,
        blend: Blend | None = None,
    ) -> Parts:
        """Blend the face in an image with a copy of itself or with `source`."""
        face_size = float(np.sqrt(abs(np.linalg.det(to_image[:, :2]))))
        if source is None:
            source = image
        target = image
        if self.alters_source:
            source = alter(source, self.alteration, face_size)
        else:
            target = alter(target, self.alteration, face_size)
        full = np.vstack([to_image, [0, 0, 1]])
        inverse = np.linalg.inv(full)
        moved: Image = cv2.warpAffine(  # type: ignore[assignment]
            source,
            to_image @ np.vstack([self.move, [0, 0, 1]]) @ inverse,
            image.shape[1::-1],
            borderMode=cv2.BORDER_REFLECT_101,
        )
        if self.warp.any():
            moved = self._warped(moved, to_image)
        if points is None:
            on_canvas = self._standard_mask
        else:
            in_box = points @ inverse[:2, :2].T + inverse[:2, 2]
            on_canvas = self._mask_of(in_box)
        mask = mask_in_image(on_canvas, to_image, image.shape)
        return Parts((blend or _blend_linearly)(moved, target, mask), target, mask)

    def _warped(self, image: Image, to_image: NDArray[np.float64]) -> Image:
        """Shift pixels by smooth waves, which decrease to 0 outside the box."""
        height, width = image.shape[:2]
        # Map from the grid of waves, which has twice the width and height of the box.
        step = 2 / (_WAVES - 1)
        to_pixels = to_image @ np.array([[step, 0, -0.5], [0, step, -0.5], [0, 0, 1]])
        face_size = np.sqrt(abs(np.linalg.det(to_image[:, :2])))
        shift = cv2.warpAffine(
            self.warp, to_pixels, (width, height), flags=cv2.INTER_CUBIC
        )
        shift *= np.float32(face_size)
        y, x = np.indices((height, width), dtype=np.float32)
        return cv2.remap(  # type: ignore[return-value]
            image,
            x + shift[..., 0],
            y + shift[..., 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )

    @functools.cached_property
    def _standard_mask(self) -> Mask:
        return self._mask_of(standard_face())

    def _mask_of(self, points: NDArray[np.floating]) -> Mask:
        # The mask moves with the source.
        moved = points @ self.move[:, :2].T + self.move[:, 2]
        return mask_on_canvas(self.mask, moved.astype(np.float32))


def draw_recipe(
    rng: np.random.Generator,
    *,
    color: float = 1.0,
    detail: float = 1.0,
    movement: float = 1.0,
    warp: float = 0.0,
    altered: str = "source",
    shapes: Sequence[str] = DEFAULT_SHAPES,
    ratios: Sequence[float] = RATIOS,
) -> Recipe:
    """Draw a recipe. The parameters are documented in :class:`SelfBlender`."""
    # The number of random draws does not depend on the parameters.
    alters_source = rng.random() < 0.5
    translation = movement * rng.uniform(-_TRANSLATION, _TRANSLATION)
    scale = _SCALE ** (movement * rng.uniform(-1, 1))
    offset = 0.5 * (1 - scale) + translation  # scale about the center of the box
    return Recipe(
        alters_source=altered == "source" or (altered == "either" and alters_source),
        alteration=draw_alteration(rng, color, detail),
        move=np.column_stack([scale * np.eye(2), offset]),
        mask=draw_mask(rng, shapes, ratios),
        seed=int(rng.integers(2**63)),
        warp=(warp * _WARP) * rng.standard_normal((_WAVES, _WAVES, 2), np.float32),
    )
