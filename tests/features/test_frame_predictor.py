"""Frames are predicted from the two preceding frames of real faces."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skdeepfake import persistence
from skdeepfake.exceptions import NoFaceError
from skdeepfake.features import FramePredictor


def moving(n: int, seed: int, length: int = 4, size: int = 12) -> np.ndarray:
    """Make bursts of a light spot that moves at a random speed."""
    rng = np.random.RandomState(seed)
    start = rng.uniform(3, 8, size=(n, 1, 2))
    speed = rng.uniform(-1.2, 1.2, size=(n, 1, 2))
    place = start + speed * np.arange(length)[:, None]
    row, column = np.mgrid[:size, :size]
    distance = (row - place[..., 0, None, None]) ** 2
    distance = distance + (column - place[..., 1, None, None]) ** 2
    image = 20 + 200 * np.exp(-distance / 6)
    return np.repeat(image[..., None], 3, axis=-1).astype(np.uint8)


def small(**params: Any) -> FramePredictor:
    settings = {"filters": (8,), "epochs": 1, "learning_rate": 0.01}
    return FramePredictor(**{**settings, **params})


@pytest.fixture(scope="module")
def predictor() -> FramePredictor:
    return small(filters=(12, 12), epochs=30, batch_size=40).fit(moving(100, 0))


def test_linear_motion_is_predicted_and_splices_are_not(
    predictor: FramePredictor,
) -> None:
    real = moving(40, 1)
    spliced = real.copy()
    spliced[:, 3] = moving(40, 2)[:, 3]
    found, missed = predictor.transform(real), predictor.transform(spliced)
    assert found.shape == (40, 2, 12, 12, 3)
    np.testing.assert_array_equal(found[:, 0], missed[:, 0])  # before the splice
    assert found.mean() < missed[:, 1].mean() / 4
    # The predictor has learned motion; repeating the last frame has larger errors.
    still = np.abs(real[:, 2:].astype(float) - real[:, 1:-1]).mean()
    assert found.mean() < 0.7 * still


def test_frames_without_a_face_leave_slots_empty(predictor: FramePredictor) -> None:
    X = moving(3, 1, length=5)
    X[0, 4] = 0
    X[1, 2] = 0
    filled = predictor.transform(X).any(axis=(2, 3, 4))
    assert filled.tolist() == [[True, True, False], [False] * 3, [True] * 3]


def test_bursts_and_people_are_kept_apart(predictor: FramePredictor) -> None:
    one, two = moving(2, 3), moving(2, 4)
    both = np.stack([one, two], axis=2).reshape(2, 8, 12, 12, 3)
    copy = pickle.loads(pickle.dumps(predictor)).set_params(max_faces=2, burst=4)
    found = copy.transform(np.concatenate([both, both], axis=1))
    assert found.shape == (2, 8, 12, 12, 3)
    np.testing.assert_array_equal(found[:, :4:2], predictor.transform(one))
    np.testing.assert_array_equal(found[:, 5::2], predictor.transform(two))


def test_slots_are_those_of_the_predicted_frames() -> None:
    predictor = FramePredictor(burst=4, max_faces=2)
    assert predictor.select_slots(np.arange(16)).tolist() == [
        4,
        5,
        6,
        7,
        12,
        13,
        14,
        15,
    ]
    assert FramePredictor().select_slots(np.arange(4)).tolist() == [2, 3]


def test_fakes_are_not_learnt() -> None:
    X, y = moving(6, 0), np.array([0, 1] * 3)
    alone = small().fit(X[y == 0])
    for labels in (y, np.where(y, "fake", "real")):
        found = small().fit(X, labels)
        np.testing.assert_array_equal(found.transform(X), alone.transform(X))


def test_perfect_prediction_is_no_empty_slot() -> None:
    X = np.full((2, 3, 8, 8, 3), 100, np.uint8)
    assert small().fit(X).transform(X).min() >= 1


def test_predictor_survives_files(predictor: FramePredictor, tmp_path: Path) -> None:
    X = moving(3, 5)
    persistence.save(predictor, tmp_path / "model.skops")
    loaded = persistence.load(tmp_path / "model.skops")
    np.testing.assert_array_equal(loaded.transform(X), predictor.transform(X))
    assert loaded.history_ == predictor.history_


@pytest.mark.parametrize(
    ("X", "params", "message"),
    [
        (moving(2, 0)[:, 0], {}, "n_slots, height"),
        (moving(2, 0).astype(float), {}, "uint8"),
        (moving(2, 0), {"burst": 3}, "Set burst and max_faces"),
        (moving(2, 0, length=2), {}, "at least 3"),
        (moving(2, 0), {"filters": (2, 2, 2, 2)}, "multiples of 8"),
        (moving(2, 0), {"burst": 2}, "'burst' parameter"),
        (moving(2, 0)[:0], {}, "0 sample"),
    ],
)
def test_bad_input_is_named(X: Any, params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**params).fit(X)


def test_another_size_and_no_real_face_are_refused(predictor: FramePredictor) -> None:
    with pytest.raises(ValueError, match="fitted on"):
        predictor.transform(moving(2, 0, size=16))
    with pytest.raises(NoFaceError, match="3 consecutive faces"):
        small().fit(moving(2, 0), [1, 1])
    with pytest.raises(NotFittedError):
        small().transform(moving(2, 0))
