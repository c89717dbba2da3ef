"""Faces turned, scaled, sheared and moved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

import keras
from keras import ops
from sklearn.utils._param_validation import Interval

from ._base import _RandomImageLayer

_CONSTRAINTS = {
    "rotation": [Interval(Real, 0, 180, closed="both")],
    "shift": [Interval(Real, 0, 1, closed="both")],
    "shear": [Interval(Real, 0, 60, closed="both")],
}


@keras.saving.register_keras_serializable(package="skdeepfake")
class RandomAffine(_RandomImageLayer):
    """Turn, scale, shear and move images, in training.

    Each image is mapped about its middle by numbers of its own, and interpolated once,
    bilinearly. What comes in over an edge is the image's reflection at that edge.

    Parameters
    ----------
    rotation : float, default=10.0
        Largest angle in degrees, to either side.
    scale : (float, float), default=(0.9, 1.1)
        Range of the factor of the size. Above 1 the face grows.
    shift : float, default=0.05
        Largest movement to either side, as a share of the width and of the height.
    shear : float, default=5.0
        Largest angle in degrees by which upright lines lean, to either side.
    probability : float, default=0.5
        Share of the images that are changed.
    seed : int or None, default=None
        What is drawn from; None draws a seed.
    **options
        What any Keras layer takes.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    See Also
    --------
    make_preset : Several such layers by one name.

    Notes
    -----
    ``keras.ops.image.affine_transform`` does the same, but with PyTorch it takes a
    second for an image of 224 x 224 pixels on a CPU. So pixels are gathered here.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.augmentation import RandomAffine
    >>> ramp = np.zeros((1, 5, 9, 3), np.float32)
    >>> ramp[:] = 10 * np.arange(9)[:, np.newaxis]
    >>> layer = RandomAffine(0, (2, 2), 0, 0, probability=1)
    >>> np.asarray(layer(ramp, training=True))[0, 2, :, 0].tolist()
    [20.0, 25.0, 30.0, 35.0, 40.0, 45.0, 50.0, 55.0, 60.0]
    """

    def __init__(
        self,
        rotation: float = 10.0,
        scale: Sequence[float] = (0.9, 1.1),
        shift: float = 0.05,
        shear: float = 5.0,
        *,
        probability: float = 0.5,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(probability=probability, seed=seed, **options)
        self._check(_CONSTRAINTS, rotation=rotation, shift=shift, shear=shear)
        self.rotation = float(rotation)
        self.scale = self._range("scale", scale, of_least=False)
        self.shift = float(shift)
        self.shear = float(shear)

    def get_config(self) -> dict[str, Any]:
        """Give the parameters.

        Returns
        -------
        dict
            As `from_config` takes them.
        """
        return {
            **super().get_config(),
            "rotation": self.rotation,
            "scale": self.scale,
            "shift": self.shift,
            "shear": self.shear,
        }

    def _changed(self, images: Any) -> Any:
        height, width = images.shape[1:3]
        turn, lean = math.radians(self.rotation), math.radians(self.shear)
        angle = self._draw(images, -turn, turn)
        slope = ops.tan(self._draw(images, -lean, lean))
        scale = self._draw(images, *self.scale)
        right = self._draw(images, -self.shift, self.shift) * width
        down = self._draw(images, -self.shift, self.shift) * height
        # From places in the new image to those in the old one: the inverse of scaling,
        # leaning and turning, in the order in which they are undone.
        cos, sin = ops.cos(angle) / scale, ops.sin(angle) / scale
        x_of = (cos + slope * sin, slope * cos - sin)
        y_of = (sin, cos)
        x = _places(x_of, width, height, right, (width - 1) / 2)
        y = _places(y_of, width, height, down, (height - 1) / 2)
        return _looked_up(images, x, y)


def _places(
    factors: tuple[Any, Any], width: int, height: int, movement: Any, middle: float
) -> Any:
    """Combine columns and rows, counted from the middle: (n, height, width)."""
    columns = ops.arange(width, dtype="float32") - (width - 1) / 2
    rows = ops.arange(height, dtype="float32") - (height - 1) / 2
    by_column, by_row, by = (
        ops.reshape(number, (-1, 1, 1)) for number in (*factors, movement)
    )
    rows = ops.reshape(rows, (1, height, 1))
    return by_column * columns + by_row * rows - by + middle


def _looked_up(images: Any, x: Any, y: Any) -> Any:
    """Interpolate images at places, given in pixels: of shape (n, height, width)."""
    height, width, channels = images.shape[1:]
    pixels = ops.reshape(images, (-1, channels))
    left, right, across = _neighbours(x, width)
    above, below, down = _neighbours(y, height)
    first = ops.arange(ops.shape(images)[0], dtype="int32") * (height * width)
    first = ops.reshape(first, (-1, 1, 1))
    above, below = first + above * width, first + below * width
    across, down = across[..., None], down[..., None]

    def row(start: Any) -> Any:
        a = ops.take(pixels, start + left, axis=0)
        b = ops.take(pixels, start + right, axis=0)
        return a + (b - a) * across

    upper, lower = row(above), row(below)
    return upper + (lower - upper) * down


def _neighbours(place: Any, size: int) -> tuple[Any, Any, Any]:
    """Give the pixels before and after a place, and how far on it lies."""
    # Reflected at the outer sides of the first and the last pixel.
    place = ops.mod(place + 0.5, 2.0 * size)
    place = ops.clip(ops.minimum(place, 2.0 * size - place) - 0.5, 0.0, size - 1.0)
    before = ops.floor(place)
    number = ops.cast(before, "int32")
    return number, ops.minimum(number + 1, size - 1), place - before
