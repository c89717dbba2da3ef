"""Batches contain frames or sequences of videos."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from skdeepfake._face_mask import filled_slots
from skdeepfake.detectors._batches import Batch, Batches
from skdeepfake.detectors._indexing import (
    frame_index,
    frames_and_fillers,
    sequence_index,
)


@pytest.fixture
def X() -> np.ndarray:
    """Three videos of four frames. Each pixel is the number of its frame plus one."""
    return np.arange(1, 13, dtype=np.uint8).reshape(3, 4, 1).repeat(2, axis=2)


def batches(X: np.ndarray, parts: int = 12, **options: object) -> Batches:
    index = tuple(axis[:parts] for axis in np.nonzero(np.ones(X.shape[:2])))
    y, weight = np.arange(parts) % 2, np.arange(parts) / 4
    return Batches(X, index, y, weight, **options)


def drawn(source: Batches) -> list[int]:
    return [
        int(n) - 1
        for number in range(source.num_batches)
        for n in source[number][0][:, 0]
    ]


def test_filled_slots_are_those_with_anything_but_zeros() -> None:
    X = np.zeros((2, 3, 4, 4, 3), np.uint8)
    X[0, 1] = 7
    X[1, 2, 3, 3, 2] = 1  # a single nonzero value is enough
    assert filled_slots(X).tolist() == [[False, True, False], [False, False, True]]


def test_filled_slots_knows_floats_and_sequences() -> None:
    X = np.zeros((1, 3, 5), np.float32)
    X[0, 0] = -1e-9
    assert filled_slots(X).tolist() == [[True, False, False]]


def test_batch_holds_frames_with_their_targets_and_weights(X: np.ndarray) -> None:
    frames, y, weight = batches(X, batch_size=5)[1]
    assert frames.tolist() == [[n, n] for n in (6, 7, 8, 9, 10)]
    assert frames.dtype == np.uint8
    assert y.tolist() == [[1.0], [0.0], [1.0], [0.0], [1.0]]
    assert weight.tolist() == [1.25, 1.5, 1.75, 2.0, 2.25]


@pytest.mark.parametrize(
    ("batch_size", "sizes"),
    [(5, [5, 5, 2]), (4, [4, 4, 4]), (100, [12]), (1, [1] * 12)],
)
def test_last_batch_may_be_smaller(
    X: np.ndarray, batch_size: int, sizes: list[int]
) -> None:
    source = batches(X, batch_size=batch_size)
    assert source.num_batches == len(sizes)
    assert [len(source[number][0]) for number in range(len(sizes))] == sizes


def test_epoch_draws_each_part_once_in_an_order_of_its_own(X: np.ndarray) -> None:
    source = batches(X, batch_size=5, rng=np.random.RandomState(0))
    first = drawn(source)
    source.on_epoch_end()
    second = drawn(source)
    assert sorted(first) == sorted(second) == list(range(12))
    assert first != second
    assert first != list(range(12))


def test_shuffled_parts_keep_their_targets_and_weights(X: np.ndarray) -> None:
    source = batches(X, batch_size=12, rng=np.random.RandomState(0))
    frames, y, weight = source[0]
    number = frames[:, 0] - 1
    assert y[:, 0].tolist() == (number % 2).tolist()
    assert weight.tolist() == (number / 4).tolist()


def test_order_is_that_of_the_seed(X: np.ndarray) -> None:
    def order(seed: int) -> list[int]:
        return drawn(batches(X, batch_size=5, rng=np.random.RandomState(seed)))

    assert order(3) == order(3)
    assert order(3) != order(4)


def test_without_a_generator_the_order_stays(X: np.ndarray) -> None:
    source = batches(X, batch_size=5)
    source.on_epoch_end()
    assert drawn(source) == list(range(12))


def test_index_of_one_axis_draws_whole_sequences(X: np.ndarray) -> None:
    index = (np.array([2, 0]),)
    source = Batches(X, index, np.array([1, 0]), np.ones(2), batch_size=2)
    assert source[0][0].tolist() == X[[2, 0]].tolist()


def test_frames_are_read_from_a_memory_map(X: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    source = batches(mapped, batch_size=5)
    assert source.X is mapped
    assert drawn(source) == list(range(12))
    assert filled_slots(mapped).all()


# -- indices ---------------------------------------------------------------------

FILLED = np.array([[1, 1, 0], [0, 0, 0], [0, 1, 1], [0, 0, 1]], bool)


def test_frames_lie_where_there_is_a_face() -> None:
    videos, slots = frame_index(FILLED, np.array([0, 2]))
    assert list(zip(videos, slots, strict=True)) == [(0, 0), (0, 1), (2, 1), (2, 2)]


def test_sequences_have_their_faces_first() -> None:
    videos, slots = sequence_index(FILLED, np.array([3, 2]))
    assert videos.tolist() == [[3], [2]]
    assert slots.tolist() == [[2, 0], [1, 2]]  # as long as the longest video


def test_batch_of_sequences_holds_videos_with_their_targets_and_weights() -> None:
    X = np.arange(1, 13).reshape(4, 3, 1) * FILLED[:, :, None]
    index = sequence_index(FILLED, np.array([0, 2, 3]))
    y, weight = np.array([0, 1, 0, 1]), np.array([1, 2, 3, 4]) / 2
    source = Batches(X, index, y[index[0]], weight[index[0]], batch_size=2)
    frames, targets, weights = source[0]
    assert frames[..., 0].tolist() == [[1, 2], [8, 9]]
    assert targets.tolist() == [[0.0], [0.0]]
    assert weights.tolist() == [0.5, 1.5]
    assert source[1][0][..., 0].tolist() == [[12, 0]]


def test_first_face_stands_for_those_that_a_video_has_not() -> None:
    (videos, slots), present = frames_and_fillers(FILLED, np.array([3, 2]))
    assert videos.tolist() == [[3], [2]]
    assert slots.tolist() == [[2, 2], [1, 2]]
    assert present.tolist() == [[1, 0], [1, 1]]
    assert present.dtype == np.float32


def test_batch_tells_which_frames_are_there() -> None:
    X = np.arange(1, 13).reshape(4, 3, 1) * FILLED[:, :, None]
    index, present = frames_and_fillers(FILLED, np.array([0, 2, 3]))
    y, weight = np.zeros(3), np.ones(3)
    source = Batches(X, index, y, weight, batch_size=2, present=present)
    (frames, there), _, _ = source[0]
    assert frames[..., 0].tolist() == [[1, 2], [8, 9]]
    assert there.tolist() == [[1, 1], [1, 1]]
    (frames, there), _, _ = source[1]
    assert frames[..., 0].tolist() == [[12, 12]]
    assert there.tolist() == [[1, 0]]


# -- padding and changes ---------------------------------------------------------


@pytest.mark.parametrize(
    ("multiple", "sizes"), [(1, [5, 5, 2]), (2, [6, 6, 2]), (4, [8, 8, 4])]
)
def test_batch_is_filled_up_by_parts_of_no_weight(
    X: np.ndarray, multiple: int, sizes: list[int]
) -> None:
    source = batches(X, batch_size=5, multiple=multiple)
    given = [source[number] for number in range(3)]
    assert [len(frames) for frames, _, _ in given] == sizes
    for (frames, y, weight), n in zip(given, (5, 5, 2), strict=True):
        numbers = frames[:, 0].astype(int) - 1
        # Keras divides the loss by the number of rows, including padding.
        times = len(weight) / n
        np.testing.assert_allclose(weight[:n], numbers[:n] / 4 * times, rtol=1e-6)
        assert weight[n:].tolist() == [0.0] * (len(weight) - n)
        assert y.ravel().tolist() == (numbers % 2).tolist()
        assert set(numbers[n:]) <= {numbers[0]}
    # The original weights are unchanged.
    assert source.weight.tolist() == (np.arange(12) / 4).tolist()


def test_sequences_are_filled_up_with_what_is_there_of_them() -> None:
    X = np.arange(1, 13).reshape(4, 3, 1) * FILLED[:, :, None]
    index, present = frames_and_fillers(FILLED, np.array([3, 2]))
    source = Batches(
        X, index, np.ones(2), np.ones(2), batch_size=1, present=present, multiple=3
    )
    (frames, there), _, weight = source[0]
    assert frames[..., 0].tolist() == [[12, 12]] * 3
    assert there.tolist() == [[1, 0]] * 3
    assert weight.tolist() == [3, 0, 0]


def add(batch: Batch, rng: np.random.Generator) -> Batch:
    """Add a random number to each frame."""
    drawn = rng.integers(2**31, size=(len(batch.frames), 1))
    return batch._replace(frames=batch.frames.astype(np.int64) + drawn)


def draws(source: Batches) -> list[list[int]]:
    """Return the random number added to each part, in the order of the parts."""
    found = []
    for number in range(source.num_batches):
        parts = source.order[number * source.batch_size :][: source.batch_size]
        frames = source[number][0][:, 0]
        found += [(int(p), int(f - p - 1)) for p, f in zip(parts, frames, strict=True)]
    return [[value] for _, value in sorted(found)]


def test_training_draws_other_changes_in_each_epoch(X: np.ndarray) -> None:
    source = batches(
        X, batch_size=5, rng=np.random.RandomState(0), changes=[add], seed=0
    )
    first = draws(source)
    assert draws(source) == first  # a batch does not depend on earlier requests
    assert len(np.unique(first)) == 12
    source.on_epoch_end()
    assert not np.isin(draws(source), first).any()


def test_validation_draws_the_same_changes_in_each_epoch(X: np.ndarray) -> None:
    source = batches(X, batch_size=5, changes=[add], seed=0)
    first = draws(source)
    source.on_epoch_end()
    assert draws(source) == first
    assert len(np.unique(first)) == 12


def test_changes_are_those_of_the_seed(X: np.ndarray) -> None:
    first, again, other, any_, any_other = (
        draws(batches(X, batch_size=5, changes=[add], seed=seed))
        for seed in (3, 3, 4, None, None)
    )
    assert first == again
    assert not np.isin(other, first).any()
    assert not np.isin(any_other, any_).any()


def test_changes_are_made_one_after_the_other(X: np.ndarray) -> None:
    def double(batch: Batch, rng: np.random.Generator) -> Batch:
        return batch._replace(frames=batch.frames * 2, weight=batch.weight + 1)

    def decrease(batch: Batch, rng: np.random.Generator) -> Batch:
        return batch._replace(frames=batch.frames - 1)

    source = batches(X, batch_size=3, changes=[double, decrease])
    frames, y, weight = source[1]
    assert frames[:, 0].tolist() == [7, 9, 11]
    assert weight.tolist() == [1.75, 2.0, 2.25]
    assert y.ravel().tolist() == [1, 0, 1]


# -- prefetching -------------------------------------------------------------------


@pytest.mark.parametrize("n_workers", [1, 4])
def test_batches_do_not_depend_on_the_number_of_workers(
    X: np.ndarray, n_workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def epochs() -> list[list[list[int]]]:
        rng = np.random.RandomState(0)
        source = batches(X, batch_size=2, rng=rng, changes=[add], seed=0)
        found = []
        for _ in range(3):
            found.append([source[n][0].tolist() for n in range(source.num_batches)])
            source.on_epoch_end()
        return found

    monkeypatch.setattr(Batches, "n_workers", 2)
    expected = epochs()
    monkeypatch.setattr(Batches, "n_workers", n_workers)
    assert epochs() == expected


def test_next_batch_is_made_before_it_is_asked_for(X: np.ndarray) -> None:
    made = [threading.Event() for _ in range(3)]

    def note(batch: Batch, rng: np.random.Generator) -> Batch:
        made[int(batch.frames[0, 0] - 1) // 5].set()
        return batch

    source = batches(X, batch_size=5, changes=[note])
    source[0]
    assert made[1].wait(60)


def test_error_in_a_thread_is_raised(X: np.ndarray) -> None:
    def fail(batch: Batch, rng: np.random.Generator) -> Batch:
        raise RuntimeError("no landmarks")

    with pytest.raises(RuntimeError, match="no landmarks"):
        batches(X, batch_size=5, changes=[fail])[0]
