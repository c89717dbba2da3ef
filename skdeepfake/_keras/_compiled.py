"""Networks compiled for prediction, once for all sizes of batches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import keras
from numpy.typing import NDArray

from ._precision import undistributed

Compute = Callable[[NDArray], NDArray]


def compiled(model: keras.Model) -> Compute:
    """Compile a network with Keras' backend; threads may share the result."""
    if keras.backend.backend() != "tensorflow":
        lock = threading.Lock()

        def predict(inputs: NDArray) -> NDArray:
            with lock, undistributed():  # JAX deletes the old state of the network
                return model.predict_on_batch(inputs)

        return predict
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
