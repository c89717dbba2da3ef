"""Networks are built once per process, shared and never pickled."""

from __future__ import annotations

import gc
import json
import logging
import pickle
import threading
import weakref

import joblib
import keras
import numpy as np
import pytest
from sklearn.base import clone
from tensorflow.python.eager.polymorphic_function import polymorphic_function

from skdeepfake.features import KerasFeaturizer, VGG16Featurizer, _network
from skdeepfake.features._network import digest

pytestmark = pytest.mark.usefixtures("thin_vgg16")


def small(activation="relu", *, kernel=0.01, name=None):
    """Build a model whose output depends on its activation and its kernel."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, use_bias=False)(inputs)
    model = keras.Model(inputs, keras.layers.Activation(activation, name=name)(x))
    rng = np.random.RandomState(0)
    model.set_weights([rng.normal(scale=kernel, size=(3, 3, 3, 4))])
    return model


def rounded(dtype):
    """Build a model with a layer of the given dtype policy."""
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, keras.layers.ReLU(dtype=dtype)(inputs))


# -- construction and sharing ------------------------------------------------


def test_network_is_built_once_on_first_use(built, noise):
    featurizer = VGG16Featurizer(weights=None).fit(noise(1, 32, 32))
    assert built == []
    featurizer.transform(noise(1, 32, 32))
    featurizer.transform(noise(9, 32, 32))
    assert len(built) == 1


def test_equal_featurizers_share_a_network(built, noise):
    featurizer = VGG16Featurizer(weights=None)
    for other in (
        featurizer,
        clone(featurizer),
        pickle.loads(pickle.dumps(featurizer)),
        VGG16Featurizer(weights=None, batch_size=1, dtype="float16", verbose=0),
        VGG16Featurizer(weights=None, frame_pooling="avg"),
        KerasFeaturizer("vgg16", weights=None),
    ):
        other.transform(noise(1, 1, 32, 32))
    assert len(built) == 1


def test_equal_models_share_a_network_and_functions_build_one(built, noise):
    for featurizer in (
        KerasFeaturizer(small()),
        clone(KerasFeaturizer(small())),
        KerasFeaturizer(small),
        clone(KerasFeaturizer(small)),
    ):
        featurizer.transform(noise(1, 8, 8))
    assert [backbone is small for backbone in built] == [False, True]


def test_other_features_need_another_network(built, noise):
    featurizer = KerasFeaturizer(small)
    for parameter in ({}, {"preprocess": keras.ops.negative}, {"pooling": "avg"}):
        clone(featurizer).set_params(**parameter).transform(noise(1, 8, 8))
    assert len(built) == 2


def test_features_do_not_depend_on_global_settings_of_keras(noise):
    images = noise(2, 32, 32)
    expected = KerasFeaturizer("vgg16", weights=None, random_state=1).transform(images)
    _network._shared.clear()
    keras.config.set_dtype_policy("mixed_float16")
    keras.config.set_image_data_format("channels_first")
    try:
        again = KerasFeaturizer("vgg16", weights=None, random_state=1).transform(images)
        assert keras.config.dtype_policy().name == "mixed_float16"
        assert keras.config.image_data_format() == "channels_first"
    finally:
        keras.config.set_dtype_policy("float32")
        keras.config.set_image_data_format("channels_last")
    np.testing.assert_array_equal(again, expected)


def test_addresses_in_memory_do_not_tell_networks_apart():
    class Described:
        def __init__(self, part):
            self.part = part

        def to_json(self):
            return json.dumps({"layers": [self.part]})

        def get_weights(self):
            return []

    plain, addressed, other = (
        _network.digest(Described(part))
        for part in ({"units": 1}, {"units": 1, "shared_object_id": 7}, {"units": 2})
    )
    assert plain == addressed != other


def test_at_most_four_networks_are_kept_and_those_used_last(built, noise):
    models = [small(kernel=0.01 * k) for k in range(1, 6)]
    for model in models[:4]:
        KerasFeaturizer(model).transform(noise(1, 8, 8))
    KerasFeaturizer(models[0]).transform(noise(1, 8, 8))
    assert len(built) == 4
    KerasFeaturizer(models[4]).transform(noise(1, 8, 8))
    assert len(_network._shared) == 4
    KerasFeaturizer(models[0]).transform(noise(1, 8, 8))
    assert len(built) == 5
    KerasFeaturizer(models[1]).transform(noise(1, 8, 8))  # the least recently used
    assert len(built) == 6


def test_network_that_is_no_longer_kept_frees_its_memory(built, noise):
    KerasFeaturizer(small()).transform(noise(1, 8, 8))
    [network] = _network._shared.values()
    freed = weakref.ref(network)
    del network
    for k in range(2, 6):
        KerasFeaturizer(small(kernel=0.01 * k)).transform(noise(1, 8, 8))
    gc.collect()
    assert freed() is None


@pytest.mark.compiled
def test_many_networks_in_a_process_bring_no_warning(built, noise, caplog):
    # TensorFlow counts per process and warns at most twice.
    polymorphic_function._frequent_tracing_detector_manager._detectors.clear()
    logger = logging.getLogger("tensorflow")  # does not propagate
    logger.addHandler(caplog.handler)
    for k in range(1, 8):
        KerasFeaturizer(small(kernel=0.01 * k)).transform(noise(1, 8, 8))
    logger.removeHandler(caplog.handler)
    assert len(built) == 7
    assert caplog.messages == []


# -- identity of models ------------------------------------------------------


def test_model_that_was_trained_since_gives_its_new_features(noise):
    model = small()
    featurizer = KerasFeaturizer(model)
    before = featurizer.transform(noise(2, 8, 8))
    model.set_weights([2 * weight for weight in model.get_weights()])
    np.testing.assert_allclose(
        featurizer.transform(noise(2, 8, 8)), 2 * before, rtol=1e-6
    )


def test_training_a_model_does_not_change_the_features_of_its_equals(built, noise):
    model = small()
    before = KerasFeaturizer(model).transform(noise(2, 8, 8))
    model.set_weights([2 * weight for weight in model.get_weights()])
    np.testing.assert_array_equal(
        KerasFeaturizer(small()).transform(noise(2, 8, 8)), before
    )


def test_featurizing_leaves_the_model_as_it_was(noise):
    model = small()
    weights, layers = model.get_weights(), list(model.layers)
    KerasFeaturizer(model).transform(noise(2, 8, 8))
    np.testing.assert_array_equal(model.get_weights()[0], weights[0])
    assert model.layers == layers
    assert model.trainable


def test_digest_is_the_same_for_the_same_computation(noise):
    model = small()
    assert digest(small()) == digest(model)  # with other layer numbers
    assert digest(keras.models.clone_model(model)) != digest(model)  # other weights
    assert digest(clone(KerasFeaturizer(model)).backbone) == digest(model)
    nested = [keras.Sequential([keras.Input((8, 8, 3)), small()]) for _ in range(2)]
    assert digest(nested[0]) == digest(nested[1])
    assert digest(rounded("float16")) != digest(rounded("bfloat16"))


def test_layers_named_after_what_they_do_are_told_apart(noise):
    # The digest ignores the name in `Activation("relu", name="relu")`, but not "relu".
    relu, tanh = small("relu", name="relu"), small("tanh", name="tanh")
    assert digest(relu) != digest(tanh)
    assert digest(relu) == digest(small("relu"))
    features = KerasFeaturizer(relu).transform(noise(2, 8, 8))
    other = KerasFeaturizer(tanh).transform(noise(2, 8, 8))
    assert features.max() > 1 >= other.max()
    assert features.min() == 0 > other.min()


@pytest.mark.parametrize(
    ("preprocess", "other"),
    [
        (lambda x: x / 127.5 - 1, lambda x: x / 255),
        (lambda x: x - np.float32([1, 2, 3]), lambda x: x - np.float32([3, 2, 1])),
        (keras.ops.sqrt, keras.ops.square),
    ],
)
def test_preprocessing_is_part_of_the_computation(noise, preprocess, other, tmp_path):
    identities = {
        _network.shared_network(
            KerasFeaturizer(small, preprocess=function)._recipe(), (8, 8, 3)
        ).identity
        for function in (preprocess, other, preprocess)
    }
    assert len(identities) == 2


@pytest.mark.parametrize("backbone", ["vgg16", small])
def test_bgr_reverses_the_channels_and_does_nothing_else(noise, backbone):
    X = noise(2, 32, 32) if backbone == "vgg16" else noise(2, 8, 8)
    reverse, raw = (
        pickle.loads(
            pickle.dumps(
                KerasFeaturizer(
                    backbone,
                    weights=None if isinstance(backbone, str) else "imagenet",
                    preprocess=p,
                    random_state=0,
                    pooling="avg",
                )
            )
        )
        for p in ("bgr", False)
    )
    np.testing.assert_array_equal(
        reverse.transform(X), raw.transform(np.ascontiguousarray(X[..., ::-1]))
    )


# -- pickles -----------------------------------------------------------------


def test_nothing_of_the_network_is_pickled(noise):
    featurizer = VGG16Featurizer(weights=None)
    size = len(pickle.dumps(featurizer))
    featurizer.fit_transform(noise(2, 32, 32))
    assert set(vars(featurizer)) == set(featurizer.get_params())
    assert len(pickle.dumps(featurizer)) == size < 1000


@pytest.mark.compiled
def test_pickled_featurizer_gives_the_same_features_in_a_new_process(
    gappy, answers_of_a_new_process
):
    featurizer = KerasFeaturizer("meso4", weights=None).fit(gappy.X)
    (features,) = answers_of_a_new_process(
        featurizer, gappy.X, "estimator.transform(X)"
    )
    np.testing.assert_array_equal(features, featurizer.transform(gappy.X))


# -- threads -----------------------------------------------------------------


@pytest.mark.compiled
@pytest.mark.parametrize("alike", [True, False])
def test_threads_at_once_get_the_right_features(built, noise, alike):
    featurizers = [
        VGG16Featurizer(weights=None, random_state=0 if alike else thread)
        for thread in range(2)
    ]
    images = [noise(5, 32, 32, seed=thread) for thread in range(2)]
    start = threading.Barrier(2)

    def featurize(thread):
        start.wait()
        return featurizers[thread].transform(images[thread])

    results = joblib.Parallel(n_jobs=2, backend="threading")(
        joblib.delayed(featurize)(thread) for thread in range(2)
    )
    assert len(built) == (1 if alike else 2)
    for featurizer, part, features in zip(featurizers, images, results, strict=True):
        np.testing.assert_array_equal(features, featurizer.transform(part))
