"""The featurizers behave like transformers of scikit-learn."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from skdeepfake.features import KerasFeaturizer, VGG16Featurizer

BOTH = pytest.mark.parametrize("cls", [KerasFeaturizer, VGG16Featurizer])


def mean_color():
    """Build a model that returns the mean color of an image."""
    layers = [keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()]
    return keras.Sequential(layers)


# -- parameters --------------------------------------------------------------


@BOTH
def test_parameters_are_stored_as_they_are_and_cloned(cls, tmp_path):
    params = {
        "weights": tmp_path / "vgg16.weights.h5",
        "pooling": "max",
        "frame_pooling": "avg",
        "preprocess": np.negative,
        "batch_size": 3,
        "dtype": "float16",
        "engine": "onnxruntime",
        "memory": tmp_path,
        "random_state": 4,
        "verbose": 1,
    }
    if cls is KerasFeaturizer:
        params["backbone"] = mean_color
    featurizer = cls(**params)
    assert featurizer.get_params() == params
    assert all(getattr(featurizer, name) is value for name, value in params.items())
    assert clone(featurizer).get_params() == params
    assert cls().set_params(**params).get_params() == params
    assert featurizer.fit(None).get_params() == params


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("weights", 3), ("weights", True)),
        *(("pooling", "sum"), ("frame_pooling", "max"), ("frame_pooling", True)),
        *(("preprocess", "imagenet"), ("preprocess", None)),
        *(("batch_size", 0), ("batch_size", 2.0), ("batch_size", None)),
        *(("dtype", "float64"), ("dtype", np.float32), ("engine", "torch")),
        *(("memory", 3), ("memory", True), ("verbose", "no")),
        *(("random_state", -1), ("random_state", 2**32), ("random_state", None)),
    ],
)
@BOTH
@pytest.mark.parametrize("method", ["fit", "transform"])
def test_bad_parameter_is_named(noise, cls, method, name, value):
    params = {"weights": None, name: value}
    with pytest.raises(ValueError, match=f"'{name}' parameter of {cls.__name__}"):
        getattr(cls(**params), method)(noise(1, 32, 32))


@pytest.mark.parametrize("backbone", ["vgg", "VGG16", None, 3])
@pytest.mark.parametrize("method", ["fit", "transform"])
def test_unknown_backbone_is_named_beside_those_there_are(noise, method, backbone):
    with pytest.raises(ValueError, match=r"'backbone'.*'vgg16'") as caught:
        getattr(KerasFeaturizer(backbone), method)(noise(1, 32, 32))
    assert repr(backbone) in str(caught.value)


# -- fit and transform -------------------------------------------------------


def test_fit_learns_nothing_and_is_not_needed(noise):
    featurizer = KerasFeaturizer(mean_color)
    before = dict(vars(featurizer))
    check_is_fitted(featurizer)
    expected = featurizer.transform(noise(3, 8, 8))
    assert featurizer.fit(noise(2, 9, 9), [0, 1]) is featurizer
    assert vars(featurizer) == before
    np.testing.assert_array_equal(featurizer.transform(noise(3, 8, 8)), expected)
    np.testing.assert_array_equal(
        KerasFeaturizer(mean_color).fit_transform(noise(3, 8, 8), [0, 1, 0]), expected
    )


@pytest.mark.nightly
def test_faces_may_be_read_only_on_disk_or_in_lists_and_stay_as_they_are(
    gappy, tmp_path
):
    featurizer = VGG16Featurizer(weights=None)
    X = gappy.X.copy()
    expected = featurizer.transform(X)
    np.testing.assert_array_equal(X, gappy.X)
    assert expected.flags.writeable
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    for faces in (gappy.X, mapped, list(gappy.X), np.asfortranarray(X)):
        features = featurizer.transform(faces)
        assert type(features) is np.ndarray
        np.testing.assert_array_equal(features, expected)


@pytest.mark.parametrize("verbose", [0, 1])
def test_progress_is_counted_in_faces(gappy, capsys, every_step, verbose):
    VGG16Featurizer(weights=None, batch_size=4, verbose=verbose).transform(gappy.X)
    shown = capsys.readouterr().err
    assert re.findall(r"(\d+)/7 ", shown)[-1:] == (["7"] if verbose else [])
    assert ("featurizing" in shown) == bool(verbose)


# -- pipelines ---------------------------------------------------------------


def bright_and_dark(noise, *shape):
    """Draw noise in which every second sample is brighter."""
    X = (noise(*shape, 32, 32) // 2).copy() + 1
    X[1::2] += 120
    return X, np.arange(len(X)) % 2


@pytest.mark.parametrize("shape", [(8,), (8, 2)], ids=["images", "videos"])
def test_classifier_learns_from_the_features(noise, shape):
    X, y = bright_and_dark(noise, *shape)
    frame_pooling = "avg" if len(shape) == 2 else None
    pipeline = make_pipeline(
        VGG16Featurizer(weights=None, pooling="avg", frame_pooling=frame_pooling),
        StandardScaler(),
        LogisticRegression(),
    )
    pipeline.fit(X, y)
    assert pipeline[-1].coef_.shape == (1, 512)
    other, _ = bright_and_dark(lambda *s: noise(*s, seed=1), *shape)
    assert pipeline.predict(other).tolist() == y.tolist()
    assert pipeline.predict_proba(other[:3]).shape == (3, 2)
