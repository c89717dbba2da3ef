"""Tests of LeaveOneManipulationOut."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV, cross_validate

from skdeepfake.model_selection import LeaveOneManipulationOut, check_no_leakage

# Six people, with a real video and a fake of three methods each.
METHOD = np.array([None, "DF", "F2F", "NT"] * 6, dtype=object)
PEOPLE = np.repeat([7, 3, 5, 1, 4, 2], 4)
Y = np.tile([0, 1, 1, 1], 6)
X = np.random.default_rng(0).random((24, 2))


@pytest.fixture
def cv() -> LeaveOneManipulationOut:
    return LeaveOneManipulationOut(METHOD, n_splits=3)


def test_neither_method_nor_people_of_the_test_are_trained_on(cv: Any) -> None:
    splits = list(cv.split(X, Y, PEOPLE))
    assert len(splits) == 9
    for (method, _), (train, test) in zip(cv.split_names(), splits, strict=True):
        check_no_leakage(train, test, PEOPLE)
        assert set(METHOD[test]) == {None, method}
        assert set(METHOD[train]) == {None, "DF", "F2F", "NT"} - {method}
        # Two of six people for testing, and four people with two methods for training.
        assert (len(test), len(train)) == (2 * 2, 4 * 3)


def test_all_methods_are_tested_on_the_same_people(cv: Any) -> None:
    tested = [set(PEOPLE[test]) for _, test in cv.split(X, Y, PEOPLE)]
    assert tested[:3] == tested[3:6] == tested[6:]
    assert set.union(*tested[:3]) == {1, 2, 3, 4, 5, 7}


def test_names_say_which_split_is_which(cv: Any) -> None:
    assert cv.split_names() == [
        (method, fold) for method in ("DF", "F2F", "NT") for fold in range(3)
    ]
    assert cv.get_n_splits() == cv.get_n_splits(X, Y, PEOPLE) == 9


@pytest.mark.parametrize("kind", [list, pd.Series])
def test_columns_of_loaders_are_taken(kind: Any) -> None:
    column = kind(np.where(METHOD == None, np.nan, METHOD))  # noqa: E711
    expected = LeaveOneManipulationOut(METHOD, n_splits=2).split(X, groups=PEOPLE)
    cv = LeaveOneManipulationOut(column, n_splits=2)
    for found, known in zip(cv.split(X, None, PEOPLE), expected, strict=True):
        assert [side.tolist() for side in found] == [side.tolist() for side in known]


def test_seed_deals_the_people_again() -> None:
    def tested(**parameters: Any) -> list[tuple]:
        cv = LeaveOneManipulationOut(METHOD, n_splits=2, **parameters)
        return [tuple(test) for _, test in cv.split(X, Y, PEOPLE)]

    seeds = [tested(shuffle=True, random_state=seed) for seed in range(3)]
    assert seeds[0] == tested(shuffle=True, random_state=0)
    assert not seeds[0] == seeds[1] == seeds[2]
    with pytest.raises(ValueError, match="random_state=0 has no effect with shuf"):
        tested(random_state=0)


# -- errors ----------------------------------------------------------------------


def test_groups_are_needed(cv: Any) -> None:
    with pytest.raises(ValueError, match="LeaveOneManipulationOut requires groups"):
        next(cv.split(X, Y))
    groups = np.array([*PEOPLE[:-1], np.nan])
    with pytest.raises(ValueError, match="groups contains NaN or None for samples"):
        next(cv.split(X, Y, groups))


def test_part_of_the_videos_is_refused(cv: Any) -> None:
    with pytest.raises(ValueError, match="manipulation has 24 values for 23 videos"):
        next(cv.split(X[1:], Y[1:], PEOPLE[1:]))
    with pytest.raises(ValueError, match="inconsistent numbers"):
        next(cv.split(X, Y, PEOPLE[1:]))


def test_too_few_groups_of_a_method_are_named() -> None:
    method = METHOD.copy()
    method[(METHOD == "NT") & (PEOPLE > 2)] = "DF"
    cv = LeaveOneManipulationOut(method, n_splits=3)
    expected = r" exceeds the .* \(2\) of fakes by 'NT': pass n_splits=2 or fewer\.$"
    with pytest.raises(ValueError, match=expected):
        next(cv.split(X, Y, PEOPLE))
    with pytest.raises(ValueError, match=r"n_splits=3 exceeds .* \(1\) of the real"):
        next(LeaveOneManipulationOut(METHOD, n_splits=3).split(X, Y, np.zeros(24)))


def test_fold_that_lacks_a_method_is_named() -> None:
    method = ["B", None, None, "A", None, "B", None, "A"]
    groups = [0, 1, 2, 2, 2, 3, 0, 3]
    expected = "fold 1 contains no group of fakes by 'A', because group sizes differ"
    with pytest.raises(ValueError, match=expected):
        next(LeaveOneManipulationOut(method, n_splits=2).split(method, groups=groups))


@pytest.mark.parametrize("methods", [[None, "A", None, "A"], [None] * 4])
def test_one_method_is_too_few(methods: list) -> None:
    cv = LeaveOneManipulationOut(methods, n_splits=2)
    for call in (cv.split_names, cv.get_n_splits):
        with pytest.raises(ValueError, match=r"two manipulations; got ('A'|none)"):
            call()


def test_method_of_a_real_video_is_refused() -> None:
    with pytest.raises(ValueError, match="has a value for every video: pass None"):
        next(LeaveOneManipulationOut(["A", "B"]).split([0, 1], groups=[0, 1]))
    y = Y.copy()
    y[1] = 0
    cv = LeaveOneManipulationOut(METHOD)
    with pytest.raises(
        ValueError, match="contradict each other: videos 1 have a manip"
    ):
        next(cv.split(X, y, PEOPLE))
    for label in (1, 2):
        y = Y.copy()
        y[0] = label
        with pytest.raises(ValueError, match=rf"have the labels 0, {label}\."):
            next(cv.split(X, y, PEOPLE))


def test_parameter_is_named() -> None:
    with pytest.raises(ValueError, match="'n_splits' parameter of LeaveOneManipulatio"):
        next(LeaveOneManipulationOut(METHOD, n_splits=1).split(X, Y, PEOPLE))


# -- scikit-learn API -------------------------------------------------------------


def test_it_goes_wherever_a_splitter_goes(cv: Any) -> None:
    found = cross_validate(
        DummyClassifier(strategy="most_frequent"), X, Y, groups=PEOPLE, cv=cv
    )
    # Two of three training videos are fake, and one of two test videos.
    assert found["test_score"].tolist() == [0.5] * 9
    dummy = DummyClassifier(strategy="constant", constant=1)
    search = GridSearchCV(dummy, {"constant": [0, 1]}, cv=cv, scoring="recall")
    search.fit(X, Y, groups=PEOPLE)
    assert search.cv_results_["split8_test_score"].tolist() == [0, 1]
    assert "split9_test_score" not in search.cv_results_
    with sklearn.config_context(enable_metadata_routing=True):
        routed = cross_validate(
            DummyClassifier(), X, Y, params={"groups": PEOPLE}, cv=cv
        )
    assert len(routed["test_score"]) == 9


def test_it_is_copied_and_shown_like_other_splitters() -> None:
    cv = LeaveOneManipulationOut([None, "A", "B"], n_splits=2)
    assert repr(cv) == (
        "LeaveOneManipulationOut(manipulation=[None, 'A', 'B'], n_splits=2,\n"
        "            random_state=None, shuffle=False)"
    )
    for copied in (pickle.loads(pickle.dumps(cv)), clone(cv, safe=False)):
        assert vars(copied) == vars(cv)
