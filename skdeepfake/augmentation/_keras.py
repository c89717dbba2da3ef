"""Augmentation with Keras layers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np

from .._keras import _threads  # noqa: F401, before Keras is loaded
from .._keras._trust import check_description, check_size
from ._base import BaseAugmentation, Images


@dataclass(repr=False, eq=False)
class KerasAugmentation(BaseAugmentation):
    """Apply Keras layers in training mode to images.

    Parameters
    ----------
    layers : keras.Layer, or list or tuple of keras.Layer
        Layers to apply in order. They must map images of shape (n, height, width, 3)
        with values from 0 to 255 to images of the same shape. A `keras.Sequential` is
        replaced with its layers. Layers that have a `seed` or weights are copied for
        each call.
    probability : float, default=1.0
        Probability of applying the layers to an image.

    Raises
    ------
    TypeError
        When called, if `layers` contains an object that is not a layer.
    ValueError
        When called, if `layers` is empty, or if a layer changes the shape of images.

    See Also
    --------
    BaseAugmentation : Base class for augmentations that use NumPy or OpenCV.

    Notes
    -----
    Results are rounded and clipped to the range from 0 to 255. The layers run eagerly
    on the Keras backend. :func:`skdeepfake.persistence.save` supports the Keras layers
    RandomFlip, RandomRotation, RandomTranslation, RandomZoom, RandomBrightness and
    RandomContrast. List other layers in the parameter `trusted` of that function.

    Examples
    --------
    >>> import keras
    >>> import numpy as np
    >>> from skdeepfake.augmentation import KerasAugmentation
    >>> gray = np.full((1, 2, 2, 3), 100, np.uint8)
    >>> KerasAugmentation(keras.layers.Rescaling(0.5))(gray)[0, 0, 0]
    array([50, 50, 50], dtype=uint8)
    """

    layers: Any
    _: KW_ONLY
    probability: float = 1.0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseAugmentation._parameter_constraints,
        "layers": "no_validation",  # type: ignore[dict-item]
    }

    def _validate_params(self) -> None:
        super()._validate_params()
        import keras

        layers = _flat(self.layers)
        if not layers:
            raise ValueError(f"KerasAugmentation: layers={self.layers!r} is empty.")
        for layer in layers:
            if not isinstance(layer, keras.layers.Layer):
                raise TypeError(
                    f"KerasAugmentation: layers={self.layers!r} contains {layer!r}, "
                    "which is not a Keras layer."
                )

    def augment_image(self, image: Images, rng: np.random.Generator) -> Images:
        return self._augment_images(image[np.newaxis], rng)[0]

    def _augment_images(self, images: Images, rng: np.random.Generator) -> Images:
        from keras import ops

        x = ops.convert_to_tensor(images, "float32")
        for layer in _flat(self.layers):
            # Layers may return a lower precision than float32.
            x = ops.cast(_copy(layer, rng)(x, training=True), "float32")
            if tuple(x.shape) != images.shape:
                raise ValueError(
                    f"augment: the layer {layer.name!r}, a {type(layer).__name__}, "
                    f"changed the shape of images from {images.shape} to "
                    f"{tuple(x.shape)}. Use layers that keep the shape."
                )
        changed = ops.convert_to_numpy(x)
        return np.clip(np.rint(changed), 0, 255).astype(np.uint8)

    # Pickles of layers can run code, so the state holds their Keras configuration.

    def __getstate__(self) -> dict[str, Any]:
        import keras

        state = super().__getstate__()
        described = keras.saving.serialize_keras_object(self.layers)
        check_description(described)
        weights = [layer.get_weights() for layer in keras.tree.flatten(self.layers)]
        return {**state, "layers": {"layers": described, "weights": weights}}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        import keras

        kept = state["layers"]
        check_description(kept["layers"])
        n_weights = sum(np.size(w) for one in kept["weights"] for w in one)
        check_size(kept["layers"], n_weights)
        made = keras.saving.deserialize_keras_object(kept["layers"])
        for layer, weights in zip(
            keras.tree.flatten(made), kept["weights"], strict=True
        ):
            layer.set_weights(weights)
        super().__setstate__({**state, "layers": made})


def _flat(layers: Any) -> list[Any]:
    import keras

    if isinstance(layers, keras.Sequential):
        layers = layers.layers
    if isinstance(layers, (list, tuple)):
        return [layer for part in layers for layer in _flat(part)]
    return [layers]


def _copy(layer: Any, rng: np.random.Generator) -> Any:
    if layer.weights:
        return copy.deepcopy(layer)
    # Layers without a seed may not implement `get_config`.
    if not hasattr(layer, "seed"):
        return layer
    config = layer.get_config()
    if "seed" not in config:
        return layer
    # Not all backends of Keras accept 32-bit seeds.
    seed = int(rng.integers(2**31))
    return type(layer).from_config({**config, "seed": seed})
