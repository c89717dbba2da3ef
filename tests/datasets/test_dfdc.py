"""Tests of load_dfdc, whose labels are in one file per part."""

from __future__ import annotations

from typing import Any

import pytest

from skdeepfake.datasets import load_dfdc
from skdeepfake.exceptions import DatasetError, DatasetWarning, MissingVideosWarning

PART_0, PART_1 = "dfdc_train_part_0", "dfdc_train_part_1"


def real(split: str = "train", **more: Any) -> dict[str, Any]:
    return {"label": "REAL", "split": split, "original": None, **more}


def fake(original: str | None, split: str = "train") -> dict[str, Any]:
    said = {"label": "FAKE", "split": split}
    return said if original is None else {**said, "original": original}


METADATA = {
    f"{PART_0}/metadata.json": {
        "bbb.mp4": fake("ccc.mp4"),
        "ccc.mp4": real(),
        "aaa.mp4": fake("ccc.mp4"),
    },
    f"{PART_1}/metadata.json": {"ddd.mp4": {"label": "REAL", "split": "train"}},
}
TREE = [*(f"{PART_0}/{n}.mp4" for n in ("aaa", "bbb", "ccc")), f"{PART_1}/ddd.mp4"]


def test_labels_groups_and_splits_come_from_the_metadata(grow, listed) -> None:
    root = grow(*TREE, **METADATA)
    videos = load_dfdc(root)
    assert listed(videos, root) == [TREE[2], TREE[3], TREE[0], TREE[1]]
    assert videos.target.tolist() == [0, 0, 1, 1]
    assert videos.groups.tolist() == [0, 1, 0, 0]
    assert videos.split.tolist() == ["train"] * 4
    assert videos.details["original"].tolist() == [None, None, "ccc", "ccc"]
    assert videos.details["target"].tolist() == ["ccc", "ddd", "ccc", "ccc"]
    assert videos.details["source"].tolist() == [None] * 4


def test_one_part_is_a_root_too(grow, listed) -> None:
    root = grow(*TREE, **METADATA) / PART_0
    assert listed(load_dfdc(root), root) == ["ccc.mp4", "aaa.mp4", "bbb.mp4"]


@pytest.mark.parametrize("folder", ["", "videos/"], ids=["beside", "in a subfolder"])
def test_labels_csv_says_1_for_fake(grow, listed, folder) -> None:
    tree = [f"test/{folder}{n}.mp4" for n in ("x", "y", "z")]
    table = "filename,label\nx.mp4,1\ny.mp4,0\nz.mp4,1\n"
    root = grow(*tree, **{"test/labels.csv": table})
    videos = load_dfdc(root)
    assert listed(videos, root) == [tree[1], tree[0], tree[2]]
    assert videos.target.tolist() == [0, 1, 1]
    assert videos.groups.tolist() == [0, 1, 2]
    assert videos.split is None


def test_original_of_another_part_is_in_the_group(grow) -> None:
    metadata = {**METADATA, f"{PART_1}/metadata.json": {"ddd.mp4": fake("ccc.mp4")}}
    videos = load_dfdc(grow(*TREE, **metadata))
    assert videos.target.tolist() == [0, 1, 1, 1]
    assert videos.groups.tolist() == [0, 0, 0, 0]


def test_video_that_metadata_names_and_that_is_not_there(grow) -> None:
    root = grow(*TREE[1:], **METADATA)
    message = rf"listed in {PART_0} \(1\): 'aaa'"
    with pytest.warns(MissingVideosWarning, match=message):
        videos = load_dfdc(root)
    assert videos.target.tolist() == [0, 0, 1]


def test_video_that_metadata_do_not_name_is_left_out_and_named(grow) -> None:
    root = grow(*TREE, f"{PART_1}/eee.mp4", **METADATA)
    message = rf"without a label in {PART_1} \(1\): '.*eee\.mp4'; they are ignored"
    with pytest.warns(DatasetWarning, match=message):
        videos = load_dfdc(root)
    assert len(videos.data) == 4


def test_fake_whose_original_is_not_there_is_kept_and_named(grow) -> None:
    metadata = {**METADATA, f"{PART_1}/metadata.json": {"ddd.mp4": fake("zzz.mp4")}}
    root = grow(*TREE, **metadata)
    with pytest.warns(MissingVideosWarning, match=r"original .* \(1\): '.*ddd\.mp4'"):
        videos = load_dfdc(root)
    assert videos.details["target"].tolist() == ["ccc", "ccc", "ccc", "zzz"]
    assert videos.groups.tolist() == [0, 0, 0, 1]


def test_name_in_two_parts_is_named_and_one_group(grow) -> None:
    metadata = {**METADATA, f"{PART_1}/metadata.json": {"ccc.mp4": real()}}
    root = grow(*TREE[:3], f"{PART_1}/ccc.mp4", **metadata)
    with pytest.warns(DatasetWarning, match=rf"names \(1\): '.*{PART_1}.ccc\.mp4'"):
        videos = load_dfdc(root)
    assert videos.target.tolist() == [0, 0, 1, 1]
    assert videos.groups.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (fake(None), r"fakes without an original in .*part_1.* \(1\): 'ddd\.mp4'"),
        (real(original="ccc.mp4"), r"real videos with an original .*\(1\): 'ddd\.mp4'"),
        (fake("ccc.mp4", "test"), r"different split from their original \(1\): '.*ddd"),
    ],
    ids=["fake without original", "real with original", "original in another split"],
)
def test_contradictions_are_named(grow, said, message) -> None:
    metadata = {**METADATA, f"{PART_1}/metadata.json": {"ddd.mp4": said}}
    root = grow(*TREE, **metadata)
    with pytest.warns(DatasetWarning, match=message):
        videos = load_dfdc(root)
    assert videos.target.sum() == 2 + (said["label"] == "FAKE")
    assert max(videos.groups) == ("original" not in said or said["label"] == "REAL")


def test_original_that_is_said_to_be_fake_is_named(grow) -> None:
    metadata = {**METADATA, f"{PART_1}/metadata.json": {"ddd.mp4": fake("aaa.mp4")}}
    root = grow(*TREE, **metadata)
    with (
        pytest.warns(DatasetWarning, match=r"labeled as fake \(1\): '.*ddd\.mp4'"),
        pytest.warns(MissingVideosWarning, match=r"not among the real .*\(1\)"),
    ):
        videos = load_dfdc(root)
    assert videos.groups.tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({}, r"Neither .* nor any .* contains a metadata\.json or a labels\.csv"),
        ({"metadata.json": "{"}, r"metadata\.json' is not valid JSON: "),
        ({"metadata.json": []}, r"metadata\.json' contains a list; expected names"),
        ({"metadata.json": {"aaa.mp4": {"label": "fake"}}}, r"'fake' for 'aaa\.mp4'"),
        (
            {"metadata.json": {"aaa.mp4": {"augmented": 1}}},
            r"None of the 1 videos in .* has a label",
        ),
        ({"labels.csv": "aaa.mp4,1\n"}, r"expected the header 'filename,label'"),
        ({"labels.csv": "filename,label\naaa.mp4,2\n"}, r"'2' .*expected '0' or '1'"),
        (
            {
                "metadata.json": {"aaa.mp4": {"label": "REAL"}},
                "labels.csv": "filename,label\naaa.mp4,1\n",
            },
            r"'aaa' is both real and fake",
        ),
    ],
    ids=[
        *("no labels", "no JSON", "a list", "unknown label", "nothing but changes"),
        *("no header", "unknown number", "two files that contradict each other"),
    ],
)
def test_what_nothing_can_be_made_of_is_an_error(grow, lists, message) -> None:
    with pytest.raises(DatasetError, match=message):
        load_dfdc(grow("aaa.mp4", **lists))


def test_part_without_videos_is_an_error(grow) -> None:
    with pytest.raises(DatasetError, match=rf"No videos in '.*{PART_0}'"):
        load_dfdc(grow(**METADATA))
