"""Tests of load_deeperforensics, whose real videos are from FaceForensics++."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skdeepfake.datasets import load_deeperforensics
from skdeepfake.exceptions import DatasetError, MissingVideosWarning
from skdeepfake.model_selection import check_no_leakage

IDS = ["000", "001", "002", "003", "004"]
# M101 is the source of two fakes.
FAKES = ["000_M101", "001_W020", "002_M101", "003_M004", "004_W133"]
LISTS = {
    "lists/splits/train.txt": "000_M101.mp4\n002_M101.mp4\n\n",
    "lists/splits/val.txt": "001_W020.mp4\n",
    "lists/splits/test.txt": "003_M004.mp4\n004_W133.mp4\n",
}


def variant(name: str, fakes: list[str] = FAKES) -> list[str]:
    return [f"manipulated_videos/{name}/{fake}.mp4" for fake in fakes]


@pytest.fixture
def ff(grow) -> Path:
    """Return a FaceForensics++ folder that also contains videos to ignore."""
    return grow(
        *(f"original_sequences/youtube/c23/videos/{i}.mp4" for i in IDS),
        *(f"original_sequences/youtube/c40/videos/{i}.mp4" for i in IDS),
        "manipulated_sequences/Deepfakes/c23/videos/000_003.mp4",
        below="ff",
    )


@pytest.fixture
def deeper(grow) -> Any:
    def deeper(*videos: str, **lists: Any) -> Path:
        source = "source_videos/M101/BlendShape/camera_down"
        return grow(
            *(videos or variant("end_to_end")),
            f"{source}/M101_BlendShape_camera_down.mp4",
            below="deeper",
            **(lists or LISTS),
        )

    return deeper


def names(paths: np.ndarray) -> list[str]:
    return [os.path.splitext(os.path.basename(path))[0] for path in paths]


def test_real_videos_are_the_c23_targets_and_never_source_videos(ff, deeper) -> None:
    videos = load_deeperforensics(deeper(), ff)
    real = videos.data[videos.target == 0]
    assert real.tolist() == [
        str(ff / f"original_sequences/youtube/c23/videos/{i}.mp4") for i in IDS
    ]
    assert names(videos.data[videos.target == 1]) == FAKES
    assert videos.target.tolist() == [0] * 5 + [1] * 5
    assert not any("source_videos" in path for path in videos.data)


def test_its_own_folder_is_not_taken_for_the_real_part(deeper) -> None:
    root = deeper()
    with pytest.raises(DatasetError, match=r"youtube.*with the real videos of Fac"):
        load_deeperforensics(root, root)
    with pytest.raises(DatasetError, match=r"instead of the source_videos of Deeper"):
        load_deeperforensics(root, root / "nowhere")


def test_groups_are_by_the_actor_too(ff, deeper) -> None:
    videos = load_deeperforensics(deeper(), ff)
    assert videos.groups.tolist() == [0, 1, 0, 2, 3] * 2
    assert videos.details["source"].tolist()[5:] == [f[4:] for f in FAKES]
    assert videos.details["target"].tolist() == IDS * 2


def test_real_videos_are_in_the_split_of_their_fakes(ff, deeper) -> None:
    """The official lists contain only fakes."""
    videos = load_deeperforensics(deeper(), ff)
    assert videos.split.tolist() == ["train", "val", "train", "test", "test"] * 2
    train, test = (np.flatnonzero(videos.split == s) for s in ("train", "test"))
    check_no_leakage(train, test, videos.groups)
    chosen = load_deeperforensics(deeper(), ff, split="val")
    assert names(chosen.data) == ["001", "001_W020"]
    assert chosen.target.tolist() == [0, 1]
    assert chosen.groups.tolist() == [1, 1]


def test_lists_hold_for_every_variant(ff, deeper) -> None:
    tree = [*variant("reenact_postprocess"), *variant("end_to_end_level_5")]
    root = deeper(*tree)
    chosen = ["reenact_postprocess", "end_to_end_level_5"]
    videos = load_deeperforensics(root, ff, variants=chosen)
    expected = [*["end_to_end_level_5"] * 5, *["reenact_postprocess"] * 5]
    assert videos.details["method"].tolist() == [None] * 5 + expected
    assert videos.split.tolist() == ["train", "val", "train", "test", "test"] * 3
    assert videos.groups.tolist() == [0, 1, 0, 2, 3] * 3


def test_default_is_the_undistorted_variant(ff, deeper) -> None:
    root = deeper(*variant("end_to_end"), *variant("end_to_end_mix_2_distortions"))
    videos = load_deeperforensics(root, ff)
    assert set(videos.details["method"][5:]) == {"end_to_end"}


def test_all_variants_that_are_there(ff, deeper) -> None:
    root = deeper(*variant("end_to_end"), *variant("end_to_end_level_1"))
    with pytest.warns(
        MissingVideosWarning, match=r"folders of fakes.*\(9\): .*level_2"
    ):
        videos = load_deeperforensics(root, ff, variants="all")
    assert videos.target.sum() == 10


def test_target_in_two_lists_is_an_error(ff, deeper) -> None:
    lists = {**LISTS, "lists/splits/test.txt": "003_M004.mp4\n004_W133.mp4\n000_W020"}
    with pytest.raises(
        DatasetError, match=r"'000' is in two .*train and \w+ \(as '000_W02"
    ):
        load_deeperforensics(deeper(**lists), ff)


def test_listed_fakes_and_targets_that_are_not_there_are_named(ff, deeper) -> None:
    root = deeper(*variant("end_to_end", FAKES[1:]))
    (ff / "original_sequences/youtube/c23/videos/004.mp4").unlink()
    with (
        pytest.warns(
            MissingVideosWarning, match=r"\(2\): 'end_to_end/000_M101', '004'"
        ),
        pytest.warns(MissingVideosWarning, match=r"original .* \(1\): '.*004_W133"),
    ):
        videos = load_deeperforensics(root, ff)
    assert videos.target.tolist() == [0] * 4 + [1] * 4


def test_without_lists_the_split_is_none_and_this_is_said(ff, grow) -> None:
    root = grow(*variant("end_to_end"), below="deeper")
    with pytest.warns(MissingVideosWarning, match=r"\(3\): '.*lists.splits.train\.txt"):
        videos = load_deeperforensics(root, ff)
    assert videos.split is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variants": "level_1"}, r"variants=\['level_1'\] must be 'all' or some of"),
        ({"variants": "reenact_postprocess"}, r"reenact_postprocess' does not exist"),
        ({"split": "tset"}, r"split='tset' must be None or one of"),
    ],
    ids=["unknown variant", "variant not there", "split"],
)
def test_wrong_parameters_are_named(ff, deeper, arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        load_deeperforensics(deeper(), ff, **arguments)
