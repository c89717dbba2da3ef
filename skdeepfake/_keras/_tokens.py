"""Tokens of vision transformers, and their pooling."""

from __future__ import annotations

import math
from typing import Any

import keras

POOLINGS = ("avg", "mean", "max", "cls", "cls_mean")

# More tokens than any network has before those of the patches.
_MOST_PREFIX_TOKENS = 17


def patch_size(network: keras.Model) -> tuple[int, int] | None:
    """Return the height and width of a patch, if the network tells them."""
    size = getattr(network, "patch_size", None)
    return (size, size) if isinstance(size, int) else size and tuple(size)


def input_size(network: keras.Model) -> tuple[Any, ...]:
    """Return the height and width of the images that a network takes; None for any."""
    inputs = getattr(network, "inputs", None)  # a model of a subclass has none
    return tuple(inputs[0].shape[1:3]) if inputs else (None, None)


def call_with(network: keras.Model, x: Any, **options: Any) -> Any:
    """Call a network of one input, which may have a name."""
    if isinstance(network, keras.Function):
        x = keras.tree.map_structure(lambda _: x, network.input)
    return network(x, **options)


def count_prefix_tokens(
    network: keras.Model, n_tokens: int, frame_shape: tuple[Any, ...], pooling: str
) -> int:
    """Count the tokens that precede those of the patches: class token and registers.

    They are what a grid of patches leaves over. Patches have the size that the network
    tells as `patch_size`, or else the smallest that divides images and gives no more
    tokens than there are. A sequence of another kind has none, and only "avg" and "max"
    can pool it.
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
    if pooling in ("avg", "max"):
        return 0
    raise ValueError(
        f"backbone gives {n_tokens} tokens for images of {height} x {width} pixels, "
        "which are no grid of patches with a few tokens before it: set the attribute "
        "`patch_size` of the model, or let it pool its tokens"
    )


def pool_tokens(tokens: Any, pooling: str, n_prefix: int, xp: Any) -> Any:
    """Make one vector of the tokens of each image, by NumPy or `keras.ops`.

    Registers, between the class token and the patches, are left out.
    """
    patches = tokens[:, n_prefix:]
    if pooling == "max":
        return xp.max(patches, axis=1)
    if pooling in ("avg", "mean"):
        return xp.mean(patches, axis=1)
    if not n_prefix:
        raise ValueError(
            f"pooling={pooling!r} takes the class token, but the backbone gives "
            "nothing besides its patches: use 'avg'"
        )
    if pooling == "cls":
        return tokens[:, 0]
    return xp.concatenate([tokens[:, 0], xp.mean(patches, axis=1)], axis=-1)
