"""Memory-mapped faces equal those in memory, and their file is deleted with them."""

from __future__ import annotations

import errno
import gc
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest

from skdeepfake.preprocessing import Resizer

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def crops():
    """Return crops of two videos with three slots, one of which is empty."""
    rng = np.random.default_rng(0)
    crops = np.empty((2, 3), dtype=object)
    for i, cell in enumerate(np.ndindex(crops.shape)):
        crops[cell] = rng.integers(0, 256, (20 + i, 30, 3), dtype=np.uint8)
    crops[0, 1] = None
    return crops


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "made" / "if missing"


@pytest.fixture
def resizer(folder):
    return Resizer(size=(24, 32), memmap_dir=folder)


def files(folder):
    return list(folder.iterdir())


def test_faces_equal_those_in_memory(crops, resizer, folder):
    faces = resizer.fit_transform(crops)
    expected = Resizer(size=(24, 32)).fit_transform(crops)
    assert type(expected) is np.ndarray
    assert isinstance(faces, np.memmap)
    np.testing.assert_array_equal(faces, expected)
    assert (faces.shape, faces.dtype) == ((2, 3, 24, 32, 3), np.uint8)
    assert not faces[0, 1].any()
    [file] = files(folder)
    assert file.stat().st_size == expected.nbytes
    assert np.array_equal(np.fromfile(file, np.uint8), expected.ravel())


@pytest.mark.parametrize("kind", [str, Path])
def test_folder_may_be_str_or_path(crops, folder, kind):
    faces = Resizer(memmap_dir=kind(folder)).transform(crops)
    assert [str(file) for file in files(folder)] == [str(faces.filename)]


def test_each_result_has_a_file_of_its_own(crops, resizer, folder):
    first, second = resizer.transform(crops), resizer.transform(crops[:1])
    assert len(files(folder)) == 2
    first[:] = 0
    np.testing.assert_array_equal(second, resizer.transform(crops)[:1])


def test_file_is_deleted_with_the_array(crops, resizer, folder):
    faces = resizer.transform(crops)
    expected = faces[1].copy()
    assert len(files(folder)) == 1
    part = np.asarray(faces)[1]
    del faces
    gc.collect()
    assert len(files(folder)) == 1  # still used by a part of the array
    np.testing.assert_array_equal(part, expected)
    del part
    gc.collect()
    assert files(folder) == []


@pytest.mark.nightly
@pytest.mark.parametrize("end", ["pass", "raise ValueError"])
def test_file_is_deleted_when_the_interpreter_ends(tmp_path, end):
    code = f"""
import os, sys
import numpy as np
from skdeepfake.preprocessing import Resizer
faces = Resizer(memmap_dir=sys.argv[1]).transform([np.ones((9, 9, 3), np.uint8)])
print(os.listdir(sys.argv[1]))
{end}
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "faces-" in done.stdout, done.stderr
    assert files(tmp_path) == []


def test_pickled_faces_live_on_without_the_file(crops, resizer, folder):
    faces = resizer.transform(crops)
    copy = pickle.loads(pickle.dumps(faces))
    np.testing.assert_array_equal(copy, faces)
    expected = faces.copy()
    del copy
    gc.collect()
    assert len(files(folder)) == 1  # the file of the original
    copy = pickle.loads(pickle.dumps(faces))
    del faces
    gc.collect()
    assert files(folder) == []
    np.testing.assert_array_equal(copy, expected)


def test_faces_travel_to_processes_by_name(crops, resizer, folder):
    faces = resizer.transform(crops)
    parallel = joblib.Parallel(n_jobs=2, backend="loky")
    names = parallel(joblib.delayed(getattr)(faces, "filename") for _ in range(2))
    [file] = files(folder)
    assert [os.fspath(name) for name in names] == [str(file)] * 2
    sums = parallel(joblib.delayed(np.sum)(faces[i], dtype=int) for i in range(2))
    assert sums == [faces[i].sum(dtype=int) for i in range(2)]
    assert len(files(folder)) == 1


def test_full_disk_is_an_error_that_names_the_folder(
    crops, resizer, folder, monkeypatch
):
    asked = []

    def refuse(handle, offset, n_bytes):
        asked.append((offset, n_bytes))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", refuse, raising=False)
        words = (
            f"memmap_dir={re.escape(repr(str(folder)))}.*No space left.*Free disk space"
        )
        with pytest.raises(OSError, match=words) as error:
            resizer.transform(crops)
    assert error.value.errno == errno.ENOSPC
    assert asked == [(0, 2 * 3 * 24 * 32 * 3)]
    assert files(folder) == []
    assert resizer.transform(crops).any()


def test_file_in_the_way_is_an_error_that_names_the_folder(crops, tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    with pytest.raises(OSError, match=f"memmap_dir={re.escape(repr(str(path)))}"):
        Resizer(memmap_dir=path).transform(crops)
    assert path.read_text() == "mine"


def test_wrong_crop_leaves_no_file(crops, resizer, folder):
    crops[1, 2] = "no picture"
    with pytest.raises(ValueError, match=r"X\[1, 2\] is str"):
        resizer.transform(crops)
    gc.collect()
    assert files(folder) == []
