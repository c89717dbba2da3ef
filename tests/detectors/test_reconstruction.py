"""Faces are scored by the reconstruction error of an encoder-decoder."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.utils import Bunch

from skdeepfake import persistence
from skdeepfake.detectors import BlendedFakes, ReconstructionDetector


def small(**params: Any) -> ReconstructionDetector:
    settings = {
        "filters": (8, 8),
        "reconstruction_epochs": 40,
        "batch_size": 4,
        "reconstruction_rate": 0.01,
        "learning_rate": 0.01,
        "epochs": 20,
        "validation_fraction": None,
        "random_state": 0,
    }
    return ReconstructionDetector(**{**settings, **params})


@pytest.fixture(scope="module")
def smooth() -> Bunch:
    """Images of smooth waves as real faces. Fakes also have a patch of noise."""
    rng = np.random.RandomState(0)
    row, column = np.mgrid[:16, :16] / 16
    a, b, c = (0.3 * rng.rand(40, 1, 1, 1) for _ in range(3))
    waves = np.sin(2 * a + 2 * row[..., None] + b) + np.cos(2 * column[..., None] + c)
    X = np.uint8(128 + 50 * np.repeat(waves, 3, axis=-1))
    fakes = X[20:].copy()
    noise = rng.randint(-40, 40, size=(20, 8, 8, 3))
    fakes[:, 4:12, 4:12] = np.clip(fakes[:, 4:12, 4:12] + noise, 1, 255)
    return Bunch(real=X[:20], held_out=X[20:], fakes=fakes)


def auc(detector: Any, smooth: Bunch) -> float:
    X = np.concatenate([smooth.held_out, smooth.fakes])
    return roc_auc_score(np.repeat([0, 1], 20), detector.predict_proba(X)[:, 1])


@pytest.fixture(scope="module")
def headless(smooth: Bunch) -> ReconstructionDetector:
    return small(head=None).fit(smooth.real, np.zeros(20, int))


def test_real_faces_alone_rank_fakes_above_held_out_faces(
    headless: ReconstructionDetector, smooth: Bunch
) -> None:
    assert headless.classes_.tolist() == [0, 1]
    assert auc(headless, smooth) == 1.0
    assert headless.predict(smooth.fakes).mean() > 0.9


def test_score_is_the_standardized_error(
    headless: ReconstructionDetector, smooth: Bunch
) -> None:
    def error(X: np.ndarray) -> np.ndarray:
        return np.abs(X / 255 - headless.reconstruct(X)[:, 0]).mean(axis=(1, 2, 3))

    known = error(smooth.real)
    z = (error(smooth.fakes) - known.mean()) / known.std()
    expected = 1 / (1 + np.exp(2 - z))
    found = headless.predict_proba(smooth.fakes)[:, 1]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_fakes_are_not_learnt_to_be_reconstructed(smooth: Bunch) -> None:
    X = np.concatenate([smooth.real, smooth.fakes])
    y = np.repeat([0, 1], 20)
    alone = small(head=None, reconstruction_epochs=1, batch_size=20)
    expected = alone.fit(smooth.real, y[:20]).reconstruct(smooth.real)
    both = alone.fit(X, y)
    np.testing.assert_allclose(both.reconstruct(smooth.real), expected, atol=1e-5)


def test_head_learns_labels_and_leaves_the_decoder(smooth: Bunch) -> None:
    X = np.concatenate([smooth.real, smooth.fakes])
    y = np.repeat([0, 1], 20)
    found = small(
        warm_start=True, epochs=1, batch_size=40, filters=(8,), reconstruction_epochs=3
    ).fit(X, y)
    before = found.reconstruct(smooth.held_out)
    found.set_params(epochs=20).fit(X, y)
    np.testing.assert_array_equal(found.reconstruct(smooth.held_out), before)
    assert len(found.reconstruction_history_["loss"]) == 3
    assert auc(found, smooth) > 0.8


def test_blended_fakes_are_the_other_class(smooth: Bunch) -> None:
    fakes = BlendedFakes()
    found = small(fake_source=fakes, epochs=1, reconstruction_epochs=1, batch_size=40)
    found.fit(smooth.real, np.array(["real"] * 20))
    assert found.classes_.tolist() == ["fake", "real"]


def test_training_goes_on(headless: ReconstructionDetector, smooth: Bunch) -> None:
    other = pickle.loads(pickle.dumps(headless)).set_params(learning_rate=1e-4)
    other.partial_fit(smooth.real, np.zeros(20, int))
    assert len(other.history_["loss"]) == 1
    assert auc(other, smooth) == 1.0


@pytest.mark.parametrize("head", ["dense", None])
def test_detector_survives_files(smooth: Bunch, head: Any, tmp_path: Path) -> None:
    X = np.concatenate([smooth.real, smooth.fakes])
    y = np.repeat([0, 1], 20)
    quick = {"reconstruction_epochs": 1, "epochs": 1, "batch_size": 40}
    found = small(head=head, **quick).fit(X, y)
    persistence.save(found, tmp_path / "model.skops")
    loaded = persistence.load(tmp_path / "model.skops")
    np.testing.assert_array_equal(loaded.predict_proba(X), found.predict_proba(X))


def test_empty_slots_are_no_faces(headless: ReconstructionDetector) -> None:
    X = np.zeros((1, 2, 16, 16, 3), np.uint8)
    X[0, 0] = 128
    assert not headless.reconstruct(X)[0, 1].any()
    assert np.isnan(headless.predict_frame_proba(X)[0, 1]).all()


@pytest.mark.parametrize(
    ("params", "size", "message"),
    [
        ({}, 18, "multiples of 4"),
        ({"head": "linear"}, 16, "'head' parameter"),
        ({"filters": ()}, 16, "'filters' parameter"),
        ({"reconstruction_epochs": 0}, 16, "'reconstruction_epochs' parameter"),
    ],
)
def test_bad_input_is_named(params: dict[str, Any], size: int, message: str) -> None:
    X = np.ones((4, size, size, 3), np.uint8)
    with pytest.raises(ValueError, match=message):
        small(**params).fit(X, [0, 1, 0, 1])


def test_all_fake_cannot_be_learnt() -> None:
    X = np.ones((4, 16, 16, 3), np.uint8)
    with pytest.raises(ValueError, match=r"real"):
        small(head=None).fit(X, np.ones(4, int))
