"""Networks that turn images into features: built once a process, and shared."""

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

# Networks kept for the next featurizer that is equal: one is 50 to 400 MB.
_N_SHARED = 4
_shared: OrderedDict[Hashable, FeatureNetwork] = OrderedDict()
_lock = threading.Lock()

# Where Keras' description of a model says the name of a layer.
_NAMED = {"name", "keras_history", "input_layers", "output_layers"}


class Recipe(NamedTuple):
    """What features depend on, besides the images."""

    backbone: Any  # a name, a Keras model or a callable that builds one
    weights: str | None
    random_state: int
    preprocess: Any  # a bool, "bgr" or a callable
    engine: str

    @property
    def is_plain(self) -> bool:
        """Whether names and numbers say it all, so that nothing need be built."""
        return isinstance(self.backbone, str) and isinstance(
            self.preprocess, bool | str
        )


class FeatureNetwork:
    """A backbone with its preprocessing, for images of one size.

    The Keras model is built when needed, not where all features come from a cache.
    """

    def __init__(self, recipe: Recipe, frame_shape: tuple[int, ...]) -> None:
        self.recipe = recipe
        self.frame_shape = frame_shape
        self._lock = threading.RLock()

    @functools.cached_property
    def model(self) -> keras.Model:
        """From uint8 images to features, as one Keras model."""
        with float32(), channels_last():  # whatever networks are trained in
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
            raise ValueError(f"backbone gives {len(x)} outputs, but features are one")
        if len(x.shape) == 4:
            x = layers.Reshape((-1, x.shape[-1]))(x)
        if len(x.shape) not in (2, 3) or None in x.shape[1:]:
            raise ValueError(
                f"backbone gives an output of shape {tuple(x.shape)}, but features are "
                "of shape (images, channels), (images, positions, channels) or "
                "(images, height, width, channels)"
            )
        elif len(x.shape) == 3 and x.shape[1] is not None:
            self._tokens_of = backbone
        return keras.Model(inputs, x)

    # A backbone that gives tokens, or anything else that is not a map.
    _tokens_of: keras.Model | None = None

    def n_prefix(self, pooling: str) -> int:
        """Count the positions before those of the image: class token and registers."""
        if isinstance(self.recipe.backbone, str) and self.recipe.backbone in BACKBONES:
            return 0  # they give maps, and need not be built to know it
        with self._lock:
            n_positions = self.model.output_shape[1]
            if self._tokens_of is None:
                return 0
            return count_prefix_tokens(
                self._tokens_of, n_positions, self.frame_shape, pooling
            )

    @property
    def feature_shape(self) -> tuple[int, ...]:
        """Shape of an image's features: (positions, channels) or (channels,)."""
        with self._lock:
            return tuple(self.model.output_shape[1:])

    @property
    def identity(self) -> Hashable:
        """What distinguishes its features from those of any other network."""
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
        # One batch at a time: it keeps all cores busy, and the first one compiles.
        with self._lock:
            return self._compute(images)

    @functools.cached_property
    def _compute(self) -> Compute:
        return ENGINES[self.recipe.engine](self.model)


def shared_network(recipe: Recipe, frame_shape: tuple[int, ...]) -> FeatureNetwork:
    """Get the network of a recipe: the same one for equal recipes."""
    key: Hashable = recipe, frame_shape
    if isinstance(recipe.backbone, keras.Model):
        # By content: scikit-learn's `clone` copies it, and its owner may train it.
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
    """Hash a model's architecture and weights, whatever its layers are called."""
    architecture = _numbered(json.loads(model.to_json()), {})
    content = hashlib.sha256(json.dumps(architecture).encode())
    for weight in model.get_weights():
        content.update(np.ascontiguousarray(weight).data)
    return content.hexdigest()


def _numbered(part: Any, numbers: dict[str, int], *, named: bool = False) -> Any:
    """Put numbers for the names of layers, but not for a word that is alike: "relu"."""
    if isinstance(part, dict):
        return {
            # A policy of dtypes has a name as well, and it matters.
            key: value
            if key == "dtype"
            else _numbered(value, numbers, named=key in _NAMED)
            for key, value in part.items()
            # An address in memory, which parts may share by chance.
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
    """Get the preprocessing of a recipe's images, if there is any."""
    if callable(recipe.preprocess):
        return recipe.preprocess
    if recipe.preprocess == "bgr":
        return functools.partial(keras.ops.flip, axis=-1)
    if recipe.preprocess and _keras_hub.is_preset(recipe.backbone):
        return functools.partial(
            scale_pixels, name=recipe.backbone, layer="scaling", backbone=backbone
        )
    if recipe.preprocess and isinstance(recipe.backbone, str):
        # As a layer: an exported graph would take its constants for further inputs.
        return layers.Lambda(
            BACKBONES[recipe.backbone].preprocess,
            arguments={"data_format": "channels_last"},
        )
    return None


def _version(path: str) -> tuple[str, int, int, int]:
    """Tell which file lies there now."""
    try:
        with open(path, "rb") as file:
            found = os.stat(file.fileno())
    except OSError as error:
        raise WeightsError(
            f"weights={path!r} cannot be read: {error.strerror}; pass the path of a "
            "weights file, 'imagenet', or None for random weights"
        ) from error
    return path, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@functools.lru_cache(maxsize=16)
def _file_digest(path: str, size: int, mtime_ns: int, ctime_ns: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
