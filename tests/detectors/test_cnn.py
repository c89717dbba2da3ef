"""The default network and training match the paper, and parameters change them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from sklearn.utils import Bunch

from skdeepfake.detectors import CNNDetector, PlateauCallbacks

Y = np.array([0, 1])


def network(size: tuple[int, int] = (16, 16), **params: Any) -> keras.Model:
    """Build the network for images of this size."""
    X = np.ones((2, *size, 3), np.uint8)
    return CNNDetector(**params).initialize(X, Y).model_


def layers_of(model: keras.Model, kind: type) -> list[keras.layers.Layer]:
    return [layer for layer in model.layers if isinstance(layer, kind)]


@pytest.fixture(scope="module")
def paper_network() -> keras.Model:
    return network((224, 224))


def describe(layer: keras.layers.Layer) -> tuple:
    kind = type(layer).__name__
    if kind == "Conv2D":
        activation = layer.activation.__name__
        return kind, layer.filters, layer.kernel_size, activation, layer.padding
    if kind == "BatchNormalization":
        return kind, layer.momentum, layer.epsilon
    if kind == "MaxPooling2D":
        return kind, layer.pool_size, layer.strides
    if kind == "Dropout":
        return kind, layer.rate
    if kind == "Dense":
        return kind, layer.units, layer.activation.__name__
    if kind == "Rescaling":
        return kind, layer.scale
    return (kind,)


def test_default_network_is_that_of_the_appendix(paper_network: keras.Model) -> None:
    def block(filters: int) -> list[tuple]:
        return [
            ("Conv2D", filters, (3, 3), "relu", "same"),
            ("BatchNormalization", 0.99, 0.001),
            ("MaxPooling2D", (2, 2), (2, 2)),
            ("Dropout", 0.25),
        ]

    assert [describe(layer) for layer in paper_network.layers] == [
        ("InputLayer",),
        ("Rescaling", 1 / 255),
        *block(32),
        *block(64),
        *block(128),
        ("Flatten",),
        ("Dense", 128, "relu"),
        ("BatchNormalization", 0.99, 0.001),
        ("Dropout", 0.5),
        ("Dense", 1, "sigmoid"),
    ]


def test_default_network_has_as_many_parameters_as_the_papers(
    paper_network: keras.Model,
) -> None:
    convolutions = (9 * 3 + 1) * 32 + (9 * 32 + 1) * 64 + (9 * 64 + 1) * 128
    dense = (28 * 28 * 128 + 1) * 128 + 128 + 1
    normalization = 4 * (32 + 64 + 128 + 128)
    assert paper_network.count_params() == convolutions + dense + normalization


def test_network_takes_bytes_and_scales_them_itself(
    paper_network: keras.Model,
) -> None:
    assert paper_network.inputs[0].dtype == "uint8"
    assert paper_network.inputs[0].shape == (None, 224, 224, 3)
    scaled = paper_network.layers[1](np.full((1, 224, 224, 3), 51, np.uint8))
    np.testing.assert_allclose(scaled, 0.2, rtol=1e-6)


def test_default_training_is_the_papers(trainings: list[Bunch]) -> None:
    X = np.random.RandomState(0).randint(1, 256, (100, 8, 8, 3)).astype(np.uint8)
    y = np.arange(100) % 2
    CNNDetector(random_state=0).fit(X, y)

    (training,) = trainings
    optimizer = training.model.optimizer
    assert type(optimizer) is keras.optimizers.Adam
    assert float(optimizer.learning_rate) == pytest.approx(1e-4)
    assert (optimizer.beta_1, optimizer.beta_2, optimizer.clipnorm) == (
        0.9,
        0.999,
        None,
    )
    assert training.model.loss == "binary_crossentropy"
    assert training.epochs == 50
    assert training.initial_epoch == 0
    assert training.batch_sizes == [32, 32, 26]  # 90% of 100 frames
    assert len(training.validation_data.y) == 10

    reduction, stopping = training.callbacks[-2:]
    assert type(reduction) is keras.callbacks.ReduceLROnPlateau
    assert reduction.monitor == "val_loss"
    assert (reduction.factor, reduction.patience, reduction.min_lr) == (0.2, 5, 1e-5)
    assert type(stopping) is keras.callbacks.EarlyStopping
    assert stopping.monitor == "val_loss"
    assert (stopping.patience, stopping.restore_best_weights) == (5, True)


@pytest.mark.parametrize(
    ("params", "kind", "attribute", "expected"),
    [
        ({"filters": (5, 6)}, "Conv2D", "filters", [5, 6]),
        ({"filters": [7]}, "Conv2D", "filters", [7]),
        ({"filters": np.array([2, 3])}, "Conv2D", "filters", [2, 3]),
        ({"filters": ()}, "Conv2D", "filters", []),
        ({"kernel_size": 5}, "Conv2D", "kernel_size", [(5, 5)] * 2),
        ({"pool_size": 3}, "MaxPooling2D", "pool_size", [(3, 3)] * 2),
        ({"conv_dropout": 0.1}, "Dropout", "rate", [0.1, 0.1, 0.5]),
        ({"dense_units": 7}, "Dense", "units", [7, 1]),
        ({"dropout": 0.3}, "Dropout", "rate", [0.25, 0.25, 0.3]),
        ({"momentum": 0.7}, "BatchNormalization", "momentum", [0.7] * 3),
        ({"rescale": 1.0}, "Rescaling", "scale", [1.0]),
    ],
)
def test_parameter_changes_its_layers_alone(
    params: dict[str, Any], kind: str, attribute: str, expected: list
) -> None:
    small: dict[str, Any] = {"filters": (4, 4), "dense_units": 8}
    before, after = network(**small), network(**{**small, **params})
    layers = layers_of(after, getattr(keras.layers, kind))
    assert [getattr(layer, attribute) for layer in layers] == expected
    if "filters" not in params:
        unchanged = [layer for layer in before.layers if type(layer).__name__ != kind]
        assert [describe(layer) for layer in unchanged] == [
            describe(layer) for layer in after.layers if type(layer).__name__ != kind
        ]


@pytest.mark.parametrize(
    ("optimizer", "kind", "learning_rate"),
    [
        ("rmsprop", keras.optimizers.RMSprop, 0.05),
        ("SGD", keras.optimizers.SGD, 0.05),
        (keras.optimizers.Nadam, keras.optimizers.Nadam, 0.05),
        # An instance has its own learning rate.
        (keras.optimizers.SGD(0.25, momentum=0.5), keras.optimizers.SGD, 0.25),
    ],
    ids=["name", "name in capitals", "class", "instance"],
)
def test_optimizer_may_be_a_name_a_class_or_an_instance(
    optimizer: Any, kind: type, learning_rate: float
) -> None:
    made = network(
        filters=(), optimizer=optimizer, learning_rate=0.05, optimizer__clipnorm=0.5
    ).optimizer
    assert type(made) is kind
    assert made is not optimizer
    assert float(made.learning_rate) == pytest.approx(learning_rate)
    assert made.clipnorm == 0.5
    if optimizer is not made and isinstance(optimizer, keras.optimizers.Optimizer):
        assert made.momentum == 0.5
        assert optimizer.clipnorm is None


def test_parameters_of_the_training_reach_keras(
    videos: Bunch, trainings: list[Bunch]
) -> None:
    CNNDetector(
        filters=(),
        batch_size=7,
        epochs=3,
        validation_fraction=0.5,
        callbacks=PlateauCallbacks(
            patience=2, lr_factor=0.5, lr_patience=4, min_lr=1e-3
        ),
        random_state=0,
    ).fit(videos.X, videos.y)
    (training,) = trainings
    assert training.epochs == 3
    assert training.batch_sizes == [7, 7, 6]
    assert training.validation_data.batch_size == 7
    assert len(training.validation_data.y) == 20
    reduction, stopping = training.callbacks[-2:]
    assert (reduction.factor, reduction.patience, reduction.min_lr) == (0.5, 4, 1e-3)
    assert stopping.patience == 2


@pytest.mark.parametrize(
    ("params", "absent"),
    [
        ({"callbacks__patience": None}, {"EarlyStopping"}),
        ({"callbacks__lr_patience": None}, {"ReduceLROnPlateau"}),
        ({"validation_fraction": None}, {"EarlyStopping", "ReduceLROnPlateau"}),
        ({"callbacks": []}, {"EarlyStopping", "ReduceLROnPlateau"}),
    ],
)
def test_none_leaves_the_callback_out(
    params: dict[str, Any], absent: set[str], videos: Bunch, trainings: list[Bunch]
) -> None:
    detector = CNNDetector(filters=(), random_state=0, validation_fraction=0.2)
    detector.set_params(**params).fit(videos.X, videos.y)
    present = {type(callback).__name__ for callback in trainings[0].callbacks}
    assert {"EarlyStopping", "ReduceLROnPlateau"} - present == absent


def test_images_too_small_for_the_poolings_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"8 x 7 pixels.*at least 8 x 8.*`filters`"):
        network((8, 7))


def test_smallest_images_for_the_poolings_pass() -> None:
    model = network((8, 9), filters=(2, 2, 2))
    (flat,) = layers_of(model, keras.layers.Flatten)
    assert flat.output.shape == (None, 2)  # a single pixel is left


def test_images_may_be_grey() -> None:
    X = np.ones((2, 8, 8, 1), np.uint8)
    detector = CNNDetector(filters=(2,)).initialize(X, Y)
    assert detector.model_.inputs[0].shape == (None, 8, 8, 1)
