"""Both engines compute the same features, and onnxruntime is optional."""

from __future__ import annotations

import sys

import keras
import numpy as np
import pytest
from sklearn.base import clone

from skdeepfake.features import FeatureCache, KerasFeaturizer, VGG16Featurizer
from skdeepfake.features._engines import ENGINES


def small():
    """Build a model that can be exported within a second."""
    layers = [keras.Input((16, 16, 3)), keras.layers.Conv2D(4, 8, strides=8)]
    model = keras.Sequential(layers)
    kernel = np.random.RandomState(0).normal(scale=0.01, size=(8, 8, 3, 4))
    model.set_weights([kernel, np.ones(4)])
    return model


@pytest.fixture
def installed():
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")


# -- without the extra -------------------------------------------------------


@pytest.mark.parametrize("missing", ["onnxruntime", "tf2onnx"])
def test_without_the_extra_the_error_names_it(built, noise, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    featurizer = KerasFeaturizer(small, engine="onnxruntime")
    with pytest.raises(ImportError, match=r"pip install 'skdeepfake\[onnx\]'"):
        featurizer.transform(noise(1, 16, 16))
    # The Keras engine does not need the extra.
    featurizer.set_params(engine="keras").transform(noise(1, 16, 16))


def test_onnxruntime_on_another_backend_is_refused(built, noise, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match=r"jax.*use engine='keras'"):
        ENGINES["onnxruntime"](small())


def test_other_backends_run_by_keras_own_function(noise, monkeypatch):
    images = noise(3, 16, 16)
    model = small()
    expected = model.predict_on_batch(images)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    np.testing.assert_array_equal(ENGINES["keras"](model)(images), expected)


# -- with the extra ----------------------------------------------------------


@pytest.mark.nightly
def test_onnxruntime_gives_the_same_but_for_rounding(installed, noise):
    images = noise(5, 64, 64)
    featurizer = KerasFeaturizer(
        "mobilenet_v2", weights=None, pooling="max", batch_size=2, engine="onnxruntime"
    )
    features = featurizer.transform(images)
    expected = clone(featurizer).set_params(engine="keras").transform(images)
    assert features.dtype == expected.dtype == np.float32
    assert features.shape == expected.shape
    assert np.abs(features - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.nightly
def test_onnxruntime_gives_the_features_of_trained_weights(
    installed, vgg16_weights, noise
):
    images = noise(3, 64, 64)
    featurizer = VGG16Featurizer(weights=vgg16_weights, engine="onnxruntime")
    features = featurizer.transform(images)
    expected = clone(featurizer).set_params(engine="keras").transform(images)
    assert features.shape == (3, 4, 512)
    assert np.abs(features - expected).max() <= 1e-4 * np.abs(expected).max()


def test_onnxruntime_leaves_empty_slots_and_takes_any_preprocessing(
    installed, noise, seen
):
    X = noise(2, 2, 16, 16).copy()
    X[0, 1] = 0
    featurizer = KerasFeaturizer(
        small, preprocess=lambda x: x / 127.5 - 1, engine="onnxruntime", batch_size=2
    )
    features = featurizer.transform(X)
    assert [len(batch) for batch in seen] == [2, 1]
    assert not features[0, 1].any()
    expected = clone(featurizer).set_params(engine="keras").transform(X)
    np.testing.assert_allclose(features, expected, atol=1e-5)


def test_engines_have_entries_of_their_own(installed, noise, seen, tmp_path):
    for engine in ("keras", "onnxruntime", "onnxruntime", "keras"):
        featurizer = KerasFeaturizer(small, engine=engine, memory=tmp_path)
        featurizer.transform(noise(1, 16, 16))
    assert len(FeatureCache(tmp_path)) == len(seen) == 2
