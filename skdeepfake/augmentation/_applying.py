"""Application of augmentations to batches of faces."""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np

from ._base import BaseAugmentation, Images
from ._presets import PRESETS, make_preset


def resolve(augment: Any) -> list[BaseAugmentation]:
    """Return the augmentations of an `augment` parameter as a list."""
    known = (
        f"a preset ({', '.join(PRESETS)}), an augmentation or a list of augmentations"
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
        raise ValueError(f"augment={augment!r} is empty; it must be {known}")
    return parts


def _is_layer(part: Any) -> bool:
    # Do not import Keras here: it has been imported if `part` is a layer.
    return "keras" in sys.modules and isinstance(
        part, sys.modules["keras"].layers.Layer
    )


class Augmenter:
    """Thread-safe application of augmentations to batches of faces."""

    def __init__(self, augment: Any, seed: int | None = None) -> None:
        self.augmentations = resolve(augment)
        self._rng = np.random.default_rng(seed)
        self._lock = threading.Lock()

    def __call__(
        self, images: Images, rng: np.random.Generator | None = None
    ) -> Images:
        """Apply the augmentations to a batch in order."""
        if rng is None:
            with self._lock:
                rng = np.random.default_rng(self._rng.integers(2**63))
        for augmentation in self.augmentations:
            images = augmentation(images, rng)
        return images
