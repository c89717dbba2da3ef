"""Features are equal to those of Keras, and all zeros in slots without a face."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import applications
from keras.src.applications import imagenet_utils  # where all networks check their size

from skdeepfake._backbones import BACKBONES
from skdeepfake.features import KerasFeaturizer


def assert_close(features, expected):
    assert features.shape == expected.shape
    np.testing.assert_allclose(
        features, expected, rtol=0, atol=1e-5 * np.abs(expected).max()
    )


def quarters():
    """Build a model that returns the mean colors of the quarters of an image."""
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, keras.layers.AveragePooling2D(4)(inputs))


def means_of_quarters(images):
    shape = images.shape[:-3]
    blocks = images.reshape(*shape, 2, 4, 2, 4, 3).mean(axis=(-4, -2))
    return blocks.reshape(*shape, 4, 3)


@pytest.fixture(scope="module")
def videos(noise):
    """Make three videos of four frames; video 1 has two faces, video 2 has none."""
    X = noise(3, 4, 8, 8).copy()
    X[1, [0, 2]] = 0
    X[2] = 0
    X.flags.writeable = False
    return X


# -- backbones ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "builder", "preprocess", "size"),
    [
        ("vgg19", "VGG19", applications.vgg19.preprocess_input, 32),
        pytest.param(
            "mobilenet_v2",
            "MobileNetV2",
            applications.mobilenet_v2.preprocess_input,
            64,
            marks=pytest.mark.nightly,
        ),
        pytest.param(
            "efficientnet_v2_b0",
            "EfficientNetV2B0",
            applications.efficientnet_v2.preprocess_input,
            32,
            marks=pytest.mark.nightly,
        ),
    ],
)
def test_features_are_those_of_plain_keras(
    plain, noise, name, builder, preprocess, size
):
    keras_own = plain(builder, size)
    images = noise(3, size, size)
    pixels = preprocess(images.astype(np.float32))
    expected = keras_own.network.predict_on_batch(pixels)
    n, height, width, channels = expected.shape
    features = KerasFeaturizer(name, weights=keras_own.path).transform(images)
    assert_close(features, expected.reshape(n, height * width, channels))
    assert np.abs(expected).max() > 0.1


OWN = ("efficientnet_lite0", "meso4", "resnext50")
OF_KERAS = [name for name in BACKBONES if name not in OWN]


@pytest.mark.parametrize("name", OF_KERAS)
def test_name_stands_for_a_network_of_keras_and_its_preprocessing(name):
    backbone = BACKBONES[name]
    assert backbone.build.__name__.lower() == name.replace("_", "")
    for function in (backbone.build, backbone.preprocess):
        assert function.__module__.rpartition(".")[2] == backbone.module


@pytest.mark.parametrize("name", OF_KERAS)
def test_smallest_size_is_that_of_keras(name):
    backbone = BACKBONES[name]
    for shape in (
        (backbone.smallest - 1, backbone.smallest, 3),
        (backbone.smallest, backbone.smallest - 1, 3),
    ):
        with pytest.raises(ValueError, match=f"at least {backbone.smallest}"):
            backbone.build(weights=None, include_top=False, input_shape=shape)


# The MobileNetV3 networks accept any size by default.
@pytest.mark.parametrize("name", [name for name in OF_KERAS if "net_v3" not in name])
def test_size_is_that_of_keras(name, monkeypatch):
    asked = []

    def obtain_input_shape(shape, default_size, min_size, **options):
        asked.append((default_size, min_size))
        raise InterruptedError  # stop before the network is built

    monkeypatch.setattr(imagenet_utils, "obtain_input_shape", obtain_input_shape)
    backbone = BACKBONES[name]
    with pytest.raises(InterruptedError):
        backbone.build(weights=None)
    assert asked == [(backbone.size, backbone.smallest)]


@pytest.mark.parametrize("make", [quarters, quarters()], ids=["function", "model"])
def test_models_and_functions_get_raw_pixels(noise, make):
    images = noise(5, 8, 8)
    for preprocess in (True, False):
        features = KerasFeaturizer(make, preprocess=preprocess).transform(images)
        assert_close(features, means_of_quarters(images))
    halved = KerasFeaturizer(make, preprocess=lambda x: x / 2).transform(images)
    assert_close(halved, means_of_quarters(images) / 2)


def test_backbone_may_give_one_vector_an_image_or_a_sequence(noise):
    images = noise(5, 8, 8)

    def flat():
        return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])

    def rows():
        return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Reshape((8, 24))])

    for pooling in (None, "avg", "max"):
        features = KerasFeaturizer(flat, pooling=pooling).transform(images)
        np.testing.assert_array_equal(features, images.reshape(5, 192))
    features = KerasFeaturizer(rows).transform(images)
    np.testing.assert_array_equal(features, images.reshape(5, 8, 24))
    features = KerasFeaturizer(rows, pooling="max").transform(images)
    np.testing.assert_array_equal(features, images.reshape(5, 8, 24).max(axis=1))


def test_network_runs_as_it_does_in_prediction(noise):
    def noisy():
        inputs = keras.Input((8, 8, 3))
        x = keras.layers.Dropout(0.5)(inputs)
        return keras.Model(inputs, keras.layers.BatchNormalization(epsilon=0)(x))

    images = noise(2, 8, 8)
    np.testing.assert_array_equal(
        KerasFeaturizer(noisy).transform(images), images.reshape(2, 64, 3)
    )


def out_of_shape(*shape):
    def build():
        inputs = keras.Input((8, 8, 3))
        x = keras.layers.Flatten()(inputs)
        return keras.Model(inputs, keras.layers.Reshape(shape)(x))

    return build


def two_outputs():
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, [inputs, keras.layers.Flatten()(inputs)])


@pytest.mark.parametrize(
    ("backbone", "found"),
    [
        (out_of_shape(2, 2, 3, 16), r"channels.*got \(None, 2, 2, 3, 16\)"),
        (two_outputs, "one output; got 2"),
        (lambda: "vgg16", r"backbone\(\) must return a Keras model; got str"),
        (keras.layers.Flatten, r"backbone\(\) must return .* got Flatten"),
    ],
)
def test_backbone_of_another_kind_is_refused(noise, backbone, found):
    for _ in range(2):
        with pytest.raises(ValueError, match=found):
            KerasFeaturizer(backbone).transform(noise(1, 8, 8))


@pytest.mark.parametrize("weights", [None, "vgg16.weights.h5"])
def test_weights_are_of_a_backbone_given_by_name(noise, weights):
    for backbone in (quarters, quarters()):
        with pytest.raises(ValueError, match=f"weights={weights!r}.*has its own"):
            KerasFeaturizer(backbone, weights=weights).transform(noise(1, 8, 8))


# -- pooling -----------------------------------------------------------------


@pytest.mark.parametrize("pooling", [None, "avg", "max"])
@pytest.mark.parametrize("frame_pooling", [None, "avg"])
def test_pooling_is_over_positions_and_over_frames_with_a_face(
    videos, pooling, frame_pooling
):
    featurizer = KerasFeaturizer(
        quarters, pooling=pooling, frame_pooling=frame_pooling, batch_size=3
    )
    expected = means_of_quarters(videos)
    if pooling is not None:
        expected = {"avg": np.mean, "max": np.max}[pooling](expected, axis=2)
    if frame_pooling is not None:
        faces = [[0, 1, 2, 3], [1, 3], [0]]  # video 2: a slot of zeros
        expected = np.stack(
            [expected[i, slots].mean(axis=0) for i, slots in enumerate(faces)]
        )
    assert_close(featurizer.transform(videos), expected)
    assert not featurizer.transform(videos)[2].any()


@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_pooling_is_that_of_keras(plain, noise, pooling):
    own = plain("VGG16", 64, 96)
    images = noise(3, 64, 96)
    network = keras.applications.VGG16(
        weights=own.path, include_top=False, input_shape=(64, 96, 3), pooling=pooling
    )
    pixels = keras.applications.vgg16.preprocess_input(images.astype(np.float32))
    featurizer = KerasFeaturizer("vgg16", weights=own.path, pooling=pooling)
    assert_close(featurizer.transform(images), network.predict_on_batch(pixels))


def test_frame_pooling_leaves_single_images_alone(videos):
    images = videos[0]
    features = KerasFeaturizer(quarters, frame_pooling="avg").transform(images)
    assert_close(features, means_of_quarters(images))


# -- slots -------------------------------------------------------------------


def test_empty_slots_never_go_through_the_network(videos, seen):
    def brighter():  # would return ones for a black image
        inputs = keras.Input((8, 8, 3))
        return keras.Model(inputs, keras.layers.Flatten()(inputs) + 1)

    features = KerasFeaturizer(brighter, batch_size=4).transform(videos)
    filled = videos.any(axis=(2, 3, 4))
    assert [len(batch) for batch in seen] == [4, 2]
    np.testing.assert_array_equal(np.concatenate(seen), videos[filled])
    expected = np.where(filled[..., None], videos.reshape(3, 4, -1) + 1.0, 0)
    np.testing.assert_array_equal(features, expected)


def test_one_bright_pixel_is_a_face(seen):
    X = np.zeros((1, 2, 8, 8, 3), np.uint8)
    X[0, 1, 7, 7, 2] = 1
    KerasFeaturizer(quarters).transform(X)
    np.testing.assert_array_equal(np.concatenate(seen), X[0, 1:])


@pytest.mark.parametrize("shape", [(2, 3), (2,)])
@pytest.mark.parametrize("frame_pooling", [None, "avg"])
def test_without_any_face_all_is_zeros_and_no_network_runs(shape, frame_pooling, seen):
    X = np.zeros((*shape, 8, 8, 3), np.uint8)
    featurizer = KerasFeaturizer(quarters, frame_pooling=frame_pooling)
    features = featurizer.transform(X)
    expected = shape[:1] if frame_pooling else shape
    np.testing.assert_array_equal(
        features, np.zeros((*expected, 4, 3), np.float32), strict=True
    )
    assert seen == []


# -- the result --------------------------------------------------------------


def test_batch_size_does_not_change_the_features(gappy):
    featurizer = KerasFeaturizer("vgg16", weights=None)
    expected = featurizer.transform(gappy.X)
    for batch_size in (1, 3, np.int64(7)):
        featurizer.set_params(batch_size=batch_size)
        assert_close(featurizer.transform(gappy.X), expected)


def test_features_of_a_face_do_not_depend_on_the_others(gappy):
    featurizer = KerasFeaturizer("vgg16", weights=None)
    expected = featurizer.transform(gappy.X)
    order = [3, 1, 0, 2]
    assert_close(featurizer.transform(gappy.X[order]), expected[order])
    assert_close(featurizer.transform(gappy.X[1:2]), expected[1:2])
    assert_close(featurizer.transform(gappy.X[0]), expected[0])
    assert_close(featurizer.transform(gappy.X[:, ::-1]), expected[:, ::-1])


@pytest.mark.parametrize("frame_pooling", [None, "avg"])
def test_float16_takes_half_of_the_memory_and_is_rounded(gappy, frame_pooling):
    featurizer = KerasFeaturizer("vgg16", weights=None, frame_pooling=frame_pooling)
    expected = featurizer.transform(gappy.X)
    features = featurizer.set_params(dtype="float16").transform(gappy.X)
    assert features.dtype == np.float16
    assert features.nbytes == expected.nbytes / 2
    if frame_pooling is None:
        np.testing.assert_array_equal(features, expected.astype(np.float16))
    else:  # averaged after rounding and rounded again
        np.testing.assert_allclose(features, expected, rtol=2 * 2**-11, atol=1e-5)


def test_float16_that_overflows_is_told(noise):
    # 300 * 255 overflows.
    featurizer = KerasFeaturizer(quarters, preprocess=lambda x: 300 * x)
    images = np.full((1, 8, 8, 3), 255, np.uint8)
    assert featurizer.transform(images).max() == 300 * 255
    featurizer.set_params(dtype="float16")
    with pytest.raises(
        ValueError, match=r"not finite in float16\. Use dtype='float32'"
    ):
        featurizer.transform(images)
    assert featurizer.transform(images // 2).max() == np.float16(300 * 127)


def test_features_that_are_not_finite_are_told(noise):
    featurizer = KerasFeaturizer(quarters, preprocess=lambda x: x / (x - x))
    with pytest.raises(ValueError, match=r"not finite in float32\. Check its weights"):
        featurizer.transform(noise(1, 8, 8))


# -- invalid input -----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "size", "smallest", "trained"),
    [("vgg16", (31, 40), 32, 224), ("xception", (80, 70), 71, 299)],
)
def test_images_that_are_too_small_are_refused_with_both_sizes(
    noise, name, size, smallest, trained
):
    with pytest.raises(ValueError, match="Resizer") as caught:
        KerasFeaturizer(name, weights=None).transform(noise(1, *size))
    for words in (
        f"X has images of {size[0]} x {size[1]} pixels",
        f"backbone={name!r}",
        f"at least {smallest} x {smallest}",
        f"trained on {trained} x {trained}",
    ):
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("X", "found"),
    [
        (np.ones((2, 8, 8, 3)), "uint8.*dtype float64"),
        (np.ones((2, 8, 8, 3), np.float32), "uint8.*dtype float32"),
        (np.ones((2, 8, 8, 3), np.int64), "uint8.*dtype int64"),
        (np.ones((2, 8, 8, 3), bool), "uint8.*dtype bool"),
        (np.ones((8, 8, 3), np.uint8), r"shape \(8, 8, 3\).*Resizer"),
        (np.ones((1, 1, 1, 8, 8, 3), np.uint8), r"shape \(1, 1, 1, 8, 8, 3\)"),
        (np.ones((2, 8, 8, 4), np.uint8), r"shape \(2, 8, 8, 4\)"),
        (np.ones((2, 8, 8, 1), np.uint8), r"shape \(2, 8, 8, 1\)"),
        (np.ones((2, 3, 8, 8), np.uint8), r"shape \(2, 3, 8, 8\)"),
        (np.ones((0, 8, 8, 3), np.uint8), r"0 sample\(s\)"),
        (np.ones((2, 0, 8, 8, 3), np.uint8), r"0 sample\(s\)"),
        (["a.mp4", "b.mp4"], r"shape \(2,\)"),
    ],
)
def test_what_is_not_an_array_of_faces_is_refused(X, found):
    with pytest.raises(ValueError, match=found):
        KerasFeaturizer(quarters).transform(X)
