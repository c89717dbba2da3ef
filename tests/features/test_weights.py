"""All weights are loaded, or an error explains what to do."""

from __future__ import annotations

import functools
import os
import re
import shutil
from pathlib import Path
from urllib.error import URLError

import h5py
import keras
import numpy as np
import pytest
from keras.src.utils import file_utils  # no public function can be patched

from skdeepfake._backbones import load_weights
from skdeepfake.exceptions import WeightsError
from skdeepfake.features import KerasFeaturizer, VGG16Featurizer


@pytest.fixture
def offline(built, monkeypatch, tmp_path):
    """Block downloads; return the folder of Keras and the requested addresses."""
    home, addresses = tmp_path / "home", []
    home.mkdir()

    def refuse(address, *args):
        addresses.append(address)
        raise URLError("no route to host")

    monkeypatch.setattr(file_utils, "urlretrieve", refuse)
    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(home))
    monkeypatch.setenv("KERAS_HOME", str(home))
    return home, addresses


@pytest.fixture(scope="module")
def toy():
    """Return a function that builds a network with all kinds of weights."""

    def build():
        inputs = keras.Input((8, 8, 3))
        x = keras.layers.Normalization()(inputs)
        for _ in range(2):
            x = keras.layers.Conv2D(3, 3)(x)
            x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
            x = keras.layers.BatchNormalization()(x)
        return keras.Model(inputs, x)

    return build


@pytest.fixture
def toy_file(toy, tmp_path):
    """Save a toy network whose weights are all different."""
    network = toy()
    n = 0
    for variable in network.weights:
        size = int(np.prod(variable.shape))
        variable.assign(np.arange(n, n + size).reshape(variable.shape))
        n += size
    path = tmp_path / "toy.weights.h5"
    network.save_weights(path)
    return path, network


def features_of(backbone, weights, images):
    return KerasFeaturizer(backbone, weights=weights).transform(images)


# -- ImageNet weights --------------------------------------------------------


@pytest.mark.parametrize("backbone", ["vgg16", "mobilenet_v2"])
def test_without_a_network_the_error_names_file_folder_and_parameter(
    offline, noise, backbone
):
    home, addresses = offline
    featurizer = KerasFeaturizer(backbone)
    with pytest.raises(WeightsError) as caught:
        featurizer.transform(noise(1, 32, 32))
    [address] = addresses
    file = address.rpartition("/")[2]
    assert re.fullmatch(r"\w.*no_?top\.h5", file)
    message = str(caught.value)
    for words in (
        repr(backbone),
        repr(file),
        repr(os.path.join(home, "models")),
        "KERAS_HOME",
        "no route to host",
        "as `weights`",
    ):
        assert words in message
    assert "://" not in message
    assert isinstance(caught.value, OSError)

    # A second call tries again and raises the same error.
    with pytest.raises(WeightsError, match="no route to host"):
        featurizer.transform(noise(1, 32, 32))
    assert addresses == [address] * 2


@pytest.mark.nightly
def test_file_in_the_folder_that_the_error_names_is_used(offline, noise, plain):
    # Keras does not check a hash of the MobileNet file.
    _, addresses = offline
    with pytest.raises(WeightsError) as caught:
        features_of("mobilenet", "imagenet", noise(2, 32, 32))
    file, folder = re.search(
        r"copy '(.*)' to the folder '(.*?)'", str(caught.value)
    ).groups()
    network = plain("MobileNet").network
    network.save(Path(folder, file))
    features = features_of("mobilenet", "imagenet", noise(2, 32, 32))
    assert len(addresses) == 1
    pixels = keras.applications.mobilenet.preprocess_input(
        noise(2, 32, 32).astype(np.float32)
    )
    expected = network.predict_on_batch(pixels)[:, 0]
    np.testing.assert_allclose(features, expected, atol=1e-5 * np.abs(expected).max())


# -- files -------------------------------------------------------------------


@pytest.mark.parametrize("extension", [".weights.h5", ".h5", ".keras"])
def test_every_kind_of_file_gives_all_its_weights(toy, toy_file, tmp_path, extension):
    path = tmp_path / f"network{extension}"
    (toy_file[1].save_weights if "weights" in extension else toy_file[1].save)(path)
    network = toy()
    load_weights(network, str(path), "toy")
    for variable, expected in zip(network.weights, toy_file[1].weights, strict=True):
        np.testing.assert_array_equal(variable, expected)


@pytest.mark.parametrize("kind", [str, Path])
def test_path_may_be_a_string_or_a_path(plain, noise, kind):
    file = plain("VGG16")
    features = features_of("vgg16", kind(file.path), noise(2, 32, 32))
    np.testing.assert_array_equal(
        features, features_of("vgg16", file.path, noise(2, 32, 32))
    )


def test_other_content_under_the_same_path_is_loaded(plain, noise, tmp_path):
    path = tmp_path / "network.weights.h5"
    shutil.copy(plain("VGG16").path, path)
    before = features_of("vgg16", path, noise(2, 32, 32))
    with h5py.File(path, "r+") as file:
        file["layers/conv2d_12/vars/0"][...] *= 2
        file["layers/conv2d_12/vars/1"][...] *= 2
    os.utime(path, ns=(0, 1))
    after = features_of("vgg16", path, noise(2, 32, 32))
    np.testing.assert_allclose(after, 2 * before, rtol=1e-5)
    assert before.max() > 1


# -- invalid files -----------------------------------------------------------


def test_missing_file_is_named(noise, tmp_path):
    path = tmp_path / "missing.weights.h5"
    with pytest.raises(
        WeightsError, match=r"No such file.*'imagenet', or None"
    ) as told:
        VGG16Featurizer(weights=path).transform(noise(1, 32, 32))
    assert repr(str(path)) in str(told.value)


@pytest.mark.parametrize("memory", [False, True])
def test_folder_is_not_a_weights_file(noise, tmp_path, memory):
    featurizer = VGG16Featurizer(weights=tmp_path, memory=tmp_path if memory else None)
    with pytest.raises(WeightsError, match=re.escape(repr(str(tmp_path)))):
        featurizer.transform(noise(1, 32, 32))


@pytest.mark.parametrize("extension", [".weights.h5", ".h5"])
@pytest.mark.parametrize(
    ("builder", "backbone"),
    [
        ("VGG19", "vgg16"),
        pytest.param("VGG16", "vgg19", marks=pytest.mark.nightly),
        pytest.param("MobileNetV2", "vgg16", marks=pytest.mark.nightly),
    ],
)
def test_weights_of_another_network_are_refused(
    plain, noise, tmp_path, builder, backbone, extension
):
    file = plain(builder)
    path = file.path
    if extension == ".h5":
        path = str(tmp_path / "network.h5")
        file.network.save(path)
    featurizer = KerasFeaturizer(backbone, weights=path)
    for _ in range(2):  # no partly loaded network is kept
        with pytest.raises(WeightsError) as caught:
            featurizer.transform(noise(1, 32, 32))
        expected = f"weights={path!r} does not contain the weights of {backbone!r}"
        assert expected in str(caught.value)
        assert "\n" not in str(caught.value)


def without(name):
    def spoil(file):
        del file[name]

    return spoil


def with_number(name, number):
    def spoil(file):
        file[name][(0,) * file[name].ndim] = number

    return spoil


SPOILT = {
    "no layer": without("layers/conv2d_1"),
    "nothing of a layer": without("layers/conv2d_1/vars"),
    "no kernel": without("layers/conv2d_1/vars/0"),
    "no bias": without("layers/conv2d_1/vars/1"),
    "no depthwise layer": without("layers/depthwise_conv2d"),
    "no normalization": without("layers/batch_normalization_1"),
    "no mean": without("layers/batch_normalization_1/vars/2"),
    "no layers": without("layers"),
    "NaN": with_number("layers/conv2d/vars/0", np.nan),
    "infinity": with_number("layers/batch_normalization/vars/3", np.inf),
}


@pytest.mark.parametrize("spoil", SPOILT)
def test_file_that_lacks_weights_does_not_leave_them_random(toy, toy_file, spoil):
    path, _ = toy_file
    with h5py.File(path, "r+") as file:
        SPOILT[spoil](file)
    with pytest.raises(WeightsError, match="'toy'") as caught:
        load_weights(toy(), str(path), "toy")
    assert f"weights={str(path)!r}" in str(caught.value)


def test_weights_that_keras_leaves_out_are_noticed(toy, toy_file, monkeypatch):
    # With `skip_mismatch=True`, Keras only warns.
    path, _ = toy_file
    with h5py.File(path, "r+") as file:
        del file["layers/conv2d_1"]
    load = functools.partialmethod(keras.Model.load_weights, skip_mismatch=True)
    monkeypatch.setattr(keras.Model, "load_weights", load)
    with pytest.raises(WeightsError, match="finite values for 2 of the 19"):
        load_weights(toy(), str(path), "toy")


def test_weights_that_are_not_finite_are_named(toy, toy_file):
    path, _ = toy_file
    with h5py.File(path, "r+") as file:
        file["layers/conv2d_1/vars/0"][0, 0, 0, 0] = np.nan
        file["layers/conv2d_1/vars/1"][...] = np.nan
    network = toy()
    [_, layer] = [layer for layer in network.layers if "conv2d" in layer.name][::2]
    with pytest.raises(WeightsError) as caught:
        load_weights(network, str(path), "toy")
    assert "2 of the 19 weights of 'toy'" in str(caught.value)
    assert repr(f"{layer.name}/kernel") in str(caught.value)


def test_trained_vgg16_without_a_layer_is_refused(plain, noise, tmp_path):
    path = tmp_path / "part.weights.h5"
    shutil.copy(plain("VGG16").path, path)
    with h5py.File(path, "r+") as file:
        del file["layers/conv2d_7"]
    with pytest.raises(WeightsError, match=re.escape(repr(str(path)))):
        VGG16Featurizer(weights=path).transform(noise(1, 32, 32))


@pytest.mark.parametrize("extension", [".weights.h5", ".h5", ".keras", ".txt", ""])
@pytest.mark.parametrize("content", [b"", b"weights, but not really", b"PK\3\4"])
def test_file_that_holds_no_weights_is_refused(toy, tmp_path, extension, content):
    path = tmp_path / f"notes{extension}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="'toy'") as caught:
        load_weights(toy(), str(path), "toy")
    assert f"weights={str(path)!r}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_cut_file_is_refused(toy, toy_file):
    path, _ = toy_file
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(WeightsError, match="'toy'"):
        load_weights(toy(), str(path), "toy")


# -- random weights ----------------------------------------------------------


def test_random_depthwise_kernels_do_not_let_the_signal_vanish(noise):
    # Otherwise, float16 features would be zero, as in slots without a face.
    featurizer = KerasFeaturizer("mobilenet", weights=None, dtype="float16")
    features = featurizer.transform(noise(3, 32, 32))
    assert features.any(axis=(1, 2)).all()
    assert features.max() > 1e-2
