"""Keras layers as an augmentation."""

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
    """Apply Keras layers to images, in training mode.

    Parameters
    ----------
    layers : keras.Layer, or list or tuple of keras.Layer
        Layers that map images of 0 to 255 and of shape (n, height, width, 3) to images
        of the same shape, one after the other. A `keras.Sequential` stands for its
        layers. Layers with a `seed` or with weights are copied for each call.
    probability : float, default=1.0
        Share of the images that the layers are applied to.

    Raises
    ------
    TypeError
        When called, if `layers` holds anything but layers.
    ValueError
        When called, if `layers` is empty or a layer changes the shape.

    See Also
    --------
    BaseAugmentation : Base of augmentations written with NumPy or OpenCV.

    Notes
    -----
    Results are rounded and clipped to 0 to 255. The layers run on Keras' backend, not
    compiled. :func:`skdeepfake.persistence.save` writes Keras' own layers that flip,
    rotate, translate, zoom or change brightness and contrast; name others in `trusted`.

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
            raise ValueError(f"KerasAugmentation: layers={self.layers!r} is empty")
        for layer in layers:
            if not isinstance(layer, keras.layers.Layer):
                raise TypeError(
                    f"KerasAugmentation: layers={self.layers!r} holds {layer!r}, which "
                    "is not a Keras layer"
                )

    def augment_image(self, image: Images, rng: np.random.Generator) -> Images:
        return self._augment_images(image[np.newaxis], rng)[0]

    def _augment_images(self, images: Images, rng: np.random.Generator) -> Images:
        from keras import ops

        x = ops.convert_to_tensor(images, "float32")
        for layer in _flat(self.layers):
            # Layers may compute in less than float32.
            x = ops.cast(_copy(layer, rng)(x, training=True), "float32")
            if tuple(x.shape) != images.shape:
                raise ValueError(
                    f"augment: the layer {layer.name!r}, a {type(layer).__name__}, "
                    f"makes {tuple(x.shape)} of images of the shape {images.shape}, "
                    "but must not change the shape"
                )
        changed = ops.convert_to_numpy(x)
        return np.clip(np.rint(changed), 0, 255).astype(np.uint8)

    # A layer itself cannot be saved without pickling code: Keras describes it.

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
    # Layers without a seed may not be able to describe themselves.
    if not hasattr(layer, "seed"):
        return layer
    config = layer.get_config()
    if "seed" not in config:
        return layer
    # Without the highest bit, which not all of Keras' backends take.
    seed = int(rng.integers(2**31))
    return type(layer).from_config({**config, "seed": seed})
