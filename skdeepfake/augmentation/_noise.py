"""Noise as that of a sensor."""

from __future__ import annotations

from numbers import Real
from typing import Any

import keras
from keras import ops
from sklearn.utils._param_validation import Interval

from ._base import _RandomImageLayer, per_image


@keras.saving.register_keras_serializable(package="skdeepfake")
class RandomNoise(_RandomImageLayer):
    """Add Gaussian noise to images, in training.

    To each pixel and channel on its own, and as strong as is drawn for the image.

    Parameters
    ----------
    sigma : float, default=10.0
        Largest standard deviation in grey levels. It is drawn from 0 to there.
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

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.augmentation import RandomNoise
    >>> grey = np.full((1, 32, 32, 3), 100, np.uint8)
    >>> noisy = RandomNoise(5, probability=1)(grey, training=True)
    >>> bool(0 < np.asarray(noisy).std() < 6)
    True
    """

    def __init__(
        self,
        sigma: float = 10.0,
        *,
        probability: float = 0.5,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(probability=probability, seed=seed, **options)
        self._check({"sigma": [Interval(Real, 0, 255, closed="both")]}, sigma=sigma)
        self.sigma = float(sigma)

    def get_config(self) -> dict[str, Any]:
        """Give the parameters.

        Returns
        -------
        dict
            As `from_config` takes them.
        """
        return {**super().get_config(), "sigma": self.sigma}

    def _changed(self, images: Any) -> Any:
        sigma = per_image(self._draw(images, 0.0, self.sigma))
        noise = keras.random.normal(
            ops.shape(images), dtype="float32", seed=self.generator
        )
        return images + sigma * noise
