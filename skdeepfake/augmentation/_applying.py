"""Layers applied to batches of faces, compiled by Keras' backend."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from ._presets import PRESETS, derived_seeds, make_preset

Images = NDArray[np.uint8]

# Images that are computed at a time.
_PART = 8


def resolve(augment: Any, seed: int | None) -> list[keras.layers.Layer]:
    """Make the layers that an `augment` parameter asks for.

    Parameters
    ----------
    augment : str, keras.Layer, or list or tuple of keras.Layer
        A preset's name, or layers, of Keras or others, which take and give images of 0
        to 255. A `keras.Sequential` stands for its layers.
    seed : int or None
        What the seeds are derived from of those layers that have none.

    Returns
    -------
    list of keras.Layer
        The caller's layers are left as they are: what draws or has weights comes as a
        copy, which starts from its seed. What does neither is used itself.

    Raises
    ------
    TypeError
        If `augment` is or holds anything else.
    ValueError
        If it is not a preset's name, or holds no layer.
    """
    known = f"one of the presets {', '.join(PRESETS)}, a Keras layer or a list of them"
    if isinstance(augment, str):
        if augment not in PRESETS:
            raise ValueError(f"augment={augment!r} must be {known}")
        return make_preset(augment, seed)
    layers = list(_flat(augment))
    wrong = [layer for layer in layers if not isinstance(layer, keras.layers.Layer)]
    if wrong:
        within = "" if wrong[0] is augment else f", which holds {wrong[0]!r},"
        raise TypeError(f"augment={augment!r}{within} must be {known}")
    if not layers:
        raise ValueError(f"augment={augment!r} holds no layer: it must be {known}")
    seeds = derived_seeds(seed, len(layers))
    return [_copy(layer, own) for layer, own in zip(layers, seeds, strict=True)]


def _flat(augment: Any) -> Iterator[Any]:
    if isinstance(augment, keras.Sequential):
        augment = augment.layers
    if isinstance(augment, (list, tuple)):
        for part in augment:
            yield from _flat(part)
    else:
        yield augment


def _copy(layer: Any, seed: int | None) -> Any:
    if layer.weights:
        return copy.deepcopy(layer)
    # What says nothing of a seed may not be able to describe itself either.
    if not hasattr(layer, "seed"):
        return layer
    config = layer.get_config()
    if config.get("seed", 0) is None:
        config["seed"] = seed
    return type(layer).from_config(config)


class Augmenter:
    """Apply layers to batches of faces, one after the other and in training mode.

    It may be called from any thread, and from several, which then wait for each other.
    It draws on from call to call, and so do two of one seed, alike.

    Parameters
    ----------
    augment : str, keras.Layer, or list or tuple of keras.Layer
        What `resolve` takes.
    seed : int or None, default=None
        What it draws from; None draws other numbers each time.

    Raises
    ------
    TypeError, ValueError
        As `resolve`.

    Attributes
    ----------
    layers : list of keras.Layer
        What is applied.
    """

    def __init__(self, augment: Any, seed: int | None = None) -> None:
        self.layers = resolve(augment, seed)
        self._compiled: dict[tuple[int, ...], Callable[[Images], Images]] = {}
        self._lock = threading.Lock()

    def __call__(self, images: Images) -> Images:
        """Augment a batch.

        Parameters
        ----------
        images : ndarray of uint8, shape (n, height, width, 3)
            Faces, RGB; those that are all zeros are none.

        Returns
        -------
        ndarray of uint8, shape (n, height, width, 3)
            A new array, rounded and clipped. What was all zeros still is.

        Raises
        ------
        ValueError
            If a layer gives anything but images of the size that it is given.
        """
        if not len(images):
            return images.copy()
        with self._lock:
            size = images.shape[1:]
            if size not in self._compiled:
                self._compiled[size] = _compiled(self._network(size))
            # Of more at a time the processor's cache holds too little.
            parts = range(0, len(images), _PART)
            augment = self._compiled[size]
            return np.concatenate([augment(images[i : i + _PART]) for i in parts])

    def _network(self, size: tuple[int, ...]) -> keras.Model:
        """Chain the layers, for images of a size."""
        given = keras.Input(size, dtype="uint8")
        x = ops.cast(given, "float32")
        for layer in self.layers:
            # Foreign layers may compute in less than float32.
            x = ops.cast(layer(x), "float32")
            if tuple(x.shape) != (None, *size):
                raise ValueError(
                    f"augment: the layer {layer.name!r}, a {type(layer).__name__}, "
                    f"makes {_shape(x.shape)} of images of the shape "
                    f"{_shape((None, *size))}, but must leave it as it is"
                )
        is_face = ops.any(ops.not_equal(given, 0), axis=(1, 2, 3), keepdims=True)
        x = ops.where(is_face, ops.round(ops.clip(x, 0.0, 255.0)), 0.0)
        return keras.Model(given, ops.cast(x, "uint8"))


def _shape(shape: tuple[int | None, ...]) -> str:
    sides = ("n" if side is None else str(side) for side in shape)
    return f"({', '.join(sides)})"


def _compiled(network: keras.Model) -> Callable[[Images], Images]:
    return _COMPILERS[keras.backend.backend()](network)


def _by_tensorflow(network: keras.Model) -> Callable[[Images], Images]:
    import tensorflow as tf

    batch = tf.TensorSpec((None, *network.input_shape[1:]), tf.uint8)

    @tf.function(input_signature=[batch])
    def compute(images: Any) -> Any:
        return network(images, training=True)

    # Lest it be taken for one that is traced again and again: see `_compiled.py` of
    # the package.
    traced = compute.get_concrete_function()
    return lambda images: traced(tf.convert_to_tensor(images)).numpy()


def _by_jax(network: keras.Model) -> Callable[[Images], Images]:
    import jax

    @jax.jit
    def compute(weights: Any, state: Any, images: Any) -> Any:
        return network.stateless_call(weights, state, images, training=True)

    def augment(images: Images) -> Images:
        weights = [variable.value for variable in network.trainable_variables]
        state = [variable.value for variable in network.non_trainable_variables]
        images, state = compute(weights, state, images)
        for variable, value in zip(network.non_trainable_variables, state, strict=True):
            variable.assign(value)
        return np.asarray(images)

    return augment


def _by_torch(network: keras.Model) -> Callable[[Images], Images]:
    import torch

    def augment(images: Images) -> Images:
        with torch.no_grad():
            return ops.convert_to_numpy(network(images, training=True))

    return augment


_COMPILERS: dict[str, Callable[[keras.Model], Callable[[Images], Images]]] = {
    "tensorflow": _by_tensorflow,
    "jax": _by_jax,
    "torch": _by_torch,
}
