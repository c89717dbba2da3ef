"""Engines that run a Keras network: Keras or onnxruntime."""

from __future__ import annotations

from collections.abc import Callable

import keras

from .._engines import run_by_onnxruntime
from .._keras._compiled import Compute, compiled
from .._keras._onnx import to_onnx


def export_to_onnxruntime(model: keras.Model) -> Compute:
    """Export a network to ONNX and load it into onnxruntime."""
    needed_by, instead = "engine='onnxruntime'", "use engine='keras'"
    network = to_onnx(model, "uint8", needed_by=needed_by, instead=instead)
    return run_by_onnxruntime(network)


ENGINES: dict[str, Callable[[keras.Model], Compute]] = {
    "keras": compiled,
    "onnxruntime": export_to_onnxruntime,
}
