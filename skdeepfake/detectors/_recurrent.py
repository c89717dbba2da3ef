"""Recurrent layers over frames, dense layers and frame weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import layers, ops

CELLS = {"lstm": layers.LSTM, "gru": layers.GRU}

#: Name of the layer of the frame weights.
WEIGHTS = "frame_weight"

_EPSILON = 1e-7


def recurrent(
    x: Any, units: Sequence[int], *, cell: str, bidirectional: bool, dropout: float
) -> Any:
    """Add recurrent layers with dropout, and return one vector per video."""
    for i, n_units in enumerate(units, start=1):
        layer = CELLS[cell](n_units, return_sequences=i < len(units))
        x = (layers.Bidirectional(layer) if bidirectional else layer)(x)
        if dropout:
            x = layers.Dropout(dropout)(x)
    return x


def probability(
    x: Any, units: Sequence[int], *, dropout: float, name: str | None = None
) -> Any:
    """Add dense layers with dropout, and an output for the probability."""
    for n_units in units:
        x = layers.Dense(n_units, activation="relu")(x)
        if dropout:
            x = layers.Dropout(dropout)(x)
    return layers.Dense(1, activation="sigmoid", dtype="float32", name=name)(x)


def weighted_frames(features: Any) -> tuple[Any, Any]:
    """Compute attention weights of frames, and return features and probabilities.

    `features` has shape (n_videos, n_frames, n_features), with zeros for frames without
    a face. The returned features have three additional channels: the logit of the
    frame, its weight, and the probability from all frames so far. The video
    probabilities have shape (n_videos, 1).
    """
    there = ops.any(ops.not_equal(features, 0), axis=-1, keepdims=True)
    there = ops.cast(there, "float32")
    logits = layers.Dense(1, dtype="float32", name="frame_logit")(features)
    weights = layers.Dense(
        1,
        activation="softplus",
        kernel_initializer="zeros",  # equal weights at first
        dtype="float32",
        name=WEIGHTS,
    )(features)
    weights = weights * there
    weighted = weights * logits
    total = ops.cumsum(weights, axis=1) + _EPSILON
    running = ops.sigmoid(ops.cumsum(weighted, axis=1) / total)
    total = ops.sum(weights, axis=1) + _EPSILON
    whole = ops.sigmoid(ops.sum(weighted, axis=1) / total)
    # All channels of missing frames are zero, so that these frames are masked.
    others = [logits * there, weights, running * there]
    parts = [layers.Activation("linear", dtype="float32")(features), *others]
    return layers.Concatenate(dtype="float32")(parts), whole


def sequence_network(
    inputs: Any, features: Any, weigh: bool, finish: Callable[[Any], Any]
) -> keras.Model:
    """Build a network that maps videos to probabilities.

    `finish` maps the masked features of a video to its probability. If `weigh` is
    True, the second output is the probability from the weighted frames.
    """
    weighted = None
    if weigh:
        features, weighted = weighted_frames(features)
    outputs = finish(layers.Masking()(features))
    if weighted is not None:
        both = layers.Concatenate(dtype="float32", name="proba_and_weighted")
        outputs = both([outputs, weighted])
    return keras.Model(inputs, outputs)
