"""Where in an array of videos the frames with a face are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class PersonRows:
    """Videos as if each person were one: slots of one person are a row."""

    def __init__(self, X: NDArray, n_people: int) -> None:
        self.X, self.n_people = X, n_people
        self.shape = (len(X) * n_people, X.shape[1] // n_people, *X.shape[2:])
        self.dtype = X.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: tuple[NDArray, ...]) -> NDArray:
        rows, slots = index
        return self.X[
            rows // self.n_people, slots * self.n_people + rows % self.n_people
        ]


def frame_index(filled: NDArray[np.bool_], videos: NDArray) -> tuple[NDArray, ...]:
    """Find the frames with a face: their videos and slots, of shape (n_frames,)."""
    chosen = np.zeros_like(filled)
    chosen[videos] = filled[videos]
    return np.nonzero(chosen)


def sequence_index(filled: NDArray[np.bool_], videos: NDArray) -> tuple[NDArray, ...]:
    """Find the frames of whole videos, those with a face first.

    Returns videos of shape (n_videos, 1) and slots of shape (n_videos, length), filled
    slots in their order, then empty ones: what is missing stands at the end, where the
    fast recurrent kernels of GPUs want it.
    """
    length = filled[videos].sum(axis=1).max(initial=0)
    slots = np.argsort(~filled[videos], axis=1, kind="stable")[:, :length]
    return videos[:, np.newaxis], slots


def frames_and_fillers(
    filled: NDArray[np.bool_], videos: NDArray
) -> tuple[tuple[NDArray, ...], NDArray[np.float32]]:
    """Find the frames of whole videos, with the first face in place of missing ones.

    What normalizes batches would count empty frames in. Also returns an array of shape
    (n_videos, length) that is 0 for such frames, else 1.
    """
    videos, slots = sequence_index(filled, videos)
    present = filled[videos, slots]
    slots = np.where(present, slots, slots[:, :1])
    return (videos, slots), present.astype(np.float32)
