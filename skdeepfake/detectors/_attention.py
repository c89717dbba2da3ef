"""Videos' answers from their frames', by weights that a network learns."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray
from scipy.special import expit

from .._last_layer import logit
from ._answers import log_odds

# Keeps what is divided by from being nothing.
_LEAST = 1e-7


def build_attention(n_features: int) -> keras.Model:
    """Build the network that weighs a frame, by its features.

    At first it weighs all alike.

    Parameters
    ----------
    n_features : int
        How many there are.

    Returns
    -------
    keras.Model
        From features to a positive weight.
    """
    inputs = keras.Input((n_features,))
    weight = layers.Dense(
        1, activation="softplus", kernel_initializer="zeros", dtype="float32"
    )(inputs)
    return keras.Model(inputs, weight, name="attention")


class NetworkOfVideos(keras.Model):
    """A network of frames as one of whole videos.

    The probability of a video is that of the mean of its frames' log-odds by their
    weights.

    Parameters
    ----------
    of_frames : keras.Model
        From images, or what became of them, to what they are weighed by, what its last
        layer sees, unless it is that, and probabilities.
    last : keras.Layer
        That layer.
    attention : keras.Model
        As `build_attention` gives it.
    as_odds : bool, default=False
        Whether it gives log-odds in place of probabilities.
    """

    def __init__(
        self,
        of_frames: keras.Model,
        last: keras.Layer,
        attention: keras.Model,
        *,
        as_odds: bool = False,
    ) -> None:
        super().__init__()
        self.as_odds = as_odds
        self.of_frames = of_frames
        self.last = last
        self.attention = attention

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Compute the probabilities of videos.

        Parameters
        ----------
        inputs : pair of tensors
            Frames of shape (n_videos, n_frames, ...), and, of shape (n_videos,
            n_frames), 1 for those that count and 0 for the others.
        training : bool or None, default=None
            Whether it is called in training.

        Returns
        -------
        tensor of shape (n_videos, 1)
            Probabilities, or log-odds.
        """
        videos, present = inputs
        shape = ops.shape(videos)
        frames = ops.reshape(videos, (-1, *videos.shape[2:]))
        features, *seen, _ = self.of_frames(frames, training=training)
        weight = self.attention(features, training=training)
        weight = ops.reshape(weight, shape[:2]) * present
        odds = ops.reshape(logit(self.last, seen[0] if seen else features), shape[:2])
        total = ops.sum(weight, axis=1, keepdims=True)
        mean = ops.sum(weight * odds, axis=1, keepdims=True) / (total + _LEAST)
        return mean if self.as_odds else ops.sigmoid(mean)


def running_answers(positive: NDArray, weight: NDArray) -> NDArray[np.float64]:
    """Weigh the answers for frames, up to each of them.

    Parameters
    ----------
    positive : ndarray of shape (n_videos, n_slots)
        Probabilities; NaN where there is no face.
    weight : ndarray of shape (n_videos, n_slots)
        Of each; NaN there, too.

    Returns
    -------
    ndarray of float64, shape (n_videos, n_slots)
        The probability of the video by its frames up to that; NaN where there is no
        face. Without weights it is 0.5.
    """
    known = ~np.isnan(positive)
    weight = np.where(known, weight, 0).astype(np.float64)
    odds = np.where(known, log_odds(positive), 0)
    total = np.cumsum(weight, axis=1) + _LEAST
    running = expit(np.cumsum(weight * odds, axis=1) / total)
    return np.where(known, running, np.nan)
