"""The estimators that the common checks run on, each with its input."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import keras
import numpy as np
from landmark_models import write_model
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import validate_data

from skdeepfake.detectors import (
    Attention,
    BlendedFakes,
    Checkpoint,
    CNNDetector,
    CNNRNNDetector,
    GANDetector,
    Generator,
    Head,
    LoRA,
    PerPerson,
    PlateauCallbacks,
    PretrainedDetector,
    ReconstructionDetector,
    TopK,
    TransferDetector,
)
from skdeepfake.features import (
    FramePredictor,
    KerasFeaturizer,
    MultiPathBackbone,
    VGG16Featurizer,
)
from skdeepfake.perturbations import VideoPerturber
from skdeepfake.pipeline import make_detector_pipeline
from skdeepfake.preprocessing import (
    DlibFaceCropper,
    Resizer,
    VideoFrameSampler,
    VideoTranscoder,
    YuNetFaceCropper,
)
from skdeepfake.streams import BlinkFeaturizer, MotionMagnifier, OpticalFlow
from skdeepfake.synthesis import FaceSwapper, RandomBlender, SelfBlender


@dataclass(frozen=True)
class MeanColor:
    """Smallest backbone. It is not a function, whose repr contains an address."""

    def __call__(self) -> keras.Model:
        layers = [keras.Input((None, None, 3)), keras.layers.GlobalAveragePooling2D()]
        return keras.Sequential(layers)


@dataclass(frozen=True)
class TwoBlocks:
    """Backbone of two blocks with one convolution each."""

    def __call__(self) -> keras.Model:
        kernel = keras.initializers.GlorotUniform(seed=0)
        return keras.Sequential(
            [
                keras.Input((None, None, 3)),
                keras.layers.Rescaling(1 / 255),
                keras.layers.Conv2D(4, 3, kernel_initializer=kernel),
                keras.layers.MaxPooling2D(2),
                keras.layers.Conv2D(4, 3, kernel_initializer=kernel),
            ]
        )


# Parameters for a short and reproducible training.
QUICK = {
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "batch_size": 64,
    "epochs": 1,
    "validation_fraction": None,
    "random_state": 0,
}
CNN = {"filters": (), "dense_units": 8, "momentum": 0.5, "dropout": 0.0}
GAN = {
    "generator": Generator(noise_dim=2, filters=(4,), momentum=0.5),
    "discriminator_filters": (4,),
    "kernel_size": 3,
    "dropout": 0.0,
}
TRANSFER = {"backbone": TwoBlocks(), "head": Head(epochs=0)}

TRANSFORMERS = [
    VideoTranscoder("copies", preset="ultrafast"),  # in the folder of the test
    VideoFrameSampler(2, None),
    VideoPerturber("GNC", 1, random_state=0),
    DlibFaceCropper(),
    Resizer((24, 32)),
    OpticalFlow(),
    MotionMagnifier(frame_rate=10.0),
    BlinkFeaturizer("68.dat"),  # trained for the test
    KerasFeaturizer(MeanColor()),
    VGG16Featurizer(weights=None),
    FramePredictor(filters=(2,), epochs=1),
]
DETECTORS = [
    CNNDetector(**CNN, **QUICK),
    CNNRNNDetector(units=(4,), **QUICK),
    GANDetector(**GAN, **QUICK),
    TransferDetector(**TRANSFER, **QUICK),
    ReconstructionDetector(filters=(4,), reconstruction_epochs=1, **QUICK),
]
# Objects with parameters that are cloned with the estimators that contain them, but
# have neither `fit` nor `transform`.
WITHOUT_FIT = [
    Attention(),
    Generator(),
    Head(),
    LoRA(),
    MultiPathBackbone(),
    PerPerson(),
    Checkpoint("folder"),
    PlateauCallbacks(),
    BlendedFakes(),
    FaceSwapper(),
    PretrainedDetector(),  # trained by another estimator; see test_pretrained.py
    RandomBlender([SelfBlender()]),
    SelfBlender(),
    TopK(),
    # Needs a network that is in no package; see test_people.py.
    YuNetFaceCropper("network.onnx"),
]


def pipeline(memory: Path) -> Pipeline:
    """Return a pipeline from paths to probabilities, with a cache for faces."""
    sizes = {"n_frames": 2, "size": (16, 16)}
    return make_detector_pipeline("cnn", memory=memory, **sizes, **CNN, **QUICK)


# -- detectors on tables ---------------------------------------------------------


class OnTables:
    """Mixin of detectors that take tables, as scikit-learn's checks pass them.

    A row is the only frame of a video. An additional channel contains ones, so that a
    row of zeros is not an empty slot.
    """

    def _validate_frames(self, X: Any, *, reset: bool) -> NDArray:
        X = validate_data(self, X, reset=reset, dtype="numeric")
        frames = self._frames(X.astype(np.float32))
        return super()._validate_frames(frames, reset=reset)


class CNNOnTables(OnTables, CNNDetector):
    @staticmethod
    def _frames(X: NDArray) -> NDArray:
        return np.stack([X, np.ones_like(X)], axis=-1)[:, None, None]


class CNNRNNOnTables(OnTables, CNNRNNDetector):
    @staticmethod
    def _frames(X: NDArray) -> NDArray:
        return np.stack([X, np.ones_like(X)], axis=-1)[:, None]


class GANOnTables(OnTables, GANDetector):
    """GAN for images with even sides, as the generator makes them."""

    @staticmethod
    def _frames(X: NDArray) -> NDArray:
        n_rows, n_columns = X.shape
        frames = np.ones((n_rows, 1, 2, n_columns + n_columns % 2, 3), np.float32)
        frames[:, 0, :, :n_columns, 0] = X[:, None]
        return frames


LEARNING = {**QUICK, "optimizer": "adam", "learning_rate": 0.1}
# All checks run nightly on one detector, since the checked code is in the base class.
# Checks of the interface run for each commit on each detector. A check trains several
# times.
ON_TABLES = [CNNOnTables(**CNN, rescale=1.0, **LEARNING)]
ON_TABLES_IN_SHORT = [
    *ON_TABLES,
    CNNRNNOnTables(units=(4,), **LEARNING),
    GANOnTables(**GAN, rescale=1.0, offset=0.0, **LEARNING),
]
# Checks that need more than one epoch.
MORE_EPOCHS = {"check_class_weight_classifiers": 8}


# -- what goes into each ----------------------------------------------------------


def fingerprint(X: NDArray) -> str:
    """Return a hash that shows whether samples were changed."""
    if X.dtype.hasobject:
        return joblib.hash([getattr(item, "identity", item) for item in X.ravel()])
    return joblib.hash(np.asarray(X))


@dataclass
class Case:
    """Estimator with samples."""

    estimator: Any
    X: NDArray
    y: NDArray

    def new(self) -> Any:
        """Return an unfitted estimator."""
        return clone(self.estimator)

    @functools.cached_property
    def _fit(self) -> tuple[Any, Any, tuple[str, str]]:
        estimator = self.new()
        before = fingerprint(self.X), fingerprint(self.y)
        return estimator, estimator.fit(self.X, self.y), before

    @property
    def fitted(self) -> Any:
        """Fitted estimator, which must not be changed."""
        return self._fit[0]

    @property
    def returned(self) -> Any:
        """Value that `fit` returned."""
        return self._fit[1]

    @property
    def before(self) -> tuple[str, str]:
        """Fingerprints of the samples and the labels before `fit`."""
        return self._fit[2]

    @property
    def predicts(self) -> bool:
        """True if the estimator predicts probabilities."""
        return hasattr(self.estimator, "predict_proba")

    def answers(self, estimator: Any, X: NDArray) -> NDArray:
        """Return the probabilities or the transformed samples."""
        return (estimator.predict_proba if self.predicts else estimator.transform)(X)


def make_cases(paths: NDArray, labels: NDArray, memory: Path) -> dict[str, Case]:
    """Return a case per estimator for the paths of videos of both classes."""
    clips = VideoFrameSampler(2, None).transform(paths)
    crops = DlibFaceCropper().transform(clips)
    faces = Resizer((32, 32)).transform(crops)
    features = np.random.RandomState(0).normal(size=(len(paths), 2, 4, 3))
    features += labels[:, None, None, None]
    inputs = {
        "VideoTranscoder": paths,
        "VideoFrameSampler": paths,
        "VideoPerturber": clips,
        "DlibFaceCropper": clips,
        "Resizer": crops,
        "OpticalFlow": faces,
        "MotionMagnifier": faces,
        "BlinkFeaturizer": faces,
        "KerasFeaturizer": faces,
        "VGG16Featurizer": faces,
        "CNNDetector": faces,
        "CNNRNNDetector": features.astype(np.float32),
        "GANDetector": faces,
        "TransferDetector": faces,
        "ReconstructionDetector": faces,
        "FramePredictor": np.repeat(faces, 2, axis=1),
        "Pipeline": paths,
    }
    cases = {}
    for estimator in [*TRANSFORMERS, *DETECTORS, pipeline(memory)]:
        name = type(estimator).__name__
        if name == "BlinkFeaturizer":
            model = write_model(memory / "68.dat")
            estimator = clone(estimator).set_params(landmarks=str(model))
        # Encoding and face detection take longest and do not use labels.
        n = 3 if name in ("VideoTranscoder", "DlibFaceCropper") else len(labels)
        X = inputs[name][:n]
        X.flags.writeable = False
        cases[name] = Case(estimator, X, labels[:n])
    return cases


def write(array: NDArray, folder: Path) -> NDArray:
    """Return a memory-mapped copy of an array, or an array of objects unchanged."""
    if array.dtype.hasobject:
        return array
    np.save(folder / "array.npy", array)
    return np.load(folder / "array.npy", mmap_mode="r")
