"""Base class for the detectors."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import keras
import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_consistent_length

from .._keras._compiled import Compute, compiled
from ._aggregation import RULES, Attention, PerPerson
from ._callbacks import PlateauCallbacks
from ._checkpoint import Checkpoint
from ._docs import with_shared_docs
from ._input import check_labels
from ._recurrent import WEIGHTS
from ._scikeras import KerasEstimator
from ._training import VideoTrainer
from ._video_network import TwoAnswersNetwork, VideoNetwork


@with_shared_docs
class BaseDetector(VideoTrainer, KerasEstimator):
    """Base class for detectors, which are scikit-learn classifiers of videos.

    A Keras network is trained on single frames with the labels of their videos. Its
    frame probabilities are aggregated per video. Slots that are all zeros have no face
    and are ignored.

    A subclass implements `build_network`, and also sets `frame_ndim` if frames are not
    images. If the constructor of the subclass passes ``**params`` to the constructor of
    BaseDetector, the inherited parameters are added to the signature of the subclass.

    Parameters
    ----------
    {{training_parameters}}

    Attributes
    ----------
    {{fit_attributes}}
    frame_ndim : int
        Number of axes of a frame, such as 3 for (height, width, channels).

    See Also
    --------
    ImageDetector : Base class for detectors that take images.

    Examples
    --------
    >>> import keras
    >>> import numpy as np
    >>> from skdeepfake.detectors import BaseDetector
    >>> class VectorDetector(BaseDetector):
    ...     frame_ndim = 1
    ...
    ...     def __init__(self, *, units=4, **params):
    ...         super().__init__(**params)
    ...         self.units = units
    ...
    ...     def build_network(self):
    ...         x = inputs = keras.Input(self.frame_shape_)
    ...         x = keras.layers.Dense(self.units, "relu")(x)
    ...         return keras.Model(inputs, keras.layers.Dense(1, "sigmoid")(x))
    >>> X = np.random.default_rng(0).normal(size=(8, 3, 5))  # vectors of 5 numbers
    >>> X[::2] += 3
    >>> detector = VectorDetector(
    ...     learning_rate=0.1, epochs=10, validation_fraction=None, random_state=0
    ... )
    >>> detector.fit(X, [1, 0] * 4).predict(X).tolist()
    [1, 0, 1, 0, 1, 0, 1, 0]
    """

    _objects: ClassVar[dict[str, type]] = {"callbacks": PlateauCallbacks}

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "optimizer": [str, keras.optimizers.Optimizer, type],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 0.5, closed="right"), None],
        "callbacks": [PlateauCallbacks, Checkpoint, list, None],
        "aggregation": [*RULES, Attention, PerPerson],
        "no_face": [StrOptions({"prior", "raise"})],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        learning_rate: float = 1e-4,
        optimizer: Any = "adam",
        batch_size: int = 32,
        epochs: int = 50,
        validation_fraction: float | None = 0.1,
        callbacks: Any = None,
        aggregation: Any = "mean",
        no_face: str = "prior",
        class_weight: Any = None,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
        **routed: Any,
    ) -> None:
        self.learning_rate = learning_rate
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.epochs = epochs
        self.validation_fraction = validation_fraction
        self.callbacks = callbacks
        self.aggregation = aggregation
        self.no_face = no_face
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self._set_routed(routed)

    def _validate_params(self) -> None:
        super()._validate_params()
        for value in self._callbacks_to_make:
            if isinstance(value, (PlateauCallbacks, Checkpoint)):
                value._validate_params()
            if isinstance(value, Checkpoint) and self.random_state is None:
                raise ValueError(
                    "Checkpoint requires random_state to be set; got None. Pass an "
                    "integer, so that resumed training is reproducible."
                )

    # -- networks ------------------------------------------------------------

    # Name of the last operation that is not trained. None trains the whole network.
    _cut_at: str | None = None

    # Cached trained network, with the model and aggregation that it was derived from.
    _trained: tuple[tuple[Any, ...], keras.Model] | None = None

    def _build_networks(self) -> keras.Model:
        network = super()._build_networks()
        return self._frame_rule.extend(network) if self._weighs_frames else network

    @property
    def _has_attention(self) -> bool:
        return isinstance(self._frame_rule, Attention)

    @property
    def _trained_network(self) -> keras.Model:
        made_of = self.model_, self._has_attention
        if self._trained is None or self._trained[0] != made_of:
            self._trained = made_of, self._network_above(self._cut_at)
        return self._trained[1]

    def _network_above(self, cut: str | None, **settings: Any) -> keras.Model:
        """Return the network after the operation `cut`, compiled like `model_`."""
        if self._has_attention != (self.model_.output_shape[-1] == 2):
            raise ValueError(
                f"aggregation={self.aggregation!r} requires a different network than "
                f"the one in this {type(self).__name__}. Fit it with warm_start=False."
            )
        network = self.model_
        if cut is not None:
            network = keras.Model(self._output_of(cut), network.output)
        if self._has_attention:
            of_videos = TwoAnswersNetwork if self._sees_sequences else VideoNetwork
            network = of_videos(network)
        if network is not self.model_:
            settings = {"optimizer": self.model_.optimizer, **settings}
            network.compile(**{**self._compile_settings(), **settings})
        return network

    def _output_of(self, name: str | None) -> Any:
        return next(op for op in self.model_.operations if op.name == name).output

    def _weights_of_sequences(self) -> Compute:
        return compiled(keras.Model(self.model_.input, self._output_of(WEIGHTS)))

    # -- training ------------------------------------------------------------

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> BaseDetector:
        """Train the network on all frames with a face.

        Parameters
        ----------
        X : ndarray of shape (n_videos, n_frames, ...) or (n_images, ...)
            Frames, all zeros in slots without a face. An array of images is read as
            videos of one frame. Memory-mapped arrays are read in batches.
        y : array-like of shape (n_videos,)
            Labels of two classes, such as 0 for real and 1 for fake. Some detectors do
            not need fakes.
        sample_weight : array-like of shape (n_videos,), default=None
            Weight of each video in the loss.
        groups : array-like of shape (n_videos,), default=None
            Group of each video, such as an identity. The validation split keeps groups
            together. None treats each video as its own group.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        ValueError
            If X or y has the wrong shape or type, if there are too few groups for a
            validation set, or if the :class:`Checkpoint` in `callbacks` belongs to
            another training run.
        ModelFileError
            If the file of the :class:`Checkpoint` in `callbacks` is damaged.
        NoFaceError
            If no video has a face.
        TrainingDivergedError
            If the loss is infinite or NaN.

        Warns
        -----
        NoFaceWarning
            If videos without a face are ignored.
        """
        self._validate_params()
        self._train(
            X,
            y,
            self._infer_classes(y),
            sample_weight=sample_weight,
            groups=groups,
            validation_fraction=self.validation_fraction,
            checkpointed=True,
        )
        return self

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> BaseDetector:
        """Train for one more epoch, without validation or checkpoints.

        Parameters
        ----------
        X : ndarray of shape (n_videos, n_frames, ...) or (n_images, ...)
            As in `fit`.
        y : array-like of shape (n_videos,)
            As in `fit`. May contain a single class after the first call, or if
            `classes` is passed.
        classes : array-like of shape (2,), default=None
            Both classes. Required in the first call unless `y` contains both.
        sample_weight : array-like of shape (n_videos,), default=None
            As in `fit`.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        ValueError, NoFaceError, TrainingDivergedError
            As in `fit`. ValueError is also raised if `classes` does not contain two
            classes.

        Warns
        -----
        NoFaceWarning
            If videos without a face are ignored.
        """
        self._validate_params()
        if classes is None:
            classes = self._infer_classes(y)
        else:
            classes = np.unique(classes)
            if len(classes) != 2:
                raise ValueError(
                    f"classes must contain two classes; got {classes.tolist()}."
                )
        self._train_epoch(
            X, y, classes, sample_weight=sample_weight, validation_fraction=None
        )
        return self

    def initialize(self, X: ArrayLike, y: ArrayLike) -> BaseDetector:
        """Build the network without training it.

        Parameters
        ----------
        X : ndarray of shape (n_videos, n_frames, ...) or (n_images, ...)
            As in `fit`.
        y : array-like of shape (n_videos,)
            As in `fit`.

        Returns
        -------
        self : object
            The untrained detector.

        Raises
        ------
        ValueError
            If X, y or a parameter is invalid.
        """
        self._validate_params()
        _, y = self._build(X, y, self._infer_classes(y))
        numbers = np.searchsorted(self.classes_, np.ravel(y))
        given, _ = self._weights(numbers, np.ones(len(numbers)))
        self.class_count_ = self._count(numbers[given > 0])
        return self

    # -- input ---------------------------------------------------------------

    def _validate_data(
        self,
        X: Any = None,
        y: Any = None,
        reset: bool = False,
        y_numeric: bool = False,
    ) -> tuple[Any, Any]:
        if X is not None and y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but "
                "the target y is None"
            )
        if X is not None:
            X = self._validate_frames(X, reset=reset)
        if y is not None:
            classes = getattr(self, "classes_", None)
            y = check_labels(y, classes=classes, reset=reset, estimator=self)
            if X is not None:
                check_consistent_length(X, y)
        if reset and X is not None:
            # Set last, so that invalid data does not change the detector.
            self.frame_shape_, self.frame_dtype_ = X.shape[2:], X.dtype
        return X, y
