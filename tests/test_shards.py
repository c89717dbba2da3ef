"""Shards are written once, can be resumed, and are read like an array in memory."""

from __future__ import annotations

import contextlib
import os
import re
import tracemalloc

import joblib
import numpy as np
import pytest
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skdeepfake.detectors import BlendedFakes, CNNDetector, PerPerson
from skdeepfake.preprocessing import (
    CropCache,
    DlibFaceCropper,
    Resizer,
    ShardedArray,
    StatelessTransformer,
    VideoFrameSampler,
    write_shards,
)


class Reader(StatelessTransformer):
    """Transformer that reads the array in a file, and records which files are read."""

    def __init__(self, scale=1, *, n_jobs=None, log=None):
        self.scale = scale
        self.n_jobs = n_jobs
        self.log = log

    def transform(self, X):
        for path in X:
            with open(path + ".log", "a") as file:
                file.write(f"{os.getpid()}\n")
        return np.stack([np.load(path) for path in X]) * self.scale


def times_read(paths):
    counts = []
    for path in paths:
        with contextlib.suppress(FileNotFoundError), open(path + ".log") as file:
            counts.append(len(file.readlines()))
    return counts


@pytest.fixture
def array():
    """Ten videos of two slots. The second slot of the fourth video is empty."""
    array = np.random.default_rng(0).integers(1, 100, (10, 2, 16, 16, 3), np.uint8)
    array[::2] += 100
    array[3, 1] = 0
    return array


@pytest.fixture
def paths(array, tmp_path):
    names = [str(tmp_path / f"{i}.npy") for i in range(len(array))]
    for name, video in zip(names, array, strict=True):
        np.save(name, video)
    return names


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "made" / "shards"


@pytest.fixture
def sharded(paths, folder):
    return write_shards(Reader(), paths, folder, shard_size=4)


def detector(**parameters):
    parameters = {"validation_fraction": 0.3, "batch_size": 8, **parameters}
    return CNNDetector(filters=(1,), epochs=1, random_state=0, **parameters)


def test_shards_hold_the_result(sharded, array, paths, folder):
    assert sorted(os.listdir(folder)) == [
        *("000000.npy", "000001.npy", "000002.npy", "contents.json")
    ]
    assert (sharded.shape, sharded.dtype, sharded.ndim) == (array.shape, np.uint8, 5)
    np.testing.assert_array_equal(np.asarray(sharded), array, strict=True)
    assert sharded.paths.tolist() == paths
    np.testing.assert_array_equal(np.load(folder / "000002.npy"), array[8:])
    assert f"shape={array.shape}, dtype=uint8" in repr(sharded)


@pytest.mark.parametrize(
    "rows",
    [slice(2, 7), [9, 0, 9], np.arange(10) % 3 == 0, (np.array([5, 1]), ...)],
    ids=["slice", "list", "mask", "as scikit-learn"],
)
def test_selected_rows_are_not_read(sharded, array, paths, rows):
    selected = sharded[rows]
    assert isinstance(selected, ShardedArray)
    np.testing.assert_array_equal(np.asarray(selected), array[rows], strict=True)
    assert selected.paths.tolist() == np.array(paths)[rows].tolist()
    np.testing.assert_array_equal(selected[-1], array[rows][-1])


def test_slots_of_rows_are_read(sharded, array):
    rows, slots = np.array([[9], [0], [4]]), np.array([[1, 0], [0, 0], [1, 1]])
    for index in [(rows, slots), (rows[:, 0], slots[:, 0]), (3, 1), (slice(2, 5), 1)]:
        np.testing.assert_array_equal(sharded[index], array[index], strict=True)
    part = sharded[[8, 2, 5]]
    np.testing.assert_array_equal(part[[0, 2], [1, 0]], array[[8, 5], [1, 0]])
    with pytest.raises(IndexError):
        sharded[10]
    with pytest.raises(IndexError, match=r"np.asarray\(X\[rows\]\)"):
        sharded[:2, :1]


def test_only_missing_shards_are_written(sharded, paths, folder, array):
    kept = os.stat(folder / "000000.npy").st_mtime_ns
    os.unlink(folder / "000001.npy")
    with pytest.raises(FileNotFoundError, match=r"1 shards .* missing.*000001.npy"):
        ShardedArray(folder)
    # Parameters that do not change the result may differ.
    again = write_shards(Reader(n_jobs=2), paths, folder, shard_size=4, n_jobs=2)
    assert times_read(paths) == [1] * 4 + [2] * 4 + [1] * 2
    assert os.stat(folder / "000000.npy").st_mtime_ns == kept
    np.testing.assert_array_equal(np.asarray(again), array)


def test_failure_keeps_finished_shards(paths, folder, array):
    np.save(paths[5], np.zeros(3))  # of another shape
    with pytest.raises(ValueError, match="same shape"):
        write_shards(Reader(), paths, folder, shard_size=4)
    assert sorted(os.listdir(folder)) == ["000000.npy", "contents.json"]


def test_full_disk_names_the_shard(paths, folder, full_disk):
    full_disk(1)
    with pytest.raises(OSError, match=r"000000.npy.*Free space"):
        write_shards(Reader(), paths, folder)
    assert os.listdir(folder) == ["contents.json"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"transformer": Reader(scale=2)}, "were written with scale=1; got 2"),
        ({"transformer": Resizer()}, "with transformer=Reader; got Resizer"),
        ({"shard_size": 5}, "were written with shard_size=4; got 5"),
    ],
)
def test_other_parameters_are_refused(sharded, paths, folder, change, message):
    arguments = {"transformer": Reader(), "X": paths, "folder": folder, "shard_size": 4}
    with pytest.raises(ValueError, match=re.escape(message)):
        write_shards(**{**arguments, **change})
    assert times_read(paths) == [1] * 10


def test_other_videos_are_refused(sharded, paths, folder):
    with pytest.raises(ValueError, match=r"videos of the shards .* in another order"):
        write_shards(Reader(), paths[::-1], folder, shard_size=4)
    with pytest.raises(
        ValueError, match=f"{re.escape(repr(paths[9]))} was added, removed"
    ):
        write_shards(Reader(), paths[:9], folder, shard_size=4)
    os.utime(paths[2], (0, 0))
    with pytest.raises(
        ValueError, match=f"{re.escape(repr(paths[2]))} was added, removed"
    ):
        write_shards(Reader(), paths, folder, shard_size=4)


class Objects(StatelessTransformer):
    def transform(self, X):
        return np.array([None] * len(X))


class OneRow(StatelessTransformer):
    def transform(self, X):
        return np.zeros((1, 2))


@pytest.mark.parametrize(
    ("transformer", "found"),
    [(Objects(), "(4,) and dtype object"), (OneRow(), "(1, 2) and dtype float64")],
)
def test_result_of_the_transformer_is_checked(paths, folder, transformer, found):
    with pytest.raises(ValueError, match=re.escape(f"{found} for 4 videos")):
        write_shards(transformer, paths, folder, shard_size=4)


def test_folder_without_shards(tmp_path):
    with pytest.raises(FileNotFoundError, match="Use write_shards"):
        ShardedArray(tmp_path)


@pytest.mark.parametrize("shard_size", [0, 1.5])
def test_shard_size_is_checked(paths, folder, shard_size):
    with pytest.raises((ValueError, TypeError), match="shard_size"):
        write_shards(Reader(), paths, folder, shard_size=shard_size)


@pytest.mark.parametrize(
    "parameters",
    [
        {"aggregation": PerPerson(max_faces=2)},
        pytest.param({"fake_source": BlendedFakes()}, marks=pytest.mark.nightly),
    ],
    ids=["people", "blended"],
)
def test_fit_equals_that_in_memory(sharded, array, parameters):
    y = np.arange(10) % 2
    expected = detector(**parameters).fit(array, y)
    found = detector(**parameters).fit(sharded, y)
    assert found.history_ == expected.history_
    for mine, theirs in zip(
        found.model_.get_weights(), expected.model_.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(
        found.predict_proba(sharded), expected.predict_proba(array)
    )


def test_split_reads_nothing(sharded, array):
    y = np.arange(10) % 2
    found = train_test_split(sharded, y, random_state=0)
    expected = train_test_split(array, y, random_state=0)
    assert {type(part) for part in found[:2]} == {ShardedArray}
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_invalid_features_are_refused(paths, folder, array):
    features = array.astype(np.float32)
    features[9, 0, 0, 0, 0] = np.nan
    for path, video in zip(paths, features, strict=True):
        np.save(path, video)
    sharded = write_shards(Reader(), paths, folder, shard_size=4)
    with pytest.raises(ValueError, match="contains NaN"):
        detector().fit(sharded, np.arange(10) % 2)


@pytest.mark.nightly
def test_memory_of_a_fit_is_flat(tmp_path):
    """A fit that reads 48 MB of shards allocates a fraction of that."""
    path = str(tmp_path / "video.npy")
    np.save(path, np.full((8, 128, 128, 3), 9, np.uint8))
    names = [str(tmp_path / f"{i}.npy") for i in range(128)]
    for name in names:
        os.link(path, name)
    sharded = write_shards(Reader(), names, tmp_path / "shards", shard_size=16)
    n_bytes = np.prod(sharded.shape)
    tracemalloc.start()
    detector().fit(sharded, np.arange(128) % 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_bytes > 48e6
    assert peak < n_bytes / 2


def test_faces_in_shards(rendered_videos, tmp_path):
    steps = make_pipeline(
        VideoFrameSampler(n_frames=2),
        DlibFaceCropper(memory=tmp_path),
        Resizer((24, 24)),
    )
    faces = write_shards(steps, rendered_videos.data[:3], tmp_path / "s", shard_size=2)
    np.testing.assert_array_equal(
        np.asarray(faces), steps.transform(rendered_videos.data[:3]), strict=True
    )
    assert len(CropCache(tmp_path)) == 3


def test_pickled_array_is_a_reference(sharded, array, tmp_path):
    joblib.dump(sharded, tmp_path / "x.joblib")
    assert os.path.getsize(tmp_path / "x.joblib") < array.nbytes / 4
    found = joblib.load(tmp_path / "x.joblib")
    np.testing.assert_array_equal(np.asarray(found), array)
