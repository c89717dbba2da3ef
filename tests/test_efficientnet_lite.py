"""EfficientNet-lite0 equals the original network, in Keras and in ONNX."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.utils import check_random_state

from skdeepfake._efficientnet_lite import (
    HEAD,
    EfficientNetLite0,
    detector_shapes,
    detector_to_onnx,
    preprocess_input,
    to_arrays,
)
from skdeepfake._engines import make_engine
from skdeepfake.features import KerasFeaturizer

DATA = Path(__file__).parent / "data" / "efficientnet_lite0.npz"


@pytest.fixture(scope="module")
def original():
    """Two generated images, and their features from the original network."""
    with np.load(DATA) as stored:
        return stored["images"], stored["features"]


def test_features_are_those_of_the_original_network(original):
    images, expected = original
    featurizer = KerasFeaturizer("efficientnet_lite0", pooling="avg")
    features = featurizer.fit_transform(images)
    assert features.shape == (2, 1280)
    assert expected.std() > 0.5
    np.testing.assert_allclose(features, expected, atol=1e-3)


def test_shapes_are_those_of_the_network_and_the_last_layer():
    network = EfficientNetLite0(weights=None)
    head = keras.layers.Dense(1, name=HEAD)
    x = keras.layers.GlobalAveragePooling2D()(network.output)
    arrays = to_arrays(keras.Model(network.input, head(x)))
    assert {k: v.shape for k, v in arrays.items()} == detector_shapes()
    assert network.count_params() == 3_413_024


@pytest.mark.parametrize("size", [(33, 50), (64, 64)])
@pytest.mark.parametrize("engine", ["opencv", "onnxruntime"])
def test_onnx_gives_the_logits_of_keras(original, size, engine):
    if engine == "onnxruntime":
        pytest.importorskip("onnxruntime")
    rng = check_random_state(0)
    network = EfficientNetLite0(input_shape=(*size, 3))
    kernel, bias = rng.normal(size=(1280, 1)), rng.normal(size=1)
    arrays = {**to_arrays(network), f"{HEAD}/kernel": kernel, f"{HEAD}/bias": bias}
    images = original[0][:, : size[0], : size[1]].astype(np.float32)
    batch = preprocess_input(images)
    features = keras.ops.convert_to_numpy(network(batch)).mean(axis=(1, 2))
    compute = make_engine(detector_to_onnx(arrays, size), engine)
    for part in (batch, batch[:1]):  # another batch size, too
        found = compute(np.ascontiguousarray(part.transpose(0, 3, 1, 2)))
        expected = features[: len(part)] @ kernel + bias
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_there_is_no_classifier():
    with pytest.raises(ValueError, match="include_top=True is not supported"):
        EfficientNetLite0(weights=None, include_top=True)


def test_onnxruntime_is_asked_for_by_name_where_it_is_missing(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install onnxruntime"):
        make_engine(b"", "onnxruntime")
