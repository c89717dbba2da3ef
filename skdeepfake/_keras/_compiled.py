"""Networks compiled once for predictions with batches of any size."""

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
    """Compile a network with the backend of Keras."""
    if keras.backend.backend() != "tensorflow":
        return functools.partial(_predict, model)
    # Keras' own function is traced again, with a warning, for a smaller last batch.
    import tensorflow as tf

    batch = tf.TensorSpec((None, *model.input_shape[1:]), model.inputs[0].dtype)

    @tf.function(input_signature=[batch], autograph=False)  # as Keras trains
    def compute(inputs: Any) -> Any:
        return model(inputs, training=False)

    # TensorFlow warns about calls of `compute` itself from the fifth network on.
    traced = compute.get_concrete_function()
    return lambda inputs: traced(tf.cast(inputs, batch.dtype)).numpy()
