"""Tests of load_paper_folders."""

from __future__ import annotations

import pytest

from skdeepfake.datasets import load_paper_folders
from skdeepfake.exceptions import DatasetError, DatasetWarning, MissingVideosWarning

RENAMED = [
    *("Original/000.mp4", "Original/001.mp4"),
    *("Manipulated/000.mp4", "Manipulated/001.mp4"),
]
WHOLE = [
    *("Original/000.mp4", "Original/001.mp4", "Original/002.mp4"),
    *("Manipulated/000_M101.mp4", "Manipulated/001_W020.mp4"),
    "Manipulated/002_M101.mp4",
]


def test_first_three_characters_pair_a_fake_with_its_original(grow, listed) -> None:
    root = grow(*reversed(RENAMED))
    videos = load_paper_folders(root)
    assert listed(videos, root) == RENAMED
    assert videos.target.tolist() == [0, 0, 1, 1]
    assert videos.target_names == ["real", "fake"]
    assert videos.groups.tolist() == [0, 1, 0, 1]
    assert videos.split is None
    assert videos.details["source"].tolist() == [None] * 4


def test_source_is_in_the_groups_where_the_name_still_has_it(grow) -> None:
    videos = load_paper_folders(grow(*WHOLE))
    assert videos.groups.tolist() == [0, 1, 0] * 2
    assert videos.details["source"].tolist()[3:] == ["M101", "W020", "M101"]
    assert videos.details["target"].tolist() == ["000", "001", "002"] * 2


def test_original_that_was_not_renamed_is_found(grow) -> None:
    videos = load_paper_folders(grow("Original/000_abc.mp4", "Manipulated/000.mp4"))
    assert videos.details["original"].tolist() == [None, "000_abc"]
    assert videos.groups.tolist() == [0, 0]


def test_trimmed_copies_of_both_kinds_are_not_read(grow, listed) -> None:
    root = grow(*RENAMED, "Manipulated/Trimmed/000.mp4")
    assert listed(load_paper_folders(root), root) == RENAMED


def test_videos_without_a_partner_are_kept_and_named(grow) -> None:
    root = grow(*RENAMED, "Original/002.mp4", "Manipulated/003.mp4")
    with (
        pytest.warns(
            MissingVideosWarning, match=r"without a fake.*\(1\): '.*002\.mp4'"
        ),
        pytest.warns(MissingVideosWarning, match=r"original is.*\(1\): '.*003\.mp4'"),
    ):
        videos = load_paper_folders(root)
    assert videos.target.tolist() == [0, 0, 0, 1, 1, 1]
    assert videos.groups.tolist() == [0, 1, 2, 0, 1, 3]


def test_originals_that_begin_alike_are_one_group_and_named(grow) -> None:
    root = grow(*RENAMED, "Original/000_b.mp4")
    message = r"first 3 characters.*\(2\): '.*000\.mp4', '.*000_b\.mp4'"
    with pytest.warns(DatasetWarning, match=message):
        videos = load_paper_folders(root)
    assert videos.groups.tolist() == [0, 0, 1, 0, 1]


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (RENAMED[:2], r"Manipulated' does not exist; .* with the fakes"),
        (RENAMED[2:], r"Original' does not exist; .* with the real videos"),
        ([*RENAMED, "Manipulated/7.mp4"], r"The name of '.*7\.mp4' is too short"),
    ],
    ids=["no fakes", "no originals", "short name"],
)
def test_what_nothing_can_be_made_of_is_an_error(grow, tree, message) -> None:
    with pytest.raises(DatasetError, match=message):
        load_paper_folders(grow(*tree))
