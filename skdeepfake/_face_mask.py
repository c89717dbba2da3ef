"""Mask of the slots with a face. Other slots are all zeros."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def filled_slots(X: NDArray) -> NDArray[np.bool_]:
    """Return a mask of shape (n_videos, n_slots) of the slots with a face."""
    filled = np.empty(X.shape[:2], dtype=bool)
    for video, slots in enumerate(X):
        filled[video] = slots.reshape(len(slots), -1).any(axis=1)
    return filled
