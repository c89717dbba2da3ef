"""Batches of frames or of videos, drawn from their array without copying it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray


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


class Batch(NamedTuple):
    """What a network is given in one step, a part a row."""

    frames: NDArray
    y: NDArray  # of shape (n_parts, 1)
    weight: NDArray  # of shape (n_parts,)
    present: NDArray | None = None  # of shape (n_parts, n_frames), for sequences


# Changes a batch, by what it draws from the generator.
Change = Callable[[Batch, np.random.Generator], Batch]


class Batches(keras.utils.PyDataset):
    """Batches of the parts of `X` that `index` names."""

    def __init__(
        self,
        X: NDArray,
        index: tuple[NDArray, ...],
        y: NDArray,
        weight: NDArray,
        *,
        batch_size: int,
        rng: np.random.RandomState | None = None,
        present: NDArray | None = None,
        changes: Sequence[Change] = (),
        seed: int | None = None,
        multiple: int = 1,
    ) -> None:
        super().__init__()
        self.X = X
        self.index = index
        self.y = y.reshape(-1, 1).astype("float32")
        self.weight = weight.reshape(-1).astype("float32")
        self.batch_size = batch_size
        self.rng = rng
        self.present = present
        self.changes = changes
        self.seed: Any = np.random.SeedSequence(seed).entropy
        self.multiple = multiple
        self.epoch = 0
        self.order = np.arange(len(y))
        self._draw_order()

    @property
    def num_batches(self) -> int:
        """Number of batches an epoch."""
        return math.ceil(len(self.order) / self.batch_size)

    def __getitem__(self, number: int) -> tuple:
        parts = self.order[number * self.batch_size : (number + 1) * self.batch_size]
        batch = Batch(
            self.X[tuple(axis[parts] for axis in self.index)],
            self.y[parts],
            self.weight[parts],
            None if self.present is None else self.present[parts],
        )
        batch = _filled_up(batch, self.multiple)
        if self.changes:
            rng = np.random.default_rng((self.seed, self.epoch, number))
            for change in self.changes:
                batch = change(batch, rng)
        frames, y, weight, present = batch
        return (frames if present is None else (frames, present)), y, weight

    def on_epoch_end(self) -> None:
        """Draw the order of the next epoch, and what changes its batches."""
        if self.rng is not None:
            self.epoch += 1
            self._draw_order()

    def _draw_order(self) -> None:
        if self.rng is not None:
            self.order = self.rng.permutation(len(self.order))


def _filled_up(batch: Batch, multiple: int) -> Batch:
    """Repeat the first part, with no weight, up to a multiple of so many."""
    missing = -len(batch.y) % multiple
    if not missing:
        return batch
    numbers = [*range(len(batch.y)), *[0] * missing]
    # The loss is divided by the number of all of them.
    weight = batch.weight[numbers] * np.float32(len(numbers) / len(batch.y))
    weight[len(batch.y) :] = 0
    present = None if batch.present is None else batch.present[numbers]
    return Batch(batch.frames[numbers], batch.y[numbers], weight, present)
