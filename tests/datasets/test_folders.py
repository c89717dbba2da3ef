from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from skdeepfake.datasets import group_by_name, load_videos
from skdeepfake.exceptions import DatasetError, DatasetWarning


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
    videos = load_videos(tree, group=str)
    assert names(videos.data) == [
        *("000.MOV", "001.mp4"),
        *("000_x.mkv", "000_y.avi", "001_x.webm", "002.m4v"),
    ]
    assert videos.target.tolist() == [0, 0, 1, 1, 1, 1]
    assert videos.target_names == ["real", "fake"]
    assert videos.data.dtype.kind == "U"
    assert all(os.path.exists(path) for path in videos.data)


def test_frames_have_the_same_content(tree: Path, monkeypatch) -> None:
    arrays = load_videos(tree, group=r"\d+")
    tables = load_videos(tree, group=r"\d+", as_frame=True)
    assert list(tables.data.columns) == ["path"]
    assert tables.data["path"].tolist() == arrays.data.tolist()
    assert tables.target.tolist() == arrays.target.tolist()
    assert tables.target.name == "target"
    assert list(tables.frame.columns) == ["path", "target", "group"]
    assert tables.frame["group"].tolist() == arrays.groups.tolist()
    np.testing.assert_array_equal(tables.groups, arrays.groups)
    assert "frame" not in arrays
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="as_frame=True needs pandas"):
        load_videos(tree, group=r"\d+", as_frame=True)


def test_each_video_is_its_own_group_by_default(tree: Path) -> None:
    with pytest.warns(DatasetWarning, match="group=None separates"):
        assert load_videos(tree).groups.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "group",
    [
        r"\d{3}",
        re.compile(r"^(\d+)"),
        lambda path: os.path.basename(path)[:3],
    ],
    ids=["pattern", "compiled pattern with a group", "function"],
)
def test_groups_pair_a_fake_with_its_original(tree: Path, group: object) -> None:
    assert load_videos(str(tree), group=group).groups.tolist() == [0, 1, 0, 0, 1, 2]


@pytest.mark.parametrize("pattern", [r"\d{3}", r"^(\d{3})(?:_(\d{3}))?"])
def test_name_of_two_numbers_is_in_the_group_of_both(pattern: str) -> None:
    # The first three characters alone would separate 183_253 from 253.
    paths = ["a/183.mp4", "a/253.mp4", "a/007.mp4", "b/183_253.mp4", "b/253_183.mp4"]
    assert group_by_name(paths, pattern).tolist() == [0, 0, 1, 0, 0]


def test_names_that_are_parts_of_each_other_across_groups_warn(tmp_path: Path) -> None:
    for name in ("real/183", "real/253", "fake/183_253", "fake/253_183"):
        path = tmp_path / f"{name}.mp4"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    message = r"\(2\), such as '.*real.253.mp4' and '.*fake.183_253.mp4'\. Set"
    with pytest.warns(DatasetWarning, match=message) as caught:
        load_videos(tmp_path, group="^.{3}")
    assert caught[0].filename == __file__
    with pytest.warns(DatasetWarning, match=r"\(4\)"):
        load_videos(tmp_path)
    # Warnings are errors in tests, so none is issued.
    assert load_videos(tmp_path, group=r"\d{3}").groups.tolist() == [0, 0, 0, 0]
    assert load_videos(tmp_path, group=str).groups.tolist() == [0, 1, 2, 3]
    (tmp_path / "fake" / "183_253.mp4").rename(tmp_path / "fake" / "1832.mp4")
    (tmp_path / "fake" / "253_183.mp4").rename(tmp_path / "fake" / "take_18.mp4")
    assert load_videos(tmp_path).groups.tolist() == [0, 1, 2, 3]


def test_pattern_is_searched_in_the_name_not_in_the_folder(tree: Path) -> None:
    with pytest.raises(DatasetError, match=r"'fake' does not match .*000\.MOV"):
        load_videos(tree, group="fake")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: root / "nowhere", r"nowhere' does not exist.*real and fake"),
        (lambda root: root / "real/001.mp4", r"001.mp4' is a file.*real and fake"),
        (lambda root: root / "real", r"real.real' does not exist.*real videos"),
    ],
    ids=["missing", "a file", "without classes"],
)
def test_wrong_root_is_named_with_what_is_expected(tree, spoil, message) -> None:
    with pytest.raises(DatasetError, match=message):
        load_videos(spoil(tree))


def test_class_without_a_video_says_what_was_looked_for(tree: Path) -> None:
    for path in (tree / "fake").iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match=r"No videos in '.*fake'.*\.mp4, .*\.m4v"):
        load_videos(tree)
