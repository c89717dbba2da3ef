"""The networks of `keras.applications` by their short names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras


class Backbone(NamedTuple):
    """A network of `keras.applications`, and what it wants."""

    module: str  # where it lives, beside the preprocessing that it was trained with
    builder: str
    size: int  # height and width that it was trained on, in pixels
    smallest: int = 32  # that it takes

    @property
    def build(self) -> Callable[..., keras.Model]:
        """Get the function that builds it."""
        return getattr(keras.applications, self.builder)

    @property
    def preprocess(self) -> Callable[[Any], Any]:
        """Get its preprocessing, of pixels between 0 and 255."""
        return getattr(keras.applications, self.module).preprocess_input


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
    "efficientnet_v2_b0": Backbone("efficientnet_v2", "EfficientNetV2B0", 224),
    "efficientnet_v2_b1": Backbone("efficientnet_v2", "EfficientNetV2B1", 240),
    "efficientnet_v2_b2": Backbone("efficientnet_v2", "EfficientNetV2B2", 260),
    "efficientnet_v2_b3": Backbone("efficientnet_v2", "EfficientNetV2B3", 300),
    "efficientnet_v2_s": Backbone("efficientnet_v2", "EfficientNetV2S", 384),
    "convnext_tiny": Backbone("convnext", "ConvNeXtTiny", 224),
    "convnext_small": Backbone("convnext", "ConvNeXtSmall", 224),
    "convnext_base": Backbone("convnext", "ConvNeXtBase", 224),
}
