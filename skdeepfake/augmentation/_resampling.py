"""Detail lost by scaling and by blur: images times matrices of rows and of columns.

A matrix whose size is known and whose entries are drawn does for each image of a batch
what is its own, where a resizing would have one size for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import keras
from keras import ops
from sklearn.utils._param_validation import Interval

from ._base import _RandomImageLayer


def planes_of(images: Any) -> Any:
    """Put the channels first.

    Parameters
    ----------
    images : tensor of shape (n, height, width, channels)
        Images.

    Returns
    -------
    tensor of shape (n, channels, height, width)
    """
    return ops.transpose(images, (0, 3, 1, 2))


def images_of(planes: Any) -> Any:
    """Put the channels last.

    Parameters
    ----------
    planes : tensor of shape (n, channels, height, width)
        What `planes_of` gives.

    Returns
    -------
    tensor of shape (n, height, width, channels)
    """
    return ops.transpose(planes, (0, 2, 3, 1))


def resampled(planes: Any, of_rows: Any, of_columns: Any) -> Any:
    """Make each row of images of all rows, and each column of all columns.

    Parameters
    ----------
    planes : tensor of shape (n, channels, height, width)
        Images, channels first.
    of_rows : tensor of shape (n or 1, new_height, height)
        Weights of the old rows in the new ones.
    of_columns : tensor of shape (n or 1, new_width, width)
        Those of columns.

    Returns
    -------
    tensor of shape (n, channels, new_height, new_width)
    """
    _, channels, height, width = planes.shape
    lines = ops.reshape(planes, (-1, channels * height, width))
    lines = ops.matmul(lines, ops.transpose(of_columns, (0, 2, 1)))
    planes = ops.reshape(lines, (-1, channels, height, of_columns.shape[1]))
    return ops.matmul(of_rows[:, None], planes)


@keras.saving.register_keras_serializable(package="skdeepfake")
class RandomDownscale(_RandomImageLayer):
    """Shrink images and enlarge them again, in training.

    Each image to a share of its size that is its own, by the mean of areas, and back
    bilinearly: as ``cv2.resize`` with ``INTER_AREA`` and with ``INTER_LINEAR``.

    Parameters
    ----------
    smallest : float, default=0.25
        Smallest share of height and width, above 0. It is drawn from there to 1.
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
    RandomBlur : Takes detail away evenly.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.augmentation import RandomDownscale
    >>> stripes = np.zeros((1, 8, 8, 3), np.uint8)
    >>> stripes[:, ::2] = 200
    >>> layer = RandomDownscale(smallest=0.5, probability=1, seed=0)
    >>> small = np.asarray(layer(stripes, training=True))
    >>> bool(small.std() < 0.8 * stripes.std())
    True
    """

    def __init__(
        self,
        smallest: float = 0.25,
        *,
        probability: float = 0.5,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(probability=probability, seed=seed, **options)
        constraint = [Interval(Real, 0, 1, closed="right")]
        self._check({"smallest": constraint}, smallest=smallest)
        self.smallest = float(smallest)

    def get_config(self) -> dict[str, Any]:
        """Give the parameters.

        Returns
        -------
        dict
            As `from_config` takes them.
        """
        return {**super().get_config(), "smallest": self.smallest}

    def _changed(self, images: Any) -> Any:
        height, width = images.shape[1:3]
        share = self._draw(images, self.smallest, 1.0)
        of_rows = _down_and_up(height, share)
        of_columns = of_rows if width == height else _down_and_up(width, share)
        return images_of(resampled(planes_of(images), of_rows, of_columns))


def _down_and_up(size: int, share: Any) -> Any:
    """Weights of shrinking to a share of the size, and of enlarging to the size."""
    left = ops.reshape(ops.maximum(ops.round(share * size), 1.0), (-1, 1, 1))
    step = size / left
    first = ops.reshape(ops.arange(size, dtype="float32"), (1, size, 1))
    second = ops.reshape(first, (1, 1, size))
    # How much of each pixel lies in each of the `left` areas; further rows are zero.
    overlap = ops.minimum((first + 1.0) * step, second + 1.0)
    overlap = ops.relu(overlap - ops.maximum(first * step, second))
    place = ops.clip((first + 0.5) / step - 0.5, 0.0, left - 1.0)
    up = ops.relu(1.0 - ops.abs(place - second))
    return ops.matmul(up, overlap / step)


@keras.saving.register_keras_serializable(package="skdeepfake")
class RandomBlur(_RandomImageLayer):
    """Blur images by a Gaussian, in training.

    Each image by one of its own width; beyond the edges lies the image's reflection, as
    with ``cv2.GaussianBlur``.

    Parameters
    ----------
    sigma : (float, float), default=(0.2, 2.0)
        Range of the standard deviation in pixels, above 0.
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
    RandomDownscale : Takes detail away as a smaller picture does.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.augmentation import RandomBlur
    >>> dot = np.zeros((1, 9, 9, 3), np.uint8)
    >>> dot[0, 4, 4] = 100
    >>> layer = RandomBlur((1, 1), probability=1)
    >>> np.asarray(layer(dot, training=True))[0, 4, 3:6, 0].round().tolist()
    [10.0, 16.0, 10.0]
    """

    def __init__(
        self,
        sigma: Sequence[float] = (0.2, 2.0),
        *,
        probability: float = 0.5,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(probability=probability, seed=seed, **options)
        self.sigma = self._range("sigma", sigma, of_least=False)

    def get_config(self) -> dict[str, Any]:
        """Give the parameters.

        Returns
        -------
        dict
            As `from_config` takes them.
        """
        return {**super().get_config(), "sigma": self.sigma}

    def _changed(self, images: Any) -> Any:
        height, width = images.shape[1:3]
        sigma = self._draw(images, *self.sigma)
        of_rows = _gaussian(height, sigma)
        of_columns = of_rows if width == height else _gaussian(width, sigma)
        return images_of(resampled(planes_of(images), of_rows, of_columns))


def _gaussian(size: int, sigma: Any) -> Any:
    """Weights of a Gaussian, with those beyond the edges folded back."""
    sharpness = ops.reshape(0.5 / ops.square(sigma), (-1, 1, 1))
    new = ops.reshape(ops.arange(size, dtype="float32"), (1, size, 1))
    old = ops.reshape(new, (1, 1, size))
    last = size - 1.0
    # The first and the last pixel have no image of themselves beyond their edge.
    before = ops.cast(old > 0, "float32")
    after = ops.cast(old < last, "float32")
    weights = ops.exp(-ops.square(new - old) * sharpness)
    weights += before * ops.exp(-ops.square(new + old) * sharpness)
    weights += after * ops.exp(-ops.square(2.0 * last - new - old) * sharpness)
    return weights / ops.sum(weights, axis=2, keepdims=True)
