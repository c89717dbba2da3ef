"""VGG16 features have the shapes of the paper and the values of Keras."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from sklearn.base import clone

from skdeepfake.features import KerasFeaturizer, VGG16Featurizer, _network

# Mean color of ImageNet: blue, green and red.
MEAN_BGR = [103.939, 116.779, 123.68]


def by_plain_keras(network, images):
    pixels = images.astype(np.float32)[..., ::-1] - np.float32(MEAN_BGR)
    return network.predict_on_batch(pixels)


def assert_close(features, expected):
    assert features.shape == expected.shape
    np.testing.assert_allclose(
        features, expected, rtol=0, atol=1e-5 * np.abs(expected).max()
    )


@pytest.mark.nightly
def test_face_of_224_pixels_becomes_49_vectors_row_by_row(plain, noise):
    vgg16 = plain("VGG16", 224)
    featurizer = VGG16Featurizer(weights=vgg16.path)
    images = noise(2, 224, 224)
    features = featurizer.fit_transform(images)
    assert features.shape == (2, 49, 512)
    assert features.dtype == np.float32
    expected = by_plain_keras(vgg16.network, images)
    for row in range(7):
        for column in range(7):
            assert_close(features[:, 7 * row + column], expected[:, row, column])

    videos = featurizer.transform(images[np.newaxis])
    assert videos.shape == (1, 2, 49, 512)
    np.testing.assert_array_equal(videos[0], features)


@pytest.mark.parametrize(
    ("height", "width", "n_rows", "n_columns"),
    [
        pytest.param(32, 32, 1, 1, marks=pytest.mark.nightly),
        pytest.param(64, 64, 2, 2, marks=pytest.mark.nightly),
        (64, 96, 2, 3),
        (70, 50, 2, 1),
    ],
)
def test_other_sizes_have_their_own_number_of_positions(
    plain, noise, height, width, n_rows, n_columns
):
    vgg16 = plain("VGG16", height, width)
    images = noise(3, height, width)
    features = VGG16Featurizer(weights=vgg16.path).transform(images)
    expected = by_plain_keras(vgg16.network, images)
    assert expected.shape == (3, n_rows, n_columns, 512)
    assert_close(features, expected.reshape(3, n_rows * n_columns, 512))


def test_trained_network_gives_the_features_of_plain_keras(vgg16_weights, noise):
    network = keras.applications.VGG16(
        weights=vgg16_weights, include_top=False, input_shape=(64, 64, 3)
    )
    images = noise(4, 64, 64)
    expected = by_plain_keras(network, images).reshape(4, 4, 512)
    assert_close(VGG16Featurizer(weights=vgg16_weights).transform(images), expected)


# -- random weights ----------------------------------------------------------


@pytest.mark.nightly
def test_random_weights_depend_on_the_seed_alone(noise, built):
    images = noise(2, 32, 32)
    features = []
    for call, seed in enumerate((0, 0, 1)):
        _network._shared.clear()
        keras.utils.set_random_seed(call)  # not used by the featurizer
        featurizer = VGG16Featurizer(weights=None, random_state=seed)
        features.append(featurizer.transform(images))
    assert len(built) == 3
    np.testing.assert_array_equal(features[0], features[1])
    assert np.abs(features[0] - features[2]).max() > 1


def test_random_kernels_keep_the_scale_of_the_images(noise):
    images = noise(4, 32, 32)
    features = VGG16Featurizer(weights=None).transform(images)
    pixels = images - np.float32(MEAN_BGR[::-1])
    # Each of the 13 layers preserves the mean square, except that pooling raises it.
    assert 0.5 < np.sqrt((features**2).mean() / (pixels**2).mean()) < 2


# -- preprocessing -----------------------------------------------------------


@pytest.mark.nightly
def test_preprocessing_is_that_of_imagenet_unless_it_is_told_otherwise(plain, noise):
    vgg16 = plain("VGG16")
    images = noise(3, 32, 32)

    def features(preprocess):
        featurizer = VGG16Featurizer(weights=vgg16.path, preprocess=preprocess)
        return featurizer.transform(images)[:, 0]

    expected = by_plain_keras(vgg16.network, images)[:, 0, 0]
    assert_close(features(True), expected)
    assert_close(features(lambda x: x[..., ::-1] - np.float32(MEAN_BGR)), expected)
    raw = vgg16.network.predict_on_batch(images.astype(np.float32))[:, 0, 0]
    assert_close(features(False), raw)
    assert np.abs(raw - expected).max() > 0.1 * expected.max()


@pytest.mark.nightly
@pytest.mark.parametrize("preprocess", [True, False])
def test_numpy_booleans_are_booleans(noise, built, preprocess):
    # Clear the shared networks, since equal parameters share a network.
    featurizer = VGG16Featurizer(weights=None, preprocess=np.bool_(preprocess))
    features = featurizer.transform(noise(1, 32, 32))
    _network._shared.clear()
    featurizer.set_params(preprocess=preprocess)
    np.testing.assert_array_equal(features, featurizer.transform(noise(1, 32, 32)))
    assert len(built) == 2


# -- the estimator -----------------------------------------------------------


def test_it_is_the_keras_featurizer_with_a_backbone_that_stays(noise):
    featurizer = VGG16Featurizer(weights=None)
    params = featurizer.get_params()
    assert set(KerasFeaturizer().get_params()) - set(params) == {"backbone"}
    for name, value in VGG16Featurizer().get_params().items():
        assert value == KerasFeaturizer().get_params()[name]
    with pytest.raises(ValueError, match="Invalid parameter 'backbone'"):
        featurizer.set_params(backbone="vgg19")
    np.testing.assert_array_equal(
        clone(featurizer).transform(noise(2, 32, 32)),
        KerasFeaturizer("vgg16", weights=None).transform(noise(2, 32, 32)),
    )
