"""Networks in files: what is asked for when they are written, and allowed when read.

Keras' own safe mode keeps Python code from being run, and has had holes all the same:
classes and functions by any name (CVE-2025-1550), functions that fetch files
(CVE-2025-8747), layers that read them (CVE-2025-12058), links from the weights to other
files. So what comes from elsewhere is checked here before Keras sees it: a network may
be made of what the detectors are made of, and of nothing else.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

from .._zip_members import read_members, write_members
from ..exceptions import ModelFileError, UntrustedModelError

# Whether the state of optimizers is written along.
keeps_optimizer: ContextVar[bool] = ContextVar("keeps_optimizer", default=False)

# What a network may be made of besides `COMPONENTS`; None asks for no check at all.
# A pickle is not checked: it runs code anyway, and networks of subclasses are in it.
trusted_components: ContextVar[frozenset[str] | None] = ContextVar(
    "trusted_components", default=None
)


def _of(module: str, names: str) -> list[str]:
    return [f"{module}.{name}" for name in names.split()]


# All that Keras writes of the networks of the paper's detectors, with any parameters.
OF_THE_PAPER = frozenset(
    [
        *("__keras_tensor__", "keras.DTypePolicy"),
        "keras.src.models.functional.Functional",
        *_of("keras.layers", "InputLayer Rescaling Masking Flatten Reshape Dense"),
        *_of("keras.layers", "Conv2D Conv2DTranspose MaxPooling2D LSTM GRU"),
        *_of("keras.layers", "Bidirectional Activation LeakyReLU"),
        *_of("keras.layers", "BatchNormalization Dropout"),
        *_of("keras.initializers", "GlorotUniform Orthogonal Zeros Ones"),
        *("keras.src.ops.core.Cast", *_of("keras.src.ops.numpy", "Any Mean NotEqual")),
    ]
)

# What those of `keras.applications` are made of besides, and what is put around them.
OF_BACKBONES = frozenset(
    [
        "keras.Sequential",
        *_of("keras.layers", "ReLU LayerNormalization Normalization ZeroPadding2D"),
        *_of("keras.layers", "DepthwiseConv2D SeparableConv2D AveragePooling2D"),
        *_of("keras.layers", "GlobalAveragePooling2D GlobalMaxPooling2D"),
        *_of("keras.layers", "Add Multiply Concatenate Resizing UnitNormalization"),
        *_of("keras.initializers", "VarianceScaling TruncatedNormal"),
        *_of("keras.src.ops.numpy", "Add Flip Multiply"),
        "keras.src.applications.convnext.LayerScale",
        "keras.src.applications.inception_resnet_v2.CustomScaleLayer",
    ]
)

# Layers of the vision transformers of KerasHub, which are built of Keras' own.
OF_KERAS_HUB = frozenset(
    f"keras_hub.src.models.{name}.{name}_layers.{layer}"
    for name, names in {
        "clip": "CLIPVisionEmbedding CLIPEncoderLayer",
        "dinov2": "DINOV2Embedding DINOV2Encoder",
        "dinov3": "DINOV3Embedding DINOV3Encoder DINOV3RopePositionEmbedding",
        "siglip": "SigLIPVisionEmbedding SigLIPEncoderLayer "
        "SigLIPMultiHeadAttentionPooling",
    }.items()
    for layer in names.split()
)

# Keras' own layers that users may pass to `KerasAugmentation`.
OF_AUGMENTATION = frozenset(
    f"keras.layers.Random{name}"
    for name in ("Flip", "Rotation", "Translation", "Zoom", "Brightness", "Contrast")
)

# Layers of this package, and what is put around them in networks of whole videos.
OF_VIDEOS = frozenset(
    [
        *_of("skdeepfake._keras._layers", "CBAM FramesOfVideos VideosOfFrames"),
        "skdeepfake._keras._layers.TokenPooling",
        *_of("keras.src.ops.numpy", "Absolute Cumsum Divide Subtract Sum TrueDivide"),
        "keras.src.ops.nn.Sigmoid",
        "keras.src.ops.numpy.Split",
        "keras.layers.UpSampling2D",
    ]
)

COMPONENTS = OF_THE_PAPER | OF_BACKBONES | OF_VIDEOS | OF_AUGMENTATION | OF_KERAS_HUB

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_MEMBERS = sorted(["metadata.json", _CONFIG, _WEIGHTS])

_NO_LAYERS = ("__keras_tensor__", "DTypePolicy")

# How Keras names what it shall look up, in the description of a network.
_NAMING = ("module", "class_name", "registered_name")

_MAX_BYTES = 2**22  # of a description

# Layers that a network may run, those of networks in it once for each of their calls.
_MAX_CALLS = 3_000

# Elements of what a layer gives for one sample.
_MAX_OUTPUT = 2**26

# Weights that are not in the file: those of augmentations, and states of generators.
_MAX_UNSAVED = 2**16


def check_network(archive: Any) -> Any:
    """Return a network to be loaded, which is checked where that is asked for."""
    if trusted_components.get() is None:
        return archive
    if not isinstance(archive, bytes):
        raise ModelFileError(f"its network is of type {type(archive).__name__}")
    members = read_members(archive)
    if sorted(members) != _MEMBERS:
        raise UntrustedModelError(
            f"its network is an archive of {sorted(members)}, and not of {_MEMBERS}"
        )
    if len(members[_CONFIG]) > _MAX_BYTES:
        raise UntrustedModelError(
            f"the description of its network has more than {_MAX_BYTES} bytes"
        )
    description = json.loads(members[_CONFIG])
    check_description(description)
    check_size(description, _check_weights(members[_WEIGHTS]))
    return write_members({**members, "metadata.json": b"{}"})


def check_description(part: Any) -> None:
    """Check what Keras would build something of, where that is asked for."""
    trusted = trusted_components.get()
    if trusted is None:
        return
    known = COMPONENTS | trusted
    unknown = sorted({names[0] for names in _named(part) if known.isdisjoint(names)})
    if unknown:
        raise UntrustedModelError(
            f"its network is made of {', '.join(unknown)}, which the networks of "
            "skdeepfake are not. If you know what that is and trust it, name it in "
            "`trusted`"
        )
    if _n_calls(part) > _MAX_CALLS:
        raise UntrustedModelError(f"its network runs more than {_MAX_CALLS} layers")


def _n_calls(part: Any) -> int:
    """Count the layers that building a network runs."""
    if isinstance(part, (list, tuple)):
        return sum(map(_n_calls, part))
    if not isinstance(part, dict):
        return 0
    if part.get("unroll") is True:
        raise UntrustedModelError("its network has a recurrent layer with unroll=True")
    nodes = part.get("inbound_nodes")
    n_nodes = max(len(nodes), 1) if isinstance(nodes, list) else 1
    is_layer = "class_name" in part and part["class_name"] not in _NO_LAYERS
    is_layer = is_layer and part.get("module") != "keras.initializers"
    return n_nodes * (is_layer + sum(map(_n_calls, part.values())))


def check_size(description: Any, n_weights: int) -> None:
    """Refuse networks of more weights than their file has, before they are made."""
    if trusted_components.get() is None:
        return
    with ThreadPoolExecutor(1) as executor:
        # Keras keeps weights without values for each thread, and makes them later.
        size, output = executor.submit(_size, description).result()
    if size > n_weights + _MAX_UNSAVED:
        raise UntrustedModelError(
            f"its network has {size} weights, of which its file has {n_weights}"
        )
    if output > _MAX_OUTPUT:
        raise UntrustedModelError(
            f"a layer of its network gives {output} numbers for each sample"
        )


def _size(description: Any) -> tuple[int, int]:
    """Count the weights, and the elements of the largest output."""
    import keras

    with keras.StatelessScope(initialize_variables=False):
        made = keras.saving.deserialize_keras_object(description, safe_mode=True)
        layers = keras.tree.flatten(made)
        n_weights = sum(math.prod(v.shape) for one in layers for v in one.variables)
        outputs = [0]
        for operation in (
            op for one in layers for op in getattr(one, "operations", ())
        ):
            with contextlib.suppress(AttributeError):  # it has several, or none
                for tensor in keras.tree.flatten(operation.output):
                    outputs.append(math.prod(filter(None, tensor.shape)))
        return n_weights, max(outputs)


def _named(part: Any) -> Iterator[tuple[str, ...]]:
    """Yield the names of everything that a description has Keras look up.

    One of them has to be trusted: a registered class has two.
    """
    if isinstance(part, str) and ">" in part:
        yield (
            part,
        )  # so registered classes are named, where a plain word may stand too
    elif isinstance(part, (list, tuple)):
        for item in part:
            yield from _named(item)
    elif isinstance(part, dict):
        if any(key in part for key in _NAMING):
            module, name, registered = (part.get(key) for key in _NAMING)
            internal = module is None and str(name).startswith("__")
            path = str(name) if internal else f"{module}.{name}"
            # Keras looks for the registered name first. Where a model was copied or
            # pickled, scikeras has registered its class by its name alone.
            if registered in (None, name, f">{name}"):
                yield (path,)
            elif _path_of_registered(registered) == path:
                yield path, registered
            else:  # not what it claims to be, or not imported
                yield from ((path,), (str(registered),))
        for key, value in part.items():
            if key not in _NAMING:
                yield from _named(value)


def _path_of_registered(name: Any) -> str | None:
    """Return module and name of the class that is registered under a name."""
    import keras

    found = keras.saving.get_registered_object(name) if isinstance(name, str) else None
    return f"{found.__module__}.{found.__name__}" if isinstance(found, type) else None


def _check_weights(content: bytes) -> int:
    """Count the weights in a file; refuse those that lie anywhere else."""
    import h5py

    pending, seen, n_bytes, n_weights = [""], set(), 0, 0
    with h5py.File(io.BytesIO(content), "r") as file:
        while pending:
            place = pending.pop()
            found = file[place or "/"]
            address = h5py.h5o.get_info(found.id).addr
            if address in seen:
                raise UntrustedModelError(f"its weights are linked: {place!r}")
            seen.add(address)
            if isinstance(found, h5py.Group):
                for name in found:
                    if not isinstance(found.get(name, getlink=True), h5py.HardLink):
                        raise UntrustedModelError(
                            f"its weights {f'{place}/{name}'!r} are a link"
                        )
                    pending.append(f"{place}/{name}")
                continue
            if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "fiub":
                raise UntrustedModelError(f"its weights {place!r} are no numbers")
            # Filters are plugins of their own; only chunks go through them.
            if found.external or found.is_virtual or found.chunks:
                raise UntrustedModelError(
                    f"its weights {place!r} are not stored as they are in their place"
                )
            n_bytes += found.nbytes
            n_weights += found.size
    if n_bytes > len(content):
        raise UntrustedModelError(
            f"its weights are {n_bytes} bytes, in a file of {len(content)}"
        )
    return n_weights
