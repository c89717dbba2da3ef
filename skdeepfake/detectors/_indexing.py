"""Indices of the frames with a face in an array of videos."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class PersonRows:
    """View of an array of videos with one row per person."""

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
    """Return the indices of the videos and slots of all frames with a face."""
    chosen = np.zeros_like(filled)
    chosen[videos] = filled[videos]
    return np.nonzero(chosen)


def sequence_index(filled: NDArray[np.bool_], videos: NDArray) -> tuple[NDArray, ...]:
    """Return the indices of videos and of their slots, with empty slots last.

    The indices have shapes (n_videos, 1) and (n_videos, length). Empty slots are at
    the end, as required by the fast recurrent kernels of GPUs.
    """
    length = filled[videos].sum(axis=1).max(initial=0)
    slots = np.argsort(~filled[videos], axis=1, kind="stable")[:, :length]
    return videos[:, np.newaxis], slots


def frames_and_fillers(
    filled: NDArray[np.bool_], videos: NDArray
) -> tuple[tuple[NDArray, ...], NDArray[np.float32]]:
    """Return the indices of videos and slots, and a mask of the frames with a face.

    The first face of a video replaces its missing frames, since empty frames would
    change the statistics of batch normalization. The mask has shape (n_videos, length),
    with 0 for missing frames and 1 for others.
    """
    videos, slots = sequence_index(filled, videos)
    present = filled[videos, slots]
    slots = np.where(present, slots, slots[:, :1])
    return (videos, slots), present.astype(np.float32)
