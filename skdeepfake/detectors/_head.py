"""Parameters of the layers that are put on a backbone."""

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
    """Parameters of the layers that a :class:`TransferDetector` puts on its backbone.

    Parameters
    ----------
    pooling : {"avg", "mean", "max", "cls", "cls_mean"}, default="avg"
        How maps or tokens become one vector. ``"avg"``, also called ``"mean"``, and
        ``"max"`` pool over positions, which of a vision transformer are its patches;
        ``"cls"`` takes its class token, and ``"cls_mean"`` both, one after the other.
        Register tokens are left out.
    normalize : bool, default=False
        Whether to scale the vector to unit length (L2).
    dropout : float, default=0.0
        Share of the features dropped while training.
    cell : {"lstm", "gru"} or None, default=None
        Recurrent layers along the frames of a video. The network is then trained on
        whole videos, from pixels on, and answers once per video. None has none: each
        frame has an answer, and `aggregation` makes them that of the video.
    units : sequence of int, default=(128,)
        Units of each recurrent layer.
    bidirectional : bool, default=False
        Whether each recurrent layer goes along the frames in both directions, with so
        many units each.
    dense_units : sequence of int, default=()
        Units of each dense layer before the probability.
    dense_dropout : float, default=0.0
        Share of the outputs of each recurrent and dense layer dropped while training.
    epochs : int, default=3
        Epochs in which the new layer is trained alone, before the backbone: what comes
        out of a layer of random weights would undo what the backbone knows. They do not
        count as `epochs` of the detector, and see no augmentation. 0 for none; not used
        with ``trainable="top"``.
    learning_rate : float, default=1e-3
        Learning rate of the optimizer in these epochs, and of ``trainable="top"``.

    See Also
    --------
    TransferDetector : Takes it as `head`.

    Examples
    --------
    >>> from skdeepfake.detectors import Head, TransferDetector
    >>> TransferDetector(head=Head(dropout=0.5))
    TransferDetector(head=Head(dropout=0.5))

    A network that sees videos, with a layer of 64 units along the frames:

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
        """Add the layers that make one vector of what a backbone gives."""
        if isinstance(x, (list, tuple, dict)):
            raise ValueError(f"backbone gives {len(x)} outputs, but features are one")
        if len(x.shape) == 4:
            x = self._pool_maps(x)
        elif len(x.shape) == 3 and x.shape[1] is not None:
            n_prefix = count_prefix_tokens(
                backbone, x.shape[1], frame_shape, self.pooling
            )
            x = TokenPooling(self.pooling, n_prefix, name="face_pooling")(x)
        if len(x.shape) != 2 or x.shape[1] is None:
            raise ValueError(
                f"backbone gives an output of shape {tuple(x.shape)}, but must give "
                "maps (images, height, width, channels), tokens (images, tokens, "
                "channels) or features (images, channels)"
            )
        if self.normalize:
            x = layers.UnitNormalization(name="face_normalization")(x)
        return x

    def _pool_maps(self, x: Any) -> Any:
        if self.pooling in ("cls", "cls_mean"):
            raise ValueError(
                f"pooling={self.pooling!r} takes the class token, but the backbone "
                "gives maps: use 'avg'"
            )
        is_max = self.pooling == "max"
        pool = layers.GlobalMaxPooling2D if is_max else layers.GlobalAveragePooling2D
        return pool(name="face_pooling")(x)
