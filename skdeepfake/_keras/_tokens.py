"""Tokens of vision transformers and their pooling."""

from __future__ import annotations

import math
from typing import Any

import keras

POOLINGS = ("avg", "mean", "max", "cls", "cls_mean")

# Maximum number of tokens before the patches, more than in any known network.
_MOST_PREFIX_TOKENS = 17


def patch_size(network: keras.Model) -> tuple[int, int] | None:
    """Return the height and width of a patch, or None if unknown."""
    size = getattr(network, "patch_size", None)
    return (size, size) if isinstance(size, int) else size and tuple(size)


def input_size(network: keras.Model) -> tuple[Any, ...]:
    """Return the height and width of the input images, or None for variable sides."""
    inputs = getattr(network, "inputs", None)  # subclassed models have none
    return tuple(inputs[0].shape[1:3]) if inputs else (None, None)


def call_with(network: keras.Model, x: Any, **options: Any) -> Any:
    """Call a network with one input, which may be in a dictionary."""
    if isinstance(network, keras.Function):
        x = keras.tree.map_structure(lambda _: x, network.input)
    return network(x, **options)


def count_prefix_tokens(
    network: keras.Model, n_tokens: int, frame_shape: tuple[Any, ...], pooling: str
) -> int:
    """Return the number of tokens before the patches: class token and registers.

    This is the number of tokens that do not belong to the grid of patches. The patch
    size is the attribute `patch_size` of the network. Without it, the smallest divisor
    of the image size with at most `n_tokens` patches is used. If there is no such
    grid, "avg", "mean" and "max" pool all tokens, and the others raise a ValueError.
    """
    height, width = (
        own or given
        for own, given in zip(input_size(network), frame_shape, strict=False)
    )
    patch = patch_size(network)
    side = math.gcd(height, width)
    steps = [step for step in range(1, side + 1) if side % step == 0]
    patches = [(step, step) for step in steps] if patch is None else [patch]
    grids = ((height // rows) * (width // columns) for rows, columns in patches)
    n_patches = next((n for n in grids if n <= n_tokens), 0)
    most = n_patches // 2 if patch is None else _MOST_PREFIX_TOKENS
    if n_patches and n_tokens - n_patches <= min(most, _MOST_PREFIX_TOKENS):
        return n_tokens - n_patches
    if pooling in ("avg", "mean", "max"):
        return 0
    raise ValueError(
        f"backbone returns {n_tokens} tokens for images of {height} x {width} pixels. "
        "Expected a grid of patches, and at most a few tokens before the patches. Set "
        "the attribute `patch_size` of the model, or pool the tokens in the model."
    )


def pool_tokens(tokens: Any, pooling: str, n_prefix: int, xp: Any) -> Any:
    """Pool the tokens of each image into one vector, with NumPy or `keras.ops`.

    Registers, which lie between the class token and the patches, are ignored.
    """
    patches = tokens[:, n_prefix:]
    if pooling == "max":
        return xp.max(patches, axis=1)
    if pooling in ("avg", "mean"):
        return xp.mean(patches, axis=1)
    if not n_prefix:
        raise ValueError(
            f"pooling={pooling!r} needs a class token, but the backbone returns only "
            "patches. Use pooling='avg'."
        )
    if pooling == "cls":
        return tokens[:, 0]
    return xp.concatenate([tokens[:, 0], xp.mean(patches, axis=1)], axis=-1)
