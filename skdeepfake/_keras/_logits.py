"""Last layer of a detector's network and its logit."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops


def last_layer(network: Any) -> Any:
    """Return the layer whose sigmoid computes the probability."""
    last = network.layers[-1]
    if isinstance(last, layers.Concatenate):  # with attention weights
        last = last.input[0]._keras_history.operation
    known = isinstance(last, (layers.Dense, layers.Activation))
    if not known or last.activation is not keras.activations.sigmoid:
        raise ValueError(
            f"the network ends in the layer {last.name!r}, a {type(last).__name__}. "
            "Explanations need a network that ends in a Dense or Activation layer with "
            "a sigmoid."
        )
    return last


def logit(last: Any, x: Any) -> Any:
    """Return the input of the sigmoid of a last layer."""
    x = ops.cast(x, "float32")
    if isinstance(last, layers.Activation):
        return x
    x = ops.matmul(x, ops.cast(last.kernel, "float32"))
    return x + ops.cast(last.bias, "float32") if last.use_bias else x
