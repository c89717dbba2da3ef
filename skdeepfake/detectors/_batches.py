"""Batches of frames or of videos, drawn from their array without copying it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray


class Batch(NamedTuple):
    """What a network is given in one step, a part a row."""

    frames: NDArray
    y: NDArray  # of shape (n_parts, 1)
    weight: NDArray  # of shape (n_parts,)
    present: NDArray | None = None  # of shape (n_parts, n_frames), for sequences


# Changes a batch, by what it draws from the generator.
Change = Callable[[Batch, np.random.Generator], Batch]


def without_missing(batch: Batch, rng: np.random.Generator) -> Batch:
    """Replace what stands in for missing frames by zeros."""
    assert batch.present is not None
    there = batch.present.reshape(*batch.present.shape, *[1] * (batch.frames.ndim - 2))
    frames = batch.frames * there.astype(batch.frames.dtype)
    return batch._replace(frames=frames, present=None)


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


class FollowEpochs(keras.callbacks.Callback):
    """Draw what belongs to an epoch, where a training resumes at a later one."""

    def __init__(self, batches: Batches, initial_epoch: int) -> None:
        super().__init__()
        self.batches, self.initial_epoch = batches, initial_epoch

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Remember where the first epoch begins: Keras may have looked at batches."""
        self.first = self.batches.epoch - self.initial_epoch

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Pass over the epochs that were trained before."""
        while self.batches.epoch < self.first + epoch:
            self.batches.on_epoch_end()


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
