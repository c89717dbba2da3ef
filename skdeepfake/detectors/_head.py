"""Parameters of the layers on top of a backbone."""

from __future__ import annotations

from collections.abc import Sequence
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


class Head(Growing, BaseEstimator):
    """Parameters of the layers that a :class:`TransferDetector` adds to a backbone.

    Parameters
    ----------
    pooling : {"avg", "mean", "max", "cls", "cls_mean"}, default="avg"
        Pooling of maps or tokens to one vector. ``"avg"``, also called ``"mean"``, and
        ``"max"`` pool over positions, or over the patches of a vision transformer.
        ``"cls"`` is its class token, and ``"cls_mean"`` the class token followed by the
        mean of the patches. Register tokens are ignored.
    normalize : bool, default=False
        If True, scale the vector to unit length (L2).
    dropout : float, default=0.0
        Share of the features dropped in training.
    cell : {"lstm", "gru"} or None, default=None
        Recurrent layers over the frames of a video. The network is then trained end to
        end on whole videos and predicts one probability per video. None predicts each
        frame, and `aggregation` combines the frames.
    units : sequence of int, default=(128,)
        Number of units of each recurrent layer.
    bidirectional : bool, default=False
        If True, each recurrent layer runs in both directions, with `units` units each.
    dense_units : sequence of int, default=()
        Number of units of each dense layer before the output.
    dense_dropout : float, default=0.0
        Share of the outputs of each recurrent and dense layer dropped in training.
    epochs : int, default=3
        Number of epochs in which the new layers are trained alone, so that their random
        weights do not spoil those of the backbone. They do not count as `epochs` of the
        detector, and use no augmentation. Ignored with ``trainable="top"``.
    learning_rate : float, default=1e-3
        Learning rate in these epochs, and with ``trainable="top"``.

    See Also
    --------
    TransferDetector : Detector with this `head`.

    Examples
    --------
    >>> from skdeepfake.detectors import Head, TransferDetector
    >>> TransferDetector(head=Head(dropout=0.5))
    TransferDetector(head=Head(dropout=0.5))

    A recurrent layer of 64 units over the frames of a video:

    >>> TransferDetector(head=Head(cell="gru", units=(64,)))
    TransferDetector(head=Head(cell='gru', units=(64,)))
    """

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

    def __init__(
        self,
        *,
        pooling: str = "avg",
        normalize: bool = False,
        dropout: float = 0.0,
        cell: str | None = None,
        units: Sequence[int] = (128,),
        bidirectional: bool = False,
        dense_units: Sequence[int] = (),
        dense_dropout: float = 0.0,
        epochs: int = 3,
        learning_rate: float = 1e-3,
    ) -> None:
        self.pooling = pooling
        self.normalize = normalize
        self.dropout = dropout
        self.cell = cell
        self.units = units
        self.bidirectional = bidirectional
        self.dense_units = dense_units
        self.dense_dropout = dense_dropout
        self.epochs = epochs
        self.learning_rate = learning_rate

    def _pool(self, x: Any, backbone: keras.Model, frame_shape: tuple[int, ...]) -> Any:
        """Pool the output of a backbone to one vector."""
        if isinstance(x, (list, tuple, dict)):
            raise ValueError(f"backbone must have one output; got {len(x)}")
        if len(x.shape) == 4:
            x = self._pool_maps(x)
        elif len(x.shape) == 3 and x.shape[1] is not None:
            n_prefix = count_prefix_tokens(
                backbone, x.shape[1], frame_shape, self.pooling
            )
            x = TokenPooling(self.pooling, n_prefix, name="face_pooling")(x)
        if len(x.shape) != 2 or x.shape[1] is None:
            raise ValueError(
                "the output of backbone must be maps (images, height, width, channels),"
                " tokens (images, tokens, channels) or features (images, channels); "
                f"got shape {tuple(x.shape)}"
            )
        if self.normalize:
            x = layers.UnitNormalization(name="face_normalization")(x)
        return x

    def _pool_maps(self, x: Any) -> Any:
        if self.pooling in ("cls", "cls_mean"):
            raise ValueError(
                f"pooling={self.pooling!r} needs a class token, but the backbone "
                "returns maps: use 'avg'"
            )
        is_max = self.pooling == "max"
        pool = layers.GlobalMaxPooling2D if is_max else layers.GlobalAveragePooling2D
        return pool(name="face_pooling")(x)
