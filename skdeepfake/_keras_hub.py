"""Presets of KerasHub as backbones, with their preprocessing."""

from __future__ import annotations

import contextlib
import functools
from typing import Any

import keras

from ._keras._tokens import input_size, patch_size
from .exceptions import WeightsError

PREFIX = "keras_hub:"


def is_preset(name: Any) -> bool:
    """Return True if a backbone is the name of a preset of KerasHub."""
    return isinstance(name, str) and name.startswith(PREFIX)


def import_keras_hub() -> Any:
    """Import KerasHub; the error names the extra that installs it."""
    try:
        import keras_hub
    except ImportError as error:
        raise ImportError(
            "backbones of KerasHub need keras-hub: pip install 'skdeepfake[hub]'"
        ) from error
    return keras_hub


def build_preset(
    name: str, frame_shape: tuple[Any, ...], *, pretrained: bool
) -> keras.Model:
    """Load a preset. Rebuild a vision transformer for this image size if possible."""
    models = import_keras_hub().models
    network = _load(name, models.Backbone, load_weights=pretrained)
    # Models such as CLIP and SigLIP also have a text encoder, which is not needed.
    network = getattr(network, "vision_encoder", network)
    patch = patch_size(network)
    if patch is None:
        return network
    size = frame_shape[:2]
    if None in size or any(map(int.__mod__, size, patch)):
        size = image_size(name) or input_size(network)
    return _remade(network, tuple(size))


def _remade(network: keras.Model, size: tuple[int, int]) -> keras.Model:
    """Rebuild a network for images of another size and the global dtype policy."""
    policy = keras.config.dtype_policy().name
    own = input_size(network), network.dtype_policy.name
    # Another size fails if images must be square or positions cannot be interpolated.
    for wanted in ((size, policy), (own[0], policy)):
        if wanted == own:
            break
        settings = {"image_shape": (*wanted[0], 3), "dtype": policy}
        with contextlib.suppress(ValueError):
            remade = type(network).from_config({**network.get_config(), **settings})
            pairs = zip(
                network._flatten_layers(), remade._flatten_layers(), strict=True
            )
            # These methods make DINOv2 interpolate its positions.
            for layer, other in pairs:
                kept: dict[str, Any] = {}
                layer.save_own_variables(kept)
                other.load_own_variables(kept)
            return remade
    return network


def image_size(name: str) -> tuple[int, int] | None:
    """Return the height and width that a preset was trained on, or None if unknown."""
    return _converter(name).image_size


def convert(x: Any, name: str, network: keras.Model, layer: str) -> Any:
    """Resize and scale pixels from 0 to 255 like the image converter of a preset.

    Keras can load the layers without KerasHub. Images are resized to the input size of
    `network`, if fixed.
    """
    converter = _converter(name)
    size = input_size(network)
    if None not in size and size != tuple(x.shape[1:3]):
        x = keras.layers.Resizing(
            *size,
            interpolation=converter.interpolation,
            antialias=converter.antialias,
            crop_to_aspect_ratio=converter.crop_to_aspect_ratio,
            pad_to_aspect_ratio=converter.pad_to_aspect_ratio,
            data_format="channels_last",
            dtype="float32",
            name=f"{layer}_size",
        )(x)
    scale, offset = (
        default if value is None else value
        for value, default in ((converter.scale, 1.0), (converter.offset, 0.0))
    )
    # Three axes, since Keras may be set to interpret one axis as channels first.
    scale = [[list(scale)]] if isinstance(scale, (list, tuple)) else scale
    offset = list(offset) if isinstance(offset, (list, tuple)) else offset
    return keras.layers.Rescaling(scale, offset, dtype="float32", name=layer)(x)


@functools.lru_cache(maxsize=16)
def _converter(name: str) -> Any:
    return _load(name, import_keras_hub().layers.ImageConverter)


def _load(name: str, what: Any, **options: Any) -> Any:
    preset = name.removeprefix(PREFIX)
    try:
        return what.from_preset(preset, **options)
    except Exception as error:  # its type depends on where the preset is stored
        reason = str(error).partition("\n")[0]
        raise WeightsError(
            f"the preset {preset!r} of KerasHub cannot be loaded ({reason}). Without "
            "internet access, save its backbone and image converter with "
            f"save_to_preset on another machine, and pass '{PREFIX}FOLDER'."
        ) from error
