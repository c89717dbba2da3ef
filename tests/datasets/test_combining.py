"""Tests of combine_datasets."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import Bunch

from skdeepfake.datasets import (
    combine_datasets,
    load_deeperforensics,
    load_faceforensics,
    load_videos,
)
from skdeepfake.exceptions import DatasetWarning
from skdeepfake.model_selection import CrossDatasetSplit, check_no_leakage

IDS = ["000", "001", "002", "003", "004", "005"]
PAIRS = ["000_003", "003_000", "001_002", "002_001", "004_005", "005_004"]


@pytest.fixture
def ff(grow) -> Path:
    """Return six originals of FaceForensics++ and the fakes of three pairs."""
    return grow(
        *(f"original_sequences/youtube/c23/videos/{i}.mp4" for i in IDS),
        *(f"manipulated_sequences/Deepfakes/c23/videos/{i}.mp4" for i in PAIRS),
        below="ff",
        **{"splits/train.json": [["000", "003"]], "splits/val.json": [["001", "002"]]},
        **{"splits/test.json": [["004", "005"]]},
    )


@pytest.fixture
def sets(grow, ff) -> dict[str, Bunch]:
    """Load FaceForensics++, other fakes of its originals, and an unrelated dataset."""
    lists = {
        "lists/splits/train.txt": "000_M101\n003_M101\n004_M101",
        "lists/splits/val.txt": "001_W020\n002_W020",
        "lists/splits/test.txt": "005_W133",
    }
    fakes = [fake for names in lists.values() for fake in names.split()]
    deeper = grow(
        *(f"manipulated_videos/end_to_end/{fake}.mp4" for fake in fakes),
        below="deeper",
        **lists,
    )
    plain = grow("real/a.mp4", "fake/a.mp4", "fake/b.mp4", below="plain")
    return {
        "ff": load_faceforensics(ff, methods="Deepfakes"),
        "deeper": load_deeperforensics(deeper, ff),
        "plain": load_videos(plain, group="^."),
    }


def test_sets_come_one_after_the_other(sets) -> None:
    both = combine_datasets(sets)
    assert both.data.tolist() == [p for bunch in sets.values() for p in bunch.data]
    assert both.target.tolist() == [t for bunch in sets.values() for t in bunch.target]
    assert both.target_names == ["real", "fake"]
    names = ["ff"] * 12 + ["deeper"] * 12 + ["plain"] * 3
    assert both.details["dataset"].tolist() == names


def test_groups_of_other_sets_are_other_people(sets) -> None:
    both = combine_datasets({"ff": sets["ff"], "plain": sets["plain"]})
    assert both.groups.tolist() == [0, 1, 1, 0, 2, 2, 0, 1, 1, 0, 2, 2, 3, 3, 4]


def test_groups_that_hold_the_same_file_become_one(sets) -> None:
    both = combine_datasets(sets)
    people = both.details["target"]
    # M101 is the source of fakes of 000 and 004, which connects two pairs.
    for group, who in zip(both.groups[:12], people[:12], strict=True):
        assert group == (1 if who in ("001", "002") else 0), who
    # The real videos, followed by the fakes of 000 to 005.
    assert both.groups[12:24].tolist() == [0, 1, 1, 0, 0, 0] * 2
    assert both.groups[24:].tolist() == [2, 2, 3]


def test_shared_file_stays_in_each_set_and_on_one_side(sets) -> None:
    both = combine_datasets({name: sets[name] for name in ("ff", "deeper")})
    assert len(both.data) == 24
    assert len(set(both.data)) == 18
    cv = CrossDatasetSplit(both.details["dataset"], n_splits=2)
    splits = list(cv.split(both.data, both.target, both.groups))
    assert len(splits) == 4
    for train, test in splits:
        check_no_leakage(train, test, both.groups)
        assert not set(both.data[train]) & set(both.data[test])
        assert set(both.target[train]) == set(both.target[test]) == {0, 1}


def test_paths_of_files_that_are_not_there_may_be_spelt_in_two_ways() -> None:
    one, other = (
        Bunch(data=[path], target=[0], target_names=["r", "f"], groups=[5])
        for path in ("no/a.mp4", os.path.abspath("no/b/../a.mp4"))
    )
    assert combine_datasets({"a": one, "b": other}).groups.tolist() == [0, 0]


@pytest.mark.skipif(sys.platform == "win32", reason="links take rights")
@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_links_are_the_files_that_they_lead_to(tmp_path: Path, link: Any) -> None:
    (tmp_path / "a.mp4").write_bytes(b"a")
    link(tmp_path / "a.mp4", tmp_path / "b.mp4")
    one, other = (
        Bunch(data=[str(p), x], target=[0, 1], target_names=["r", "f"], groups=[5, 6])
        for p, x in ((tmp_path / "a.mp4", "x.mp4"), (tmp_path / "b.mp4", "y.mp4"))
    )
    assert combine_datasets({"a": one, "b": other}).groups.tolist() == [0, 1, 0, 2]


def test_details_have_all_columns_and_none_where_there_is_nothing(sets) -> None:
    details = combine_datasets(sets).details
    assert list(details) == [
        *("path", "label", "target", "source", "original", "method", "compression"),
        *("split", "dataset"),
    ]
    assert details["method"].tolist() == [
        *[None] * 6 + ["Deepfakes"] * 6,
        *[None] * 6 + ["end_to_end"] * 6,
        *[None] * 3,
    ]
    assert details["path"][-3:].tolist() == sets["plain"].data.tolist()
    expected = [0] * 6 + [1] * 6 + [0] * 6 + [1] * 6 + [0, 1, 1]
    assert details["label"].tolist() == expected


def test_lists_are_each_sets_own(sets) -> None:
    split = combine_datasets(sets).split
    assert split[:6].tolist() == ["train", "val", "val", "train", "test", "test"]
    assert split[18:21].tolist() == ["train", "val", "val"]
    assert split[24:].tolist() == [None] * 3
    assert combine_datasets({"plain": sets["plain"]}).split is None
    listed = Bunch(**{**sets["plain"], "split": [np.nan, "train", "test"]})
    assert combine_datasets({"a": listed}).split.tolist() == [None, "train", "test"]


def test_details_are_a_frame_if_one_of_them_is(ff, sets) -> None:
    frame = load_faceforensics(ff, methods="Deepfakes", as_frame=True)
    both = combine_datasets({"ff": frame, "plain": sets["plain"]})
    assert isinstance(both.details, pd.DataFrame)
    expected = combine_datasets({"ff": sets["ff"], "plain": sets["plain"]}).details
    for name, column in expected.items():
        found = [None if pd.isna(v) else v for v in both.details[name]]
        assert found == column.tolist(), name
    assert isinstance(expected, Bunch)


def test_file_that_is_real_here_and_fake_there_is_told_of(sets) -> None:
    wrong = Bunch(**{**sets["plain"], "target": np.array([1, 1, 0])})
    expected = (
        r"different labels in two datasets \(2\): '.*real.a.mp4 in plain and odd'"
    )
    with pytest.warns(DatasetWarning, match=expected) as told:
        combine_datasets({"plain": sets["plain"], "odd": wrong})
    assert told[0].filename == __file__


def test_what_cannot_be_combined_is_named(sets) -> None:
    plain = sets["plain"]
    with pytest.raises(TypeError, match=r"datasets must be a dict .* got list"):
        combine_datasets([plain])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="datasets must be a dict that maps names"):
        combine_datasets({1: plain})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="datasets is empty"):
        combine_datasets({})
    without = Bunch(**{**plain, "groups": None})
    with pytest.raises(ValueError, match=r"datasets\['b'\] has no 'groups'\. Pass"):
        combine_datasets({"a": plain, "b": without})
    swapped = Bunch(**{**plain, "target_names": ["fake", "real"]})
    with pytest.raises(ValueError, match=r"\['b'\] has the target_names \['fake', 'r"):
        combine_datasets({"a": plain, "b": swapped})
    with pytest.raises(ValueError, match=r"\['ab'\] is already a combination"):
        combine_datasets({"ab": combine_datasets({"a": plain})})
    short = Bunch(**{**plain, "groups": [0]})
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        combine_datasets({"a": short})
