"""Batches of frames or of videos, drawn from their array without copying it."""

from __future__ import annotations

import math

import keras
import numpy as np
from numpy.typing import NDArray


def frame_index(filled: NDArray[np.bool_], videos: NDArray) -> tuple[NDArray, ...]:
    """Tell where single frames lie.

    Parameters
    ----------
    filled : ndarray of bool, shape (n_videos, n_slots)
        Which slots hold a face.
    videos : ndarray of int
        The videos whose frames are wanted.

    Returns
    -------
    videos, slots : ndarray of int, shape (n_parts,)
        One part a face: its video and its slot.
    """
    chosen = np.zeros_like(filled)
    chosen[videos] = filled[videos]
    return np.nonzero(chosen)


def sequence_index(filled: NDArray[np.bool_], videos: NDArray) -> tuple[NDArray, ...]:
    """Tell where the frames of whole videos lie, those with a face first.

    So what is missing stands at the end, whatever slots were empty: that is where
    the fast recurrent kernels of GPUs want it.

    Parameters
    ----------
    filled : ndarray of bool, shape (n_videos, n_slots)
        Which slots hold a face.
    videos : ndarray of int
        The videos that are wanted.

    Returns
    -------
    videos : ndarray of int, shape (n_parts, 1)
        One part a video.
    slots : ndarray of int, shape (n_parts, length)
        The filled slots in their order, then empty ones up to the length of the
        longest.
    """
    length = filled[videos].sum(axis=1).max(initial=0)
    slots = np.argsort(~filled[videos], axis=1, kind="stable")[:, :length]
    return videos[:, np.newaxis], slots


class Batches(keras.utils.PyDataset):
    """Batches of the parts of `X` that `index` names.

    Parameters
    ----------
    X : ndarray
        All videos; may be memory-mapped.
    index : tuple of ndarray of int, each of n_parts entries
        `X` is indexed with their k-th entries for the k-th part, as `frame_index`
        and `sequence_index` give them.
    y, weight : ndarray of n_parts numbers
        Target and loss weight of each part.
    batch_size : int
        Parts in a batch; the last one may be smaller.
    rng : RandomState or None
        Draws a new order every epoch; None keeps the order.
    """

    def __init__(
        self,
        X: NDArray,
        index: tuple[NDArray, ...],
        y: NDArray,
        weight: NDArray,
        *,
        batch_size: int,
        rng: np.random.RandomState | None = None,
    ) -> None:
        super().__init__()
        self.X = X
        self.index = index
        self.y = y.reshape(-1, 1).astype("float32")
        self.weight = weight.reshape(-1).astype("float32")
        self.batch_size = batch_size
        self.rng = rng
        self.order = np.arange(len(y))
        self.on_epoch_end()

    @property
    def num_batches(self) -> int:
        """Number of batches an epoch."""
        return math.ceil(len(self.order) / self.batch_size)

    def __getitem__(self, number: int) -> tuple[NDArray, NDArray, NDArray]:
        parts = self.order[number * self.batch_size : (number + 1) * self.batch_size]
        frames = self.X[tuple(axis[parts] for axis in self.index)]
        return frames, self.y[parts], self.weight[parts]

    def on_epoch_end(self) -> None:
        """Draw the order of the next epoch."""
        if self.rng is not None:
            self.order = self.rng.permutation(len(self.order))
