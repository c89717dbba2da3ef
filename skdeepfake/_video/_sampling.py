"""Which frames of a video are sampled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def evenly_in_time(timestamps: NDArray[np.float64], n_frames: int) -> NDArray[np.intp]:
    """Choose the frames nearest to evenly spaced moments, none of them twice.

    The first and the last frame are among them; all, if there are no more.
    """
    n_existing = len(timestamps)
    if n_existing <= n_frames:
        return np.arange(n_existing)
    moments = np.linspace(timestamps[0], timestamps[-1], n_frames)
    after = np.searchsorted(timestamps, moments).clip(1, n_existing - 1)
    nearer_before = moments - timestamps[after - 1] <= timestamps[after] - moments
    nearest = after - nearer_before
    chosen = np.empty(n_frames, dtype=np.intp)
    previous = -1
    for slot, index in enumerate(nearest):
        # Where frames are sparse in time, two moments may be nearest to one frame:
        # take the next, and leave enough frames for the slots to come.
        last_possible = n_existing - (n_frames - slot)
        previous = min(max(index, previous + 1), last_possible)
        chosen[slot] = previous
    return chosen
