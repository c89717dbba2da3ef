"""Choice of the frames to sample from a video."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Sampling(NamedTuple):
    """Number and spacing of the frames to sample."""

    n_frames: int = 10
    burst: int = 1
    spacing: str = "even"

    @property
    def n_slots(self) -> int:
        """Maximum number of frames."""
        return self.n_frames * self.burst

    def reaches_end(self, n_chosen: int) -> bool:
        """Return whether the frames chosen by `choose` include the last frame."""
        return self.spacing == "even" and n_chosen != self.burst

    def choose(self, timestamps: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the indices of the frames to sample.

        With even spacing, bursts start at the frames nearest to evenly spaced times,
        and do not overlap. The first and the last frame are included. Short videos have
        fewer bursts.
        """
        n_existing = len(timestamps)
        if self.spacing == "paper":
            interval = n_existing / max(1, self.n_frames - 1)
            chosen = np.unique((interval * np.arange(self.n_frames)).astype(np.intp))
            return chosen[chosen < n_existing]
        n_moments = min(self.n_frames, n_existing // self.burst)
        if n_moments * self.burst == n_existing or not n_moments:
            return np.arange(n_existing)
        n_starts = n_existing - self.burst + 1
        moments = np.linspace(timestamps[0], timestamps[n_starts - 1], n_moments)
        after = np.searchsorted(timestamps[:n_starts], moments).clip(1, n_starts - 1)
        nearer_before = moments - timestamps[after - 1] <= timestamps[after] - moments
        nearest = after - nearer_before
        starts = np.empty(n_moments, dtype=np.intp)
        next_possible = 0
        for moment, index in enumerate(nearest):
            # Two moments may have the same nearest frame. Use the next one, but leave
            # enough frames for the remaining moments.
            last_possible = n_existing - (n_moments - moment) * self.burst
            starts[moment] = min(max(index, next_possible), last_possible)
            next_possible = starts[moment] + self.burst
        return np.add.outer(starts, np.arange(self.burst)).ravel()
