"""Toy videos whose fakes are brighter, and detectors that train on them quickly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.utils import Bunch

from skdeepfake.detectors import CNNDetector


@pytest.fixture(scope="session")
def videos() -> Bunch:
    """Ten videos of four frames of 16 x 16 pixels. Fakes are brighter.

    The arrays are read-only, like memory-mapped arrays.
    """
    rng = np.random.RandomState(0)
    y = np.array([0, 1, 0, 1, 0, 0, 1, 0, 1, 0])
    X = rng.randint(1, 100, size=(len(y), 4, 16, 16, 3)).astype(np.uint8)
    X[y == 1] += 100
    X.flags.writeable = False
    y.flags.writeable = False
    return Bunch(X=X, y=y)


@pytest.fixture(scope="session")
def gappy(videos: Bunch) -> Bunch:
    """`videos` without faces in frames 0 and 2 of video 1 and in frame 1 of video 4."""
    X = videos.X.copy()
    X[1, [0, 2]] = 0
    X[4, 1] = 0
    X.flags.writeable = False
    return Bunch(X=X, y=videos.y)


@pytest.fixture(scope="session")
def faceless(videos: Bunch) -> Bunch:
    """`videos` without any face in videos 2 and 7."""
    X = videos.X.copy()
    X[[2, 7]] = 0
    X.flags.writeable = False
    return Bunch(X=X, y=videos.y, seen=np.delete(np.arange(len(X)), [2, 7]))


@pytest.fixture(scope="session")
def tiny() -> Callable[..., CNNDetector]:
    """Return a function that makes a detector that trains in less than a second."""

    def make(**params: Any) -> CNNDetector:
        defaults = {
            "filters": (),
            "dense_units": 4,
            "optimizer": "sgd",
            "learning_rate": 0.1,
            "momentum": 0.5,
            "epochs": 1,
            "validation_fraction": None,
            "random_state": 0,
        }
        return CNNDetector(**{**defaults, **params})

    return make


@pytest.fixture(scope="session")
def fitted(tiny: Callable[..., CNNDetector], videos: Bunch) -> CNNDetector:
    """Detector trained on the toy videos. Tests must not modify it."""
    return tiny(
        filters=(4,), optimizer="adam", learning_rate=0.01, epochs=20, dense_units=8
    ).fit(videos.X, videos.y)


@pytest.fixture
def variant(fitted: CNNDetector) -> Callable[..., CNNDetector]:
    """Return a function that copies the fitted detector with other parameters."""

    def make(**params: Any) -> CNNDetector:
        other = object.__new__(type(fitted))
        other.__dict__.update(vars(fitted))
        return other.set_params(**params)

    return make


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[Bunch]:
    """Replace the training of Keras, and record the data of each call."""
    trainings: list[Bunch] = []

    def fit(model: keras.Model, x: Any, **options: Any) -> keras.callbacks.History:
        parts = [x[number] for number in range(x.num_batches)]
        frames, labels, weights = (
            np.concatenate(part) for part in zip(*parts, strict=True)
        )
        trainings.append(
            Bunch(
                model=model,
                initial_weights=[w.copy() for w in model.get_weights()],
                batch_sizes=[len(part[0]) for part in parts],
                frames=frames,
                labels=labels.ravel(),
                weights=weights,
                **options,
            )
        )
        history = keras.callbacks.History()
        history.history = {"loss": [0.5], "accuracy": [0.5]}
        return history

    monkeypatch.setattr(keras.Model, "fit", fit)
    return trainings
