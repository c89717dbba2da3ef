"""Augmentations applied to batches of faces."""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np

from ._base import BaseAugmentation, Images
from ._presets import PRESETS, make_preset


def resolve(augment: Any, seed: int | None = None) -> list[BaseAugmentation]:
    """Make the augmentations that an `augment` parameter names.

    Parameters
    ----------
    augment : str, BaseAugmentation, or list or tuple of BaseAugmentation
        The name of a preset, or augmentations.
    seed : int or None
        Not used.

    Returns
    -------
    list of BaseAugmentation

    Raises
    ------
    TypeError
        If `augment` is or holds anything else.
    ValueError
        If it is not the name of a preset, is empty, or holds an augmentation whose
        parameters are out of range.
    """
    known = (
        f"one of the presets {', '.join(PRESETS)}, an augmentation or a list of them"
    )
    if isinstance(augment, str):
        if augment not in PRESETS:
            raise ValueError(f"augment={augment!r} must be {known}")
        return make_preset(augment)
    parts = list(augment) if isinstance(augment, (list, tuple)) else [augment]
    for part in parts:
        if not isinstance(part, BaseAugmentation):
            within = "" if part is augment else f", which holds {part!r},"
            advice = ". Wrap Keras layers in KerasAugmentation" * _is_layer(part)
            raise TypeError(f"augment={augment!r}{within} must be {known}{advice}")
        part._validate_params()
    if not parts:
        raise ValueError(f"augment={augment!r} is empty: it must be {known}")
    return parts


def _is_layer(part: Any) -> bool:
    # Without importing Keras: where there is a layer, it was imported.
    return "keras" in sys.modules and isinstance(
        part, sys.modules["keras"].layers.Layer
    )


class Augmenter:
    """Apply augmentations to batches of faces, one after the other.

    It may be called from several threads.

    Parameters
    ----------
    augment : str, BaseAugmentation, or list or tuple of BaseAugmentation
        As `resolve` takes it.
    seed : int or None, default=None
        Seed of the batches that are given no `rng`, which differ from call to call.
    """

    def __init__(self, augment: Any, seed: int | None = None) -> None:
        self.augmentations = resolve(augment)
        self._rng = np.random.default_rng(seed)
        self._lock = threading.Lock()

    def __call__(
        self, images: Images, rng: np.random.Generator | None = None
    ) -> Images:
        """Augment a batch.

        Parameters
        ----------
        images : ndarray of uint8, shape (n, height, width, 3)
            Faces, RGB. Those that are all zeros stay all zeros.
        rng : Generator or None, default=None
            Source of random numbers of this batch.

        Returns
        -------
        ndarray of uint8, shape (n, height, width, 3)
            A new array.
        """
        if rng is None:
            with self._lock:
                rng = np.random.default_rng(self._rng.integers(2**63))
        for augmentation in self.augmentations:
            images = augmentation(images, rng)
        return images
