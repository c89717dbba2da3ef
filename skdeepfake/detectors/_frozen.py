"""What a frozen part of a network gives, computed once and kept in a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from .._compiled import Compute


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
    """Compute something of each frame, and keep it in a temporary file.

    Parameters
    ----------
    compute : callable
        From a batch of frames to an array of as many rows.
    X : ndarray of shape (n_videos, n_slots, ...)
        Frames; read batch by batch.
    filled : ndarray of bool, shape (n_videos, n_slots)
        Which slots hold a face.
    videos : ndarray of int
        The videos that are wanted.
    batch_size : int
        Frames in a batch.
    verbose : int, default=0
        1 shows a progress bar.

    Yields
    ------
    ndarray of float32, shape (n_videos, n_slots, ...)
        Mapped from the file, which goes with the context. What was not wanted, or is
        empty, is zero, and takes no place on a disk.

    Raises
    ------
    OSError
        If there is no place for it.
    """
    wanted = np.zeros_like(filled)
    wanted[videos] = filled[videos]
    numbers, slots = np.nonzero(wanted)
    shape: tuple[int, ...] = ()
    with tempfile.TemporaryFile() as file:
        for start in tqdm(
            range(0, len(numbers), batch_size),
            desc="frozen layers",
            unit="batch",
            disable=verbose < 1,
        ):
            part = slice(start, start + batch_size)
            rows = compute(X[numbers[part], slots[part]]).astype(np.float32)
            shape = filled.shape + rows.shape[1:]
            row_size = rows[0].nbytes
            # Written, not mapped: a full disk is then an error, and not a crash.
            for row, video, slot in zip(rows, numbers[part], slots[part], strict=True):
                file.seek((int(video) * filled.shape[1] + int(slot)) * row_size)
                file.write(row.tobytes())
        file.truncate(int(np.prod(filled.shape)) * row_size)
        file.flush()
        yield np.memmap(file, np.float32, mode="r", shape=shape)
