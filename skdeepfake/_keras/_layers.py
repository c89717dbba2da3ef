"""Layers that Keras does not provide, registered for saving and loading."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from ._tokens import pool_tokens

_register = keras.saving.register_keras_serializable(package="skdeepfake")


@_register
class FramesOfVideos(keras.Layer):
    """Reshape videos to a batch of frames and fill missing frames.

    A missing frame is all zeros. It is replaced by the first frame of its video, so
    that it does not affect batch statistics. Videos have the shape
    (n_videos, n_frames, ...).
    """

    def call(self, videos: Any) -> Any:
        """Reshape and fill videos."""
        filled = ops.where(present(videos), videos, videos[:, :1])
        return ops.reshape(filled, (-1, *videos.shape[2:]))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of a batch of frames."""
        return (None, *input_shape[2:])


@_register
class VideosOfFrames(keras.Layer):
    """Reshape features of frames to features of videos, with zeros for missing frames.

    Features have the shape (n_videos * n_frames, n_features).
    """

    def call(self, features: Any, videos: Any) -> Any:
        """Reshape features."""
        shape = ops.shape(videos)
        rows = ops.reshape(features, (shape[0], shape[1], features.shape[-1]))
        there = present(videos)
        return rows * ops.cast(ops.reshape(there, (*shape[:2], 1)), rows.dtype)

    def compute_output_shape(self, features_shape: Any, videos_shape: Any) -> Any:
        """Return the shape of features of videos."""
        return (*videos_shape[:2], features_shape[-1])


@_register
class CBAM(keras.Layer):
    """Convolutional block attention module.

    Channels are weighted by ``sigmoid(MLP(avg) + MLP(max))``, with averages and maxima
    over all positions. Positions are then weighted by ``sigmoid(conv([mean, max]))``,
    with the mean and maximum over all channels.

    Parameters
    ----------
    reduction : int
        Ratio of channels to units of the hidden layer.
    kernel_size : int
        Height and width of the convolution, in positions.
    seed : int or None
        Seed of the initial weights.

    References
    ----------
    Woo et al., "CBAM: Convolutional block attention module", ECCV 2018.
    """

    def __init__(
        self,
        reduction: int = 16,
        kernel_size: int = 7,
        seed: int | None = None,
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self.reduction = reduction
        self.kernel_size = kernel_size
        self.seed = seed

    def build(self, input_shape: Any) -> None:
        """Create the layers."""
        n_channels = input_shape[-1]
        drawn = keras.initializers.GlorotUniform(self.seed)
        how = {"dtype": self.dtype_policy, "kernel_initializer": drawn}
        hidden = max(1, n_channels // self.reduction)
        self.hidden = layers.Dense(hidden, activation="relu", **how)
        self.gains = layers.Dense(n_channels, **how)
        self.conv = layers.Conv2D(
            1, self.kernel_size, padding="same", use_bias=False, **how
        )
        self.hidden.build((None, n_channels))
        self.gains.build((None, hidden))
        self.conv.build((None, None, None, 2))

    def call(self, maps: Any) -> Any:
        """Weight the feature maps."""
        pooled = ops.mean(maps, axis=(1, 2)), ops.max(maps, axis=(1, 2))
        gains = sum(self.gains(self.hidden(each)) for each in pooled)
        maps = maps * ops.sigmoid(gains)[:, None, None]
        over = [f(maps, axis=-1, keepdims=True) for f in (ops.mean, ops.max)]
        return maps * ops.sigmoid(self.conv(ops.concatenate(over, axis=-1)))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the feature maps."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        own = ("reduction", "kernel_size", "seed")
        return super().get_config() | {name: getattr(self, name) for name in own}


@_register
class TokenPooling(keras.Layer):
    """Pool the tokens of a vision transformer, of shape (n_images, n_tokens, channels).

    Parameters
    ----------
    pooling : {"avg", "mean", "max", "cls", "cls_mean"}
        "cls" uses the class token, "avg" and "mean" the mean over the patches, and
        "max" their maximum. "cls_mean" concatenates the class token and the mean.
    n_prefix : int
        Number of tokens before the patches: the class token and the registers.
    """

    def __init__(self, pooling: str, n_prefix: int, **params: Any) -> None:
        super().__init__(**params)
        self.pooling = pooling
        self.n_prefix = n_prefix

    def call(self, tokens: Any) -> Any:
        """Pool the tokens."""
        return pool_tokens(tokens, self.pooling, self.n_prefix, ops)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the vectors."""
        times = 2 if self.pooling == "cls_mean" else 1
        return input_shape[0], times * input_shape[-1]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        own = {"pooling": self.pooling, "n_prefix": self.n_prefix}
        return super().get_config() | own


def present(videos: Any) -> Any:
    """Return a mask of the frames that are not all zeros, with the axes kept."""
    axes = tuple(range(2, len(videos.shape)))
    return ops.any(ops.not_equal(videos, 0), axis=axes, keepdims=True)
