"""What the layers share: the share of images that are changed, draws, and checks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import keras
from keras import ops
from sklearn.utils._param_validation import Interval, validate_parameter_constraints

# Luma of R, G and B in ITU-R BT.601, by which JPEG has it.
LUMA = (0.299, 0.587, 0.114)

_CONSTRAINTS = {
    "probability": [Interval(Real, 0, 1, closed="both")],
    "seed": [Interval(Integral, 0, 2**32 - 1, closed="both"), None],
}


class _RandomImageLayer(keras.layers.Layer):
    """Base of layers that change some of the images of a batch, each in its own way.

    A subclass says in `_changed` what becomes of an image, for a whole batch at once.

    Parameters
    ----------
    probability : float
        Share of the images that are changed.
    seed : int or None
        What is drawn from; None draws a seed.
    **options
        What any Keras layer takes. It computes in float32 unless `dtype` says
        otherwise.
    """

    def __init__(self, *, probability: float, seed: int | None, **options: Any) -> None:
        options.setdefault("dtype", "float32")
        super().__init__(**options)
        self._check(_CONSTRAINTS, probability=probability, seed=seed)
        self.probability = float(probability)
        self.seed = None if seed is None else int(seed)
        self.generator = keras.random.SeedGenerator(self.seed)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Check the shape of the images.

        Parameters
        ----------
        input_shape : tuple of int or None
            Of a batch. Height and width are known beforehand.

        Raises
        ------
        ValueError
            If it is not one of RGB images of a known size.
        """
        shape = tuple(input_shape)
        if len(shape) != 4 or shape[3] != 3 or None in shape[1:3]:
            raise ValueError(
                f"{self.name} takes images of the shape (n, height, width, 3), whose "
                f"height and width are known beforehand, but got the shape {shape}"
            )
        self.built = True

    def call(self, images: Any, training: bool | None = None) -> Any:
        """Change some of the images, in training.

        Parameters
        ----------
        images : tensor of shape (n, height, width, 3)
            RGB, 0 to 255, of any dtype.
        training : bool or None, default=None
            Whether it is called in training. Otherwise all images stay as they are.

        Returns
        -------
        tensor of float32, shape (n, height, width, 3)
            Changed ones are clipped to 0 to 255.
        """
        images = ops.cast(images, "float32")
        if not training or not self.probability:
            return images
        chosen = self._draw(images, 0.0, 1.0) < self.probability
        changed = ops.clip(self._changed(images), 0.0, 255.0)
        # As rows: of four axes TensorFlow takes three times as long.
        size = images.shape[1:]
        row = (-1, math.prod(size))
        mixed = ops.where(
            ops.reshape(chosen, (-1, 1)),
            ops.reshape(changed, row),
            ops.reshape(images, row),
        )
        return ops.reshape(mixed, (-1, *size))

    def compute_output_shape(
        self, input_shape: Sequence[int | None]
    ) -> tuple[int | None, ...]:
        """Give the shape of what goes in.

        Parameters
        ----------
        input_shape : tuple of int or None
            Of a batch.

        Returns
        -------
        tuple of int or None
            The same.
        """
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Give the parameters.

        Returns
        -------
        dict
            As `from_config` takes them.
        """
        config = super().get_config()
        return {**config, "probability": self.probability, "seed": self.seed}

    def _changed(self, images: Any) -> Any:
        raise NotImplementedError

    def _draw(self, images: Any, low: float, high: float) -> Any:
        """Draw a number between two for each image: a tensor of shape (n,)."""
        n_images = ops.shape(images)[0]
        return keras.random.uniform(
            (n_images,), low, high, dtype="float32", seed=self.generator
        )

    def _check(self, constraints: dict[str, Any], **params: Any) -> None:
        validate_parameter_constraints(constraints, params, type(self).__name__)

    def _range(
        self,
        name: str,
        value: Any,
        least: float = 0.0,
        most: float = float("inf"),
        *,
        of_least: bool = True,
    ) -> tuple[float, float]:
        """Check a parameter that is a range, and give it as two numbers.

        `of_least` says whether it may begin at `least` itself.
        """
        try:
            low, high = map(float, value)
        except (TypeError, ValueError):
            low, high = 1.0, 0.0
        begins = least <= low if of_least else least < low
        if not (begins and low <= high <= most and high < float("inf")):
            above = "from" if of_least else "above"
            below = "" if most == float("inf") else f" to {most:g}"
            raise ValueError(
                f"The {name!r} parameter of {type(self).__name__} must be two numbers "
                f"{above} {least:g}{below}, the smaller one first. Got {value!r} "
                "instead."
            )
        return low, high


def per_image(values: Any) -> Any:
    """Make numbers of shape (n,) ready to be combined with images."""
    return ops.reshape(values, (-1, 1, 1, 1))
