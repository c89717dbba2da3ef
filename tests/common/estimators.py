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
    """The smallest of backbones. Not a function, whose name differs in each process."""

    def __call__(self) -> keras.Model:
        layers = [keras.Input((None, None, 3)), keras.layers.GlobalAveragePooling2D()]
        return keras.Sequential(layers)


@dataclass(frozen=True)
class TwoBlocks:
    """A backbone of two blocks, of one convolution each."""

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


# What makes a training short and its result the same each time.
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
    VideoTranscoder("copies", preset="ultrafast"),  # in the test's own folder
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
# What has parameters and is cloned with the estimators that hold it, but learns nothing
# and transforms nothing.
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
    PretrainedDetector(),  # trained by its trainer; see test_pretrained.py
    RandomBlender([SelfBlender()]),
    SelfBlender(),
    TopK(),
    # Needs a network that no package brings; see test_people.py.
    YuNetFaceCropper("network.onnx"),
]


def pipeline(memory: Path) -> Pipeline:
    """Make the whole pipeline, from paths to probabilities; faces are cached."""
    sizes = {"n_frames": 2, "size": (16, 16)}
    return make_detector_pipeline("cnn", memory=memory, **sizes, **CNN, **QUICK)


# -- detectors on tables ---------------------------------------------------------


class OnTables:
    """A detector that takes tables, so that scikit-learn's checks can train it.

    A row is the only frame of a video. One more channel, of ones, keeps a row of zeros
    from being taken for a slot without a face.
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
    """Images whose sides are even, as the generator makes them."""

    @staticmethod
    def _frames(X: NDArray) -> NDArray:
        n_rows, n_columns = X.shape
        frames = np.ones((n_rows, 1, 2, n_columns + n_columns % 2, 3), np.float32)
        frames[:, 0, :, :n_columns, 0] = X[:, None]
        return frames


LEARNING = {**QUICK, "optimizer": "adam", "learning_rate": 0.1}
# All checks run nightly on one of them: what they are about is in the base class. Those
# of the interface run on each in every commit; each check trains several times.
ON_TABLES = [CNNOnTables(**CNN, rescale=1.0, **LEARNING)]
ON_TABLES_IN_SHORT = [
    *ON_TABLES,
    CNNRNNOnTables(units=(4,), **LEARNING),
    GANOnTables(**GAN, rescale=1.0, offset=0.0, **LEARNING),
]
# Checks that ask for more than a single epoch teaches.
MORE_EPOCHS = {"check_class_weight_classifiers": 8}


# -- what goes into each ----------------------------------------------------------


def fingerprint(X: NDArray) -> str:
    """Return a hash that shows whether samples were changed."""
    if X.dtype.hasobject:
        return joblib.hash([getattr(item, "identity", item) for item in X.ravel()])
    return joblib.hash(np.asarray(X))


@dataclass
class Case:
    """An estimator, and samples that it takes."""

    estimator: Any
    X: NDArray
    y: NDArray

    def new(self) -> Any:
        """Give an estimator that is not fitted."""
        return clone(self.estimator)

    @functools.cached_property
    def fitted(self) -> Any:
        """Fit an estimator; it is not to be changed."""
        estimator = self.new()
        self.before = fingerprint(self.X), fingerprint(self.y)
        self.returned = estimator.fit(self.X, self.y)
        return estimator

    @property
    def predicts(self) -> bool:
        """Whether there are probabilities to compare, which are floats."""
        return hasattr(self.estimator, "predict_proba")

    def answers(self, estimator: Any, X: NDArray) -> NDArray:
        """Ask for what an estimator is there for."""
        return (estimator.predict_proba if self.predicts else estimator.transform)(X)


def make_cases(paths: NDArray, labels: NDArray, memory: Path) -> dict[str, Case]:
    """Make a case for each estimator, from the paths of videos of both classes."""
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
        # Encoding and face search take the longest, and learn nothing.
        n = 3 if name in ("VideoTranscoder", "DlibFaceCropper") else len(labels)
        X = inputs[name][:n]
        X.flags.writeable = False
        cases[name] = Case(estimator, X, labels[:n])
    return cases


def write(array: NDArray, folder: Path) -> NDArray:
    """Give a read-only array that lives in a file, where its type can."""
    if array.dtype.hasobject:
        return array
    np.save(folder / "array.npy", array)
    return np.load(folder / "array.npy", mmap_mode="r")
