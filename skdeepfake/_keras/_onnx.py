"""Export of Keras networks to ONNX."""

from __future__ import annotations

import os
import warnings
from typing import Any

import keras

from .._atomic import temporary_folder


def to_onnx(model: keras.Model, dtype: Any, *, needed_by: str, instead: str) -> bytes:
    """Return the ONNX file of a network for inputs of the given dtype.

    `needed_by` and `instead` are parts of error messages. Raises a ValueError if Keras
    does not run on TensorFlow, and an ImportError if onnxruntime or tf2onnx is missing.
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"{needed_by} exports the network with TensorFlow, but Keras runs on "
            f"{keras.backend.backend()}: {instead}"
        )
    try:
        import onnxruntime  # noqa: F401
        import tf2onnx  # noqa: F401 -- used by Keras for the export
    except ImportError as error:
        raise ImportError(
            f"{needed_by} needs onnxruntime and tf2onnx: pip install 'skdeepfake[onnx]'"
        ) from error
    with temporary_folder() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tf2onnx uses deprecated names of NumPy
        path = os.path.join(folder, "network.onnx")
        inputs = keras.InputSpec(shape=(None, *model.input_shape[1:]), dtype=str(dtype))
        model.export(path, format="onnx", verbose=False, input_signature=[inputs])
        with open(path, "rb") as file:
            return file.read()
