"""Copy backbones into larger networks, and divide them into blocks."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# A new block begins where the size of feature maps falls to this share or less. Pooling
# and strides halve the size, and convolutions without padding reduce it slightly.
_SMALLER = 0.6


class Block(NamedTuple):
    """Layers of a block, and the name of the operation before them."""

    layers: list[Any]
    before: str | None  # None for the input


def graft(backbone: keras.Model, x: Any) -> tuple[Any, list[Any]]:
    """Apply a copy of a backbone to a tensor, and return the output and the layers.

    Nested models are copied layer by layer.
    """
    copies: dict[int, tuple[Any, Any]] = {}
    names: set[str] = set()

    def copy_of(operation: Any) -> Any:
        if isinstance(operation, (keras.Sequential, keras.Function)):
            return functools.partial(run, operation)
        if id(operation) not in copies:
            config = operation.get_config()
            if isinstance(
                operation, (keras.layers.Rescaling, keras.layers.Normalization)
            ):
                config["dtype"] = "float32"  # float16 is too imprecise for pixels
            if config.get("name") in names:  # used in another nested model
                config["name"] = f"{config['name']}_{len(copies)}"
            try:
                copy = type(operation).from_config(config)
            except TypeError as error:  # such as the ViT of KerasHub 0.32
                raise ValueError(
                    "backbone cannot be trained, since its "
                    f"{type(operation).__name__} {operation.name!r} cannot be rebuilt "
                    "from its get_config(). Use a KerasFeaturizer or another backbone."
                ) from error
            names.add(copy.name)
            copies[id(operation)] = operation, copy
        return copies[id(operation)][1]

    def run(model: Any, x: Any, **options: Any) -> Any:
        if isinstance(model, keras.Sequential):
            for layer in model.layers:
                x = copy_of(layer)(x)
            return x
        return model._run_through_graph(x, operation_fn=copy_of)

    x = copy_of(backbone)(x)
    for original, copy in copies.values():
        if isinstance(original, keras.Layer):
            copy.set_weights(original.get_weights())
    return x, [copy for _, copy in copies.values()]


def paths_of(operations: list[Any]) -> list[list[Any]]:
    """Divide a backbone into parallel networks that are concatenated at its end.

    Most backbones are a single network.
    """
    *others, last = operations
    if not isinstance(last, keras.layers.Concatenate):
        return [operations]
    number = {id(operation): i for i, operation in enumerate(others)}
    edges = [
        (number[id(tensor._keras_history.operation)], i)
        for i, operation in enumerate(others)
        for node in operation._inbound_nodes
        for tensor in node.input_tensors
        if id(tensor._keras_history.operation) in number
    ]
    n = len(others)
    rows, columns = zip(*edges, strict=True) if edges else ((), ())
    graph = coo_array((np.ones(len(edges)), (rows, columns)), shape=(n, n))
    n_paths, labels = connected_components(graph, directed=False)
    if n_paths == 1:
        return [operations]
    return [
        [op for op, label in zip(others, labels, strict=True) if label == path]
        for path in range(n_paths)
    ]


def blocks_of(network: keras.Model, operations: list[Any]) -> list[Block]:
    """Divide a part of a network into consecutive blocks.

    A block begins where feature maps become smaller and a single tensor connects the
    layers before and after, such as after each pooling layer of VGG16. Layers without
    trainable weights belong to the previous block.
    """
    blocks: list[Block] = []
    side = math.inf
    for segment, before in _segments(network, {id(part) for part in operations}):
        shape = segment[-1].output.shape
        its_side = max(shape[1:3]) if len(shape) == 4 else 0
        learns = any(map(_learns, segment))
        learnt = bool(blocks) and any(map(_learns, blocks[-1].layers))
        if not blocks or (learnt and learns and its_side <= _SMALLER * side):
            blocks.append(Block([], before))
            side = its_side
        elif not learnt:
            side = its_side
        blocks[-1].layers.extend(segment)
    return blocks


def _learns(operation: Any) -> bool:
    # The weights of Normalization, a mean and a variance, are not trained.
    fixed = isinstance(operation, keras.layers.Normalization)
    return bool(getattr(operation, "weights", ())) and not fixed


def _segments(
    network: keras.Model, part: set[int]
) -> Iterator[tuple[list[Any], str | None]]:
    """Divide a part of a network wherever a single tensor connects its operations."""
    inside = [op for op in network.operations if id(op) in part]
    wanted: dict[int, int] = {}  # remaining number of uses of each tensor
    for operation in network.operations:
        for node in operation._inbound_nodes:
            for tensor in node.input_tensors:
                wanted[id(tensor)] = wanted.get(id(tensor), 0) + 1
    segment: list[Any] = []
    before: str | None = None
    pending: set[int] = set()
    for operation in inside:
        segment.append(operation)
        for node in operation._inbound_nodes:
            for tensor in node.input_tensors:
                wanted[id(tensor)] -= 1
                if not wanted[id(tensor)]:
                    pending.discard(id(tensor))
            pending.update(id(tensor) for tensor in node.output_tensors)
        if len(pending) == 1:
            yield segment, before
            segment, before = [], operation.name
    if segment:
        yield segment, before
