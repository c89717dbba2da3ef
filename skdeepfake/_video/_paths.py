"""The check of the first step's input: a one-dimensional array-like of paths."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

__all__ = ["check_paths"]


def check_paths(X: Any, *, caller: str) -> list[str]:
    """Give the paths in `X` as a list of str, in their order.

    Whether the files exist is not looked at.
    """
    expected = (
        f"{caller} expects a one-dimensional array-like of paths (str or os.PathLike)"
    )
    if isinstance(X, (str, bytes, os.PathLike)):
        raise ValueError(
            f"{expected}, got the single path {X!r}. Put it in a list: [{X!r}]."
        )
    shape = getattr(X, "shape", None)
    if shape is not None and len(shape) != 1:
        raise ValueError(f"{expected}, got an array of shape {tuple(shape)}.")
    if shape is None and not isinstance(X, Sequence):
        raise TypeError(f"{expected}, got {type(X).__name__}.")
    if len(X) == 0:
        # The words of scikit-learn's own check.
        raise ValueError(
            "Found array with 0 sample(s) (shape=(0,)) while a minimum of 1 is "
            f"required by {caller}."
        )
    return [_check_path(path, i, expected) for i, path in enumerate(X)]


def _check_path(path: Any, position: int, expected: str) -> str:
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else path
    if not isinstance(text, str):
        raise TypeError(
            f"{expected}, but the element at position {position} is "
            f"{path!r}, of type {type(path).__name__}."
        )
    if not text:
        raise ValueError(
            f"{expected}, but the element at position {position} is an empty string."
        )
    return str(text)  # NumPy's str_ becomes a plain str
