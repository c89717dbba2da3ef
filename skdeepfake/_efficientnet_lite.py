"""EfficientNet-lite0, which `keras.applications` lacks, in Keras and ONNX."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._onnx import FLOAT, UINT8, Graph
from ._packaged_weights import read_packaged

if TYPE_CHECKING:
    import keras

# Repetitions, kernel size, stride, expansion and channels of each stage.
_STAGES = (
    *((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80)),
    *((3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)),
)

_STEM, _TOP = 32, 1280

#: Constant of batch normalization.
EPSILON = 1e-3

#: Name of the last layer of a detector.
HEAD = "probability_of_fake"

#: Preprocessing: (pixels - MEAN) / SCALE.
MEAN, SCALE = 127.0, 128.0

#: Name of the ImageNet weights in this package.
IMAGENET = "efficientnet_lite0_imagenet"


class _Convolution(NamedTuple):
    """Convolution, followed by batch normalization and optionally by ReLU6."""

    name: str
    kernel: int
    inputs: int
    outputs: int
    stride: int = 1
    depthwise: bool = False
    relu: bool = True
    begins: bool = False  # first convolution of a residual block
    adds: bool = False  # last convolution of a block, followed by the addition

    def padding(self, sides: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return the padding before and after each side, like padding="same"."""
        amounts = [
            max((-(-side // self.stride) - 1) * self.stride + self.kernel - side, 0)
            for side in sides
        ]
        before = [amount // 2 for amount in amounts]
        return before, [
            amount - first for amount, first in zip(amounts, before, strict=True)
        ]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the weights in Keras."""
        last = 1 if self.depthwise else self.outputs
        kernel = (self.kernel, self.kernel, self.inputs, last)
        parts = "gamma", "beta", "moving_mean", "moving_variance"
        return {
            f"{self.name}_conv/kernel": kernel,
            **{f"{self.name}_bn/{part}": (self.outputs,) for part in parts},
        }


def convolutions() -> Iterator[_Convolution]:
    """Yield the convolutions in order."""
    yield _Convolution("stem", 3, 3, _STEM, 2)
    n_inputs, number = _STEM, 0
    for repetitions, kernel, first_stride, expansion, n_outputs in _STAGES:
        for repetition in range(repetitions):
            name, stride = f"block{number}", 1 if repetition else first_stride
            adds = stride == 1 and n_inputs == n_outputs
            wide = n_inputs * expansion
            if expansion > 1:
                yield _Convolution(f"{name}_expand", 1, n_inputs, wide, begins=True)
            yield _Convolution(
                f"{name}_depthwise", kernel, wide, wide, stride, depthwise=True
            )
            yield _Convolution(
                f"{name}_project", 1, wide, n_outputs, relu=False, adds=adds
            )
            n_inputs = n_outputs
            number += 1
    yield _Convolution("top", 1, n_inputs, _TOP)


def preprocess_input(x: Any, data_format: str | None = "channels_last") -> Any:
    """Scale pixels from 0 to 255 as in the training on ImageNet."""
    return (x - MEAN) / SCALE


def EfficientNetLite0(
    *,
    weights: str | None = "imagenet",
    include_top: bool = False,
    input_shape: tuple[int | None, ...] | None = None,
) -> keras.Model:
    """Build EfficientNet-lite0 without its classifier.

    It is EfficientNet-B0 with ReLU6 and without squeeze-and-excitation. The "imagenet"
    weights are included in this package.
    """
    import keras
    from keras import layers

    if include_top:
        raise ValueError("include_top=True is not supported.")
    x = inputs = keras.Input(input_shape or (None, None, 3))
    for step in convolutions():
        if step.begins:
            shortcut = x
        how = {"strides": step.stride, "padding": "same", "use_bias": False}
        how["name"] = f"{step.name}_conv"
        if step.depthwise:
            x = layers.DepthwiseConv2D(step.kernel, **how)(x)
        else:
            x = layers.Conv2D(step.outputs, step.kernel, **how)(x)
        x = layers.BatchNormalization(epsilon=EPSILON, name=f"{step.name}_bn")(x)
        if step.relu:
            x = layers.ReLU(6.0, name=f"{step.name}_relu")(x)
        if step.adds:
            x = layers.Add(name=f"{step.name}_add")([shortcut, x])
    network = keras.Model(inputs, x, name="efficientnet_lite0")
    if weights == "imagenet":
        set_arrays(network, packaged_arrays(IMAGENET))
    elif weights is not None:
        network.load_weights(weights)
    return network


def packaged_arrays(name: str) -> dict[str, NDArray]:
    """Read the arrays of a weights file in this package."""
    return dict(np.load(io.BytesIO(read_packaged(name)), allow_pickle=False))


def set_arrays(network: keras.Model, arrays: Mapping[str, NDArray]) -> None:
    """Set the weights of a network by name."""
    network.set_weights([arrays[_key(w)].astype("float32") for w in network.weights])


def to_arrays(network: keras.Model) -> dict[str, NDArray]:
    """Return the weights of a network by name."""
    import keras

    return {_key(w): keras.ops.convert_to_numpy(w) for w in network.weights}


def _key(weight: Any) -> str:
    return "/".join(weight.path.split("/")[-2:])


def detector_shapes() -> dict[str, tuple[int, ...]]:
    """Return the shape of each weight of a detector with this backbone."""
    shapes = {f"{HEAD}/kernel": (_TOP, 1), f"{HEAD}/bias": (1,)}
    for step in convolutions():
        shapes.update(step.shapes())
    return shapes


def detector_to_onnx(
    arrays: Mapping[str, NDArray],
    size: tuple[int, int],
    *,
    include_top: bool = True,
    of_pixels: bool = False,
) -> bytes:
    """Convert a detector with this backbone to ONNX.

    The input is preprocessed images of shape (n, 3, height, width). The output is
    logits of shape (n, 1) or, without the top, the last feature maps, of shape (n,
    channels, rows, columns). With `of_pixels`, the input is uint8 images of shape (n,
    height, width, 3), and the output is probabilities. Batch normalization is folded
    into the convolutions.
    """
    x = "input"
    if of_pixels:
        graph = Graph(("n", *size, 3), UINT8)
        x = graph.node("Cast", x, to=FLOAT)
        x = graph.node("Sub", x, graph.tensor(np.float32(MEAN)))
        x = graph.node("Div", x, graph.tensor(np.float32(SCALE)))
        x = graph.node("Transpose", x, perm=[0, 3, 1, 2])
    else:
        graph = Graph(("n", 3, *size))
    zero, six = graph.tensor(np.float32(0)), graph.tensor(np.float32(6))
    sides = size
    for step in convolutions():
        if step.begins:
            shortcut = x
        gamma, beta, mean, variance = (
            arrays[name].astype(np.float64) for name in list(step.shapes())[1:]
        )
        factor = gamma / np.sqrt(variance + EPSILON)
        kernel = arrays[f"{step.name}_conv/kernel"].astype(np.float64)
        kernel = kernel.transpose((2, 3, 0, 1) if step.depthwise else (3, 2, 0, 1))
        before, after = step.padding(sides)
        x = graph.node(
            "Conv",
            x,
            graph.tensor(kernel * factor[:, np.newaxis, np.newaxis, np.newaxis]),
            graph.tensor(beta - mean * factor),
            group=step.outputs if step.depthwise else 1,
            kernel_shape=[step.kernel] * 2,
            pads=before + after,
            strides=[step.stride] * 2,
        )
        sides = (-(-sides[0] // step.stride), -(-sides[1] // step.stride))
        if step.relu:
            x = graph.node("Clip", x, zero, six)
        if step.adds:
            x = graph.node("Add", shortcut, x)
    if not include_top:
        return graph.to_bytes(x, ("n", _TOP, *sides))
    x = graph.node("GlobalAveragePool", x)
    x = graph.node("Flatten", x, axis=1)
    head = [graph.tensor(arrays[f"{HEAD}/{part}"]) for part in ("kernel", "bias")]
    x = graph.node("Gemm", x, *head)
    if of_pixels:
        x = graph.node("Sigmoid", x)
    return graph.to_bytes(x, ("n", 1))
