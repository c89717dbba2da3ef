"""Discriminator and generator of a generative adversarial network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import keras
from keras import layers
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from .._stateless import Growing

# Negative slope of leaky ReLU, as in the paper.
_SLOPE = 0.3


@dataclass(repr=False, eq=False)
class Generator(Growing, BaseEstimator):
    """Parameters of the generator of a :class:`GANDetector`.

    Parameters
    ----------
    filters : sequence of int, default=(256, 128, 64, 64, 32)
        Number of channels after the initial dense layer, followed by the number of
        filters of each transposed convolution except the last. Each of the
        ``len(filters)`` transposed convolutions doubles the height and width.
        Therefore, the height and width of images must be multiples of
        ``2 ** len(filters)``, 32 by default.
    noise_dim : int, default=100
        Number of normally distributed inputs per image.
    momentum : float, default=0.99
        Momentum of the running mean and variance of batch normalization, which are used
        to generate images. Use a lower value for short training.
    learning_rate : float, default=1e-4
        Learning rate of the generator's optimizer. When callbacks reduce the learning
        rate of the discriminator, that of the generator is reduced by the same factor.
    loss : {"bce", "wasserstein"}, default="bce"
        Loss of both networks. "bce" is the binary cross-entropy. "wasserstein" is the
        mean logit, negated for label 1. With "wasserstein", the weights of the
        discriminator are clipped after each step, and probabilities are only valid for
        ranking.
    clip : float, default=0.01
        Maximum absolute value of the discriminator's weights for
        ``loss="wasserstein"``.

    See Also
    --------
    GANDetector : Accepts a Generator as `generator`.

    References
    ----------
    Arjovsky, Chintala and Bottou, "Wasserstein GAN", ICML 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.detectors import GANDetector, Generator
    >>> generator = Generator(filters=(8, 4), noise_dim=50)
    >>> detector = GANDetector(generator=generator, discriminator_filters=(4,))
    >>> detector = detector.initialize(np.ones((2, 1, 8, 8, 3), np.uint8), [0, 1])
    >>> detector.generator_.input_shape, detector.generator_.output_shape
    ((None, 50), (None, 8, 8, 3))
    """

    _: KW_ONLY
    filters: Sequence[int] = (256, 128, 64, 64, 32)
    noise_dim: int = 100
    momentum: float = 0.99
    learning_rate: float = 1e-4
    loss: str = "bce"
    clip: float = 0.01

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "filters": ["array-like"],
        "noise_dim": [Interval(Integral, 1, None, closed="left")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "loss": [StrOptions({"bce", "wasserstein"})],
        "clip": [Interval(Real, 0, None, closed="neither")],
    }


def build_discriminator(
    frame_shape: tuple[int, ...],
    filters: Sequence[int],
    *,
    kernel_size: int,
    dropout: float,
    seed: Callable[[int], int | None],
) -> keras.Model:
    """Build the network that maps scaled images to logits."""
    inputs = x = keras.Input(frame_shape)
    for number, n_filters in enumerate(filters):
        x = layers.Conv2D(n_filters, kernel_size, strides=2, padding="same")(x)
        x = layers.LeakyReLU(_SLOPE)(x)
        # PyTorch ignores `random_state` unless the layer has a seed.
        x = layers.Dropout(dropout, seed=seed(number))(x)
    logits = layers.Dense(1, dtype="float32")(layers.Flatten()(x))
    return keras.Model(inputs, logits, name="discriminator")


def build_generator(
    generator: Generator, frame_shape: tuple[int, ...], *, kernel_size: int
) -> keras.Model:
    """Build the network that maps noise to images with values from -1 to 1."""
    height, width = _size_to_start_from(frame_shape, len(generator.filters))
    first, *others = generator.filters

    def activate(x: Any) -> Any:
        x = layers.BatchNormalization(momentum=generator.momentum)(x)
        return layers.LeakyReLU(_SLOPE)(x)

    def double(x: Any, filters: int, activation: str | None = None) -> Any:
        return layers.Conv2DTranspose(
            filters,
            kernel_size,
            strides=2,
            padding="same",
            use_bias=False,
            activation=activation,
        )(x)

    inputs = keras.Input((generator.noise_dim,))
    x = activate(layers.Dense(height * width * first, use_bias=False)(inputs))
    x = layers.Reshape((height, width, first))(x)
    for filters in others:
        x = activate(double(x, filters))
    images = double(x, frame_shape[2], activation="tanh")
    return keras.Model(inputs, images, name="generator")


def _size_to_start_from(
    frame_shape: tuple[int, ...], doublings: int
) -> tuple[int, int]:
    """Return height and width before all doublings."""
    height, width = frame_shape[:2]
    step = 2**doublings
    if height % step == 0 and width % step == 0:
        return height // step, width // step
    sizes = {  # nearest multiples below and above, for each side
        tuple(max(step, round_(side / step) * step) for side in (height, width))
        for round_ in (math.floor, math.ceil)
    }
    nearest = " or ".join(f"{h} x {w}" for h, w in sorted(sizes))
    common = math.gcd(height, width)
    possible = (common & -common).bit_length() - 1  # factors of two
    shorten = f", or pass `filters` of length {possible}" if possible else ""
    raise ValueError(
        f"X has images of {height} x {width} pixels, but a generator with `filters` of "
        f"length {doublings} needs multiples of {step} pixels. Resize the images to "
        f"{nearest}{shorten}."
    )
