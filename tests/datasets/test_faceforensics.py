"""Tests of load_faceforensics and load_dfd on folders of empty files."""

from __future__ import annotations

import builtins
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from skdeepfake.datasets import load_dfd, load_faceforensics
from skdeepfake.datasets._published import METHODS
from skdeepfake.exceptions import (
    DatasetError,
    DatasetWarning,
    LeakageError,
    MissingVideosWarning,
)
from skdeepfake.model_selection import OfficialSplit, check_no_leakage

REAL = "original_sequences/youtube/c23/videos"
PAIRS = {
    "train.json": [["000", "003"]],
    "val.json": [["071", "054"]],
    "test.json": [["100", "077"]],
}
IDS = ["000", "003", "054", "071", "077", "100"]
FAKES = ["000_003", "003_000", "054_071", "071_054", "077_100", "100_077"]


def fakes(method: str, names: list[str] = FAKES, compression: str = "c23") -> list[str]:
    return [
        f"manipulated_sequences/{method}/{compression}/videos/{n}.mp4" for n in names
    ]


ORIGINALS = [f"{REAL}/{i}.mp4" for i in IDS]
TWO = [*ORIGINALS, *fakes("FaceSwap"), *fakes("Deepfakes")]
CHOICE = ("FaceSwap", "Deepfakes")


def without(videos: list[str], *gone: str) -> list[str]:
    return [v for v in videos if not any(v.endswith(f"/{g}.mp4") for g in gone)]


# -- listed videos -----------------------------------------------------------------


def test_real_videos_come_first_then_each_method_sorted(grow, listed) -> None:
    root = grow(*reversed(TWO), f"{REAL}/.hidden.mp4", f"{REAL}/notes.txt", **PAIRS)
    videos = load_faceforensics(root, methods=CHOICE)
    # Methods are in alphabetical order, not in the requested order.
    expected = [*ORIGINALS, *fakes("Deepfakes"), *fakes("FaceSwap")]
    assert listed(videos, root) == expected
    assert videos.target.tolist() == [0] * 6 + [1] * 12
    assert videos.target_names == ["real", "fake"]
    assert videos.data.dtype.kind == "U"
    assert videos.target.dtype.kind == "i"


def test_details_say_what_the_names_say(grow) -> None:
    root = grow(*TWO, **PAIRS)
    details = load_faceforensics(root, methods="FaceSwap").details
    assert {name: column[[1, 8]].tolist() for name, column in details.items()} == {
        "path": [str(root / REAL / "003.mp4"), str(root / fakes("FaceSwap")[2])],
        "label": [0, 1],
        "target": ["003", "054"],
        "source": [None, "071"],
        "original": [None, "054"],
        "method": [None, "FaceSwap"],
        "compression": ["c23", "c23"],
        "split": ["train", "val"],
    }


def test_groups_are_by_target_and_source(grow) -> None:
    root = grow(*TWO, **PAIRS)
    videos = load_faceforensics(root, methods=CHOICE)
    # Three pairs of real videos, with the fakes of both methods.
    assert videos.groups.tolist() == [0, 0, 1, 1, 2, 2] * 3
    # With groups by target only, sources are in both sets.
    test = np.flatnonzero(videos.details["target"] == "003")
    train = np.setdiff1d(np.arange(18), test)
    check_no_leakage(train, test, videos.details["target"])
    with pytest.raises(LeakageError):
        check_no_leakage(train, test, videos.groups)


def test_same_name_under_two_methods_is_two_fakes(grow) -> None:
    """The file name alone does not identify a fake."""
    videos = load_faceforensics(grow(*TWO, **PAIRS), methods=CHOICE)
    ends = [p.endswith("000_003.mp4") for p in videos.data]
    assert videos.details["method"][ends].tolist() == ["Deepfakes", "FaceSwap"]


def test_other_compressions_and_dfd_are_not_read(grow, listed) -> None:
    c40 = [v.replace("c23", "c40") for v in [*ORIGINALS, *fakes("Face2Face")]]
    dfd = "manipulated_sequences/DeepFakeDetection/c40/videos/01_02__x__ABCDEFGH.mp4"
    root = grow(*TWO, *c40, dfd, **PAIRS)
    videos = load_faceforensics(root, methods=["Face2Face"], compression="c40")
    assert listed(videos, root) == c40
    assert set(videos.details["compression"]) == {"c40"}


def test_extensions_in_capitals_are_videos(grow, listed) -> None:
    tree = [v.replace("_003.mp4", "_003.MP4") for v in without(TWO, "077_100")]
    root = grow(*tree, fakes("Deepfakes", ["077_100"])[0], **PAIRS)
    with pytest.warns(MissingVideosWarning, match=r"\(1\): 'FaceSwap/077_100'"):
        videos = load_faceforensics(root, methods=CHOICE)
    assert f"{fakes('Deepfakes')[0][:-4]}.MP4" in listed(videos, root)
    assert len(videos.data) == 17


# -- splits ------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["", "splits/"], ids=["root", "splits"])
def test_split_of_real_videos_and_fakes_is_the_official_one(grow, folder) -> None:
    root = grow(*TWO, **{f"{folder}{name}": pairs for name, pairs in PAIRS.items()})
    videos = load_faceforensics(root, methods=CHOICE)
    expected = ["train", "train", "val", "val", "test", "test"] * 3
    assert videos.split.tolist() == expected
    lists = {n: root / f"{folder}{n}.json" for n in ("train", "val", "test")}
    cv = OfficialSplit(lists["test"], train=lists["train"], left_out=lists["val"])
    ((train, test),) = cv.split(videos.data, groups=videos.groups)
    assert np.flatnonzero(videos.split == "train").tolist() == train.tolist()
    assert np.flatnonzero(videos.split == "test").tolist() == test.tolist()


def test_one_split_is_chosen_with_the_groups_of_all(grow, listed) -> None:
    root = grow(*TWO, **PAIRS)
    videos = load_faceforensics(root, methods="Deepfakes", split="test")
    assert listed(videos, root) == [*ORIGINALS[4:], *fakes("Deepfakes")[4:]]
    assert videos.target.tolist() == [0, 0, 1, 1]
    assert videos.groups.tolist() == [2, 2, 2, 2]
    assert videos.split.tolist() == ["test"] * 4


def test_without_lists_the_split_is_none_and_this_is_said(grow) -> None:
    root = grow(*TWO)
    with pytest.warns(MissingVideosWarning, match=r"lists \(3\): .*train\.json"):
        videos = load_faceforensics(root, methods=CHOICE)
    assert videos.split is None
    assert videos.details["split"].tolist() == [None] * 18
    with pytest.raises(DatasetError, match=r"split='val' needs .*val\.json"):
        load_faceforensics(root, methods=CHOICE, split="val")


def test_one_of_three_lists_is_named_if_it_is_missing(grow) -> None:
    root = grow(*TWO, **{k: PAIRS[k] for k in ("train.json", "val.json")})
    with (
        pytest.warns(MissingVideosWarning, match=r"\(1\): '.*test\.json'"),
        pytest.warns(DatasetWarning, match=r"in no official list \(6\): .*077\.mp4"),
    ):
        videos = load_faceforensics(root, methods=CHOICE)
    assert videos.split.tolist() == ["train", "train", "val", "val", None, None] * 3
    # The list of the requested split exists.
    with pytest.warns(DatasetWarning, match=r"in no official list \(6\)"):
        load_faceforensics(root, methods=CHOICE, split="val")


def test_identity_in_two_lists_is_an_error(grow) -> None:
    lists = {**PAIRS, "test.json": [["100", "077"], ["000", "100"]]}
    root = grow(*TWO, **lists)
    message = r"1 names in '.*test\.json' are also in the train list: '000'"
    with pytest.raises(DatasetError, match=message):
        load_faceforensics(root, methods=CHOICE)


# -- errors and warnings -----------------------------------------------------------


def test_listed_videos_that_are_not_there_are_counted_and_named(grow) -> None:
    tree = [v for v in TWO if v not in (fakes("FaceSwap")[0], fakes("Deepfakes")[5])]
    root = grow(*tree, **PAIRS)
    with pytest.warns(MissingVideosWarning) as caught:
        videos = load_faceforensics(root, methods=CHOICE)
    assert [str(warning.message) for warning in caught] == [
        f"{str(root)!r}: missing videos of the official lists (2): 'FaceSwap/000_003', "
        "'Deepfakes/100_077'; scores on part of a list are not comparable with scores "
        "on the whole list"
    ]
    assert caught[0].filename == __file__
    assert len(videos.data) == 16
    # No video of another split is missing.
    assert len(load_faceforensics(root, methods=CHOICE, split="val").data) == 6


def test_fake_without_its_original_is_kept_and_named(grow) -> None:
    tree = without(TWO, "000")
    root = grow(*tree, **PAIRS)
    original = r"original is not among the real videos \(2\): '.*Deepfakes.*000_003"
    with (
        pytest.warns(MissingVideosWarning, match=original),
        pytest.warns(MissingVideosWarning, match=r"missing videos .* \(1\): '000'"),
    ):
        videos = load_faceforensics(root, methods=CHOICE)
    assert videos.target.tolist() == [0] * 5 + [1] * 12
    # The identity of the fake is still known from its name.
    assert videos.groups.tolist() == [0, 1, 1, 2, 2] + [0, 0, 1, 1, 2, 2] * 2


def test_names_that_say_nothing_are_left_out_and_named(grow, listed) -> None:
    odd = [*fakes("FaceSwap", ["000_003 (1)"]), f"{REAL}/000_003.mp4"]
    root = grow(*TWO, *odd, **PAIRS)
    with (
        pytest.warns(DatasetWarning, match=r"like 000\.mp4 \(1\): '.*000_003\.mp4'"),
        pytest.warns(
            DatasetWarning, match=r"_003\.mp4 \(1\): '.*\(1\)\.mp4'; .*ignored"
        ),
    ):
        videos = load_faceforensics(root, methods=CHOICE)
    assert sorted(listed(videos, root)) == sorted(TWO)


def test_same_name_with_two_extensions_is_named_and_kept(grow) -> None:
    root = grow(*TWO, f"{REAL}/054.avi", **PAIRS)
    with pytest.warns(DatasetWarning, match=r"name.*\(2\): '.*054\.avi', '.*054\.mp4"):
        videos = load_faceforensics(root, methods="FaceSwap")
    assert videos.groups.tolist() == [*(0, 0, 1, 1, 1, 2, 2), *(0, 0, 1, 1, 2, 2)]


def test_methods_that_are_not_there_are_named(grow) -> None:
    root = grow(*TWO, **PAIRS)
    with pytest.warns(MissingVideosWarning, match=r"\(3\): .*Face2Face.*NeuralT"):
        videos = load_faceforensics(root)
    assert videos.target.sum() == 12
    with pytest.raises(DatasetError, match=r"Face2Face.* does not exist.*Face2Face f"):
        load_faceforensics(root, methods=["FaceSwap", "Face2Face"])


def test_no_warning_for_a_whole_data_set(grow) -> None:
    tree = [*ORIGINALS, *(v for method in METHODS for v in fakes(method))]
    root = grow(*tree, **PAIRS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        videos = load_faceforensics(root)
    assert len(videos.data) == 36
    assert list(dict.fromkeys(videos.details["method"][6:])) == list(METHODS)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (TWO[6:], r"youtube.*does not exist; .* with the real videos"),
        (TWO[:6], r"No fakes found; .* '.*Deepfakes"),
        ([f"{REAL}/notes.txt"], r"No videos in '.*youtube"),
        ([f"{REAL}/id0_0000.mp4"], r"like 000\.mp4; .*'id0_0000\.mp4'\. Check"),
    ],
    ids=["no originals", "no fakes", "no video", "another dataset"],
)
def test_what_nothing_can_be_made_of_is_an_error(grow, tree, message) -> None:
    with pytest.raises(DatasetError, match=message):
        load_faceforensics(grow(*tree, **PAIRS))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"methods": "DeepFakeDetection"}, r"methods=\['DeepFakeDetection'\] .*'all'"),
        ({"methods": []}, r"methods=\[\] must be 'all' or some of 'Deepfakes'"),
        ({"compression": "c24"}, r"compression='c24' must be one of 'raw', 'c23'"),
        ({"split": "training"}, r"split='training' must be None or one of 'train'"),
    ],
    ids=["method of DFD", "no method", "compression", "split"],
)
def test_wrong_parameters_are_named(grow, arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        load_faceforensics(grow(*TWO, **PAIRS), **arguments)


def test_wrong_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no' does not exist.*original_sequences"):
        load_faceforensics(tmp_path / "no")


# -- DataFrames --------------------------------------------------------------------


def test_details_are_a_table_on_demand(grow) -> None:
    root = grow(*TWO, **PAIRS)
    plain = load_faceforensics(root, methods=CHOICE)
    videos = load_faceforensics(root, methods=CHOICE, as_frame=True)
    assert isinstance(videos.details, pd.DataFrame)
    assert list(videos.details) == list(plain.details)
    assert videos.details["path"].tolist() == videos.data.tolist()
    assert videos.details["source"].isna().tolist() == [True] * 6 + [False] * 12
    assert videos.details.groupby("method").size().to_dict() == dict.fromkeys(CHOICE, 6)
    np.testing.assert_array_equal(videos.data, plain.data)


def test_without_pandas_the_error_says_what_to_install(grow, monkeypatch) -> None:
    real_import = builtins.__import__

    def no_pandas(name: str, *args: Any) -> Any:
        if name == "pandas":
            raise ModuleNotFoundError(name)
        return real_import(name, *args)

    monkeypatch.setattr(builtins, "__import__", no_pandas)
    root = grow(*TWO, **PAIRS)
    assert len(load_faceforensics(root, methods=CHOICE).data) == 18
    with pytest.raises(ImportError, match=r"as_frame=True needs pandas: pip install"):
        load_faceforensics(root, methods=CHOICE, as_frame=True)


# -- DeepFakeDetection ---------------------------------------------------------------

ACTORS = "original_sequences/actors/c23/videos"
DFD = [
    f"{ACTORS}/01__kitchen_pan.mp4",
    f"{ACTORS}/01__podium_speech_happy.mp4",
    f"{ACTORS}/02__kitchen_pan.mp4",
    f"{ACTORS}/27__kitchen_pan.mp4",
    f"{ACTORS}/28__kitchen_pan.mp4",
    *fakes("DeepFakeDetection", ["01_02__kitchen_pan__YVGY8LOK"]),
    *fakes("DeepFakeDetection", ["27_28__kitchen_pan__0A1B2C3D"]),
]


def test_dfd_is_read_by_its_own_names(grow, listed) -> None:
    root = grow(*DFD, *TWO, **PAIRS)
    videos = load_dfd(root)
    assert listed(videos, root) == DFD
    assert videos.target.tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert videos.details["target"].tolist() == [
        *("01", "01", "02", "27", "28", "01"),
        "27",
    ]
    assert videos.details["source"].tolist() == [None] * 5 + ["02", "28"]
    assert videos.details["original"][5] == "01__kitchen_pan"
    assert videos.details["method"][5] == "DeepFakeDetection"
    # A group contains all scenes of actors whose faces were swapped with each other.
    assert videos.groups.tolist() == [0, 0, 0, 1, 1, 0, 1]
    assert videos.split is None


def test_dfd_may_be_one_group_and_details_let_choose_another(grow) -> None:
    root = grow(*DFD, *fakes("DeepFakeDetection", ["02_27__kitchen_pan__AAAAAAAA"]))
    videos = load_dfd(root)
    assert videos.groups.tolist() == [0] * 8
    assert len(set(videos.details["target"])) == 4


def test_dfd_fake_of_a_scene_that_is_not_there_is_named(grow) -> None:
    root = grow(*DFD, *fakes("DeepFakeDetection", ["02_01__exit__AAAAAAAA"]))
    with pytest.warns(MissingVideosWarning, match=r"\(1\): '.*02_01__exit__AAAAAAAA"):
        videos = load_dfd(root)
    assert videos.target.sum() == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"compression": "c40"},
            r"actors.c40.* does not exist; .* with the real videos",
        ),
        ({"compression": "23"}, r"compression='23' must be one of"),
    ],
    ids=["not there", "unknown"],
)
def test_dfd_says_which_compression_is_wrong(grow, arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        load_dfd(grow(*DFD), **arguments)
