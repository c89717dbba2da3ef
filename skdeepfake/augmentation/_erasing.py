"""Parts of a face covered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ._base import _RandomImageLayer


@keras.saving.register_keras_serializable(package="skdeepfake")
class RandomErasing(_RandomImageLayer):
    """Cover a rectangle of images with their mean colour, in training.

    A detector is kept from trusting one place of the face alone [1]_. Each image has
    a rectangle of its own, which lies within it.

    Parameters
    ----------
    area : (float, float), default=(0.02, 0.2)
        Range of the rectangle's share of the image.
    ratio : (float, float), default=(0.5, 2.0)
        Range of its height divided by its width, above 0. As many are drawn higher than
        wide by some factor as wider than high. A side is never longer than the image's.
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
    The paper fills the rectangle with noise. ``keras.layers.RandomErasing``, which
    recent releases of Keras have, fills it with noise or one value for all images.

    References
    ----------
    .. [1] Zhong, Z., Zheng, L., Kang, G., Li, S. and Yang, Y. (2020). Random erasing
       data augmentation. AAAI. arXiv:1708.04896.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.augmentation import RandomErasing
    >>> half = np.zeros((1, 8, 8, 3), np.uint8)
    >>> half[:, 4:] = 100
    >>> layer = RandomErasing((0.25, 0.25), (1, 1), probability=1)
    >>> erased = np.asarray(layer(half, training=True))
    >>> int((erased == 50).sum())
    48
    """

    def __init__(
        self,
        area: Sequence[float] = (0.02, 0.2),
        ratio: Sequence[float] = (0.5, 2.0),
        *,
        probability: float = 0.5,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(probability=probability, seed=seed, **options)
        self.area = self._range("area", area, most=1.0)
        self.ratio = self._range("ratio", ratio, of_least=False)

    def get_config(self) -> dict[str, Any]:
        """Give the parameters.

        Returns
        -------
        dict
            As `from_config` takes them.
        """
        return {**super().get_config(), "area": self.area, "ratio": self.ratio}

    def _changed(self, images: Any) -> Any:
        height, width = images.shape[1:3]
        area = height * width * self._draw(images, *self.area)
        ratio = ops.exp(self._draw(images, *map(math.log, self.ratio)))
        rows = self._covered(images, height, ops.sqrt(area * ratio))
        columns = self._covered(images, width, ops.sqrt(area / ratio))
        inside = rows[:, :, None, None] & columns[:, None, :, None]
        mean = ops.mean(images, axis=(1, 2), keepdims=True)
        return ops.where(inside, mean, images)

    def _covered(self, images: Any, size: int, side: Any) -> Any:
        """Draw which rows, or columns, are covered: bool of shape (n, size)."""
        side = ops.clip(ops.round(side), 0.0, float(size))
        first = ops.floor(self._draw(images, 0.0, 1.0) * (size - side + 1.0))
        first, side = ops.reshape(first, (-1, 1)), ops.reshape(side, (-1, 1))
        number = ops.arange(size, dtype="float32")
        return (number >= first) & (number < first + side)
