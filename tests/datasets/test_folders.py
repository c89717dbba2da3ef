from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest

from skdeepfake.datasets import load_videos
from skdeepfake.exceptions import DatasetError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "real/001.mp4",
        "real/000.MOV",
        "real/notes.txt",
        "real/.hidden.mp4",
        "fake/001_x.webm",
        "fake/000_x.mkv",
        "fake/000_y.avi",
        "fake/002.m4v",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


def names(paths: np.ndarray) -> list[str]:
    return [os.path.basename(path) for path in paths]


def test_real_videos_come_first_each_class_sorted_by_name(tree: Path) -> None:
    videos = load_videos(tree)
    assert names(videos.data) == [
        *("000.MOV", "001.mp4"),
        *("000_x.mkv", "000_y.avi", "001_x.webm", "002.m4v"),
    ]
    assert videos.target.tolist() == [0, 0, 1, 1, 1, 1]
    assert videos.target_names == ["real", "fake"]
    assert videos.data.dtype.kind == "U"
    assert all(os.path.exists(path) for path in videos.data)


def test_each_video_is_its_own_group_by_default(tree: Path) -> None:
    assert load_videos(tree).groups.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "group",
    [
        r"^.{3}",
        re.compile(r"^(\d+)"),
        lambda path: os.path.basename(path)[:3],
    ],
    ids=["pattern", "compiled pattern with a group", "function"],
)
def test_groups_pair_a_fake_with_its_original(tree: Path, group: object) -> None:
    assert load_videos(str(tree), group=group).groups.tolist() == [0, 1, 0, 0, 1, 2]


def test_first_group_of_a_pattern_names_the_group(tree: Path) -> None:
    videos = load_videos(tree, group=r"^\d+(_?[xy]?)")
    assert videos.groups.tolist() == [0, 0, 1, 2, 1, 0]


def test_pattern_is_searched_in_the_name_not_in_the_folder(tree: Path) -> None:
    with pytest.raises(DatasetError, match=r"group='fake' does not match .*000\.MOV"):
        load_videos(tree, group="fake")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: root / "nowhere", r"nowhere' does not exist.*real and fake"),
        (lambda root: root / "real/001.mp4", r"001.mp4' is a file.*real and fake"),
        (lambda root: root / "real", r"real.real' is not a folder.*real videos"),
    ],
    ids=["missing", "a file", "without classes"],
)
def test_wrong_root_is_named_with_what_is_expected(tree, spoil, message) -> None:
    with pytest.raises(DatasetError, match=message):
        load_videos(spoil(tree))


def test_class_without_a_video_says_what_was_looked_for(tree: Path) -> None:
    for path in (tree / "fake").iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match=r"No video in '.*fake'.*\.mp4, .*\.m4v"):
        load_videos(tree)
