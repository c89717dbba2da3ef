"""Exported networks predict like the detector, and describe their input."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from skdeepfake import load_detector, make_detector_pipeline
from skdeepfake._engines import run_by_onnxruntime
from skdeepfake.detectors import (
    Attention,
    CNNDetector,
    CNNRNNDetector,
    GANDetector,
    PerPerson,
)
from skdeepfake.persistence import export_onnx

SMALL: dict[str, Any] = {"filters": (4, 4), "dense_units": 4, "random_state": 0}
GAN: dict[str, Any] = {"discriminator_filters": (4,), "generator": None}


def faces(n: int, size: tuple[int, int] = (24, 20), dtype: Any = np.uint8) -> Any:
    return np.random.RandomState(1).randint(1, 256, (n, *size, 3)).astype(dtype)


def initialized(detector: Any, **how: Any) -> Any:
    detector.initialize(faces(6, **how)[:, np.newaxis].repeat(2, axis=1), [0, 1] * 3)
    # With random weights, all probabilities would be close to 0.5.
    network = detector.model_
    network.set_weights([3 * weight for weight in network.get_weights()])
    return detector


def stated(path: Path) -> dict[str, Any]:
    model = onnx.load(path)
    onnx.checker.check_model(model)
    return json.loads({p.key: p.value for p in model.metadata_props}["skdeepfake"])


def test_reference_detector_is_that_of_keras(tmp_path) -> None:
    pipeline, path = load_detector(max_faces=2), tmp_path / "reference.onnx"
    about = export_onnx(pipeline, path)
    X = faces(5, (160, 160))
    X[:2] = X[:2] // 4 + 100  # with less contrast
    found = run_by_onnxruntime(str(path))(X)
    expected = pipeline[-1].model_.predict_on_batch(X)
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert stated(path) == about
    assert about["input"]["shape"] == ["n", 160, 160, 3]
    assert about["classes"] == [0, 1]
    assert about["preprocessing"]["sampler"]["n_frames"] == 16
    assert about["preprocessing"]["resizer"]["size"] == [160, 160]
    assert "n_jobs" not in about["preprocessing"]["cropper"]
    assert "PerPerson" in about["aggregation"]
    assert 0 <= about["max_difference"] < 1e-4


@pytest.mark.parametrize(
    ("make", "dtype", "meaning"),
    [
        (lambda: CNNDetector(**SMALL), np.uint8, ["probability"]),
        (lambda: CNNDetector(**SMALL), np.float32, ["probability"]),
        (lambda: GANDetector(**GAN), np.uint8, ["probability"]),
        (
            lambda: CNNDetector(
                aggregation=PerPerson(2, aggregation=Attention()), **SMALL
            ),
            np.uint8,
            ["probability", "weight"],
        ),
    ],
    ids=["CNN", "floats", "GAN", "attention"],
)
def test_networks_of_keras_answer_the_same(make, dtype, meaning, tmp_path) -> None:
    detector, path = initialized(make(), dtype=dtype), tmp_path / "network.onnx"
    about = export_onnx(detector, path)
    X = faces(5, dtype=dtype)
    found = run_by_onnxruntime(str(path))(X)
    expected = detector.model_.predict_on_batch(X)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert about["output"] == {"shape": ["n", len(meaning)], "meaning": meaning}
    assert about["input"]["dtype"] == np.dtype(dtype).name
    assert about["preprocessing"] == {}
    assert stated(path) == about


def test_what_is_no_network_of_faces_is_refused(tmp_path) -> None:
    path = tmp_path / "no.onnx"
    with pytest.raises(NotFittedError):
        export_onnx(make_detector_pipeline("cnn"), path)
    with pytest.raises(ValueError, match="such a detector; got LogisticRegression"):
        export_onnx(LogisticRegression(), path)
    X = np.random.RandomState(0).rand(4, 3, 4, 5).astype(np.float32)
    recurrent = CNNRNNDetector(units=(2,), random_state=0).initialize(X, [0, 1, 0, 1])
    with pytest.raises(ValueError, match="CNNRNNDetector takes"):
        export_onnx(recurrent, path)
    assert not path.exists()


def test_other_answers_are_not_written(tmp_path, monkeypatch) -> None:
    detector = load_detector()[-1]
    proba = detector.predict_frame_proba
    monkeypatch.setattr(detector, "predict_frame_proba", lambda X: proba(X) + 2e-4)
    with pytest.raises(RuntimeError, match="No file was written"):
        export_onnx(detector, tmp_path / "network.onnx")
    assert list(tmp_path.iterdir()) == []


def test_missing_packages_and_other_backends_are_named(tmp_path, monkeypatch) -> None:
    detector, path = initialized(CNNDetector(**SMALL)), tmp_path / "network.onnx"
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "tf2onnx", None)
        with pytest.raises(ImportError, match=r"pip install 'skdeepfake\[onnx\]'"):
            export_onnx(detector, path)
    with monkeypatch.context() as patch:
        patch.setattr(keras.backend, "backend", lambda: "jax")
        with pytest.raises(ValueError, match="KERAS_BACKEND=tensorflow"):
            export_onnx(detector, path)
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda _: None)
        assert export_onnx(load_detector(), path)["max_difference"] is None
    assert stated(path)["max_difference"] is None
