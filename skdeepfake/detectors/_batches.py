"""Batches of frames, drawn from the array of videos without copying it."""

from __future__ import annotations

import math

import keras
import numpy as np
from numpy.typing import NDArray


def filled_slots(X: NDArray) -> NDArray[np.bool_]:
    """Tell which slots hold a face: those that are not all zeros.

    Parameters
    ----------
    X : ndarray of shape (n_videos, n_slots, ...)
        Frames or features. Read video by video, so that an array on disk does
        not come into memory as a whole.

    Returns
    -------
    ndarray of bool, shape (n_videos, n_slots)
        True where there is a face.
    """
    filled = np.empty(X.shape[:2], dtype=bool)
    for video, slots in enumerate(X):
        filled[video] = slots.reshape(len(slots), -1).any(axis=1)
    return filled


class Batches(keras.utils.PyDataset):
    """Batches of the parts of `X` that `index` names.

    Parameters
    ----------
    X : ndarray
        All videos; may be memory-mapped.
    index : tuple of ndarray of int, each of shape (n_parts,)
        `X` is indexed with their k-th entries for the k-th part: video and slot
        for single frames, the video alone for whole sequences.
    y, weight : ndarray of shape (n_parts,)
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
        self.weight = weight.astype("float32")
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
