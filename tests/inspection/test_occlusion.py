"""Occlusion, compared with predictions for videos with removed parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdeepfake.detectors import CNNDetector, CNNRNNDetector
from skdeepfake.inspection import occlusion

pytestmark = pytest.mark.usefixtures("compiled_predictions")

Y = np.array(["fake", "real", "fake"])  # "real" is the second class here
# Log-odds of float32 probabilities are not more precise.
CLOSE = {"rtol": 1e-3, "atol": 1e-5}


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    """Three videos of 4 frames of 3 positions: one with a gap, one with one face."""
    X = np.random.RandomState(0).uniform(0, 4, size=(3, 4, 3, 5)).astype(np.float32)
    X[1, 1] = 0
    X[2, [0, 1, 3]] = 0
    X.flags.writeable = False
    return X


@pytest.fixture(scope="module")
def spatial(features: np.ndarray) -> CNNRNNDetector:
    return built(CNNRNNDetector(units=(3,), random_state=0), features)


@pytest.fixture(scope="module")
def temporal(features: np.ndarray) -> CNNRNNDetector:
    detector = CNNRNNDetector(sequence="temporal", units=(3,), random_state=0)
    return built(detector, features)


@pytest.fixture(scope="module")
def cnn(features: np.ndarray) -> CNNDetector:
    """Detector of images of 3 x 1 pixels."""
    detector = CNNDetector(filters=(), dense_units=3, rescale=1.0, random_state=0)
    return built(detector, images_of(features))


def built(detector: Any, X: np.ndarray) -> Any:
    """Build a network with random weights and a bias toward one class."""
    last = detector.initialize(X, Y).model_.layers[-1]
    last.set_weights([last.get_weights()[0], np.array([0.7])])
    return detector


def images_of(features: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(features[..., np.newaxis, :3])


def log_odds(proba: np.ndarray) -> np.ndarray:
    return np.log(proba[..., 1] / proba[..., 0])


def variant(detector: Any, **params: Any) -> Any:
    """Copy a detector with its network, and change parameters."""
    other = object.__new__(type(detector))
    other.__dict__.update(vars(detector))
    return other.set_params(**params)


@pytest.mark.parametrize("baseline", ["mean", "zero"])
def test_a_position_is_worth_what_the_answer_for_its_frame_falls_without_it(
    spatial: CNNRNNDetector, features: np.ndarray, baseline: str
) -> None:
    found = occlusion(spatial, features, baseline=baseline)
    whole = log_odds(spatial.predict_frame_proba(features))
    for position in range(3):
        X = features.copy()
        X[:, :, position] = X.mean(axis=2) if baseline == "mean" else 0
        without = log_odds(spatial.predict_frame_proba(X))
        np.testing.assert_allclose(found[..., position], whole - without, **CLOSE)
    assert np.nanmin(np.abs(found)) > 1e-4
    assert found.shape == (3, 4, 3)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(found[..., 0]), ~features.any(axis=(2, 3)))


@pytest.mark.parametrize("baseline", ["mean", "zero"])
def test_a_position_in_a_sequence_is_worth_what_the_video_falls_without_it(
    temporal: CNNRNNDetector, features: np.ndarray, baseline: str
) -> None:
    found = occlusion(temporal, features, baseline=baseline)
    whole = log_odds(temporal.predict_proba(features))
    filled = features.any(axis=(2, 3))
    for frame, position in np.ndindex(4, 3):
        X = features.copy()
        neutral = X[:, frame].mean(axis=1) if baseline == "mean" else 0
        X[:, frame, position] = neutral
        falls = whole - log_odds(temporal.predict_proba(X))
        expected = np.where(filled[:, frame], falls, np.nan)
        np.testing.assert_allclose(found[:, frame, position], expected, **CLOSE)
    assert np.nanmax(np.abs(found)) > 0.01


@pytest.mark.filterwarnings("ignore::skdeepfake.exceptions.NoFaceWarning")
def test_a_frame_in_a_sequence_is_worth_what_the_video_falls_without_it(
    temporal: CNNRNNDetector, features: np.ndarray
) -> None:
    found = occlusion(temporal, features, over="frame")
    whole = log_odds(temporal.predict_proba(features))
    filled = features.any(axis=(2, 3))
    for frame in range(4):
        X = features.copy()
        X[:, frame] = 0
        # Without its only frame, the last video has the class prior of 1/3.
        falls = whole - log_odds(temporal.predict_proba(X))
        expected = np.where(filled[:, frame], falls, np.nan)
        np.testing.assert_allclose(found[:, frame], expected, **CLOSE)
    assert found[2, 2] == pytest.approx(whole[2] + np.log(2), abs=1e-5)
    assert found.shape == (3, 4)


@pytest.mark.filterwarnings("ignore::skdeepfake.exceptions.NoFaceWarning")
@pytest.mark.parametrize("aggregation", ["mean", "median", "max"])
def test_a_frame_by_itself_is_left_out_of_the_aggregation(
    cnn: CNNDetector, spatial: CNNRNNDetector, features: np.ndarray, aggregation: str
) -> None:
    filled = features.any(axis=(2, 3))
    for one, X in (cnn, images_of(features)), (spatial, features):
        detector = variant(one, aggregation=aggregation)
        found = occlusion(detector, X, over="frame")
        whole = log_odds(detector.predict_proba(X))
        for frame in range(4):
            left = X.copy()
            left[:, frame] = 0
            falls = whole - log_odds(detector.predict_proba(left))
            expected = np.where(filled[:, frame], falls, np.nan)
            np.testing.assert_allclose(found[:, frame], expected, **CLOSE)
        assert np.nanmax(np.abs(found)) > 0.01


@pytest.mark.nightly
def test_a_video_without_a_face_has_nothing_to_take_away(
    spatial: CNNRNNDetector, temporal: CNNRNNDetector, features: np.ndarray
) -> None:
    nothing = np.zeros_like(features)
    for detector in (spatial, temporal):
        for over in ("position", "frame"):
            assert np.isnan(occlusion(detector, nothing, over=over)).all()
            some = np.stack([features[0], nothing[0]])
            found = occlusion(detector, some, over=over)
            assert np.isnan(found[1]).all()
            np.testing.assert_allclose(
                found[0], occlusion(detector, features, over=over)[0], atol=1e-6
            )


@pytest.mark.parametrize("over", ["position", "frame"])
def test_batches_and_the_other_class_change_nothing_but_the_sign(
    spatial: CNNRNNDetector, temporal: CNNRNNDetector, features: Any, over: str
) -> None:
    for detector in (spatial, temporal):
        plain = occlusion(detector, features, over=over)
        found = occlusion(
            detector, features, over=over, class_label="fake", batch_size=2
        )
        np.testing.assert_allclose(found, -plain, atol=1e-6)
        found = occlusion(detector, features, over=over, class_label="real")
        np.testing.assert_array_equal(found, plain)


def test_falls_are_seen_where_the_network_is_sure(
    spatial: CNNRNNDetector, features: np.ndarray
) -> None:
    before = occlusion(spatial, features)
    last = spatial.model_.layers[-1]
    kernel, bias = last.get_weights()
    last.set_weights([kernel, bias + 30])
    try:
        assert np.nanmin(spatial.predict_frame_proba(features)[..., 1]) == 1
        after = occlusion(spatial, features)
        frames = occlusion(spatial, features, over="frame")
    finally:
        last.set_weights([kernel, bias])
    np.testing.assert_allclose(after, before, atol=1e-4)
    assert np.nanmin(np.abs(frames[:2])) > 1e-4


def test_steps_of_a_pipeline_are_run_first(
    spatial: CNNRNNDetector, features: np.ndarray
) -> None:
    pipeline = make_pipeline(FunctionTransformer(lambda X: X[:, ::-1]), spatial)
    np.testing.assert_allclose(
        occlusion(pipeline, features), occlusion(spatial, features)[:, ::-1], atol=1e-6
    )


def test_a_vector_a_frame_has_no_positions(features: np.ndarray) -> None:
    detector = CNNRNNDetector(sequence="temporal", units=(2,))
    vectors = features.mean(axis=2)
    detector.initialize(vectors, Y)
    assert occlusion(detector, vectors, over="frame").shape == (3, 4)
    with pytest.raises(ValueError, match=r"one position per frame.*over='frame'"):
        occlusion(detector, vectors)


def test_what_cannot_be_asked_is_named(
    cnn: CNNDetector, spatial: CNNRNNDetector, features: np.ndarray
) -> None:
    with pytest.raises(ValueError, match=r"got CNNDetector\. Use .*grad_cam"):
        occlusion(cnn, images_of(features))
    with pytest.raises(ValueError, match="'over'"):
        occlusion(spatial, features, over="pixel")
    with pytest.raises(ValueError, match="'baseline'"):
        occlusion(spatial, features, baseline="noise")
    with pytest.raises(
        ValueError, match=r"class_label must be one of .*'fake', 'real'"
    ):
        occlusion(spatial, features, class_label=1)
    with pytest.raises(ValueError, match="'batch_size'"):
        occlusion(spatial, features, batch_size=0)
