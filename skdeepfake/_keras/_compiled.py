"""Networks compiled for prediction, once for all sizes of batches."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
from numpy.typing import NDArray

from ._precision import undistributed

Compute = Callable[[NDArray], NDArray]


def _predict(model: keras.Model, inputs: NDArray) -> NDArray:
    with undistributed():
        return model.predict_on_batch(inputs)


def compiled(model: keras.Model) -> Compute:
    """Compile a network by Keras' backend."""
    if keras.backend.backend() != "tensorflow":
        return functools.partial(_predict, model)
    # Keras' own function is traced again for the last, smaller batch, with a warning.
    import tensorflow as tf

    batch = tf.TensorSpec((None, *model.input_shape[1:]), model.inputs[0].dtype)

    @tf.function(input_signature=[batch], autograph=False)  # as Keras trains
    def compute(inputs: Any) -> Any:
        return model(inputs, training=False)

    # Not by way of `compute`, which TensorFlow would warn of from the fifth network on.
    is_eager = tf.config.functions_run_eagerly()  # which only `compute` heeds
    call = compute if is_eager else compute.get_concrete_function()
    return lambda inputs: call(tf.cast(inputs, batch.dtype)).numpy()
