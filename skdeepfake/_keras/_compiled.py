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
    """Compile a network for thread-safe prediction with the Keras backend."""
    if keras.backend.backend() != "tensorflow":
        lock = threading.Lock()

        def predict(inputs: NDArray) -> NDArray:
            with lock, undistributed():  # JAX deletes the previous state of the network
                return model.predict_on_batch(inputs)

        return predict
    # `model.predict` traces smaller last batches again, with a warning.
    import tensorflow as tf

    batch = tf.TensorSpec((None, *model.input_shape[1:]), model.inputs[0].dtype)

    @tf.function(input_signature=[batch], autograph=False)  # as in Keras
    def compute(inputs: Any) -> Any:
        return model(inputs, training=False)

    # TensorFlow warns if `compute` is called directly for five or more networks.
    is_eager = tf.config.functions_run_eagerly()  # ignored by concrete functions
    call = compute if is_eager else compute.get_concrete_function()
    return lambda inputs: call(tf.cast(inputs, batch.dtype)).numpy()
