"""Backbones are copied into a network and divided where feature maps shrink."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from skdeepfake.detectors._blocks import Block, blocks_of, graft


def blocks(backbone: keras.Model) -> list[Block]:
    """Divide a network without its input."""
    inside = [op for op in backbone.operations if not isinstance(op, layers.InputLayer)]
    divided = blocks_of(backbone, inside)
    # All operations are kept in order.
    assert [op for block in divided for op in block.layers] == inside
    return divided


def names(block: Block) -> list[str]:
    return [operation.name for operation in block.layers]


def before(divided: list[Block]) -> list[str | None]:
    return [block.before for block in divided]


def taken_in(backbone: keras.Model, size: int = 8) -> tuple[keras.Model, list[Any]]:
    """Return a network that contains a copy of a backbone, and the copied layers."""
    inputs = keras.Input((size, size, 3))
    x, operations = graft(backbone, layers.Rescaling(1.0)(inputs))
    return keras.Model(inputs, x), operations


@pytest.fixture(scope="module")
def vgg16() -> keras.Model:
    return keras.applications.VGG16(
        weights=None, include_top=False, input_shape=(32, 32, 3)
    )


@pytest.fixture(scope="module")
def resnet50() -> keras.Model:
    return keras.applications.ResNet50(
        weights=None, include_top=False, input_shape=(32, 32, 3)
    )


# -- blocks ----------------------------------------------------------------------


def test_vgg16_has_five_blocks_and_each_begins_after_a_pooling(
    vgg16: keras.Model,
) -> None:
    divided = blocks(vgg16)
    pools = [f"block{number}_pool" for number in range(1, 5)]
    # The first block follows the input of the network.
    assert before(divided)[1:] == pools
    convolutions = [f"block5_conv{number}" for number in (1, 2, 3)]
    # A pooling layer has no weights and belongs to the previous block.
    assert names(divided[-1]) == [*convolutions, "block5_pool"]


def test_resnet50_has_five_blocks_which_begin_where_residual_blocks_end(
    resnet50: keras.Model,
) -> None:
    divided = blocks(resnet50)
    assert before(divided)[1:] == [
        *("pool1_pool", "conv2_block3_out", "conv3_block4_out", "conv4_block6_out")
    ]
    assert names(divided[-1])[-1] == "conv5_block3_out"


def test_residual_block_is_not_cut_where_its_maps_become_smaller() -> None:
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(2, 3, padding="same", name="stem")(inputs)
    way = layers.Conv2D(2, 3, 2, padding="same", name="strided")(x)
    way = layers.Conv2D(2, 3, 2, padding="same", name="strided_again")(way)
    shortcut = layers.Conv2D(2, 1, 4, name="shortcut")(x)
    x = layers.Add(name="joined")([way, shortcut])
    x = layers.Conv2D(2, 3, 2, name="last")(x)
    divided = blocks(keras.Model(inputs, x))
    assert [set(names(block)) for block in divided] == [
        {"stem"},
        {"strided", "strided_again", "shortcut", "joined"},
        {"last"},
    ]
    assert before(divided)[1:] == ["stem", "joined"]


def test_maps_that_lose_their_edges_alone_make_no_block() -> None:
    inputs = x = keras.Input((16, 16, 3))
    for _ in range(3):
        x = layers.Conv2D(2, 3)(x)
    assert len(blocks(keras.Model(inputs, x))) == 1


def test_features_after_maps_are_a_block_of_their_own() -> None:
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(2, 3, name="maps")(inputs)
    x = layers.GlobalAveragePooling2D(name="pooled")(x)
    divided = blocks(keras.Model(inputs, layers.Dense(2, name="dense")(x)))
    assert [names(block) for block in divided] == [["maps", "pooled"], ["dense"]]


def test_normalization_that_was_told_its_numbers_learns_nothing() -> None:
    inputs = keras.Input((16, 16, 3))
    told = layers.Normalization(name="told")
    told.adapt(np.random.RandomState(0).normal(size=(2, 16, 16, 3)))
    assert told.weights
    x = told(inputs)
    x = layers.Conv2D(2, 3, 2, name="first")(x)
    x = layers.Conv2D(2, 3, 2, name="second")(x)
    divided = blocks(keras.Model(inputs, x))
    assert [names(block) for block in divided] == [["told", "first"], ["second"]]


# -- copies ----------------------------------------------------------------------


def plain() -> keras.Sequential:
    return keras.Sequential(
        [
            keras.Input((None, None, 3)),
            layers.Conv2D(2, 3, name="first"),
            layers.MaxPooling2D(name="pooling"),
            layers.Conv2D(2, 3, name="second"),
        ]
    )


def test_sequential_is_taken_in_layer_by_layer() -> None:
    backbone = plain()
    network, operations = taken_in(backbone)
    assert [op.name for op in operations] == ["first", "pooling", "second"]
    divided = blocks_of(network, operations)
    assert [names(block) for block in divided] == [["first", "pooling"], ["second"]]
    images = np.random.RandomState(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(
        network.predict_on_batch(images), backbone.predict_on_batch(images), rtol=1e-5
    )


class Own(keras.Model):
    """Subclassed network without a graph of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = layers.Conv2D(2, 3, 2)
        self.second = layers.Conv2D(2, 3, 2)

    def call(self, images: Any) -> Any:
        return self.second(self.first(images))

    def get_config(self) -> dict[str, Any]:
        return {}


def test_network_that_is_no_graph_is_one_block() -> None:
    backbone = Own()
    images = np.random.RandomState(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    expected = keras.ops.convert_to_numpy(backbone(images))
    network, operations = taken_in(backbone)
    (block,) = blocks_of(network, operations)
    (copy,) = block.layers
    assert type(copy) is Own
    assert copy is not backbone
    np.testing.assert_allclose(network.predict_on_batch(images), expected, rtol=1e-5)


def test_copy_has_the_weights_and_leaves_the_users_network_alone() -> None:
    inputs = keras.Input((None, None, 3))
    twice = layers.Conv2D(3, 3, padding="same", name="twice")
    x = layers.BatchNormalization(name="norm")(twice(twice(inputs)))
    backbone = keras.Model(inputs, layers.ReLU(name="out")(x))
    kept = backbone.get_weights()
    network, operations = taken_in(backbone)
    # A layer that is used twice is copied once.
    assert sorted(op.name for op in operations) == ["norm", "out", "twice"]
    assert not {id(op) for op in operations} & {id(op) for op in backbone.operations}
    for copied, own in zip(network.get_weights(), kept, strict=True):
        np.testing.assert_array_equal(copied, own)
    network.set_weights([weight + 1 for weight in network.get_weights()])
    for own, old in zip(backbone.get_weights(), kept, strict=True):
        np.testing.assert_array_equal(own, old)
    assert all(layer.trainable for layer in backbone.layers)
