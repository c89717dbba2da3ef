"""Optimizers that are ready before a training, and let go of it when it is over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras


def make_optimizer(
    optimizer: Any, learning_rate: float, params: dict[str, Any]
) -> keras.optimizers.Optimizer:
    """Make a new optimizer of a name, a class or the settings of an instance."""
    config = {"learning_rate": learning_rate, **params}
    if isinstance(optimizer, str):
        made = keras.optimizers.get({"class_name": optimizer, "config": config})
    elif isinstance(optimizer, type):
        made = optimizer(**config)
    else:
        # A fresh one: optimizers remember weights. It has its own learning rate.
        made = type(optimizer).from_config({**optimizer.get_config(), **params})
    if made.weight_decay is not None:
        made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    made = of_one_replica(made)
    if keras.config.dtype_policy().name == "mixed_float16":  # small gradients vanish
        made = keras.optimizers.LossScaleOptimizer(made)
    return made


def of_one_replica(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Keep an optimizer from leaving its training behind in TensorFlow.

    Before it updates the weights, Keras sums their gradients over all replicas of the
    network, of which there is one without a `tf.distribute` strategy. TensorFlow
    registers a gradient function for that under a new name each time, and keeps it with
    the graph of the training step: 20 MB per fit (Keras 3.15, TensorFlow 2.21).
    """
    if hasattr(optimizer, "_all_reduce_sum_gradients"):  # Keras' for TensorFlow
        import tensorflow as tf

        if tf.distribute.get_strategy().num_replicas_in_sync == 1:
            optimizer._all_reduce_sum_gradients = _as_they_are
    return optimizer


def make_variables(
    optimizer: keras.optimizers.Optimizer, weights: Iterable[Any]
) -> None:
    """Have an optimizer make its variables, unless it has some.

    Left to itself, it would do so in the first training step. TensorFlow would then
    trace that step twice, once to see it make them and once to run it.
    """
    if not optimizer.built:
        optimizer.build(list(weights))


def _as_they_are(grads_and_vars: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    return list(grads_and_vars)
