"""Recurrent network over face features."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from ._base import BaseDetector
from ._docs import with_shared_docs
from ._input import check_positive_integers
from ._recurrent import CELLS, probability, recurrent, sequence_network


@with_shared_docs
class CNNRNNDetector(BaseDetector):
    """Detect deepfakes with a recurrent network over the features of a CNN.

    X contains the features that :class:`~skdeepfake.features.VGG16Featurizer` or
    another featurizer returns. With ``sequence="spatial"``, as in Volisetty, Sen and
    Savala, the recurrent layers process the positions of the feature map of a face, and
    frame probabilities are aggregated per video. With ``sequence="temporal"``, as in
    Güera and Delp, positions are averaged, and the recurrent layers process the frames
    of a video. A temporal network predicts one probability per video, and the
    probability that `predict_frame_proba` returns for a frame is computed from all
    frames up to that frame.

    The default network is that of Volisetty, Sen and Savala (section 4.4 and appendix
    7.3). They do not fully describe its training. By default, it is trained like their
    first model, :class:`CNNDetector`, but with the default learning rate of Adam in
    Keras.

    Parameters
    ----------
    sequence : {"spatial", "temporal"}, default="spatial"
        Sequence that the recurrent layers process. "spatial" is the positions of the
        feature map in row-major order. "temporal" is the frames of a video. Frames
        without a face are skipped.
    units : sequence of int, default=(64, 32)
        Number of units of each recurrent layer.
    cell : {"lstm", "gru"}, default="lstm"
        Type of the recurrent layers.
    bidirectional : bool, default=False
        If True, each recurrent layer runs in both directions, with `units` units per
        direction.
    dropout : float, default=0.0
        Dropout rate after each recurrent layer.
    dense_units : sequence of int, default=()
        Number of units of each dense layer before the output.
    head_dropout : float, default=0.0
        Dropout rate after each dense layer.
    learning_rate : float, default=1e-3
        Learning rate of the optimizer.
    {{optimizer}}
    batch_size : int, default=32
        Number of frames per batch, in training and prediction. If
        ``sequence="temporal"``, number of videos per batch.
    epochs : int, default=50
        Maximum number of epochs.
    {{fit_parameters}}

    Attributes
    ----------
    {{fit_attributes}}

    See Also
    --------
    skdeepfake.features.VGG16Featurizer : Compute the features.
    skdeepfake.pipeline.make_detector_pipeline : Build a pipeline for video files.

    Notes
    -----
    With ``sequence="temporal"``, `aggregation` is ignored unless it is a
    :class:`PerPerson` or an :class:`Attention`. As in the automatic face weighting of
    Montserrat et al., :class:`Attention` adds three inputs per frame to the recurrent
    layers: the logit of the frame, the weight of the frame, and a cumulative
    probability. The cumulative probability is computed from the weighted log-odds of
    all frames up to that frame. The loss of the cumulative probability after the last
    frame is added to the loss of the output.

    With ``sequence="temporal"``, X can also have shape (n_videos, n_frames,
    n_channels), as returned by a featurizer with ``pooling="avg"``.

    References
    ----------
    Volisetty, Sen and Savala, "Deepfake detection", 2023, section 4.4 and appendix
    7.3.

    Güera and Delp, "Deepfake video detection using recurrent neural networks", AVSS
    2018.

    Montserrat et al., "Deepfakes detection with automatic face weighting", CVPR
    workshops 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.detectors import CNNRNNDetector
    >>> rng = np.random.RandomState(0)
    >>> X = rng.rand(8, 3, 4, 5)  # 8 videos, 3 frames, 4 positions, 5 channels
    >>> y = np.array([0, 1] * 4)
    >>> X[y == 1] += 1  # the features of fakes are larger here
    >>> detector = CNNRNNDetector(
    ...     units=(4,), learning_rate=0.1, epochs=20, validation_fraction=None,
    ...     random_state=0,
    ... ).fit(X, y)
    >>> detector.predict(X).tolist()
    [0, 1, 0, 1, 0, 1, 0, 1]
    """

    # A frame is an array of (positions, channels).
    frame_ndim = 2

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseDetector._parameter_constraints,
        "sequence": [StrOptions({"spatial", "temporal"})],
        "units": ["array-like"],
        "cell": [StrOptions(set(CELLS))],
        "bidirectional": ["boolean"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "dense_units": ["array-like"],
        "head_dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        *,
        sequence: str = "spatial",
        units: Sequence[int] = (64, 32),
        cell: str = "lstm",
        bidirectional: bool = False,
        dropout: float = 0.0,
        dense_units: Sequence[int] = (),
        head_dropout: float = 0.0,
        learning_rate: float = 1e-3,
        **params: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **params)
        self.sequence = sequence
        self.units = units
        self.cell = cell
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.dense_units = dense_units
        self.head_dropout = head_dropout

    @property
    def _sees_sequences(self) -> bool:
        return self.sequence == "temporal"

    def _validate_params(self) -> None:
        super()._validate_params()
        check_positive_integers(self, "units", at_least=1)
        check_positive_integers(self, "dense_units")

    def _validate_frames(self, X: ArrayLike, *, reset: bool) -> NDArray:
        if self._sees_sequences and np.ndim(X) == 3:  # one vector per frame
            X = np.asarray(X)[:, :, np.newaxis]
        return super()._validate_frames(X, reset=reset)

    def build_network(self) -> keras.Model:
        shape, dtype = self.frame_shape_, str(self.frame_dtype_)
        if self._sees_sequences:
            inputs = keras.Input((None, *shape), dtype=dtype)
            x = keras.ops.mean(keras.ops.cast(inputs, "float32"), axis=2)
        else:
            x = inputs = keras.Input(shape, dtype=dtype)

        def finish(x: Any) -> Any:
            x = recurrent(
                x,
                self.units,
                cell=self.cell,
                bidirectional=self.bidirectional,
                dropout=self.dropout,
            )
            return probability(x, self.dense_units, dropout=self.head_dropout)

        if self._sees_sequences:
            return sequence_network(inputs, x, self._has_attention, finish)
        return keras.Model(inputs, finish(x))
