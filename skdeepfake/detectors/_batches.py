"""Batches of frames or videos from an array."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import joblib
import keras
import numpy as np
from numpy.typing import NDArray


class Batch(NamedTuple):
    """Input of a training step. Each row is a part: a frame or a video."""

    frames: NDArray
    y: NDArray  # of shape (n_parts, 1)
    weight: NDArray  # of shape (n_parts,)
    present: NDArray | None = None  # of shape (n_parts, n_frames), for sequences


# Function that returns a changed batch. It draws all random numbers from the generator.
Change = Callable[[Batch, np.random.Generator], Batch]


def without_missing(batch: Batch, rng: np.random.Generator) -> Batch:
    """Set the fillers of missing frames to zeros."""
    assert batch.present is not None
    there = batch.present.reshape(*batch.present.shape, *[1] * (batch.frames.ndim - 2))
    frames = batch.frames * there.astype(batch.frames.dtype)
    return batch._replace(frames=frames, present=None)


class Batches(keras.utils.PyDataset):
    """Batches of the frames or videos of `X` at `index`.

    A batch depends only on the seed, the epoch and its number. If there are `changes`,
    threads create batches in advance. These threads replace the `workers` of Keras,
    which pause for 0.1 s after each epoch and keep running if training is interrupted.
    """

    # Number of threads, and of batches that are created in advance.
    n_workers = min(4, joblib.cpu_count())

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
        self._threads = ThreadPoolExecutor(self.n_workers)  # started when used
        self._ahead: dict[int, Future[tuple]] = {}
        self._draw_order()

    @property
    def num_batches(self) -> int:
        """Number of batches per epoch."""
        return math.ceil(len(self.order) / self.batch_size)

    def __getitem__(self, number: int) -> tuple:
        if not self.changes:
            return self._make(number, self.epoch, self.order)
        ahead, last = self._ahead, min(number + self.n_workers, self.num_batches - 1)
        for n in range(number, last + 1):
            if n not in ahead:
                ahead[n] = self._threads.submit(self._make, n, self.epoch, self.order)
        return ahead.pop(number).result()

    def _make(self, number: int, epoch: int, order: NDArray) -> tuple:
        parts = order[number * self.batch_size : (number + 1) * self.batch_size]
        batch = Batch(
            self.X[tuple(axis[parts] for axis in self.index)],
            self.y[parts],
            self.weight[parts],
            None if self.present is None else self.present[parts],
        )
        batch = _filled_up(batch, self.multiple)
        if self.changes:
            rng = np.random.default_rng((self.seed, epoch, number))
            for change in self.changes:
                batch = change(batch, rng)
        frames, y, weight, present = batch
        return (frames if present is None else (frames, present)), y, weight

    def on_epoch_end(self) -> None:
        """Draw the order of the samples in the next epoch."""
        if self.rng is not None:
            self.epoch += 1
            self._ahead = {}
            self._draw_order()

    def _draw_order(self) -> None:
        if self.rng is not None:
            self.order = self.rng.permutation(len(self.order))


class FollowEpochs(keras.callbacks.Callback):
    """Draw the batches of the correct epoch when training resumes."""

    def __init__(self, batches: Batches, initial_epoch: int) -> None:
        super().__init__()
        self.batches, self.initial_epoch = batches, initial_epoch

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Store the difference between the epochs of the batches and of Keras."""
        self.first = self.batches.epoch - self.initial_epoch

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Skip epochs that were already trained."""
        while self.batches.epoch < self.first + epoch:
            self.batches.on_epoch_end()


def _filled_up(batch: Batch, multiple: int) -> Batch:
    """Pad a batch to a multiple of `multiple` rows with copies of weight 0."""
    missing = -len(batch.y) % multiple
    if not missing:
        return batch
    numbers = [*range(len(batch.y)), *[0] * missing]
    # Keras divides the loss by the number of rows, including padding.
    weight = batch.weight[numbers] * np.float32(len(numbers) / len(batch.y))
    weight[len(batch.y) :] = 0
    present = None if batch.present is None else batch.present[numbers]
    return Batch(batch.frames[numbers], batch.y[numbers], weight, present)
