"""Networks that compute features of images, shared within a process."""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from .. import _keras_hub
from .._backbones import BACKBONES, build_backbone, scale_pixels
from .._keras._compiled import Compute
from .._keras._precision import channels_last, float32
from .._keras._tokens import call_with, count_prefix_tokens
from ..exceptions import WeightsError
from ._engines import ENGINES

# Maximum number of networks kept in memory. Each takes 50 to 400 MB.
_N_SHARED = 4
_shared: OrderedDict[Hashable, FeatureNetwork] = OrderedDict()
_lock = threading.Lock()

# Keys of layer names in the JSON description of a Keras model.
_NAMED = {"name", "keras_history", "input_layers", "output_layers"}


class Recipe(NamedTuple):
    """Parameters that determine the features of an image."""

    backbone: Any  # a name, a Keras model or a callable that builds one
    weights: str | None
    random_state: int
    preprocess: Any  # a bool, "bgr" or a callable
    engine: str

    @property
    def is_plain(self) -> bool:
        """True if the cache key can be computed without building the network."""
        return isinstance(self.backbone, str) and isinstance(
            self.preprocess, bool | str
        )


class FeatureNetwork:
    """Backbone with its preprocessing, for images of one size.

    The Keras model is only built if features are not in the cache.
    """

    def __init__(self, recipe: Recipe, frame_shape: tuple[int, ...]) -> None:
        self.recipe = recipe
        self.frame_shape = frame_shape
        self._lock = threading.RLock()

    @functools.cached_property
    def model(self) -> keras.Model:
        """Keras model from uint8 images to features."""
        with float32(), channels_last():
            return self._build()

    def _build(self) -> keras.Model:
        inputs = keras.Input(self.frame_shape, dtype="uint8")
        x = keras.ops.cast(inputs, "float32")
        backbone = build_backbone(*self.recipe[:3], self.frame_shape)
        preprocess = _preprocessing(self.recipe, backbone)
        if preprocess is not None:
            x = preprocess(x)
        x = call_with(backbone, x, training=False)
        if isinstance(x, (list, tuple, dict)):
            raise ValueError(f"backbone must have one output; got {len(x)}.")
        if len(x.shape) == 4:
            x = layers.Reshape((-1, x.shape[-1]))(x)
        if len(x.shape) not in (2, 3) or None in x.shape[1:]:
            raise ValueError(
                "backbone must have an output of shape (images, channels), (images, "
                "positions, channels) or (images, height, width, channels); got "
                f"{tuple(x.shape)}."
            )
        elif len(x.shape) == 3 and x.shape[1] is not None:
            self._tokens_of = backbone
        return keras.Model(inputs, x)

    # Backbone that returns tokens instead of feature maps, or None.
    _tokens_of: keras.Model | None = None

    def n_prefix(self, pooling: str) -> int:
        """Return the number of class and register tokens before the patch tokens."""
        if isinstance(self.recipe.backbone, str) and self.recipe.backbone in BACKBONES:
            return 0  # feature maps
        with self._lock:
            n_positions = self.model.output_shape[1]
            if self._tokens_of is None:
                return 0
            return count_prefix_tokens(
                self._tokens_of, n_positions, self.frame_shape, pooling
            )

    @property
    def feature_shape(self) -> tuple[int, ...]:
        """Shape of the features of an image: (positions, channels) or (channels,)."""
        with self._lock:
            return tuple(self.model.output_shape[1:])

    @property
    def identity(self) -> Hashable:
        """Cache key of the features."""
        recipe = self.recipe
        if not recipe.is_plain:
            with self._lock:
                return digest(self.model), recipe.engine
        if recipe.weights == "imagenet":
            weights = "imagenet"
        elif recipe.weights is None:
            weights = f"random {recipe.random_state}"
        else:
            weights = _file_digest(*_version(recipe.weights))
        return recipe._replace(weights=weights, random_state=0)

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute the features of a batch of images."""
        # Run one batch at a time, since it uses all cores.
        with self._lock:
            return self._compute(images)

    @functools.cached_property
    def _compute(self) -> Compute:
        return ENGINES[self.recipe.engine](self.model)


def shared_network(recipe: Recipe, frame_shape: tuple[int, ...]) -> FeatureNetwork:
    """Return the network for a recipe. Equal recipes share a network."""
    key: Hashable = recipe, frame_shape
    if isinstance(recipe.backbone, keras.Model):
        # Use the content of a model, since `clone` copies it and users may train it.
        key = recipe._replace(backbone=digest(recipe.backbone)), frame_shape
    elif isinstance(recipe.weights, str) and recipe.weights != "imagenet":
        key = recipe, frame_shape, _version(recipe.weights)
    with _lock:
        if key not in _shared:
            if isinstance(recipe.backbone, keras.Model):
                recipe = recipe._replace(backbone=copy.deepcopy(recipe.backbone))
            _shared[key] = FeatureNetwork(recipe, frame_shape)
            if len(_shared) > _N_SHARED:
                _shared.popitem(last=False)
        _shared.move_to_end(key)
        return _shared[key]


def digest(model: keras.Model) -> str:
    """Hash the architecture and weights of a model, but not its layer names."""
    architecture = _numbered(json.loads(model.to_json()), {})
    content = hashlib.sha256(json.dumps(architecture).encode())
    for weight in model.get_weights():
        content.update(np.ascontiguousarray(weight).data)
    return content.hexdigest()


def _numbered(part: Any, numbers: dict[str, int], *, named: bool = False) -> Any:
    """Replace layer names with numbers, but keep other strings such as "relu"."""
    if isinstance(part, dict):
        return {
            # Keep the names of dtype policies.
            key: value
            if key == "dtype"
            else _numbered(value, numbers, named=key in _NAMED)
            for key, value in part.items()
            # Skip memory addresses.
            if key != "shared_object_id"
        }
    if isinstance(part, list):
        return [_numbered(item, numbers, named=named) for item in part]
    if named and isinstance(part, str):
        return numbers.setdefault(part, len(numbers))
    return part


def _preprocessing(
    recipe: Recipe, backbone: keras.Model
) -> Callable[[Any], Any] | None:
    """Return the preprocessing of a recipe, or None."""
    if callable(recipe.preprocess):
        return recipe.preprocess
    if recipe.preprocess == "bgr":
        return functools.partial(keras.ops.flip, axis=-1)
    if recipe.preprocess and _keras_hub.is_preset(recipe.backbone):
        return functools.partial(
            scale_pixels, name=recipe.backbone, layer="scaling", backbone=backbone
        )
    if recipe.preprocess and isinstance(recipe.backbone, str):
        # Use a layer, since constants would become inputs of an exported graph.
        return layers.Lambda(
            BACKBONES[recipe.backbone].preprocess,
            arguments={"data_format": "channels_last"},
        )
    return None


def _version(path: str) -> tuple[str, int, int, int]:
    """Return the path, size and modification times of a weights file."""
    try:
        with open(path, "rb") as file:
            found = os.stat(file.fileno())
    except OSError as error:
        raise WeightsError(
            f"weights={path!r} cannot be read: {error.strerror}. Pass the path of a "
            "weights file, 'imagenet', or None for random weights."
        ) from error
    return path, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@functools.lru_cache(maxsize=16)
def _file_digest(path: str, size: int, mtime_ns: int, ctime_ns: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
