"""ResNeXt-50 (32x4d), which `keras.applications` lacks."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

# Per stage: number of blocks, channels of the grouped convolutions.
_STAGES = ((3, 128), (4, 256), (6, 512), (3, 1024))
_GROUPS, _EPSILON = 32, 1e-5


def preprocess_input(x: Any, data_format: str | None = "channels_last") -> Any:
    """Standardize pixels from 0 to 255 with ImageNet's mean and deviation."""
    return keras.applications.densenet.preprocess_input(x, data_format)


def ResNeXt50(
    *,
    weights: str | None = None,
    include_top: bool = False,
    input_shape: tuple[int | None, ...] | None = None,
) -> keras.Model:
    """Build ResNeXt-50 with 32 groups of 4 channels, without its classifier.

    The padding is the same as in PyTorch, so that PyTorch weights can be converted.

    References
    ----------
    Xie et al., "Aggregated residual transformations for deep neural networks", CVPR
    2017.
    """
    x = inputs = keras.Input(input_shape or (None, None, 3))
    x = _convolve(x, 64, 7, "stem", strides=2)
    x = layers.ZeroPadding2D(1)(x)  # zero is the minimum after a ReLU
    x = layers.MaxPooling2D(3, 2)(x)
    for stage, (n_blocks, width) in enumerate(_STAGES, start=1):
        for block in range(n_blocks):
            name = f"stage{stage}_block{block + 1}"
            strides = 2 if stage > 1 and block == 0 else 1
            shortcut = x
            if block == 0:
                shortcut = _convolve(
                    x, 2 * width, 1, f"{name}_shortcut", strides=strides, relu=False
                )
            x = _convolve(x, width, 1, f"{name}_reduce")
            x = _convolve(
                x, width, 3, f"{name}_grouped", strides=strides, groups=_GROUPS
            )
            x = _convolve(x, 2 * width, 1, f"{name}_expand", relu=False)
            x = layers.ReLU()(layers.Add()([x, shortcut]))
    return keras.Model(inputs, x, name="resnext50")


def _convolve(
    x: Any,
    filters: int,
    kernel: int,
    name: str,
    *,
    strides: int = 1,
    groups: int = 1,
    relu: bool = True,
) -> Any:
    if kernel > 1:
        x = layers.ZeroPadding2D(kernel // 2)(x)
    x = layers.Conv2D(
        filters,
        kernel,
        strides=strides,
        groups=groups,
        use_bias=False,
        name=f"{name}_conv",
    )(x)
    x = layers.BatchNormalization(epsilon=_EPSILON, momentum=0.9, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x
