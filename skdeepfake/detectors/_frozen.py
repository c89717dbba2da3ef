"""Outputs of frozen layers, computed once and stored in a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from .._keras._compiled import Compute
from .._progress import progress


@contextmanager
def computed_once(
    compute: Compute,
    X: NDArray,
    filled: NDArray[np.bool_],
    videos: NDArray,
    *,
    batch_size: int,
    verbose: int = 0,
) -> Iterator[NDArray[np.float32]]:
    """Compute an output for each frame, and yield all outputs as a memory map."""
    wanted = np.zeros_like(filled)
    wanted[videos] = filled[videos]
    numbers, slots = np.nonzero(wanted)
    shape: tuple[int, ...] = ()
    with tempfile.TemporaryFile() as file:
        starts = range(0, len(numbers), batch_size)
        for start in progress(
            starts, desc="frozen layers", unit="batch", verbose=verbose
        ):
            part = slice(start, start + batch_size)
            rows = compute(X[numbers[part], slots[part]]).astype(np.float32)
            shape = filled.shape + rows.shape[1:]
            row_size = rows[0].nbytes
            # If the disk is full, `write` raises an error. A memory map would crash.
            for row, video, slot in zip(rows, numbers[part], slots[part], strict=True):
                file.seek((int(video) * filled.shape[1] + int(slot)) * row_size)
                file.write(row.tobytes())
        file.truncate(int(np.prod(filled.shape)) * row_size)
        file.flush()
        yield np.memmap(file, np.float32, mode="r", shape=shape)
