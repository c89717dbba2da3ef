"""The paper's second detector: a recurrent network over the features of faces."""

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

    The features come from a :class:`~skdeepfake.features.VGG16Featurizer` or any other
    step that gives vectors of channels. With ``sequence="spatial"``, as in the paper,
    the positions of one face are the sequence, and a video's answer is that for its
    frames, aggregated. With ``sequence="temporal"`` the positions are averaged and the
    frames of a video are the sequence, as Güera and Delp have it: the network answers
    once a video, and `predict_frame_proba` gives its answer as it stands after each
    frame.

    The defaults are the paper's network (section 4.4 and appendix 7.3). Its training is
    that of the paper's first model, which is all that the paper says of it, with the
    learning rate that Adam has in Keras.

    Parameters
    ----------
    sequence : {"spatial", "temporal"}, default="spatial"
        What the recurrent layers go along: the positions in a face, row by row, or
        the frames of a video. Frames without a face are passed over.
    units : sequence of int, default=(64, 32)
        Units of each recurrent layer, one layer an entry.
    cell : {"lstm", "gru"}, default="lstm"
        Kind of the recurrent layers.
    bidirectional : bool, default=False
        Whether each layer goes along the sequence in both directions, with so many
        units each.
    dropout : float, default=0.0
        Share of the outputs of each recurrent layer dropped while training.
    dense_units : sequence of int, default=()
        Units of each dense layer between the recurrent layers and the probability.
    head_dropout : float, default=0.0
        Share of the outputs of each dense layer dropped while training.
    learning_rate : float, default=1e-3
        Learning rate of the optimizer.
    {{optimizer}}
    batch_size : int, default=32
        Frames, or videos for ``sequence="temporal"``, in a training step and in a
        step of prediction.
    epochs : int, default=50
        Passes over the training data, at the most.
    {{fit_parameters}}

    Attributes
    ----------
    {{fit_attributes}}

    See Also
    --------
    skdeepfake.features.VGG16Featurizer : The step before.
    skdeepfake.pipeline.make_detector_pipeline : The way from paths to this detector.

    Notes
    -----
    With ``sequence="temporal"`` a video has one answer and `aggregation` is not used,
    but for :class:`PerPerson` and :class:`Attention`. With the latter the recurrent
    layers are given, besides the features of a frame, its logit, its weight and the
    probability of the video so far by weighted log-odds, as in automatic face
    weighting. That of the whole video has a loss of its own, which is added.
    An array of three axes is then taken for one vector a frame, (n_videos, n_frames,
    n_channels), as ``pooling="avg"`` gives it.

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
        if self._sees_sequences and np.ndim(X) == 3:  # one vector a frame
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
