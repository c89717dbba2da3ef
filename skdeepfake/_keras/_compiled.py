"""Networks compiled once for predictions with batches of any size."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import keras
from numpy.typing import NDArray

from ._precision import undistributed

Compute = Callable[[NDArray], NDArray]


def compiled(model: keras.Model) -> Compute:
    """Compile a network with the backend of Keras; threads may share the result."""
    if keras.backend.backend() != "tensorflow":
        lock = threading.Lock()

        def predict(inputs: NDArray) -> NDArray:
            with lock, undistributed():  # JAX deletes the old state of the network
                return model.predict_on_batch(inputs)

        return predict
    # Keras' own function is traced again, with a warning, for a smaller last batch.
    import tensorflow as tf

    batch = tf.TensorSpec((None, *model.input_shape[1:]), model.inputs[0].dtype)

    @tf.function(input_signature=[batch], autograph=False)  # as Keras trains
    def compute(inputs: Any) -> Any:
        return model(inputs, training=False)

    # TensorFlow warns about calls of `compute` itself from the fifth network on.
    is_eager = tf.config.functions_run_eagerly()  # ignored by concrete functions
    call = compute if is_eager else compute.get_concrete_function()
    return lambda inputs: call(tf.cast(inputs, batch.dtype)).numpy()
