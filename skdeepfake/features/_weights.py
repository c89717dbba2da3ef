"""Weights of backbones: ImageNet's, from a file, or random. Never random unasked."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable

import keras
import numpy as np

from ..exceptions import WeightsError


def build_with_imagenet_weights(
    build: Callable[..., keras.Model], name: str, frame_shape: tuple[int, ...]
) -> keras.Model:
    """Build a network of `keras.applications` with the weights that Keras fetches.

    Parameters
    ----------
    build : callable
        Of `keras.applications`.
    name : str
        The backbone's short name, for the error.
    frame_shape : tuple of int
        Height, width and channels of the images.

    Returns
    -------
    keras.Model
        The network without its top.

    Raises
    ------
    WeightsError
        If the file is not there and cannot be downloaded.
    """
    try:
        return build(weights="imagenet", include_top=False, input_shape=frame_shape)
    except Exception as error:  # Keras raises a bare one where a download fails
        home = os.environ.get("KERAS_HOME", os.path.join("~", ".keras"))
        folder = os.path.join(home, "models")
        found = re.search(r"/([^/\s]+\.h5)\b", str(error))
        file = repr(found.group(1)) if found else "the file of that network's weights"
        reason = str(error).rpartition(" -- ")[2]  # after the address
        raise WeightsError(
            f"the ImageNet weights of {name!r} cannot be had ({reason}). Without a "
            f"network, get the file on another machine: Keras expects {file} in the "
            f"folder {folder!r} (the environment variable KERAS_HOME moves it); or "
            "pass the path of a weights file as `weights`. weights=None would give "
            "random ones"
        ) from error


def load_weights(network: keras.Model, path: str, name: str) -> None:
    """Load a weights file, all of it.

    Parameters
    ----------
    network : keras.Model
        The network, whose weights are set.
    path : str
        An `.h5`, `.weights.h5` or `.keras` file.
    name : str
        The backbone's short name, for the error.

    Raises
    ------
    WeightsError
        If it cannot be read or holds another network's weights, or not all of them.
    """
    # Keras leaves what a file does not hold as it was, with a warning at the most.
    for variable in network.weights:
        variable.assign(np.full(variable.shape, np.nan, dtype="float32"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network.load_weights(path)
    except Exception as error:  # as many kinds as there are wrong files
        reason = str(error).partition("\n")[0].partition(". Example")[0]
        raise WeightsError(
            f"weights={path!r} does not hold the weights of {name!r} without its top "
            f"(include_top=False): {reason}"
        ) from error
    missing = [
        variable.path
        for variable in network.weights
        if not np.isfinite(keras.ops.convert_to_numpy(variable)).all()
    ]
    if missing:
        raise WeightsError(
            f"weights={path!r} holds no finite numbers for {len(missing)} of the "
            f"{len(network.weights)} weights of {name!r}, among them {missing[0]!r}"
        )


def randomize(network: keras.Model, random_state: int) -> None:
    """Draw random weights, the same on every Keras backend.

    Parameters
    ----------
    network : keras.Model
        The network, whose kernels are set (He et al., 2015: variance 2 / fan in);
        biases and normalizations stay as they are when built.
    random_state : int
        Seed.
    """
    rng = np.random.RandomState(random_state)
    by_channel = _depthwise_kernels(network)
    for variable in network.weights:
        if len(variable.shape) > 1:
            n_summed = 2 if variable.path in by_channel else -1
            fan_in = np.prod(variable.shape[:n_summed])
            kernel = rng.normal(scale=np.sqrt(2 / fan_in), size=variable.shape)
            variable.assign(kernel.astype("float32"))


def _depthwise_kernels(network: keras.Model) -> set[str]:
    """Tell which kernels, of shape (height, width, channels, 1), sum no channels."""
    kernels = set()
    for layer in network.layers:
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            kernels.add(layer.kernel.path)
        elif isinstance(layer, keras.layers.SeparableConv2D):
            kernels.add(layer.depthwise_kernel.path)
    return kernels
