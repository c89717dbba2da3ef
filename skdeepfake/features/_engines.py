"""What runs a network on a batch of images: Keras, or onnxruntime."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable

import keras

from .._atomic import temporary_folder
from .._engines import run_by_onnxruntime
from .._keras._compiled import Compute, compiled


def export_to_onnxruntime(model: keras.Model) -> Compute:
    """Export a network and load it into onnxruntime."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "engine='onnxruntime' exports the network by way of TensorFlow, but Keras "
            f"runs on {keras.backend.backend()}: use engine='keras'"
        )
    try:
        import onnxruntime  # noqa: F401
        import tf2onnx  # noqa: F401 -- what Keras exports with
    except ImportError as error:
        raise ImportError(
            "engine='onnxruntime' needs onnxruntime and tf2onnx: "
            "pip install 'skdeepfake[onnx]'"
        ) from error
    with temporary_folder() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what tf2onnx uses of NumPy
        path = os.path.join(folder, "network.onnx")
        images = keras.InputSpec(shape=(None, *model.input_shape[1:]), dtype="uint8")
        model.export(path, format="onnx", verbose=False, input_signature=[images])
        return run_by_onnxruntime(path)


ENGINES: dict[str, Callable[[keras.Model], Compute]] = {
    "keras": compiled,
    "onnxruntime": export_to_onnxruntime,
}
