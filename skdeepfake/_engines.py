"""Engines that run ONNX networks without Keras."""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

#: Names of the engines. "auto" uses onnxruntime if installed, or else OpenCV.
ENGINES = ("auto", "onnxruntime", "opencv")

Compute = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def make_engine(network: bytes, engine: str = "auto") -> Compute:
    """Return a function that computes the output of a network for a batch.

    Raise an ImportError if `engine` is "onnxruntime" but onnxruntime is not installed.
    """
    has_onnxruntime = importlib.util.find_spec("onnxruntime") is not None
    if engine == "onnxruntime" and not has_onnxruntime:
        raise ImportError(
            "engine='onnxruntime' needs the package onnxruntime, which is not "
            "installed. Run pip install onnxruntime, or use engine='opencv'."
        )
    if engine == "opencv" or not has_onnxruntime:
        net = cv2.dnn.readNetFromONNX(np.frombuffer(network, np.uint8))
        lock = threading.Lock()  # threads share the input of a network

        def compute(batch: NDArray[np.float32]) -> NDArray[np.float32]:
            with lock:
                net.setInput(batch)
                return net.forward()  # type: ignore[return-value]

        return compute
    return run_by_onnxruntime(network)


def run_by_onnxruntime(network: bytes | str) -> Compute:
    """Load a network with one input and one output from bytes or a file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Set by joblib in its workers. 0 uses all cores.
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", 0))
    session = onnxruntime.InferenceSession(
        network, options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    return lambda batch: session.run(None, {name: batch})[0]
