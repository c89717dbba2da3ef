"""The preprocessing of backbones, as what a Keras layer can say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Affine(NamedTuple):
    """Channels reordered or not, then each multiplied by a number and moved."""

    is_bgr: bool
    scale: list[float]
    offset: list[float]


def as_affine(preprocess: Callable[[Any], Any]) -> Affine:
    """Find out what a preprocessing does with RGB pixels.

    Parameters
    ----------
    preprocess : callable
        A `preprocess_input` of `keras.applications`: all of them scale channels and
        move them, and some make RGB to BGR.

    Returns
    -------
    Affine
        The same, of the channels in the order that it makes.

    Raises
    ------
    ValueError
        If it does anything else.
    """
    black = np.zeros((1, 1, 1, 3), np.float32)
    offset = np.array(preprocess(black.copy()), np.float64).ravel()
    slopes = np.empty((3, 3))  # of the channels that come out by those that go in
    for channel in range(3):
        image = black.copy()
        image[..., channel] = 255
        slopes[:, channel] = (np.ravel(preprocess(image)) - offset) / 255
    is_bgr = not slopes[0, 0]
    ordered = slopes[:, ::-1] if is_bgr else slopes
    scale = np.diag(ordered)
    grey = np.ravel(preprocess(np.full_like(black, 100)))
    straight = np.allclose(grey, 100 * scale + offset, atol=1e-3)
    if not np.allclose(ordered, np.diag(scale)) or not scale.all() or not straight:
        raise ValueError(f"{preprocess!r} is no scaling of channels")
    return Affine(is_bgr, scale.tolist(), offset.tolist())
