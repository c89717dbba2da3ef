"""Tests of load_celeb_df, whose official list marks real videos with 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from skdeepfake.datasets import load_celeb_df
from skdeepfake.exceptions import (
    DatasetError,
    DatasetWarning,
    LeakageError,
    MissingVideosWarning,
)
from skdeepfake.model_selection import OfficialSplit, check_no_leakage

TREE = [
    "Celeb-real/id0_0000.mp4",
    "Celeb-real/id0_0001.mp4",
    "Celeb-real/id1_0000.mp4",
    "Celeb-real/id20_0003.mp4",
    "Celeb-real/id21_0003.mp4",
    "YouTube-real/00170.mp4",
    "YouTube-real/00171.mp4",
    "Celeb-synthesis/id0_id1_0000.mp4",
    "Celeb-synthesis/id1_id0_0000.mp4",
    "Celeb-synthesis/id20_id21_0003.mp4",
]
# The list has no header.
LIST = (
    "1 YouTube-real/00170.mp4\n"
    "1 Celeb-real/id0_0000.mp4\n"
    "0 Celeb-synthesis/id0_id1_0000.mp4\n"
    "0 Celeb-synthesis/id20_id21_0003.mp4\n"
)


@pytest.fixture
def celeb(grow) -> Any:
    def celeb(*more: str, tree: list[str] = TREE, text: str = LIST) -> Any:
        return grow(*tree, *more, **{"List_of_testing_videos.txt": text})

    return celeb


def test_labels_are_of_the_folders_and_1_means_fake(celeb, listed) -> None:
    root = celeb()
    videos = load_celeb_df(root)
    assert listed(videos, root) == TREE
    assert videos.target.tolist() == [0] * 7 + [1] * 3
    assert videos.target_names == ["real", "fake"]


def test_whole_list_is_the_test_set_and_all_else_is_for_training(celeb) -> None:
    root = celeb()
    videos = load_celeb_df(root)
    # The first line is an entry, not a header.
    assert np.flatnonzero(videos.split == "test").tolist() == [0, 5, 7, 9]
    assert set(videos.split) == {"train", "test"}
    cv = OfficialSplit(root / "List_of_testing_videos.txt")
    ((train, test),) = cv.split(videos.data)
    assert np.flatnonzero(videos.split == "train").tolist() == train.tolist()
    assert np.flatnonzero(videos.split == "test").tolist() == test.tolist()


def test_one_split_is_chosen(celeb, listed) -> None:
    root = celeb()
    test = load_celeb_df(root, split="test")
    assert listed(test, root) == [TREE[i] for i in (0, 5, 7, 9)]
    assert test.target.tolist() == [0, 0, 1, 1]
    train = load_celeb_df(root, split="train")
    assert set(test.data).isdisjoint(train.data)
    assert len(train.data) == 6
    # Group numbers are the same in both subsets.
    assert test.groups.tolist() == [0, 2, 0, 1]
    assert train.groups.tolist() == [0, 0, 1, 1, 3, 0]


def test_groups_are_people_and_whom_they_were_swapped_with(celeb) -> None:
    videos = load_celeb_df(celeb())
    assert videos.groups.tolist() == [0, 0, 0, 1, 1, 2, 3, 0, 0, 1]
    assert videos.details["target"].tolist()[5:] == [
        *("00170", "00171", "id0", "id1", "id20")
    ]
    assert videos.details["source"].tolist()[5:] == [None, None, "id1", "id0", "id21"]
    assert videos.details["original"][9] == "id20_0003"


def test_official_split_does_not_keep_people_apart(celeb) -> None:
    videos = load_celeb_df(celeb())
    train, test = (np.flatnonzero(videos.split == s) for s in ("train", "test"))
    with pytest.raises(LeakageError, match="2 of 4 groups"):
        check_no_leakage(train, test, videos.groups)


def test_flag_that_contradicts_the_folder_is_named(celeb) -> None:
    inverted = LIST.replace("1 ", "x ").replace("0 ", "1 ").replace("x ", "0 ")
    root = celeb(text=inverted)
    with pytest.warns(DatasetWarning, match=r"for real.*\(4\): '0 YouTube-real/00170"):
        videos = load_celeb_df(root)
    assert videos.target.tolist() == [0] * 7 + [1] * 3
    one = LIST.replace("0 Celeb-synthesis/id0", "1 Celeb-synthesis/id0")
    with pytest.warns(
        DatasetWarning, match=r"\(1\): '1 Celeb-synthesis/id0_id1_0000\.mp4'"
    ):
        load_celeb_df(celeb(text=one))


def test_entries_without_a_video_are_named(celeb) -> None:
    root = celeb(text=LIST + "1 Celeb-real/id5_0000.mp4\n")
    with pytest.warns(MissingVideosWarning, match=r"\(1\): 'Celeb-real/id5_0000\.mp4'"):
        load_celeb_df(root)
    assert len(load_celeb_df(root, split="train").data) == 6


def test_same_name_in_another_folder_is_another_video(celeb) -> None:
    root = celeb("YouTube-real/id0_0000.mp4", "YouTube-real/00172.mp4")
    with pytest.warns(DatasetWarning, match=r"not like 00170\.mp4 \(1\): '.*id0_0000"):
        videos = load_celeb_df(root)
    assert len(videos.data) == 11
    assert (videos.split == "test").sum() == 4


def test_fake_without_its_original_is_kept_and_named(celeb) -> None:
    root = celeb("Celeb-synthesis/id1_id20_0009.mp4")
    with pytest.warns(MissingVideosWarning, match=r"\(1\): '.*id1_id20_0009\.mp4'"):
        videos = load_celeb_df(root)
    # The fake connects two groups.
    assert videos.groups.tolist() == [0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0]


def test_without_its_list_the_split_is_none_and_this_is_said(grow) -> None:
    root = grow(*TREE)
    with pytest.warns(MissingVideosWarning, match=r"\(1\): '.*List_of_testing_videos"):
        videos = load_celeb_df(root)
    assert videos.split is None
    with pytest.raises(DatasetError, match=r"split='test' needs the official list"):
        load_celeb_df(root, split="test")


@pytest.mark.parametrize("folder", ["Celeb-real", "YouTube-real", "Celeb-synthesis"])
def test_folder_that_is_not_there_is_an_error(celeb, folder) -> None:
    root = celeb(tree=[v for v in TREE if not v.startswith(folder)])
    with pytest.raises(DatasetError, match=rf"{folder}' does not exist"):
        load_celeb_df(root)


def test_there_is_no_validation_list(celeb) -> None:
    with pytest.raises(ValueError, match=r"split='val' must be .*'train', 'test'\.$"):
        load_celeb_df(celeb(), split="val")
