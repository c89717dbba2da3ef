"""Outputs of frozen layers are computed once and stored in a temporary file."""

from __future__ import annotations

import errno
import os
import tempfile
from typing import Any

import numpy as np
import pytest

from skdeepfake.detectors._frozen import computed_once

FILLED = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 1], [1, 1, 1]], bool)


@pytest.fixture
def X() -> np.ndarray:
    """Four videos of three slots with frames of two numbers, zeros if empty."""
    numbers = np.arange(1, 25, dtype=np.uint8).reshape(4, 3, 2)
    return numbers * FILLED[..., np.newaxis]


class Negative:
    """Compute three numbers per frame, and record the batches."""

    def __init__(self) -> None:
        self.batches: list[np.ndarray] = []

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        self.batches.append(frames)
        first = frames[:, :1].astype(np.float64)
        return np.concatenate([-first, first, first / 2], axis=1)


def once(X: np.ndarray, videos: list[int], batch_size: int = 2) -> Any:
    compute = Negative()
    given = computed_once(compute, X, FILLED, np.array(videos), batch_size=batch_size)
    with given as features:
        return compute, np.array(features), features.dtype


def test_faces_of_the_videos_asked_for_are_computed_and_all_else_is_zero(
    X: np.ndarray,
) -> None:
    _, features, dtype = once(X, [3, 0])
    first = X[..., :1].astype(np.float32)
    expected = np.concatenate([-first, first, first / 2], axis=2)
    expected[[1, 2]] = 0
    assert dtype == np.float32
    np.testing.assert_array_equal(features, expected)


def test_each_face_is_computed_once_in_batches(X: np.ndarray) -> None:
    compute, *_ = once(X, [0, 2, 3], batch_size=3)
    assert [len(batch) for batch in compute.batches] == [3, 3, 1]
    seen = np.concatenate(compute.batches)
    assert seen.tolist() == X[FILLED].tolist()


def test_last_slot_may_be_empty() -> None:
    filled = np.array([[1, 0, 0]], bool)
    compute = computed_once(
        lambda frames: frames * 2.0,
        np.full((1, 3, 2), 7, np.uint8),
        filled,
        np.array([0]),
        batch_size=5,
    )
    with compute as features:
        assert features.tolist() == [[[14, 14], [0, 0], [0, 0]]]


def test_file_has_gone_afterwards_even_after_an_error(
    X: np.ndarray, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    given = computed_once(Negative(), X, FILLED, np.arange(4), batch_size=2)
    with pytest.raises(KeyError), given:
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_an_error(X: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __enter__(self) -> Full:
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def seek(self, place: int) -> None:
            pass

        def write(self, content: bytes) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    with pytest.raises(OSError, match="No space left"):
        once(X, [0])
