"""Training steps of the GAN: the paper's eager loop and `GANDetector`.

`EagerLoop` follows the paper's appendix 7.4: two gradient tapes for one forward pass,
one update per network, and no compiled function.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from skdeepfake.detectors import GANDetector, Generator

# Channels of the paper's generator: from 7 x 7 pixels up to 224 x 224.
GENERATOR_FILTERS = (256, 128, 64, 64, 32)
NOISE_DIM = 100


class EagerLoop:
    """The paper's two networks and its training step.

    For images smaller than 224 pixels, the generator has fewer upsampling layers.
    """

    def __init__(self, size: int, generator_filters: Sequence[int]) -> None:
        self.generator = _generator(size, generator_filters)
        self.discriminator = _discriminator(size)
        self.generator_optimizer = keras.optimizers.Adam(1e-4)
        self.discriminator_optimizer = keras.optimizers.Adam(1e-4)
        self.cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    def step(self, images: tf.Tensor, labels: tf.Tensor) -> None:
        """Update both networks once."""
        noise = tf.random.normal([images.shape[0], NOISE_DIM])
        with tf.GradientTape() as of_generator, tf.GradientTape() as of_discriminator:
            generated = self.generator(noise, training=True)
            on_images = self.discriminator(images, training=True)
            on_generated = self.discriminator(generated, training=True)
            generator_loss = self.cross_entropy(
                tf.ones_like(on_generated), on_generated
            )
            discriminator_loss = self.cross_entropy(
                labels, on_images
            ) + self.cross_entropy(tf.zeros_like(on_generated), on_generated)
        for tape, loss, network, optimizer in (
            (of_generator, generator_loss, self.generator, self.generator_optimizer),
            (
                of_discriminator,
                discriminator_loss,
                self.discriminator,
                self.discriminator_optimizer,
            ),
        ):
            gradients = tape.gradient(loss, network.trainable_variables)
            optimizer.apply_gradients(
                zip(gradients, network.trainable_variables, strict=True)
            )


def seconds_per_step(
    images: np.ndarray, labels: np.ndarray, n_steps: int
) -> list[float]:
    """Measure the time of steps of the paper's loop, after one warm-up step.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, 3), uint8
        One batch of square images.
    labels : ndarray of shape (n,)
        Labels, 0 or 1.
    n_steps : int
        Number of steps to measure.

    Returns
    -------
    list of float
        Seconds per step.
    """
    size = images.shape[1]
    loop = EagerLoop(size, reachable_filters(size))
    scaled = tf.constant(images / np.float32(127.5) - 1, tf.float32)
    targets = tf.constant(labels.reshape(-1, 1), tf.float32)

    def step() -> None:
        loop.step(scaled, targets)
        loop.discriminator.trainable_variables[-1].numpy()  # wait for the result

    return _times(step, n_steps)


def our_seconds_per_step(
    images: np.ndarray, labels: np.ndarray, n_steps: int
) -> list[float]:
    """Measure the time of training steps of `GANDetector`, after one that compiles.

    Parameters
    ----------
    images, labels, n_steps
        As in `seconds_per_step`.

    Returns
    -------
    list of float
        Seconds per step.
    """
    detector = GANDetector(
        generator=Generator(filters=reachable_filters(images.shape[1]))
    )
    model = detector.initialize(images, labels).model_
    targets = labels.reshape(-1, 1).astype(np.float32)
    return _times(lambda: model.train_on_batch(images, targets), n_steps)


def reachable_filters(size: int) -> tuple[int, ...]:
    """Return the paper's channels for as many doublings as the image size allows.

    Parameters
    ----------
    size : int
        Height and width of the images in pixels.

    Returns
    -------
    tuple of int
        The parameter `filters` of `Generator`.
    """
    doublings = (size & -size).bit_length() - 1
    return GENERATOR_FILTERS[:doublings]


def _times(step: Callable[[], object], n_steps: int) -> list[float]:
    step()
    times = []
    for _ in range(n_steps):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    return times


def _generator(size: int, filters: Sequence[int]) -> keras.Model:
    start = size // 2 ** len(filters)
    network = keras.Sequential(
        [
            keras.Input((NOISE_DIM,)),
            layers.Dense(start * start * filters[0], use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            layers.Reshape((start, start, filters[0])),
        ]
    )
    for n in filters[1:]:
        network.add(
            layers.Conv2DTranspose(n, 5, strides=2, padding="same", use_bias=False)
        )
        network.add(layers.BatchNormalization())
        network.add(layers.LeakyReLU())
    network.add(
        layers.Conv2DTranspose(
            3, 5, strides=2, padding="same", use_bias=False, activation="tanh"
        )
    )
    return network


def _discriminator(size: int) -> keras.Model:
    network = keras.Sequential([keras.Input((size, size, 3))])
    for n in (64, 128, 256):
        network.add(layers.Conv2D(n, 5, strides=2, padding="same"))
        network.add(layers.LeakyReLU())
        network.add(layers.Dropout(0.3))
    network.add(layers.Flatten())
    network.add(layers.Dense(1))
    return network
