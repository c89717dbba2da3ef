"""Pickled detectors contain the weights and give the same predictions."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import joblib
import keras
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.utils import Bunch

from skdeepfake.detectors import CNNDetector, _archive


class Recorder(keras.callbacks.Callback):
    """Callback that stores the model, as all Keras callbacks do."""


@pytest.fixture(scope="module")
def large(tiny: Callable[..., CNNDetector]) -> CNNDetector:
    """Detector with half a million weights. Adam stores two more values per weight."""
    X = np.random.RandomState(0).randint(1, 256, (4, 1, 64, 64, 3)).astype(np.uint8)
    detector = tiny(dense_units=40, optimizer="adam", callbacks=[Recorder()])
    return detector.fit(X, [0, 1, 0, 1])


@pytest.mark.parametrize("round_trip", ["pickle", "joblib", "deepcopy"])
def test_round_trip_keeps_the_answers_and_all_that_was_learnt(
    round_trip: str, fitted: CNNDetector, gappy: Bunch, tmp_path: Path
) -> None:
    if round_trip == "pickle":
        loaded = pickle.loads(pickle.dumps(fitted))
    elif round_trip == "joblib":
        joblib.dump(fitted, tmp_path / "detector.joblib")
        loaded = joblib.load(tmp_path / "detector.joblib")
    else:
        loaded = copy.deepcopy(fitted)
    assert loaded is not fitted
    assert loaded.model_ is not fitted.model_
    np.testing.assert_array_equal(
        loaded.predict_frame_proba(gappy.X), fitted.predict_frame_proba(gappy.X)
    )
    np.testing.assert_array_equal(
        loaded.predict_proba(gappy.X), fitted.predict_proba(gappy.X)
    )
    assert loaded.get_params() == fitted.get_params()
    assert loaded.history_ == fitted.history_
    assert loaded.classes_.tolist() == [0, 1]
    assert loaded.class_prior_.tolist() == [0.6, 0.4]
    assert loaded.frame_shape_ == (16, 16, 3)
    assert loaded.frame_dtype_ == np.uint8


def test_pickling_leaves_the_detector_as_it_was(
    fitted: CNNDetector, videos: Bunch
) -> None:
    model, before = fitted.model_, set(vars(fitted))
    pickle.dumps(fitted)
    assert fitted.model_ is model
    assert set(vars(fitted)) == before
    assert model.compiled


@pytest.mark.compiled
def test_new_process_gives_the_same_answers_to_the_last_digit(
    fitted: CNNDetector,
    videos: Bunch,
    answers_of_a_new_process: Callable[..., np.ndarray],
) -> None:
    # A copy is compiled again, as in the new process.
    answers = copy.deepcopy(fitted).predict_proba(videos.X)
    np.testing.assert_array_equal(answers_of_a_new_process(fitted, videos.X), answers)


def test_file_is_no_larger_than_the_weights_ask_for(large: CNNDetector) -> None:
    weights = sum(weight.nbytes for weight in large.model_.get_weights())
    assert weights > 1_900_000
    assert large.model_.optimizer.variables  # not pickled
    assert weights < len(pickle.dumps(large)) < 1.3 * weights + 50_000


def test_detector_fitted_with_callbacks_is_pickled_without_those_it_used(
    large: CNNDetector,
) -> None:
    loaded = pickle.loads(pickle.dumps(large))
    assert loaded._fit_callbacks == []
    # The parameter keeps its callback, which does not store the model.
    assert [type(callback) for callback in loaded.callbacks] == [Recorder]
    assert large.callbacks[0].model is None


def test_loaded_detector_can_be_trained_further(
    tiny: Callable[..., CNNDetector], videos: Bunch
) -> None:
    # No dropout, since the state of its random masks is not saved.
    detector = tiny(optimizer__clipnorm=0.5, dropout=0).fit(videos.X, videos.y)
    loaded = pickle.loads(pickle.dumps(detector))
    before = loaded.model_.get_weights()
    loaded.partial_fit(videos.X, videos.y)
    after = loaded.model_.get_weights()
    assert len(loaded.history_["loss"]) == 2
    assert not np.array_equal(before[0], after[0])
    # Plain gradient descent has no state that could be lost.
    detector.partial_fit(videos.X, videos.y)
    np.testing.assert_allclose(after[0], detector.model_.get_weights()[0], atol=1e-6)
    assert loaded.model_.optimizer.clipnorm == 0.5


def test_loaded_detector_goes_on_by_warm_start(
    tiny: Callable[..., CNNDetector], videos: Bunch, trainings: list[Bunch]
) -> None:
    detector = tiny(warm_start=True).fit(videos.X, videos.y)
    detector.model_.set_weights([w + 1 for w in detector.model_.get_weights()])
    loaded = pickle.loads(pickle.dumps(detector)).fit(videos.X, videos.y)
    for weight, started in zip(
        detector.model_.get_weights(), trainings[1].initial_weights, strict=True
    ):
        np.testing.assert_array_equal(weight, started)
    loaded.set_params(warm_start=False).fit(videos.X, videos.y)
    np.testing.assert_array_equal(
        trainings[2].initial_weights[0], trainings[0].initial_weights[0]
    )


def test_detector_that_was_not_fitted_is_pickled_too(videos: Bunch) -> None:
    detector = CNNDetector(filters=[4], optimizer__clipnorm=0.5)
    loaded = pickle.loads(pickle.dumps(detector))
    assert loaded.get_params() == detector.get_params()
    with pytest.raises(NotFittedError):
        loaded.predict_proba(videos.X)


def test_archive_holds_the_network_alone(fitted: CNNDetector, videos: Bunch) -> None:
    model = _archive.unpack(_archive.pack(fitted.model_))
    assert not model.compiled
    assert [layer.name for layer in model.layers] == [
        layer.name for layer in fitted.model_.layers
    ]
    for loaded, weight in zip(
        model.get_weights(), fitted.model_.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(loaded, weight)
