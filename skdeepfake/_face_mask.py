"""Slots: the places of frames in an array, all zeros where there is no face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def filled_slots(X: NDArray) -> NDArray[np.bool_]:
    """Return a mask of the slots that hold a face, which are not all zeros."""
    filled = np.empty(X.shape[:2], dtype=bool)
    for video, slots in enumerate(X):
        filled[video] = slots.reshape(len(slots), -1).any(axis=1)
    return filled
