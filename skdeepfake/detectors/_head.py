"""Layers that a detector adds to a backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import keras
from keras import layers
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from .._keras._layers import TokenPooling
from .._keras._tokens import POOLINGS, count_prefix_tokens
from .._stateless import Growing
from ._recurrent import CELLS


@dataclass(repr=False, eq=False)
class Head(Growing, BaseEstimator):
    """Parameters of the layers that a :class:`TransferDetector` adds to a backbone.

    Parameters
    ----------
    pooling : {"avg", "mean", "max", "cls", "cls_mean"}, default="avg"
        Pooling of the positions of a feature map, or of the patches of a vision
        transformer, into one vector. "mean" is the same as "avg". "cls" uses the class
        token of a vision transformer. "cls_mean" concatenates the class token and the
        mean of the patches. Register tokens are ignored.
    normalize : bool, default=False
        If True, scale the pooled vector to unit Euclidean length.
    dropout : float, default=0.0
        Dropout rate of the pooled vector.
    cell : {"lstm", "gru"} or None, default=None
        Type of recurrent layers over the frames of a video. With recurrent layers, the
        network is trained end to end on whole videos and predicts one probability per
        video. None adds no recurrent layers, and `aggregation` of the detector combines
        the frame probabilities.
    units : sequence of int, default=(128,)
        Number of units of each recurrent layer.
    bidirectional : bool, default=False
        If True, each recurrent layer runs in both directions, with `units` units per
        direction.
    dense_units : sequence of int, default=()
        Number of units of each dense layer before the output.
    dense_dropout : float, default=0.0
        Dropout rate after each recurrent and dense layer.
    epochs : int, default=3
        Number of initial epochs in which only the head is trained, so that its random
        weights do not degrade the backbone. These epochs use no augmentation and do not
        count toward `epochs` of the detector. Ignored if the detector has
        ``trainable="top"``.
    learning_rate : float, default=1e-3
        Learning rate in the initial epochs, and in all epochs if the detector has
        ``trainable="top"``.

    See Also
    --------
    TransferDetector : Accepts a Head as `head`.

    Examples
    --------
    >>> import keras
    >>> import numpy as np
    >>> from skdeepfake.detectors import Head, TransferDetector
    >>> backbone = keras.Sequential([  # or a name, such as "vgg16"
    ...     keras.Input((None, None, 3)),
    ...     keras.layers.Conv2D(4, 3),
    ... ])
    >>> detector = TransferDetector(
    ...     backbone=backbone, head=Head(dense_units=(8,)), trainable="top"
    ... )
    >>> X = np.ones((2, 1, 8, 8, 3), np.uint8)
    >>> detector.initialize(X, [0, 1]).n_trained_weights_  # (4 + 1) * 8 + (8 + 1) * 1
    49

    A recurrent layer of 64 units over the frames of a video:

    >>> TransferDetector(head=Head(cell="gru", units=(64,)))
    TransferDetector(head=Head(cell='gru', units=(64,)))
    """

    _: KW_ONLY
    pooling: str = "avg"
    normalize: bool = False
    dropout: float = 0.0
    cell: str | None = None
    units: Sequence[int] = (128,)
    bidirectional: bool = False
    dense_units: Sequence[int] = ()
    dense_dropout: float = 0.0
    epochs: int = 3
    learning_rate: float = 1e-3

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "pooling": [StrOptions(set(POOLINGS))],
        "normalize": ["boolean"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "cell": [StrOptions(set(CELLS)), None],
        "units": ["array-like"],
        "bidirectional": ["boolean"],
        "dense_units": ["array-like"],
        "dense_dropout": [Interval(Real, 0, 1, closed="left")],
        "epochs": [Interval(Integral, 0, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
    }

    def _pool(self, x: Any, backbone: keras.Model, frame_shape: tuple[int, ...]) -> Any:
        """Pool the output of a backbone into one vector per image."""
        if isinstance(x, (list, tuple, dict)):
            raise ValueError(f"backbone must have one output; got {len(x)}.")
        if len(x.shape) == 4:
            x = self._pool_maps(x)
        elif len(x.shape) == 3 and x.shape[1] is not None:
            n_prefix = count_prefix_tokens(
                backbone, x.shape[1], frame_shape, self.pooling
            )
            x = TokenPooling(self.pooling, n_prefix, name="face_pooling")(x)
        if len(x.shape) != 2 or x.shape[1] is None:
            raise ValueError(
                "backbone must have an output of shape (images, channels), (images, "
                "tokens, channels) or (images, height, width, channels); got "
                f"{tuple(x.shape)}."
            )
        if self.normalize:
            x = layers.UnitNormalization(name="face_normalization")(x)
        return x

    def _pool_maps(self, x: Any) -> Any:
        if self.pooling in ("cls", "cls_mean"):
            raise ValueError(
                f"pooling={self.pooling!r} needs a class token, but the backbone "
                "returns feature maps. Use pooling='avg'."
            )
        is_max = self.pooling == "max"
        pool = layers.GlobalMaxPooling2D if is_max else layers.GlobalAveragePooling2D
        return pool(name="face_pooling")(x)
