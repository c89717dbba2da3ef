"""Backbones by name, with their weights and preprocessing."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from sklearn.utils._param_validation import StrOptions

from . import _efficientnet_lite, _keras_hub, _meso, _resnext
from .exceptions import ModelFileError, WeightsError


class Backbone(NamedTuple):
    """Backbone of `keras.applications` or this package."""

    module: str  # with the preprocessing function
    builder: str
    size: int  # height and width of the training images in pixels
    smallest: int = 32  # minimum height and width
    has_imagenet: bool = True  # True if ImageNet weights are available

    @property
    def build(self) -> Callable[..., keras.Model]:
        """Function that builds the network."""
        return getattr(_OWN.get(self.module, keras.applications), self.builder)

    @property
    def preprocess(self) -> Callable[[Any], Any]:
        """Preprocessing of pixels from 0 to 255."""
        own = _OWN.get(self.module)
        return (own or getattr(keras.applications, self.module)).preprocess_input


# Networks that are not in `keras.applications`.
_OWN: dict[str, Any] = {
    "efficientnet_lite": _efficientnet_lite,
    "meso": _meso,
    "resnext": _resnext,
}

BACKBONES: dict[str, Backbone] = {
    "vgg16": Backbone("vgg16", "VGG16", 224),
    "vgg19": Backbone("vgg19", "VGG19", 224),
    "resnet50": Backbone("resnet", "ResNet50", 224),
    "resnet101": Backbone("resnet", "ResNet101", 224),
    "resnet152": Backbone("resnet", "ResNet152", 224),
    "resnet50_v2": Backbone("resnet_v2", "ResNet50V2", 224),
    "resnet101_v2": Backbone("resnet_v2", "ResNet101V2", 224),
    "resnet152_v2": Backbone("resnet_v2", "ResNet152V2", 224),
    "inception_v3": Backbone("inception_v3", "InceptionV3", 299, 75),
    "inception_resnet_v2": Backbone(
        "inception_resnet_v2", "InceptionResNetV2", 299, 75
    ),
    "xception": Backbone("xception", "Xception", 299, 71),
    "mobilenet": Backbone("mobilenet", "MobileNet", 224),
    "mobilenet_v2": Backbone("mobilenet_v2", "MobileNetV2", 224),
    "mobilenet_v3_small": Backbone("mobilenet_v3", "MobileNetV3Small", 224),
    "mobilenet_v3_large": Backbone("mobilenet_v3", "MobileNetV3Large", 224),
    "densenet121": Backbone("densenet", "DenseNet121", 224),
    "densenet169": Backbone("densenet", "DenseNet169", 224),
    "densenet201": Backbone("densenet", "DenseNet201", 224),
    "efficientnet_b0": Backbone("efficientnet", "EfficientNetB0", 224),
    "efficientnet_b1": Backbone("efficientnet", "EfficientNetB1", 240),
    "efficientnet_b2": Backbone("efficientnet", "EfficientNetB2", 260),
    "efficientnet_b3": Backbone("efficientnet", "EfficientNetB3", 300),
    "efficientnet_b4": Backbone("efficientnet", "EfficientNetB4", 380),
    "efficientnet_lite0": Backbone("efficientnet_lite", "EfficientNetLite0", 224),
    "efficientnet_v2_b0": Backbone("efficientnet_v2", "EfficientNetV2B0", 224),
    "efficientnet_v2_b1": Backbone("efficientnet_v2", "EfficientNetV2B1", 240),
    "efficientnet_v2_b2": Backbone("efficientnet_v2", "EfficientNetV2B2", 260),
    "efficientnet_v2_b3": Backbone("efficientnet_v2", "EfficientNetV2B3", 300),
    "efficientnet_v2_s": Backbone("efficientnet_v2", "EfficientNetV2S", 384),
    "convnext_tiny": Backbone("convnext", "ConvNeXtTiny", 224),
    "convnext_small": Backbone("convnext", "ConvNeXtSmall", 224),
    "convnext_base": Backbone("convnext", "ConvNeXtBase", 224),
    "resnext50": Backbone("resnext", "ResNeXt50", 224, has_imagenet=False),
    "meso4": Backbone("meso", "Meso4", 256, has_imagenet=False),
}


class BackboneName(StrOptions):
    """Parameter constraint: a name in `BACKBONES` or a KerasHub preset."""

    def __init__(self) -> None:
        super().__init__(set(BACKBONES))

    def is_satisfied_by(self, val: Any) -> bool:
        """Return whether a value is a valid name."""
        return _keras_hub.is_preset(val) or super().is_satisfied_by(val)

    def __str__(self) -> str:
        return f"{super().__str__()} or '{_keras_hub.PREFIX}PRESET'"


def trained_size(backbone: Any) -> tuple[int, int] | None:
    """Return the height and width of the training images, or None if unknown."""
    if _keras_hub.is_preset(backbone):
        return _keras_hub.image_size(backbone)
    if isinstance(backbone, str) and backbone in BACKBONES:
        return (BACKBONES[backbone].size,) * 2
    # Unknown names raise an error later.
    return getattr(backbone, "image_size", None)


def build_backbone(
    backbone: str | keras.Model | Callable[[], keras.Model],
    weights: str | None,
    random_state: int,
    frame_shape: tuple[Any, ...],
) -> keras.Model:
    """Build a backbone with its weights, without top and preprocessing.

    For a backbone given by name, `weights` is "imagenet" (pretrained weights, also for
    KerasHub presets), "reference" (weights of the reference detector), a path, or None
    for random weights. A Keras model is returned unchanged.
    """
    if isinstance(backbone, keras.Model):
        return backbone
    if not isinstance(backbone, str):
        network = backbone()
        if not isinstance(network, keras.Model):
            raise ValueError(
                f"backbone() must return a Keras model; got {type(network).__name__}."
            )
        return network
    if _keras_hub.is_preset(backbone):
        return _build_preset(backbone, weights, random_state, frame_shape)
    known = BACKBONES[backbone]
    if None not in frame_shape and min(frame_shape[:2]) < known.smallest:
        raise ValueError(
            f"X has images of {frame_shape[0]} x {frame_shape[1]} pixels, but "
            f"backbone={backbone!r} needs at least {known.smallest} x "
            f"{known.smallest}. Increase the size of the Resizer; {backbone!r} was "
            f"trained on {known.size} x {known.size} pixels."
        )
    if weights == "reference" and backbone != "efficientnet_lite0":
        raise ValueError(
            "weights='reference' needs backbone='efficientnet_lite0', as in the "
            f"reference detector; got backbone={backbone!r}."
        )
    if weights == "imagenet" and not known.has_imagenet:
        raise WeightsError(
            f"No ImageNet weights are available for {backbone!r}. Pass weights=None "
            "for random weights, or the path of a weights file."
        )
    with warnings.catch_warnings():
        # MobileNet warns that its weights are for another image size.
        warnings.filterwarnings("ignore", "`input_shape` is undefined", UserWarning)
        if weights == "imagenet":
            return _build_with_imagenet_weights(known.build, backbone, frame_shape)
        network = known.build(weights=None, include_top=False, input_shape=frame_shape)
    if weights == "reference":
        arrays = _efficientnet_lite.packaged_arrays("reference")
        _efficientnet_lite.set_arrays(network, arrays)
    else:
        _set_weights(network, weights, random_state, backbone)
    return network


def _build_preset(
    name: str, weights: str | None, random_state: int, frame_shape: tuple[Any, ...]
) -> keras.Model:
    pretrained = weights == "imagenet"
    network = _keras_hub.build_preset(name, frame_shape, pretrained=pretrained)
    if not pretrained:
        _set_weights(network, weights, random_state, name)
    return network


def _set_weights(
    network: keras.Model, weights: str | None, random_state: int, name: str
) -> None:
    """Load weights, or draw random weights if `weights` is None."""
    if weights is None:
        _randomize(network, random_state)
    else:
        load_weights(network, weights, name)


def _build_with_imagenet_weights(
    build: Callable[..., keras.Model], name: str, frame_shape: tuple[Any, ...]
) -> keras.Model:
    """Build a network of `keras.applications` with weights downloaded by Keras."""
    try:
        return build(weights="imagenet", include_top=False, input_shape=frame_shape)
    except ModelFileError:  # weights in this package
        raise
    except Exception as error:  # raised by Keras if a download fails
        home = os.environ.get("KERAS_HOME", os.path.join("~", ".keras"))
        folder = os.path.join(home, "models")
        found = re.search(r"/([^/\s]+\.h5)\b", str(error))
        file = repr(found.group(1)) if found else "the weights file"
        reason = str(error).rpartition(" -- ")[2]  # after the address
        raise WeightsError(
            f"The ImageNet weights of {name!r} cannot be downloaded ({reason}). On a "
            f"machine without internet access, copy {file} to the folder {folder!r} "
            "(set by the environment variable KERAS_HOME), or pass the path of a "
            "weights file as `weights`. weights=None uses random weights."
        ) from error


def load_weights(network: keras.Model, path: str, name: str) -> None:
    """Load a weights file; raise a WeightsError if it lacks any weights."""
    # Keras does not change weights that the file lacks. NaN marks these weights.
    for variable in network.weights:
        variable.assign(np.full(variable.shape, np.nan, dtype="float32"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network.load_weights(path)
    except Exception as error:  # its type depends on the file
        reason = str(error).partition("\n")[0].partition(". Example")[0]
        raise WeightsError(
            f"weights={path!r} does not contain the weights of {name!r} without its "
            f"top (include_top=False): {reason}"
        ) from error
    missing = [
        variable.path
        for variable in network.weights
        if not np.isfinite(keras.ops.convert_to_numpy(variable)).all()
    ]
    if missing:
        raise WeightsError(
            f"weights={path!r} does not contain finite values for {len(missing)} of "
            f"the {len(network.weights)} weights of {name!r}, such as {missing[0]!r}."
        )


def _randomize(network: keras.Model, random_state: int) -> None:
    """Draw random kernels (He et al., 2015), identical on all Keras backends."""
    rng = np.random.RandomState(random_state)
    by_channel = _depthwise_kernels(network)
    for variable in network.weights:
        if len(variable.shape) > 1:
            n_summed = 2 if variable.path in by_channel else -1
            fan_in = np.prod(variable.shape[:n_summed])
            kernel = rng.normal(scale=np.sqrt(2 / fan_in), size=variable.shape)
            variable.assign(kernel.astype("float32"))


def _depthwise_kernels(network: keras.Model) -> set[str]:
    """Return the paths of depthwise kernels."""
    kernels = set()
    for layer in network.layers:
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            kernels.add(layer.kernel.path)
        elif isinstance(layer, keras.layers.SeparableConv2D):
            kernels.add(layer.depthwise_kernel.path)
    return kernels


class Affine(NamedTuple):
    """Affine transformation of each channel, possibly in BGR order."""

    is_bgr: bool
    scale: list[float]
    offset: list[float]


def as_affine(preprocess: Callable[[Any], Any]) -> Affine:
    """Convert a `preprocess_input` function of Keras to an affine transformation."""
    black = np.zeros((1, 1, 1, 3), np.float32)
    offset = np.array(preprocess(black.copy()), np.float64).ravel()
    slopes = np.empty((3, 3))  # (output channel, input channel)
    for channel in range(3):
        image = black.copy()
        image[..., channel] = 255
        slopes[:, channel] = (np.ravel(preprocess(image)) - offset) / 255
    is_bgr = not slopes[0, 0]
    ordered = slopes[:, ::-1] if is_bgr else slopes
    scale = np.diag(ordered)
    gray = np.ravel(preprocess(np.full_like(black, 100)))
    straight = np.allclose(gray, 100 * scale + offset, atol=1e-3)
    if not np.allclose(ordered, np.diag(scale)) or not scale.all() or not straight:
        raise ValueError(f"{preprocess!r} is not a scaling of channels.")
    return Affine(is_bgr, scale.tolist(), offset.tolist())


def scale_pixels(
    inputs: Any, name: str, layer: str, backbone: keras.Model | None = None
) -> Any:
    """Apply the preprocessing of a backbone with standard Keras layers.

    For a KerasHub preset, also resize images to the input size of `backbone`, if fixed.
    """
    if backbone is not None and _keras_hub.is_preset(name):
        return _keras_hub.convert(inputs, name, backbone, layer)
    affine = as_affine(BACKBONES[name].preprocess)
    x = keras.ops.flip(inputs, axis=-1) if affine.is_bgr else inputs
    # Three axes, since Keras may be set to interpret one axis as channels first.
    scale = [[affine.scale]]
    return keras.layers.Rescaling(scale, affine.offset, dtype="float32", name=layer)(x)
