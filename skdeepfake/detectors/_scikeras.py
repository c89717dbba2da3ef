"""Base class that adapts scikeras to the conventions of scikit-learn."""

from __future__ import annotations

import contextlib
import copy
import difflib
import inspect
from collections.abc import Iterator
from numbers import Integral
from typing import Any, ClassVar

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scikeras.utils import random_state as scikeras_seeding
from scikeras.wrappers import KerasClassifier
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import ClassifierTags
from sklearn.utils.validation import _check_sample_weight

from .._keras._optimizers import make_optimizer, make_variables
from .._keras._precision import channels_last
from ._archive import PackedNetworks, pack, unpack
from ._batches import FollowEpochs
from ._checkpoint import SaveEpochs, TrainingRun

# scikeras sets TF_DETERMINISTIC_OPS before it asks TensorFlow whether operations are
# deterministic, and so never restores the state. Deterministic operations are slower
# and need seeds for random numbers. TensorFlow reads the variable only when it is first
# asked.
if hasattr(scikeras_seeding, "config"):  # with TensorFlow installed
    scikeras_seeding.config.is_op_determinism_enabled()


# Attributes of scikeras that detectors ignore, hidden from completion.
_UNUSED = {
    *("build_fn", "feature_encoder", "loss", "metrics", "model", "run_eagerly"),
    *("scorer", "shuffle", "validation_split"),
}


class KerasEstimator(PackedNetworks, KerasClassifier):
    """scikeras classifier that follows the conventions of scikit-learn.

    scikeras 0.13 is no longer maintained. It treats every public attribute as a
    parameter, is not a classifier for scikit-learn 1.7 and later, modifies sample
    weights in place, and pickles the optimizer. ``_train`` and ``_train_epoch`` call
    ``_fit_keras_model`` of the subclass.
    """

    # Parameters of scikeras that are not parameters of detectors.
    model = None
    build_fn = None
    loss = "binary_crossentropy"
    metrics = None  # see _make_metrics
    validation_split = 0.0
    shuffle = False
    run_eagerly = False

    # Prefixes of parameters passed to the optimizer, such as `optimizer__clipnorm`.
    _routing_prefixes: ClassVar[set[str]] = {"optimizer"}

    # Types of the objects that default values such as None stand for.
    _objects: ClassVar[dict[str, type]] = {}

    # Checkpoint file of the current training.
    _run: TrainingRun | None = None

    # Set by `fit`. None lets scikeras infer the classes.
    classes_: Any
    model_: keras.Model
    history_: dict[str, list[float]]

    # Parameters that subclasses set.
    optimizer: Any
    learning_rate: float
    warm_start: bool
    random_state: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Add the inherited parameters in ``**params`` to the signature."""
        super().__init_subclass__(**kwargs)
        constructor, base = vars(cls).get("__init__"), super(cls, cls).__init__
        if constructor is None or base is KerasClassifier.__init__:
            return
        own = inspect.signature(constructor)
        new = dict(own.parameters)
        last = list(new.values())[-1]
        if last.kind is last.VAR_KEYWORD:
            del new[last.name]
            inherited = inspect.signature(base).parameters.items()
            passed = {name: new.pop(name, p) for name, p in inherited}
            new = {"self": passed.pop("self"), **new, **passed}
        constructor.__signature__ = own.replace(parameters=list(new.values()))

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name not in _UNUSED]

    def build_network(self) -> keras.Model:
        """Build the network for frames of `frame_shape_` and `frame_dtype_`.

        Subclasses override this method.

        Returns
        -------
        keras.Model
            Network that maps a batch of n frames to an array of shape (n, 1), which
            contains probabilities of the second class. The last layer has a sigmoid
            activation.
        """
        raise NotImplementedError

    def _set_routed(self, routed: dict[str, Any]) -> None:
        """Store the parameters of the optimizer."""
        # Skip the constructor of scikeras, which sets other parameters.
        for name, value in routed.items():
            if not self._is_routed(name):
                known = difflib.get_close_matches(name, self._get_param_names(), 1)
                raise TypeError(
                    f"{type(self).__name__} got an unexpected keyword argument "
                    f"{name!r}." + (f" Did you mean {known[0]!r}?" if known else "")
                )
            setattr(self, name, value)

    # -- parameters ----------------------------------------------------------

    @classmethod
    def _is_routed(cls, name: str) -> bool:
        prefix, separator, _ = name.partition("__")
        return bool(separator) and prefix in cls._routing_prefixes

    @classmethod
    def _get_param_names(cls) -> list[str]:  # scikeras returns all attributes
        parameters = inspect.signature(cls.__init__).parameters.values()
        return sorted(
            p.name for p in parameters if p.kind == p.KEYWORD_ONLY and p.name != "self"
        )

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters, including those set for the optimizer.

        Parameters
        ----------
        deep : bool, default=True
            If True, include the parameters of nested estimators.

        Returns
        -------
        dict
            Values by parameter name.
        """
        params = BaseEstimator.get_params(self, deep)
        return params | {k: v for k, v in vars(self).items() if self._is_routed(k)}

    def set_params(self, **params: Any) -> KerasEstimator:
        """Set parameters of the detector, its optimizer or nested objects.

        Nested parameters such as `callbacks__patience` can also be set if `callbacks`
        is None.

        Parameters
        ----------
        **params : dict
            Values by parameter name.

        Returns
        -------
        self : object
            The detector.
        """
        routed = {k: v for k, v in params.items() if self._is_routed(k)}
        for name, separator, _ in (key.partition("__") for key in params):
            if separator and name in self._objects:
                value = params.get(name, getattr(self, name))
                default = inspect.signature(type(self)).parameters[name].default
                if value == default:
                    value = self._objects[name]()
                setattr(self, name, value)
        others = {k: v for k, v in params.items() if k not in routed}
        BaseEstimator.set_params(self, **others)
        self.__dict__.update(routed)
        return self

    def __sklearn_tags__(self) -> Any:
        # The mixins of scikeras 0.13 are in the wrong order for scikit-learn.
        tags = BaseEstimator.__sklearn_tags__(self)
        tags.estimator_type = "classifier"
        tags.classifier_tags = ClassifierTags(multi_class=False)
        tags.target_tags.required = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return self._is_built

    __repr__ = BaseEstimator.__repr__

    def score(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the accuracy of the predicted classes.

        Parameters
        ----------
        X : ndarray of shape (n_videos, n_frames, ...) or (n_images, ...)
            As in `fit`.
        y : array-like of shape (n_videos,)
            True labels.
        sample_weight : array-like of shape (n_videos,), default=None
            Weight of each video.

        Returns
        -------
        float
            Share of correctly classified videos.

        Raises
        ------
        ValueError, NoFaceError
            As in `predict`.

        Warns
        -----
        NoFaceWarning
            As in `predict`.
        """
        return ClassifierMixin.score(self, X, y, sample_weight)

    # -- training ------------------------------------------------------------

    def _train(
        self, X: ArrayLike, y: ArrayLike, classes: NDArray | None, **how: Any
    ) -> None:
        """Validate and train. With `warm_start`, reuse an existing network."""
        from_scratch = not (self.warm_start and self._is_built)
        with self._classes_to_find(classes, from_scratch=from_scratch):
            # Skips KerasClassifier, which modifies the sample weights in place.
            super(KerasClassifier, self).fit(X, y, **how)

    def _train_epoch(
        self, X: ArrayLike, y: ArrayLike, classes: NDArray | None, **how: Any
    ) -> None:
        with self._classes_to_find(classes, from_scratch=not self._is_built):
            super(KerasClassifier, self).partial_fit(X, y, **how)

    def _build(
        self, X: ArrayLike, y: ArrayLike, classes: NDArray | None
    ) -> tuple[NDArray, NDArray]:
        """Validate the data, and build and compile the network. Return the data."""
        with self._classes_to_find(classes, from_scratch=True):
            return self._initialize(X, y)

    @contextlib.contextmanager
    def _classes_to_find(
        self, classes: NDArray | None, *, from_scratch: bool
    ) -> Iterator[None]:
        """Set `classes_` for scikeras, and reset it after an error."""
        before = vars(self).get("classes_")
        if from_scratch:
            self.classes_ = classes
        try:
            # The encoders of scikeras warn if transformers are set to output pandas.
            with config_context(transform_output="default"):
                yield
        except BaseException:
            if not self._is_built or self.classes_ is None:
                self.__dict__.pop("classes_", None)
                if before is not None:
                    self.classes_ = before
            raise

    @property
    def _random_state(self) -> int | None:
        """Integer seed of the training. scikeras would use 0 for any RandomState."""
        if self.random_state is None:
            return None
        if isinstance(self.random_state, Integral):
            return int(self.random_state)  # Python rejects NumPy integers
        # Draw from a copy, since `fit` must not change parameters.
        return copy.deepcopy(self.random_state).randint(np.iinfo(np.int32).max)

    @_random_state.setter
    def _random_state(self, value: Any) -> None:
        """Ignore values set by scikeras."""

    @staticmethod
    def _validate_sample_weight(
        X: NDArray, y: NDArray, sample_weight: Any
    ) -> tuple[NDArray, NDArray, NDArray]:
        # _fit_keras_model removes videos with weight zero.
        weight = _check_sample_weight(sample_weight, X)
        if (weight < 0).any():
            raise ValueError("Negative values in sample_weight")
        if not (weight > 0).any():
            raise ValueError("sample_weight is zero for all samples")
        return X, y, weight

    def _initialize_callbacks(self) -> None:
        # Created in _fit_keras_model, since they depend on the validation split.
        self._fit_callbacks: list[keras.callbacks.Callback] = []
        self._predict_callbacks: list[keras.callbacks.Callback] = []

    def _fit_network(
        self,
        network: keras.Model,
        batches: keras.utils.PyDataset,
        *,
        callbacks: list[keras.callbacks.Callback],
        warm_start: bool,
        epochs: int,
        initial_epoch: int,
        validation_data: keras.utils.PyDataset | None = None,
        stage: str = "training",
    ) -> None:
        """Train a network for one stage, and set or extend `history_`."""
        make_variables(network.optimizer, network.trainable_variables)
        callbacks = [FollowEpochs(batches, initial_epoch), *callbacks]
        if self._run is not None:
            state = self._run.resume(stage, network)
            if state is not None:
                last = initial_epoch + epochs
                initial_epoch = last if state["stopped"] else state["epoch"]
                epochs = last - initial_epoch
                self.__dict__.pop("history_", None)  # replaced by the saved history
            callbacks.append(SaveEpochs(self._run, stage, callbacks, self._histories))
        self._fit_callbacks = callbacks
        answering, self.model_ = self.model_, network
        try:
            super()._fit_keras_model(
                batches,
                None,
                None,
                warm_start,
                epochs,
                initial_epoch,
                validation_data=validation_data,
                # If `self.verbose` is 1, `EpochLine` prints instead of Keras.
                verbose=1 if self.verbose >= 2 else 0,
                # `Batches` shuffles the samples.
                shuffle=False,
            )
        finally:
            self.model_ = answering
        self.history_ = {name: list(values) for name, values in self.history_.items()}

    @property
    def _histories(self) -> dict[str, Any]:
        """Histories by attribute name, such as `head_history_`."""
        return {n: h for n, h in vars(self).items() if n.endswith("history_")}

    @property
    def _trained_network(self) -> keras.Model:
        """The compiled network to train, which shares weights with `model_`."""
        return self.model_

    def _keras_build_fn(self) -> keras.Model:
        with channels_last():
            network = self._build_networks()
        network.compile(**self._get_compile_kwargs())
        return network

    def _build_networks(self) -> keras.Model:
        """Build the network and networks trained with it."""
        return self.build_network()

    def _get_compile_kwargs(self) -> dict[str, Any]:
        optimizer = self._make_optimizer(self._rate_of_training)
        return {"optimizer": optimizer, **self._compile_settings()}

    @property
    def _rate_of_training(self) -> float:
        """Initial learning rate of the main training."""
        return self.learning_rate

    def _compile_settings(self) -> dict[str, Any]:
        """Return the arguments of `compile`, without the optimizer."""
        return {"loss": self.loss, "metrics": self._make_metrics()}

    def _make_metrics(self) -> list[Any]:
        """Create the metrics of training and validation."""
        # An object, since Keras creates metrics given by name only in the first step.
        return [keras.metrics.BinaryAccuracy(name="accuracy")]

    def _make_optimizer(self, learning_rate: float) -> keras.optimizers.Optimizer:
        """Create the optimizer from the parameters."""
        settings = vars(self).items()
        params = {k.partition("__")[2]: v for k, v in settings if self._is_routed(k)}
        return make_optimizer(self.optimizer, float(learning_rate), params)

    def _ensure_compiled_model(self) -> None:
        # Loaded detectors have no optimizer.
        if not self.model_.compiled:
            self._prepare_loaded()
            self.model_.compile(**self._get_compile_kwargs())

    def _prepare_loaded(self) -> None:
        """Prepare loaded networks for training."""
        if keras.distribution.distribution() is not None:
            for name in self._networks:
                if hasattr(self, name):
                    setattr(self, name, unpack(pack(getattr(self, name))))
