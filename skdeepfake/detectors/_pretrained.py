"""Detector whose predictions do not need Keras."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from .._efficientnet_lite import (
    detector_shapes,
    detector_to_onnx,
    preprocess_input,
    set_arrays,
    to_arrays,
)
from .._engines import ENGINES, make_engine
from .._stateless import Versioned
from ..exceptions import ModelFileError
from ._aggregation import RULES, PerPerson
from ._docs import with_pretrained_docs
from ._prediction import VideoPredictor

if TYPE_CHECKING:
    import keras

    from ._transfer import TransferDetector

_BACKBONE = "efficientnet_lite0"


@with_pretrained_docs
class PretrainedDetector(VideoPredictor, Versioned, ClassifierMixin, BaseEstimator):
    """Detect deepfakes with a trained network, without importing Keras.

    A PretrainedDetector is the last step of the pipeline returned by
    :func:`skdeepfake.load_detector`. The network is an EfficientNet-lite0 for single
    faces, which runs in onnxruntime or OpenCV. Only `fit` and `model_` (the network
    as a Keras model) import Keras. `fit` trains a network with the same architecture.

    Parameters
    ----------
    trainer : TransferDetector or None, default=None
        Detector that `fit` trains. Must have ``backbone="efficientnet_lite0"``. None
        uses ``TransferDetector(backbone="efficientnet_lite0", weights="reference")``,
        which starts from the weights of the reference detector.
    {{aggregation}}
    {{no_face}}
    batch_size : int, default=32
        Number of frames per batch in prediction.
    engine : {"auto", "onnxruntime", "opencv"}, default="auto"
        Engine that runs the network. "auto" uses onnxruntime if it is installed, and
        OpenCV otherwise. onnxruntime is about twice as fast.
    verbose : int, default=0
        Verbosity level. A positive value shows a progress bar.

    Attributes
    ----------
    {{class_attributes}}
    weights_ : dict of str to ndarray
        Weights of the network by name.
    frame_shape_ : tuple of int
        Height, width and channels of the faces.
    frame_dtype_ : dtype
        Data type of the faces.

    See Also
    --------
    skdeepfake.load_detector : Load the reference detector.
    TransferDetector : Train networks with other backbones.

    Examples
    --------
    >>> from skdeepfake import load_detector
    >>> detector = load_detector()[-1]
    >>> detector
    PretrainedDetector()
    >>> detector.frame_shape_  # of face crops
    (160, 160, 3)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "trainer": [HasMethods(["fit", "build_network"]), None],
        "aggregation": [*RULES, PerPerson],
        "no_face": [StrOptions({"prior", "raise"})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "engine": [StrOptions(set(ENGINES))],
        "verbose": ["verbose"],
    }

    weights_: dict[str, NDArray]
    frame_shape_: tuple[int, int, int]

    # Cached engine, with the parameter and weights it uses, and cached Keras network.
    _engine: Any = None
    _network: Any = None

    def __init__(
        self,
        trainer: Any = None,
        *,
        aggregation: Any = "logit_mean",
        no_face: str = "prior",
        batch_size: int = 32,
        engine: str = "auto",
        verbose: int = 0,
    ) -> None:
        self.trainer = trainer
        self.aggregation = aggregation
        self.no_face = no_face
        self.batch_size = batch_size
        self.engine = engine
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike, **fit_params: Any) -> PretrainedDetector:
        """Train the network with `trainer`.

        Parameters
        ----------
        X : ndarray of uint8, shape (n_videos, n_frames, height, width, 3)
            RGB faces, all zeros in slots without a face. Can also have shape (n_images,
            height, width, 3), with one face per video.
        y : array-like of shape (n_videos,)
            Labels of two classes, such as 0 for real and 1 for fake.
        **fit_params : dict
            `sample_weight` and `groups` of :meth:`TransferDetector.fit`.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        ValueError
            If X, y or a parameter is invalid, or if the backbone of `trainer` is not
            "efficientnet_lite0".
        """
        self._validate_params()
        trainer = self._make_trainer()
        if getattr(trainer, "backbone", None) != _BACKBONE:
            raise ValueError(
                f"trainer must be a TransferDetector with backbone={_BACKBONE!r}; got "
                f"{trainer!r}."
            )
        trainer.fit(X, y, **fit_params)
        self._set_fitted(
            to_arrays(trainer.model_),
            classes=trainer.classes_,
            class_count=trainer.class_count_,
            size=(trainer.frame_shape_[0], trainer.frame_shape_[1]),
        )
        return self

    def _make_trainer(self) -> TransferDetector:
        from ._transfer import TransferDetector

        if self.trainer is None:
            return TransferDetector(backbone=_BACKBONE, weights="reference")
        return clone(self.trainer)

    def _set_fitted(
        self,
        weights: Mapping[str, NDArray],
        *,
        classes: ArrayLike,
        class_count: ArrayLike,
        size: tuple[int, int],
    ) -> None:
        """Set the fitted attributes."""
        self.weights_ = {name: np.asarray(array) for name, array in weights.items()}
        self.classes_ = np.asarray(classes)
        self.class_count_ = np.asarray(class_count)
        self.frame_shape_ = (*size, 3)
        self.frame_dtype_ = np.dtype(np.uint8)
        self._engine = self._network = None
        check_weights(self.weights_)

    @property
    def model_(self) -> keras.Model:
        """The network as a Keras model. Imports Keras."""
        if self._network is None:
            from ._transfer import TransferDetector

            builder = TransferDetector(backbone=_BACKBONE, weights=None)
            builder.frame_shape_ = self.frame_shape_
            builder.frame_dtype_ = self.frame_dtype_
            self._network = builder.build_network()
            set_arrays(self._network, self.weights_)
        return self._network

    # -- prediction ------------------------------------------------------------

    _n_outputs = 1

    def _predict_batch(self, frames: NDArray) -> NDArray:
        made_of = self.engine, id(self.weights_)
        if self._engine is None or self._engine[0] != made_of:
            network = detector_to_onnx(self.weights_, self.frame_shape_[:2])
            self._engine = made_of, make_engine(network, self.engine)
        batch = preprocess_input(frames.astype(np.float32)).transpose(0, 3, 1, 2)
        logits = self._engine[1](np.ascontiguousarray(batch))
        return expit(logits.astype(np.float64))

    def _validate_frames(self, X: ArrayLike, *, reset: bool) -> NDArray:
        self._validate_params()
        return super()._validate_frames(X, reset=reset)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        for name in ("_engine", "_network"):
            state.pop(name, None)
        return state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        super().__setstate__(state)
        if "weights_" in vars(self):
            check_weights(self.weights_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.two_d_array = False
        return tags


def check_weights(weights: Any) -> None:
    """Check that the weights are complete and finite."""
    expected = detector_shapes()
    found = {
        name: array.shape
        for name, array in dict(weights).items()
        if isinstance(array, np.ndarray) and array.dtype.kind == "f"
    }
    wrong = sorted(
        name
        for name in {*expected, *found}
        if expected.get(name) != found.get(name) or not np.isfinite(weights[name]).all()
    )
    if wrong:
        raise ModelFileError(
            f"{len(wrong)} of the {len(expected)} weights of {_BACKBONE} are missing, "
            f"not finite or have the wrong shape, such as {wrong[0]!r}."
        )
