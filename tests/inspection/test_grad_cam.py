"""Grad-CAM maps, compared with results that do not use gradients of Keras."""

from __future__ import annotations

from typing import Any

import cv2
import keras
import numpy as np
import pytest
from keras import layers
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from skdeepfake.detectors import CNNDetector, CNNRNNDetector, GANDetector, Generator
from skdeepfake.inspection import grad_cam

Y = np.array(["fake", "real", "fake"])  # "real" is the second class here


@pytest.fixture(scope="module")
def X() -> np.ndarray:
    """Three videos of two frames of 8 x 8 pixels; one frame has no face."""
    X = np.random.RandomState(0).randint(1, 256, size=(3, 2, 8, 8, 3)).astype(np.uint8)
    X[2, 0] = 0
    X.flags.writeable = False
    return X


def with_random_weights(detector: Any, X: np.ndarray) -> Any:
    """Build the network with random weights and running statistics."""
    detector.initialize(X, Y)
    rng = np.random.RandomState(1)
    weights = [rng.uniform(-0.5, 0.5, w.shape) for w in detector.model_.get_weights()]
    for layer in detector.model_.layers:
        if isinstance(layer, layers.BatchNormalization):
            assert len(layer.get_weights()) == 4  # the last is the variance
    detector.model_.set_weights(
        [
            abs(w) + 0.5 if v.path.endswith("moving_variance") else w
            for w, v in zip(weights, detector.model_.weights, strict=True)
        ]
    )
    return detector


@pytest.fixture(scope="module")
def cnn(X: np.ndarray) -> CNNDetector:
    detector = with_random_weights(CNNDetector(filters=(2,), dense_units=3), X)
    # A large bias avoids zeros, and so ties in max pooling.
    convolution = detector.model_.layers[2]
    convolution.set_weights([convolution.get_weights()[0], np.full(2, 9.0)])
    # Two units are always active, and one is never active.
    dense = detector.model_.layers[7]
    dense.set_weights([dense.get_weights()[0], np.array([300.0, 300.0, -300.0])])
    return detector


@pytest.fixture(scope="module")
def gan(X: np.ndarray) -> GANDetector:
    detector = GANDetector(
        generator=Generator(filters=(2,)), discriminator_filters=(3, 2)
    )
    return with_random_weights(detector, X)


def head(cnn: CNNDetector, activations: np.ndarray) -> float:
    """Compute the logit from the convolution output of an image, in float64."""
    *_, first, pool, _, _, dense, second, _, last = cnn.model_.layers
    assert isinstance(pool, layers.MaxPooling2D)

    def normalize(norm: Any, x: np.ndarray) -> np.ndarray:
        gamma, beta, mean, variance = (w.astype(float) for w in norm.get_weights())
        return gamma * (x - mean) / np.sqrt(variance + norm.epsilon) + beta

    x = normalize(first, activations)
    x = x.reshape(4, 2, 4, 2, 2).max(axis=(1, 3)).ravel()
    kernel, bias = dense.get_weights()
    x = normalize(second, np.maximum(x @ kernel + bias, 0))
    kernel, bias = last.get_weights()
    return float((x @ kernel + bias)[0])


@pytest.fixture(scope="module")
def derived(cnn: CNNDetector, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the outputs of the convolution and numerical gradients of the logit."""
    convolution = cnn.model_.layers[2]
    part = keras.Model(cnn.model_.input, convolution.output)
    activations = np.array(keras.ops.convert_to_numpy(part(X[1, :1]))[0], float)
    assert (activations > 0).all()
    found = np.empty_like(activations)
    for at in np.ndindex(*activations.shape):
        step = np.zeros_like(activations)
        step[at] = 1e-5
        found[at] = head(cnn, activations + step) - head(cnn, activations - step)
    return activations, found / 2e-5


@pytest.mark.parametrize("weights", ["channel", "position"])
@pytest.mark.parametrize(("label", "sign"), [(None, 1), ("real", 1), ("fake", -1)])
def test_map_is_the_papers_formula_for_the_logit(
    cnn: CNNDetector, X: Any, derived: Any, weights: str, label: Any, sign: int
) -> None:
    activations, slopes = derived
    if weights == "channel":
        slopes = slopes.mean(axis=(0, 1))
    expected = sign * (slopes * activations).sum(axis=2)
    assert np.abs(expected).max() > 0.01
    found = grad_cam(cnn, X, class_label=label, weights=weights)
    np.testing.assert_allclose(
        found[1, 0], np.maximum(expected, 0), atol=1e-5 * np.abs(expected).max()
    )
    assert found.dtype == np.float32


def test_maps_of_both_classes_are_parts_of_one(cnn: CNNDetector, X: np.ndarray) -> None:
    real = grad_cam(cnn, X, weights="position")
    fake = grad_cam(cnn, X, class_label="fake", weights="position")
    assert np.nanmax(real) > 0
    assert np.nanmax(fake) > 0
    assert np.nanmax(np.minimum(real, fake)) == 0


def test_maps_of_the_discriminator_add_up_to_its_logit(
    gan: GANDetector, X: np.ndarray
) -> None:
    # The logit is linear in the maps, which are enlarged by a factor of 4 x 4.
    evidence = [
        grad_cam(gan, X, class_label=label, weights="position")
        for label in gan.classes_
    ]
    total = (evidence[1] - evidence[0]).sum(axis=(2, 3)) / 16
    bias = gan.model_.get_layer("discriminator").layers[-1].get_weights()[1]
    proba = gan.predict_frame_proba(X)
    np.testing.assert_allclose(
        total + bias, np.log(proba[..., 1] / proba[..., 0]), atol=1e-4
    )


def test_slot_without_a_face_is_nan(cnn: CNNDetector, X: np.ndarray) -> None:
    found = grad_cam(cnn, X)
    assert found.shape == (3, 2, 8, 8)
    missing = np.isnan(found)
    assert missing[2, 0].all()
    assert missing.sum() == 64


def test_map_does_not_fade_where_the_network_is_sure(
    cnn: CNNDetector, X: np.ndarray
) -> None:
    before = grad_cam(cnn, X, weights="position")
    last = cnn.model_.layers[-1]
    weights = last.get_weights()
    last.set_weights([1000 * weights[0], weights[1]])
    try:
        sure = cnn.predict_frame_proba(X)[..., 1]
        after = grad_cam(cnn, X, weights="position")
    finally:
        last.set_weights(weights)
    assert set(sure[~np.isnan(sure)]) <= {0.0, 1.0}
    np.testing.assert_allclose(after, 1000 * before, rtol=1e-4)


def test_normalized_maps_end_at_one(cnn: CNNDetector, X: np.ndarray) -> None:
    plain = grad_cam(cnn, X, weights="position")
    found = grad_cam(cnn, X, weights="position", normalize=True)
    peaks = plain.max(axis=(2, 3), keepdims=True)
    np.testing.assert_allclose(found, plain / peaks, rtol=1e-6)
    assert np.nanmax(found) == 1


def test_map_of_nothing_stays_zero_when_normalized(
    cnn: CNNDetector, X: np.ndarray
) -> None:
    last = cnn.model_.layers[-1]
    weights = last.get_weights()
    last.set_weights([0 * weights[0], weights[1]])
    try:
        found = grad_cam(cnn, X, normalize=True)
    finally:
        last.set_weights(weights)
    assert np.nanmax(found) == np.nanmin(found) == 0


@pytest.mark.parametrize("batch_size", [1, 2, None])
def test_batches_make_no_difference(
    gan: GANDetector, X: np.ndarray, batch_size: int | None
) -> None:
    found = grad_cam(gan, X, batch_size=batch_size)
    np.testing.assert_allclose(found, grad_cam(gan, X, batch_size=100), rtol=1e-4)


def test_single_images_are_videos_of_one_frame(cnn: CNNDetector, X: np.ndarray) -> None:
    np.testing.assert_allclose(
        grad_cam(cnn, X[:, 1], weights="position"),
        grad_cam(cnn, X[:, 1:], weights="position"),
        rtol=1e-5,
        atol=1e-5,
    )


def test_steps_of_a_pipeline_are_run_first(cnn: CNNDetector, X: np.ndarray) -> None:
    mirror = FunctionTransformer(lambda X: X[..., ::-1, :])
    plain = grad_cam(cnn, X, weights="position")
    mirrored = grad_cam(cnn, X[..., ::-1, :], weights="position")
    assert not np.allclose(plain, mirrored, equal_nan=True)
    for steps, expected in ([mirror, "passthrough"], mirrored), ([], plain):
        named = [(f"step {k}", step) for k, step in enumerate(steps)]
        pipeline = Pipeline([*named, ("detector", cnn)])
        found = grad_cam(pipeline, X, weights="position")
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_detector_stays_as_it_is(cnn: CNNDetector, gan: GANDetector, X: Any) -> None:
    for detector in (cnn, gan):
        network = detector.model_
        inner = getattr(network, "discriminator", network)
        known, weights = set(vars(detector)), network.get_weights()
        calls = [len(layer._inbound_nodes) for layer in network.layers + inner.layers]
        grad_cam(detector, X)
        assert set(vars(detector)) == known
        assert calls == [
            len(layer._inbound_nodes) for layer in network.layers + inner.layers
        ]
        for weight, was in zip(network.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(weight, was)


# -- layers ----------------------------------------------------------------------


def test_layer_is_found_by_number_by_name_and_by_path(
    gan: GANDetector, X: np.ndarray
) -> None:
    discriminator = gan.model_.get_layer("discriminator")
    first, last = (k for k in discriminator.layers if isinstance(k, layers.Conv2D))
    by_number = [grad_cam(gan, X, layer=number) for number in (0, 1, -2, -1)]
    np.testing.assert_array_equal(by_number[0], by_number[2])
    np.testing.assert_array_equal(by_number[1], by_number[3])
    assert not np.allclose(by_number[0], by_number[1], equal_nan=True)
    for name in (first.name, f"discriminator/{first.name}"):
        np.testing.assert_allclose(grad_cam(gan, X, layer=name), by_number[0])
    np.testing.assert_allclose(grad_cam(gan, X), by_number[1])
    assert not np.allclose(
        grad_cam(gan, X, layer=discriminator.layers[2].name),
        grad_cam(gan, X, layer=last.name),
        equal_nan=True,
    )


def test_unknown_layer_is_refused_with_the_names(
    gan: GANDetector, X: np.ndarray
) -> None:
    first = gan.model_.get_layer("discriminator").layers[1].name
    with pytest.raises(ValueError, match=f"layer='dense'.*discriminator/{first}"):
        grad_cam(gan, X, layer="dense")
    flattening = gan.model_.get_layer("discriminator").layers[-2]
    with pytest.raises(ValueError, match="not a layer with feature maps"):
        grad_cam(gan, X, layer=flattening.name)
    with pytest.raises(ValueError, match=f"layer=2 is out.*discriminator/{first}"):
        grad_cam(gan, X, layer=2)
    with pytest.raises(ValueError, match="layer=-3 is out of range"):
        grad_cam(gan, X, layer=-3)


class Branching(CNNDetector):
    """Detector with a nested network and a skip connection.

    The network contains layers that are only active in training.
    """

    def build_network(self) -> keras.Model:
        inner = keras.Input((None, None, 3))
        around = layers.Conv2D(2, 1, name="first")(inner)
        behind = layers.Conv2D(2, 3, padding="same", name="second")(around)
        backbone = keras.Model(inner, layers.Add()([around, behind]), name="backbone")
        inputs = keras.Input(self.frame_shape_, dtype=str(self.frame_dtype_))
        x = layers.Rescaling(1 / 255)(inputs)
        x = layers.RandomBrightness(0.5, value_range=(0, 1))(x)
        x = backbone(x, training=True)
        x = keras.Sequential([layers.Dropout(0.9), layers.GlobalAveragePooling2D()])(x)
        return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))


def test_network_within_a_network_is_explained(X: np.ndarray) -> None:
    detector = with_random_weights(Branching(filters=()), X)
    backbone = detector.model_.get_layer("backbone")
    (kernel, _) = detector.model_.layers[-1].get_weights()
    images = X.reshape(6, 8, 8, 3)
    for name in ("first", "second"):
        part = keras.Model(backbone.input, backbone.get_layer(name).output)
        seen = keras.ops.convert_to_numpy(part(images.astype("float32") / 255))
        found = grad_cam(detector, X, layer=name).reshape(6, 8, 8)
        if name == "second":  # mean over 64 positions, times the dense weights
            expected = (seen @ kernel[:, 0] / 64).clip(min=0)
            np.testing.assert_allclose(found[:4], expected[:4], atol=1e-5)
            assert expected[:4].max() > 1e-3
        else:  # through the skip connection and the second convolution
            assert not np.allclose(found[0], (seen[0] @ kernel[:, 0] / 64).clip(min=0))
    np.testing.assert_array_equal(
        grad_cam(detector, X), grad_cam(detector, X, layer="backbone/second")
    )


# -- invalid input ---------------------------------------------------------------


class Linear(CNNDetector):
    """Detector whose network outputs logits, which is not supported."""

    def build_network(self) -> keras.Model:
        inputs = keras.Input(self.frame_shape_, dtype=str(self.frame_dtype_))
        x = layers.Rescaling(1 / 255, name="scaled")(inputs)
        x = layers.Dense(1, name="answer")(layers.Flatten()(x))
        return keras.Model(inputs, x)


def test_network_without_a_sigmoid_is_refused(X: np.ndarray) -> None:
    detector = Linear(filters=()).initialize(X, Y)
    with pytest.raises(ValueError, match="ends in the layer 'answer', a Dense"):
        grad_cam(detector, X, layer="scaled")
    with pytest.raises(ValueError, match=r"out of range for the convolutions \[\]"):
        grad_cam(detector, X)


def test_what_sees_no_images_is_refused(cnn: CNNDetector, X: np.ndarray) -> None:
    features = np.ones((3, 2, 4, 5))
    recurrent = CNNRNNDetector(units=(2,)).initialize(features, Y)
    with pytest.raises(ValueError, match=r"got CNNRNNDetector\. Use .*occlusion"):
        grad_cam(recurrent, features)
    with pytest.raises(ValueError, match="LogisticRegression is neither a detector"):
        grad_cam(LogisticRegression(), X)
    with pytest.raises(NotFittedError):
        grad_cam(CNNDetector(), X)
    with pytest.raises(ValueError, match="frames of shape"):
        grad_cam(cnn, X[:, :, :4])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"class_label": 1}, r"class_label must be one of \['fake', 'real'\]; got 1"),
        ({"batch_size": 0}, "batch_size"),
        ({"layer": 1.5}, "layer"),
        ({"weights": "pixel"}, "weights"),
        ({"normalize": "max"}, "normalize"),
    ],
)
def test_wrong_parameter_is_named(
    cnn: CNNDetector, X: np.ndarray, params: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        grad_cam(cnn, X, **params)


def test_coarse_map_is_interpolated(gan: GANDetector, X: np.ndarray) -> None:
    found = grad_cam(gan, X, weights="position")[0, 0]
    # The corners of the map are the 2 x 2 outputs of the layer.
    corners = found[[0, 0, -1, -1], [0, -1, 0, -1]].reshape(2, 2)
    np.testing.assert_allclose(found, cv2.resize(corners, (8, 8)), atol=1e-6)
