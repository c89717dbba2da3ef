"""The common base of the detectors: from frames to networks, and back to videos."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, ClassVar

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import check_consistent_length

from .._face_mask import filled_slots
from .._precision import replicas
from ..exceptions import NoFaceError, NoFaceWarning, TrainingDivergedError
from ._aggregation import AGGREGATIONS, TopK
from ._batches import Batches, Change, frame_index, sequence_index
from ._callbacks import PlateauCallbacks, own_callbacks
from ._docs import with_shared_docs
from ._input import check_frames, check_labels, check_same_frames
from ._prediction import VideoPredictor, listing
from ._scikeras import KerasEstimator
from ._validation_split import stratified_group_split


@dataclasses.dataclass(frozen=True)
class Videos:
    """Labelled videos, and which of them are trained on and validated on."""

    X: NDArray
    filled: NDArray[np.bool_]  # which slots hold a face
    y: NDArray  # numbers of classes
    weight: NDArray
    training: NDArray  # numbers of videos
    validation: NDArray | None


@dataclasses.dataclass(frozen=True)
class Work:
    """A network, and what it is trained on."""

    network: keras.Model
    videos: Videos
    X: NDArray  # what it is given in place of the videos' own
    changes: Sequence[Change] = ()  # the last ones before it sees a batch
    augmented: bool = True


@with_shared_docs
class BaseDetector(VideoPredictor, KerasEstimator):
    """A Keras network as a scikit-learn classifier of videos.

    It trains on single frames, each with the label of its video, and answers for
    videos by aggregating its answers for their frames. Slots that are all zeros
    hold no face: they are neither trained on nor counted.

    A subclass writes `build_network`, sets `frame_ndim` where frames are not images,
    and lists its own parameters in a constructor that passes all others on as
    ``**params``: they appear in its signature.

    Parameters
    ----------
    learning_rate : float, default=1e-4
        Learning rate of the optimizer.
    {{optimizer}}
    batch_size : int, default=32
        Frames per training step and per step of prediction.
    epochs : int, default=50
        Maximum number of passes over the training frames.
    {{fit_parameters}}

    Attributes
    ----------
    {{fit_attributes}}
    frame_ndim : int
        Number of axes of one frame: 3 for images of (height, width, channels).

    See Also
    --------
    ImageDetector : Base of the detectors of images.

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

    class_count_: NDArray
    history_: dict[str, list[float]]

    frame_ndim: ClassVar[int] = 3

    # Used for ``callbacks=None``.
    _default_callbacks: ClassVar[PlateauCallbacks] = PlateauCallbacks()

    _objects: ClassVar[dict[str, type]] = {"callbacks": PlateauCallbacks}

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "optimizer": [str, keras.optimizers.Optimizer, type],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 0.5, closed="right"), None],
        "callbacks": [PlateauCallbacks, list, None],
        "aggregation": [StrOptions(set(AGGREGATIONS)), TopK, callable],
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
        for value in (*self._callbacks_to_make, self.aggregation):
            if isinstance(value, (PlateauCallbacks, TopK)):
                value._validate_params()

    # -- training ------------------------------------------------------------

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> BaseDetector:
        """Train the network on every frame that has a face.

        Parameters
        ----------
        X : ndarray of shape (n_videos, n_frames, ...) or (n_images, ...)
            Frames as the class says; slots that are all zeros hold no face. May
            be a memory-mapped array: it is read batch by batch.
        y : array-like of shape (n_videos,)
            Two classes, such as 0 for real and 1 for fake.
        sample_weight : array-like of shape (n_videos,), default=None
            Weight of each video's frames in the loss.
        groups : array-like of shape (n_videos,), default=None
            Videos of one group (one person, say) stay together when the
            validation set is split off. None makes each video its own group.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        ValueError
            If X or y has the wrong form, or if there are too few groups for a
            validation set.
        NoFaceError
            If no video has a face.
        TrainingDivergedError
            If the loss became infinite or NaN.

        Warns
        -----
        NoFaceWarning
            For videos without a face, which are left out.
        """
        self._validate_params()
        self._train(
            X,
            y,
            self._infer_classes(y),
            sample_weight=sample_weight,
            groups=groups,
            validation_fraction=self.validation_fraction,
        )
        return self

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> BaseDetector:
        """Train for one more epoch, without validation.

        Parameters
        ----------
        X : ndarray of shape (n_videos, n_frames, ...) or (n_images, ...)
            As in `fit`.
        y : array-like of shape (n_videos,)
            As in `fit`; may hold one class only if `classes` was given.
        classes : array-like of shape (2,), default=None
            Both classes, needed in the first call only, and only where y does not
            hold them.
        sample_weight : array-like of shape (n_videos,), default=None
            As in `fit`.

        Returns
        -------
        self : object
            The detector.

        Raises
        ------
        ValueError, NoFaceError, TrainingDivergedError
            As `fit` raises them; also if `classes` are not two.

        Warns
        -----
        NoFaceWarning
            For videos without a face, which are left out.
        """
        self._validate_params()
        if classes is None:
            classes = self._infer_classes(y)
        else:
            classes = np.unique(classes)
            if len(classes) != 2:
                raise ValueError(f"classes={classes.tolist()} must be two classes")
        self._train_epoch(
            X,
            y,
            classes,
            sample_weight=sample_weight,
            validation_fraction=None,
        )
        return self

    def initialize(self, X: ArrayLike, y: ArrayLike) -> BaseDetector:
        """Build the network for such data without training it.

        Parameters
        ----------
        X : ndarray of shape (n_videos, n_frames, ...) or (n_images, ...)
            As in `fit`.
        y : array-like of shape (n_videos,)
            As in `fit`.

        Returns
        -------
        self : object
            The detector, with random weights.

        Raises
        ------
        ValueError
            If X or y has the wrong form, or a parameter is out of its range.
        """
        self._validate_params()
        _, y = self._build(X, y, self._infer_classes(y))
        numbers = np.searchsorted(self.classes_, np.ravel(y))
        given, _ = self._weights(numbers, np.ones(len(numbers)))
        self.class_count_ = self._count(numbers[given > 0])
        return self

    def _infer_classes(self, y: ArrayLike) -> NDArray | None:
        """Infer the classes where y need not hold both; None where it must."""
        return None

    def _fit_keras_model(
        self,
        X: NDArray,
        y: NDArray,
        sample_weight: NDArray | None,
        warm_start: bool,
        epochs: int,
        initial_epoch: int,
        groups: Any = None,
        validation_fraction: float | None = None,
    ) -> None:
        """Leave the videos: hand single frames to Keras."""
        y = y.ravel()
        given = np.ones(len(y)) if sample_weight is None else sample_weight
        given, weight = self._weights(y.astype(int), given)
        filled = filled_slots(X)
        training = self._trainable(filled, weight)
        validation = None
        if validation_fraction is not None:
            if groups is not None:
                groups = column_or_1d(groups)
                check_consistent_length(X, groups)
                groups = np.asarray(groups)[training]
            train, held_out = stratified_group_split(
                y[training], groups, validation_fraction, self._random_state
            )
            training, validation = training[train], training[held_out]
        count = self._count(y[given > 0].astype(int))
        again = warm_start and hasattr(self, "history_")
        self.class_count_ = self.class_count_ + count if again else count
        videos = Videos(X, filled, y, weight, training, validation)
        self._train_on(videos, warm_start, epochs, initial_epoch)
        index = self._index(filled, training)
        self._check_training(X[tuple(axis[: self.batch_size] for axis in index)])

    def _weights(self, y: NDArray, given: NDArray) -> tuple[NDArray, NDArray]:
        """Give the weights of the videos, and those in the loss."""
        if self.class_weight is None:
            return given, given
        return given, given * compute_sample_weight(self.class_weight, self.classes_[y])

    def _count(self, y: NDArray) -> NDArray:
        """Count the videos of each class."""
        return np.bincount(y, minlength=2)

    def _train_on(
        self, videos: Videos, warm_start: bool, epochs: int, initial_epoch: int
    ) -> None:
        """Train the network for so many epochs, after those that it has seen."""
        callbacks = self._make_callbacks(validated=videos.validation is not None)
        with self._training_context(videos) as work:
            self._prepare(work)
            self._fit_network(
                work.network,
                self._training_batches(work, initial_epoch),
                warm_start=warm_start,
                epochs=epochs,
                initial_epoch=initial_epoch,
                validation_data=self._validation_batches(work),
                callbacks=callbacks,
            )

    @contextmanager
    def _training_context(self, videos: Videos) -> Iterator[Work]:
        """Provide the network that is trained, and what it is trained on."""
        yield Work(self._trained_network, videos, videos.X)

    def _prepare(self, work: Work) -> None:
        """Do what comes before the training proper."""

    def _training_batches(self, work: Work, epoch: int) -> Batches:
        """Give batches in an order that is drawn, other ones from another epoch on."""
        seed = self._seed(epoch)
        return self._batches(
            work,
            work.videos.training,
            changes=self._all_changes(work, training=True, seed=seed),
            rng=np.random.RandomState(seed),
            seed=seed,
        )

    def _validation_batches(self, work: Work) -> Batches | None:
        """Give batches that are the same in each epoch."""
        if work.videos.validation is None:
            return None
        return self._batches(
            work,
            work.videos.validation,
            changes=self._all_changes(work, training=False, seed=self._seed(0)),
            seed=self._seed(0),
        )

    def _all_changes(self, work: Work, **how: Any) -> list[Change]:
        if work.X is not work.videos.X:  # what was computed of faces is not changed
            return []
        return [*self._changes(work, **how), *work.changes]

    def _batches(self, work: Work, numbers: NDArray, **how: Any) -> Batches:
        """Give batches of the parts of some of the videos."""
        videos = work.videos
        index, present = self._sample_index(videos.filled, numbers)
        return Batches(
            work.X,
            index,
            videos.y[index[0]],
            videos.weight[index[0]],
            batch_size=self._samples_per_step(index),
            present=present,
            multiple=replicas(),
            **how,
        )

    def _sample_index(
        self, filled: NDArray[np.bool_], numbers: NDArray
    ) -> tuple[tuple[NDArray, ...], NDArray | None]:
        """Find the samples of some videos in X, and the faces that they have."""
        return self._index(filled, numbers), None

    def _index(self, filled: NDArray[np.bool_], videos: NDArray) -> tuple[NDArray, ...]:
        """Find the frames, or the sequences, that the network takes."""
        index = sequence_index if self._sees_sequences else frame_index
        return index(filled, videos)

    def _samples_per_step(self, index: tuple[NDArray, ...]) -> int:
        return self.batch_size

    def _changes(self, work: Work, *, training: bool, seed: int | None) -> list[Change]:
        """Give what is done to batches before the network sees them."""
        return []

    def _trainable(self, filled: NDArray[np.bool_], weight: NDArray) -> NDArray:
        """Tell which videos can be trained on: those with a face, and of weight."""
        has_face = np.any(filled, axis=1)
        if not has_face.any():
            raise NoFaceError(
                f"none of the {len(filled)} samples has a frame with a face, so there "
                "is nothing to train on"
            )
        if not has_face.all():
            warnings.warn(
                f"Samples {listing(~has_face)} have no face and are left out of "
                "training",
                NoFaceWarning,
                stacklevel=7,  # where `fit` was called
            )
        training = np.flatnonzero(has_face & (weight > 0))
        if not len(training):
            raise NoFaceError("no sample of positive sample_weight has a face")
        return training

    def _seed(self, number: int) -> int | None:
        """Give one of the seeds that `random_state` stands for."""
        seed = self._random_state
        return None if seed is None else (seed + number) % 2**31

    @property
    def _callbacks_to_make(self) -> list[Any]:
        callbacks = (
            self._default_callbacks if self.callbacks is None else self.callbacks
        )
        return callbacks if isinstance(callbacks, list) else [callbacks]

    def _make_callbacks(self, *, validated: bool) -> list[keras.callbacks.Callback]:
        """Make the callbacks of one training."""
        made = own_callbacks(self.verbose)
        for callback in self._callbacks_to_make:
            if not isinstance(callback, PlateauCallbacks):
                # A copy, since it keeps the model that it has seen, and a parameter
                # must come out of `fit` as it went in.
                made.append(copy.deepcopy(callback))
            elif validated:
                made += callback.make()
        return made

    def _check_training(self, frames: NDArray) -> None:
        """Raise, and forget the network, if the training has diverged."""
        losses = [self.history_[name][-1] for name in self.history_ if "loss" in name]
        # A loss is that of the weights before the last step: ask the last ones too.
        if np.isfinite(losses).all() and self._gives_finite_numbers(frames):
            return
        epoch, loss = len(self.history_["loss"]), self.history_["loss"][-1]
        for name in (*self._networks, "history_", "class_count_"):
            self.__dict__.pop(name, None)
        raise TrainingDivergedError(
            f"the network no longer gives finite numbers after epoch {epoch} "
            f"(loss {loss:.4g}); lower learning_rate={self.learning_rate:g} or set "
            "optimizer__clipnorm=1.0"
        )

    def _gives_finite_numbers(self, frames: NDArray) -> bool:
        """Return whether the trained weights, and what they compute, are finite."""
        # A ReLU turns NaN into 0 on some processors, so outputs alone do not tell.
        arrays = [*self._trained_network.get_weights(), self._predict_batch(frames)]
        return all(np.isfinite(array).all() for array in arrays)

    def _make_metrics(self) -> list[Any]:
        metrics = super()._make_metrics()
        monitored = {getattr(c, "monitor", None) for c in self._callbacks_to_make}
        if monitored & {"roc_auc", "val_roc_auc"}:  # it slows each step down
            metrics.append(keras.metrics.AUC(name="roc_auc"))
        return metrics

    # -- input ---------------------------------------------------------------

    def _validate_data(
        self,
        X: Any = None,
        y: Any = None,
        reset: bool = False,
        y_numeric: bool = False,
    ) -> tuple[Any, Any]:
        if X is not None and y is None:  # to train on: answers are checked elsewhere
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
            # Last: data that were refused leave no trace.
            self.frame_shape_, self.frame_dtype_ = X.shape[2:], X.dtype
        return X, y

    def _validate_frames(self, X: ArrayLike, *, reset: bool) -> NDArray:
        """Check X and give it the form (n_videos, n_frames, ...)."""
        frames = check_frames(X, frame_ndim=self.frame_ndim, estimator=self)
        if not reset:
            check_same_frames(
                frames,
                shape=self.frame_shape_,
                dtype=self.frame_dtype_,
                estimator=self,
            )
        return frames
