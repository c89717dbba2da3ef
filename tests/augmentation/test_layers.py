"""What is true of all layers."""

from __future__ import annotations

import copy
import pickle

import keras
import numpy as np
import pytest

from skdeepfake import augmentation
from skdeepfake.augmentation import (
    RandomAffine,
    RandomBlur,
    RandomColor,
    RandomDownscale,
    RandomErasing,
    RandomJPEG,
    RandomNoise,
)
from skdeepfake.augmentation._applying import Augmenter

# Each, with parameters that are not the defaults.
LAYERS = {
    RandomAffine: {
        "rotation": 20.0,
        "scale": (0.8, 1.25),
        "shift": 0.1,
        "shear": 3.0,
    },
    RandomBlur: {"sigma": (0.5, 3.0)},
    RandomColor: {
        "brightness": 0.05,
        "contrast": 0.1,
        "saturation": 0.4,
        "hue": 10.0,
        "gain": 0.1,
    },
    RandomDownscale: {"smallest": 0.2},
    RandomErasing: {"area": (0.1, 0.3), "ratio": (0.4, 2.5)},
    RandomJPEG: {"quality": (20, 80)},
    RandomNoise: {"sigma": 15.0},
}
each_layer = pytest.mark.parametrize("kind", LAYERS, ids=lambda kind: kind.__name__)


def make(kind, **params):
    return kind(**{"probability": 1, "seed": 0, **LAYERS[kind], **params})


def trained(layer, images):
    return keras.ops.convert_to_numpy(layer(images, training=True))


def test_all_public_layers_are_tested_here():
    assert {kind.__name__ for kind in LAYERS} == set(augmentation.__all__) - {
        "make_preset"
    }


@each_layer
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_images_stay_without_training(images, kind, dtype):
    for training in (False, None):
        same = make(kind)(images.astype(dtype), training=training)
        same = keras.ops.convert_to_numpy(same)
        assert same.dtype == np.float32
        np.testing.assert_array_equal(same, images)


@each_layer
def test_images_of_uint8_and_of_float32_are_changed_alike(images, kind):
    changed = trained(make(kind), images)
    assert changed.dtype == np.float32
    np.testing.assert_array_equal(
        changed, trained(make(kind), images.astype("float32"))
    )


@each_layer
def test_each_image_is_changed_in_its_own_way(images, kind):
    alike = trained(make(kind), np.repeat(images[:1], 8, axis=0))
    # Sizes and qualities are whole numbers, and may come twice.
    assert len({image.tobytes() for image in alike}) >= 5


@each_layer
def test_a_seed_gives_the_same_draws_and_goes_on(images, kind):
    layer, same, other = make(kind), make(kind), make(kind, seed=1)
    first = trained(layer, images)
    np.testing.assert_array_equal(trained(same, images), first)
    assert np.abs(trained(other, images) - first).mean() > 0.1
    second = trained(layer, images)
    assert np.abs(second - first).mean() > 0.1
    np.testing.assert_array_equal(trained(same, images), second)


@each_layer
def test_without_a_seed_draws_are_others_each_time(images, kind):
    first, second = (trained(make(kind, seed=None), images) for _ in range(2))
    assert np.abs(second - first).mean() > 0.1


@each_layer
@pytest.mark.parametrize(("probability", "n_changed"), [(0, 0), (1, 24)])
def test_none_or_all_images_are_changed(images, kind, probability, n_changed):
    changed = trained(make(kind, probability=probability), images)
    assert (changed != images).any(axis=(1, 2, 3)).sum() == n_changed


@each_layer
def test_a_share_of_the_images_is_changed_and_the_rest_stays(images, kind):
    many = np.tile(images[:, :16, :16], (20, 1, 1, 1))
    changed = trained(make(kind, probability=0.25), many)
    share = (changed != many).any(axis=(1, 2, 3)).mean()
    assert share == pytest.approx(0.25, abs=0.06)


@each_layer
def test_values_stay_within_0_and_255(kind):
    rng = np.random.default_rng(0)
    extreme = 255 * rng.integers(2, size=(8, 24, 40, 3), dtype=np.uint8)
    changed = trained(make(kind), extreme)
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert (changed != extreme).any()


@each_layer
@pytest.mark.parametrize("size", [(16, 16), (13, 29), (30, 7), (1, 2)])
def test_images_of_any_size_keep_it(kind, size):
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(4, *size, 3), dtype=np.uint8)
    changed = trained(make(kind), images)
    assert changed.shape == images.shape
    assert np.isfinite(changed).all()
    assert size == (1, 2) or (changed != images).any(axis=(1, 2, 3)).sum() > 2


@each_layer
def test_an_image_does_not_depend_on_the_others(images, kind):
    others = images.copy()
    others[1:] //= 2
    first = trained(make(kind), images)[0]
    np.testing.assert_allclose(trained(make(kind), others)[0], first, atol=1e-3)


@each_layer
@pytest.mark.parametrize(
    "again",
    [
        copy.deepcopy,
        lambda layer: pickle.loads(pickle.dumps(layer)),
        lambda layer: type(layer).from_config(layer.get_config()),
    ],
    ids=["deepcopy", "pickle", "config"],
)
def test_a_copy_has_the_same_parameters_and_draws(images, kind, again):
    layer = make(kind, probability=0.9, seed=5, name="mine")
    copied = again(layer)
    assert type(copied) is kind
    assert copied.get_config() == layer.get_config()
    expected = {**LAYERS[kind], "probability": 0.9, "seed": 5, "name": "mine"}
    assert expected.items() <= copied.get_config().items()
    np.testing.assert_array_equal(trained(copied, images), trained(layer, images))


@each_layer
def test_it_is_a_layer_of_a_network_that_is_saved(images, kind, tmp_path):
    inputs = keras.Input((48, 64, 3))
    outputs = make(kind)(inputs)
    assert outputs.shape == (None, 48, 64, 3)
    network = keras.Model(inputs, outputs)
    expected = trained(make(kind), images)
    np.testing.assert_array_equal(trained(network, images.astype("float32")), expected)
    network.save(tmp_path / "network.keras")
    again = keras.models.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(trained(again, images.astype("float32")), expected)


@each_layer
def test_compiled_it_does_the_same(images, kind):
    compiled = Augmenter(make(kind))(images[:6])
    expected = np.rint(trained(make(kind), images[:6]))
    difference = np.abs(compiled - expected)
    # Rounded sums may come out otherwise, of coefficients too.
    assert (difference > 1).mean() < 0.01
    assert difference.mean() < 0.01 or kind is RandomJPEG
    assert difference.mean() < 0.2


@each_layer
def test_it_computes_in_float32_whatever_the_policy(images, kind):
    # Of two bytes, floats over 128 lie an eighth apart.
    images = images + np.float32(0.3)
    expected = trained(make(kind), images)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        changed = trained(make(kind), images)
    finally:
        keras.config.set_dtype_policy(before)
    np.testing.assert_array_equal(changed, expected)


@each_layer
@pytest.mark.parametrize(
    "shape", [(2, 8, 8), (2, 8, 8, 1), (2, 8, 8, 4), (None, None, 8, 3)]
)
def test_what_are_no_rgb_images_is_refused(kind, shape):
    with pytest.raises(ValueError, match=r"mine takes images of the shape \(n, height"):
        make(kind, name="mine")(keras.KerasTensor(shape))


@pytest.mark.parametrize(
    ("kind", "params", "message"),
    [
        (RandomNoise, {"probability": 1.5}, "'probability' parameter of RandomNoise"),
        (RandomNoise, {"seed": -1}, "'seed' parameter of RandomNoise"),
        (RandomNoise, {"sigma": -1}, "'sigma' parameter of RandomNoise"),
        (RandomAffine, {"rotation": -5}, "'rotation' parameter of RandomAffine"),
        (RandomAffine, {"scale": 1.1}, "'scale' .* two numbers above 0, .* Got 1.1"),
        (RandomAffine, {"scale": (0, 1)}, r"'scale' .* Got \(0, 1\) instead"),
        (RandomAffine, {"shift": 2}, "'shift' parameter"),
        (RandomAffine, {"shear": 90}, "'shear' parameter"),
        (RandomBlur, {"sigma": (2, 1)}, r"'sigma' .* smaller one first. Got \(2, 1\)"),
        (RandomBlur, {"sigma": (1, float("nan"))}, "'sigma' parameter of RandomBlur"),
        (RandomBlur, {"sigma": (1, float("inf"))}, "'sigma' parameter of RandomBlur"),
        (RandomColor, {"brightness": 2}, "'brightness' parameter"),
        (RandomColor, {"contrast": -0.1}, "'contrast' parameter"),
        (RandomColor, {"saturation": "much"}, "'saturation' parameter"),
        (RandomColor, {"hue": 181}, "'hue' parameter"),
        (RandomColor, {"gain": -1}, "'gain' parameter"),
        (RandomDownscale, {"smallest": 0}, "'smallest' parameter"),
        (RandomErasing, {"area": (0, 2)}, "'area' .* two numbers from 0 to 1"),
        (RandomErasing, {"ratio": (0, 1)}, "'ratio' .* two numbers above 0,"),
        (RandomJPEG, {"quality": (0, 50)}, "'quality' .* two numbers from 1 to 100"),
    ],
)
def test_bad_parameters_are_named(kind, params, message):
    with pytest.raises(ValueError, match=message):
        kind(**params)
