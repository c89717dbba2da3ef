"""Writer of ONNX files, for engines that run without Keras.

The format is a protocol buffer: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
This module only supports what a chain of convolutions needs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_OPSET, _IR_VERSION = 13, 8

# Types of elements and of attributes.
FLOAT, UINT8 = 1, 2
_AN_INT, _INTS = 2, 7


class Graph:
    """A graph that is built node by node."""

    def __init__(self, input_shape: Sequence[int | str], dtype: int = FLOAT) -> None:
        self.input_shape, self.dtype = input_shape, dtype
        self._nodes: list[bytes] = []
        self._tensors: list[bytes] = []

    def node(self, kind: str, *inputs: str, **attributes: int | Sequence[int]) -> str:
        """Add a node and return the name of its output."""
        output = f"{kind}_{len(self._nodes)}"
        message = b"".join(_text(1, name) for name in inputs) + _text(2, output)
        message += _text(4, kind)
        for name, value in attributes.items():
            message += _field(5, _text(1, name) + _value(value))
        self._nodes.append(_field(1, message))
        return output

    def tensor(self, values: NDArray) -> str:
        """Add a constant and return its name."""
        name = f"tensor_{len(self._tensors)}"
        values = np.ascontiguousarray(values, dtype="<f4")
        message = b"".join(_number(1, side) for side in values.shape)
        message += _number(2, FLOAT) + _text(8, name) + _field(9, values.tobytes())
        self._tensors.append(_field(5, message))
        return name

    def to_bytes(self, output: str, output_shape: Sequence[int | str]) -> bytes:
        """Return the model, whose input is named "input"."""
        graph = b"".join(self._nodes) + _text(2, "network") + b"".join(self._tensors)
        graph += _field(11, _described("input", self.input_shape, self.dtype))
        graph += _field(12, _described(output, output_shape, FLOAT))
        opset = _field(8, _text(1, "") + _number(2, _OPSET))
        return _number(1, _IR_VERSION) + opset + _field(7, graph)


def metadata(key: str, value: str) -> bytes:
    """Return an entry of metadata, to be appended to a model."""
    return _field(14, _text(1, key) + _text(2, value))


def _described(name: str, shape: Sequence[int | str], dtype: int) -> bytes:
    sides = b"".join(
        _field(1, _text(2, side) if isinstance(side, str) else _number(1, side))
        for side in shape
    )
    kind = _number(1, dtype) + _field(2, sides)
    return _text(1, name) + _field(2, _field(1, kind))


def _value(value: int | Sequence[int]) -> bytes:
    if isinstance(value, int):
        kind, written = _AN_INT, _number(3, value)
    else:
        kind, written = _INTS, b"".join(_number(8, each) for each in value)
    return written + _number(20, kind)


def _tag(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _number(number: int, value: int) -> bytes:
    return _tag(number, 0) + _varint(value)


def _text(number: int, value: str) -> bytes:
    return _field(number, value.encode())


def _field(number: int, content: bytes) -> bytes:
    return _tag(number, 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    parts.append(value)
    return bytes(parts)
