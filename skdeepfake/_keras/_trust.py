"""Checks of networks before they are saved or loaded.

The safe mode of Keras prevents the execution of Python code, but has had
vulnerabilities: classes and functions of any name (CVE-2025-1550), functions that
download files (CVE-2025-8747), layers that read files (CVE-2025-12058) and weights
that link to other files. Untrusted networks are therefore checked here first. They may
only contain components that the detectors use.
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

# If True, the state of optimizers is saved, too.
keeps_optimizer: ContextVar[bool] = ContextVar("keeps_optimizer", default=False)

# Components that a network may contain in addition to `COMPONENTS`. None disables all
# checks, as for pickles, which run code anyway and may contain subclassed models.
trusted_components: ContextVar[frozenset[str] | None] = ContextVar(
    "trusted_components", default=None
)


def _of(module: str, names: str) -> list[str]:
    return [f"{module}.{name}" for name in names.split()]


# Components of the paper's detectors. Any parameters are allowed.
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

# Additional components of `keras.applications` and of the layers around them.
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

# Layers of KerasHub's vision transformers, which consist of Keras layers.
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

# Keras layers for `KerasAugmentation`.
OF_AUGMENTATION = frozenset(
    f"keras.layers.Random{name}"
    for name in ("Flip", "Rotation", "Translation", "Zoom", "Brightness", "Contrast")
)

# Layers of this package, and operations used with them in networks for whole videos.
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

# Keys in the description of a network that name an object that Keras looks up.
_NAMING = ("module", "class_name", "registered_name")

_MAX_BYTES = 2**22  # size of the description of a network

# Maximum number of layers in a network. Nested networks count once per call.
_MAX_CALLS = 3_000

# Maximum number of values per sample in the output of a layer.
_MAX_OUTPUT = 2**26

# Maximum number of weights that are not in the file, such as those of augmentations.
_MAX_UNSAVED = 2**16


def check_network(archive: Any) -> Any:
    """Return the archive of a network, checked unless checks are disabled."""
    if trusted_components.get() is None:
        return archive
    if not isinstance(archive, bytes):
        raise ModelFileError(f"its network is of type {type(archive).__name__}")
    members = read_members(archive)
    if sorted(members) != _MEMBERS:
        raise UntrustedModelError(
            f"its network is an archive of {sorted(members)} instead of {_MEMBERS}"
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
    """Check the description of a network, unless checks are disabled."""
    trusted = trusted_components.get()
    if trusted is None:
        return
    known = COMPONENTS | trusted
    unknown = sorted({names[0] for names in _named(part) if known.isdisjoint(names)})
    if unknown:
        raise UntrustedModelError(
            f"its network contains {', '.join(unknown)}, which skdeepfake does not "
            "use. If you trust these components, pass their names as `trusted`."
        )
    if _n_calls(part) > _MAX_CALLS:
        raise UntrustedModelError(f"its network runs more than {_MAX_CALLS} layers")


def _n_calls(part: Any) -> int:
    """Return the number of layers that run when a network is built."""
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
    """Check that a network has no more weights than its file, before it is built."""
    if trusted_components.get() is None:
        return
    with ThreadPoolExecutor(1) as executor:
        # Keras stores uninitialized weights per thread and would initialize them later.
        size, output = executor.submit(_size, description).result()
    if size > n_weights + _MAX_UNSAVED:
        raise UntrustedModelError(
            f"its network has {size} weights, but its file has {n_weights}"
        )
    if output > _MAX_OUTPUT:
        raise UntrustedModelError(
            f"a layer of its network returns {output} numbers per sample"
        )


def _size(description: Any) -> tuple[int, int]:
    """Return the number of weights and the number of values in the largest output."""
    import keras

    with keras.StatelessScope(initialize_variables=False):
        made = keras.saving.deserialize_keras_object(description, safe_mode=True)
        layers = keras.tree.flatten(made)
        n_weights = sum(math.prod(v.shape) for one in layers for v in one.variables)
        outputs = [0]
        for layer in layers:
            for operation in getattr(layer, "operations", ()):
                with contextlib.suppress(AttributeError):  # several outputs, or none
                    for tensor in keras.tree.flatten(operation.output):
                        outputs.append(math.prod(filter(None, tensor.shape)))
        return n_weights, max(outputs)


def _named(part: Any) -> Iterator[tuple[str, ...]]:
    """Yield the names of each object that Keras looks up for a description.

    A registered class has two names, at least one of which must be trusted.
    """
    if isinstance(part, str) and ">" in part:  # the name of a registered class
        yield (part,)
    elif isinstance(part, (list, tuple)):
        for item in part:
            yield from _named(item)
    elif isinstance(part, dict):
        if any(key in part for key in _NAMING):
            module, name, registered = (part.get(key) for key in _NAMING)
            internal = module is None and str(name).startswith("__")
            path = str(name) if internal else f"{module}.{name}"
            # Keras looks up the registered name first. When a model is copied or
            # pickled, scikeras registers its class by the class name alone.
            if registered in (None, name, f">{name}"):
                yield (path,)
            elif _path_of_registered(registered) == path:
                yield path, registered
            else:  # another class than claimed, or not imported
                yield from ((path,), (str(registered),))
        for key, value in part.items():
            if key not in _NAMING:
                yield from _named(value)


def _path_of_registered(name: Any) -> str | None:
    """Return the module and name of the class that is registered under a name."""
    import keras

    found = keras.saving.get_registered_object(name) if isinstance(name, str) else None
    return f"{found.__module__}.{found.__name__}" if isinstance(found, type) else None


def _check_weights(content: bytes) -> int:
    """Check that a file contains all of its weights, and return their number."""
    import h5py

    pending, seen, n_bytes, n_weights = [""], set(), 0, 0
    with h5py.File(io.BytesIO(content), "r") as file:
        while pending:
            place = pending.pop()
            found = file[place or "/"]
            address = h5py.h5o.get_info(found.id).addr
            if address in seen:
                raise UntrustedModelError(
                    f"its weights {place!r} are stored under two names"
                )
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
                raise UntrustedModelError(f"its weights {place!r} are not numbers")
            # Chunks may have filters, which are plugins.
            if found.external or found.is_virtual or found.chunks:
                raise UntrustedModelError(
                    f"its weights {place!r} are not stored uncompressed in the file"
                )
            n_bytes += found.nbytes
            n_weights += found.size
    if n_bytes > len(content):
        raise UntrustedModelError(
            f"its weights have {n_bytes} bytes, but their file has {len(content)}"
        )
    return n_weights
