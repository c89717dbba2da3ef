"""Tests of OfficialSplit."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdeepfake.exceptions import DatasetError, LeakageError, MissingVideosWarning
from skdeepfake.model_selection import OfficialSplit

# Two pairs of FaceForensics++ and their fakes of two methods.
FORENSICS = [
    *(f"original_sequences/youtube/c23/videos/{i}.mp4" for i in ("071", "054")),
    *(f"original_sequences/youtube/c23/videos/{i}.mp4" for i in ("000", "003")),
    *(
        f"manipulated_sequences/{method}/c23/videos/{name}.mp4"
        for method in ("Deepfakes", "FaceSwap")
        for name in ("071_054", "054_071", "000_003", "003_000")
    ),
]
CELEB = [
    "Celeb-real/id0_0000.mp4",
    "YouTube-real/00170.mp4",
    "Celeb-synthesis/id0_id1_0000.mp4",
    "Celeb-real/id1_0000.mp4",
]


def split(paths: Any, *arguments: Any, groups: Any = None, **lists: Any) -> list:
    ((train, test),) = OfficialSplit(*arguments, **lists).split(paths, groups=groups)
    return [train.tolist(), test.tolist()]


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(name: str, content: Any) -> Path:
        path = tmp_path / name
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8")
        return path

    return write


# -- published lists -------------------------------------------------------------


def test_pairs_take_originals_and_fakes_of_all_methods(write: Any) -> None:
    train = write("train.json", [["071", "054"]])
    test = write("test.json", [["003", "000"]])
    expected = [[0, 1, 4, 5, 8, 9], [2, 3, 6, 7, 10, 11]]
    assert split(FORENSICS, train=str(train), test=test) == expected


def test_lines_with_a_flag_and_a_folder(write: Any) -> None:
    lines = "1 YouTube-real/00170.mp4\n0 Celeb-synthesis/id0_id1_0000.mp4\n\n"
    test = write("List_of_testing_videos.txt", lines)
    assert split([f"/data/Celeb-DF-v2/{path}" for path in CELEB], test) == [
        [0, 3],
        [1, 2],
    ]


def test_folder_of_an_entry_must_be_that_of_the_video() -> None:
    paths = ["Celeb-real/id0_0000.mp4", "other/id0_0000.mp4"]
    assert split(paths, ["Celeb-real/id0_0000.mp4"]) == [[1], [0]]
    paths = ["x/Celeb-real/id0_0000.mp4", "NotCeleb-real/id0_0000.mp4"]
    assert split(paths, ["Celeb-real/id0_0000.mp4"]) == [[1], [0]]


def test_names_a_line_mean_all_variants(write: Any) -> None:
    paths = [
        f"manipulated_videos/{variant}/{name}.mp4"
        for variant in ("end_to_end", "reenact_postprocess")
        for name in ("000_M101", "001_M112", "002_W009")
    ]
    test = write("test.txt", "\ufeff000_M101.mp4\r\n")
    left_out = write("val.txt", "002_W009.mp4")
    assert split(paths, test, left_out=left_out) == [[1, 4], [0, 3]]


def test_table_with_a_header(write: Any) -> None:
    test = write("labels.csv", "filename,label\naassnaulhq.mp4,0\naayfryxljh.mp4,1")
    paths = ["aassnaulhq.mp4", "train/zzz.mp4", "aayfryxljh.mp4"]
    assert split(paths, test) == [[1], [0, 2]]


def test_names_in_a_json_list(write: Any) -> None:
    assert split(["a.mp4", "b.mp4"], write("test.json", ["b.mp4"])) == [[0], [1]]


@pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Series])
def test_names_may_be_given_themselves(kind: Any) -> None:
    paths = kind(["a.mp4", "b.mp4", "c.mp4"])
    assert split(paths, kind(["b.mp4"]), train=kind(["c.mp4", "a.mp4"])) == [
        [0, 2],
        [1],
    ]
    assert split([Path("a.mp4"), Path("b.mp4")], [Path("b.mp4")]) == [[0], [1]]


def test_extension_does_not_matter() -> None:
    paths = ["copies/000.mkv", "001.MP4", "x.y.avi", "x.mp4"]
    assert split(paths, ["000.mp4", "001"]) == [[2, 3], [0, 1]]
    assert split(paths, ["x.y"]) == [[0, 1, 3], [2]]


# -- errors ----------------------------------------------------------------------


def test_video_in_two_lists_is_an_error() -> None:
    expected = (
        r"^'d/b.mp4' is in two lists: train \(entry 'b.mp4'\) and test \(entry "
        r"'d/b.mp4'\)\. 1 other video is also in both lists\.$"
    )
    with pytest.raises(DatasetError, match=expected):
        split(
            ["d/a.mp4", "d/b.mp4", "d/c.mp4"],
            train=["a.mp4", "b.mp4", "c.mp4"],
            test=["d/b.mp4", "d/c.mp4"],
        )


def test_video_in_no_list_is_an_error() -> None:
    expected = (
        r"^2 of 4 videos are in no list: 'c.mp4', 'd.mp4'. Pass a list of them as "
        "left_out, or train=None"
    )
    paths = ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]
    with pytest.raises(DatasetError, match=expected):
        split(paths, train=["a.mp4"], test=["b.mp4"])
    lists = {"train": ["a.mp4"], "test": ["b.mp4"], "left_out": ["c.mp4", "d.mp4"]}
    assert split(paths, **lists) == [[0], [1]]


@pytest.mark.parametrize("empty", ["train", "test"])
def test_side_without_a_video_is_an_error(empty: str) -> None:
    lists = {"train": ["a.mp4"], "test": ["a.mp4"], empty: ["b.mp4"]}
    expected = f"None of the 1 videos is in the {empty} set. The first video is 'a.mp4'"
    with pytest.raises(DatasetError, match=expected):
        split(["a.mp4"], missing="ignore", **lists)


def test_nothing_left_to_train_on_is_an_error() -> None:
    with pytest.raises(DatasetError, match="None of the 1 videos is in the train set"):
        split(["a.mp4"], ["a.mp4"])


def test_entries_without_a_video_are_told() -> None:
    test = ["b.mp4", *(f"{i}.mp4" for i in range(7))]
    expected = (
        "No video was found for 7 of 8 entries of test: '0.mp4', '1.mp4', '2.mp4', "
        "'3.mp4', '4.mp4' and 2 more. Scores on a part of a list"
    )
    with pytest.warns(MissingVideosWarning, match=expected) as told:
        assert split(["a.mp4", "b.mp4"], test) == [[0], [1]]
    assert len(told) == 1
    with pytest.raises(DatasetError, match=expected):
        split(["a.mp4", "b.mp4"], test, missing="raise")
    assert split(["a.mp4", "b.mp4"], test, missing="ignore") == [[0], [1]]


def test_other_word_for_missing_is_refused() -> None:
    expected = "missing='skip' must be one of 'warn', 'raise', 'ignore'"
    with pytest.raises(ValueError, match=expected):
        split(["a.mp4", "b.mp4"], ["a.mp4"], missing="skip")


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"test='.*no\.json' cannot be read: No such"
    ):
        split(["a.mp4"], tmp_path / "no.json")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.json", "[", "test='.*a.json' is not valid JSON"),
        ("a.json", {"a.mp4": {}}, "test='.*a.json' contains a dict; expected a list"),
        (
            "a.json",
            [["1", "2", "3"]],
            r"test has the entry \['1', '2', '3'\]; expected",
        ),
        ("a.json", [71], "test has the entry 71; expected the name of a video or a"),
        ("a.txt", "\n", "test lists no video"),
        ("a.csv", "filename,label", "test lists no video"),
    ],
)
def test_file_that_is_no_list_is_named(
    write: Any, name: str, content: Any, expected: str
) -> None:
    with pytest.raises(DatasetError, match=expected):
        split(["a.mp4"], write(name, content))


def test_arrays_in_place_of_paths_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"OfficialSplit expects .* of paths .* \(2, 3\)"
    ):
        split(np.zeros((2, 3)), ["a.mp4"])


def test_groups_on_both_sides_are_an_error() -> None:
    paths = ["a.mp4", "b.mp4", "c.mp4"]
    assert split(paths, ["c.mp4"], groups=[1, 1, 2]) == [[0, 1], [2]]
    with pytest.raises(LeakageError, match=r"1 of 2 groups is in .*: 1\."):
        split(paths, ["b.mp4"], groups=[1, 1, 2])


# -- scikit-learn API -------------------------------------------------------------


@pytest.fixture
def classifier() -> Any:
    """Return a classifier of paths that only learns the share of training fakes."""
    lengths = FunctionTransformer(lambda paths: np.array([[len(p)] for p in paths]))
    return make_pipeline(lengths, DummyClassifier(strategy="prior"))


def test_it_goes_wherever_a_splitter_goes(classifier: Any) -> None:
    X = np.array(["0.mp4", "1.mp4", "2.mp4", "3.mp4", "4.mp4"])
    y = np.array([0, 0, 1, 1, 0])
    cv = OfficialSplit(["3.mp4", "4.mp4"])
    assert cv.get_n_splits(X) == 1
    # The majority class of the training videos is correct for one of two test videos.
    assert cross_val_score(classifier, X, y, cv=cv).tolist() == [0.5]
    found = cross_validate(classifier, X, y, cv=cv, return_indices=True)
    assert found["indices"]["train"][0].tolist() == [0, 1, 2]
    grid = {
        "dummyclassifier__constant": [0, 1],
        "dummyclassifier__strategy": ["constant"],
    }
    search = GridSearchCV(classifier, grid, cv=cv, refit=False, scoring="recall")
    results = search.fit(X, y).cv_results_
    assert results["split0_test_score"].tolist() == [0.0, 1.0]
    assert "split1_test_score" not in results


def test_groups_reach_it_with_routing_and_without(classifier: Any) -> None:
    X, y = np.array(["0.mp4", "1.mp4", "2.mp4"]), np.array([0, 1, 1])
    cv, same = OfficialSplit(["2.mp4"]), [1, 2, 2]
    with pytest.raises(LeakageError, match=r": 2\."):
        cross_val_score(classifier, X, y, cv=cv, groups=same)
    with sklearn.config_context(enable_metadata_routing=True):
        with pytest.raises(LeakageError, match=r": 2\."):
            cross_val_score(classifier, X, y, cv=cv, params={"groups": same})
        cross_val_score(classifier, X, y, cv=cv, params={"groups": [1, 1, 2]})
        cross_val_score(classifier, X, y, cv=cv)


def test_it_is_copied_and_shown_like_other_splitters() -> None:
    cv = OfficialSplit("test.txt", missing="ignore")
    assert repr(cv) == (
        "OfficialSplit(left_out=None, missing='ignore', test='test.txt', train=None)"
    )
    for copied in (pickle.loads(pickle.dumps(cv)), clone(cv, safe=False)):
        assert vars(copied) == vars(cv)
