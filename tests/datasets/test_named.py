"""Tests of load_named_videos, which parses file names of custom datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from skdeepfake.datasets import load_named_videos
from skdeepfake.exceptions import DatasetError, MissingVideosWarning

REAL = {"folder": "real", "label": 0, "pattern": r"(?P<target>[a-z]+)"}
FAKE = {
    "folder": "swaps/new",
    "label": 1,
    "pattern": r"(?P<target>[a-z]+)_(?P<source>[a-z]+)",
    "original": "{target}",
    "method": "new",
}


def grow(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_names_tell_people_originals_and_methods(tmp_path: Path) -> None:
    root = grow(tmp_path, "real/anna.mp4", "real/carla.mp4", "swaps/new/anna_bert.mp4")
    videos = load_named_videos(root, [REAL, FAKE])
    assert [Path(path).name for path in videos.data] == [
        *("anna.mp4", "carla.mp4", "anna_bert.mp4")
    ]
    assert videos.target.tolist() == [0, 0, 1]
    assert videos.groups.tolist() == [0, 1, 0]
    assert videos.details.method.tolist() == [None, None, "new"]
    assert videos.details.original.tolist() == [None, None, "anna"]


def test_missing_original_is_told(tmp_path: Path) -> None:
    root = grow(tmp_path, "real/carla.mp4", "swaps/new/anna_bert.mp4")
    with pytest.warns(MissingVideosWarning, match="original is not among"):
        load_named_videos(root, [REAL, FAKE])


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"folder": "real", "label": 0}, r"lacks the keys \['pattern'\]"),
        ({**REAL, "patern": "x"}, r"unknown keys \['patern'\]\. Required keys"),
        ({**REAL, "label": "real"}, r"must be 0 \(real\) or 1 \(fake\)"),
        ({**REAL, "pattern": "[a-z]+"}, r"lacks the named groups \['target'\]"),
        ({**REAL, "original": "{take}"}, r"lacks the named groups \['take'\]"),
    ],
)
def test_keys_of_a_part_are_checked(
    part: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        load_named_videos(grow(tmp_path, "real/anna.mp4"), [part])


def test_folder_in_which_no_name_fits_is_an_error(tmp_path: Path) -> None:
    root = grow(tmp_path, "real/01.mp4")
    with pytest.raises(DatasetError, match=r"the first video is '01\.mp4'"):
        load_named_videos(root, [REAL])
