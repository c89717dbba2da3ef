"""Tests of CrossDatasetSplit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV, cross_validate

from skdeepfake.model_selection import CrossDatasetSplit, check_no_leakage

# Three datasets with a real video and a fake of four people each. The last two people
# of dataset "a" are the first two people of dataset "b".
DATASET = np.repeat(["a", "b", "c"], 8)
Y = np.tile([0, 1], 12)
PEOPLE = np.repeat([0, 1, 2, 3, 2, 3, 4, 5, 6, 7, 8, 9], 2)
X = np.random.default_rng(0).random((24, 2))
PAIRS = [("a", "b"), ("a", "c"), ("b", "a"), ("b", "c"), ("c", "a"), ("c", "b")]


def test_each_set_is_trained_on_and_each_other_tested() -> None:
    cv = CrossDatasetSplit(DATASET)
    assert cv.split_names() == PAIRS
    assert cv.get_n_splits(X, Y, PEOPLE) == 6
    for (here, there), (train, test) in zip(PAIRS, cv.split(X, Y, PEOPLE), strict=True):
        check_no_leakage(train, test, PEOPLE)
        assert set(DATASET[train]) == {here}
        assert test.tolist() == [i for i in range(24) if DATASET[i] == there]
        # People of both datasets are left out of the training set.
        assert len(train) == (4 if {here, there} == {"a", "b"} else 8)


def test_all_other_sets_are_trained_on_together() -> None:
    cv = CrossDatasetSplit(DATASET, train="rest")
    assert cv.split_names() == [("rest", "a"), ("rest", "b"), ("rest", "c")]
    (first, _), (second, _), (third, test) = cv.split(X, Y, PEOPLE)
    assert first.tolist() == [*range(12, 24)]
    assert second.tolist() == [*range(4), *range(16, 24)]
    assert (third.tolist(), test.tolist()) == ([*range(16)], [*range(16, 24)])


@pytest.mark.parametrize("train", ["each", "rest"])
def test_folds_part_people_that_both_sets_share(train: str) -> None:
    people = np.tile(np.repeat([0, 1, 2, 3], 2), 3)  # the same people in all datasets
    cv = CrossDatasetSplit(DATASET, train=train, n_splits=2)
    names, splits = cv.split_names(), list(cv.split(X, Y, people))
    assert len(names) == len(splits) == cv.get_n_splits() == 2 * len(names) // 2
    assert names[:2] == [("a", "b", 0), ("a", "b", 1)] or train == "rest"
    for (here, there, _), (trained, tested) in zip(names, splits, strict=True):
        check_no_leakage(trained, tested, people)
        assert set(DATASET[tested]) == {there}
        others = {"a", "b", "c"} - {there} if here == "rest" else {here}
        assert set(DATASET[trained]) == others
        assert (len(tested), len(trained)) == (4, 4 * len(others))
    # Each video is tested once per training set.
    tested = np.concatenate([test for _, test in splits])
    assert set(np.bincount(tested)) == {1 if train == "rest" else 2}


def test_seed_deals_the_people_again() -> None:
    def tested(seed: int) -> list[tuple]:
        cv = CrossDatasetSplit(DATASET, n_splits=2, shuffle=True, random_state=seed)
        return [tuple(test) for _, test in cv.split(X, Y, PEOPLE)]

    seeds = [tested(seed) for seed in range(3)]
    assert seeds[0] == tested(0)
    assert not seeds[0] == seeds[1] == seeds[2]


# -- errors ----------------------------------------------------------------------


def test_nothing_left_to_train_on_is_an_error_that_says_what_to_do() -> None:
    people = np.tile(np.repeat([0, 1, 2, 3], 2), 3)
    expected = (
        r"^The split to train on 'a' and test on 'b' has no video of class 0 in its "
        r"training set: .* Pass n_splits=5"
    )
    with pytest.raises(ValueError, match=expected):
        next(CrossDatasetSplit(DATASET).split(X, Y, people))


def test_set_without_a_class_is_an_error() -> None:
    y = np.where(DATASET == "c", 0, Y)
    with pytest.raises(
        ValueError, match=r"'a' and test on 'c' has no .* 1 in its test"
    ):
        next(CrossDatasetSplit(DATASET).split(X, y, PEOPLE))
    with pytest.raises(ValueError, match=r"y must contain two classes, .*; got 0\.$"):
        next(CrossDatasetSplit(DATASET).split(X, 0 * y, PEOPLE))


def test_too_few_groups_in_a_set_are_named() -> None:
    expected = (
        r"n_splits=5 exceeds the number of groups \(4\) of the videos of 'a' of class "
        "0: pass n_splits=4 or fewer, or n_splits=None if the datasets share no people"
    )
    with pytest.raises(ValueError, match=expected):
        next(CrossDatasetSplit(DATASET, n_splits=5).split(X, Y, PEOPLE))


def test_groups_and_labels_are_needed() -> None:
    cv = CrossDatasetSplit(DATASET)
    with pytest.raises(ValueError, match="CrossDatasetSplit requires groups"):
        next(cv.split(X, Y))
    with pytest.raises(ValueError, match="CrossDatasetSplit requires y"):
        next(cv.split(X, groups=PEOPLE))
    with pytest.raises(ValueError, match="dataset has 24 values for 8 videos"):
        next(cv.split(X[:8], Y[:8], PEOPLE[:8]))


def test_names_of_the_sets_are_needed() -> None:
    with pytest.raises(ValueError, match="at least two datasets; got 'a'"):
        CrossDatasetSplit(["a", "a"]).get_n_splits()
    with pytest.raises(ValueError, match=r"dataset has missing values at indices 1\.$"):
        CrossDatasetSplit(["a", None, "b"]).split_names()
    with pytest.raises(ValueError, match="'train' parameter of CrossDatasetSplit must"):
        CrossDatasetSplit(DATASET, train="all").split_names()


# -- scikit-learn API -------------------------------------------------------------


def test_it_goes_wherever_a_splitter_goes() -> None:
    cv = CrossDatasetSplit(DATASET)
    dummy = DummyClassifier(strategy="constant", constant=1)
    found = cross_validate(dummy, X, Y, groups=PEOPLE, cv=cv)
    assert found["test_score"].tolist() == [0.5] * 6
    search = GridSearchCV(dummy, {"constant": [0, 1]}, cv=cv, scoring="recall")
    search.fit(X, Y, groups=PEOPLE)
    assert search.cv_results_["split5_test_score"].tolist() == [0, 1]
    assert "split6_test_score" not in search.cv_results_
    with sklearn.config_context(enable_metadata_routing=True):
        routed = cross_validate(dummy, X, Y, params={"groups": PEOPLE}, cv=cv)
    assert len(routed["test_score"]) == 6


def test_it_is_copied_and_shown_like_other_splitters() -> None:
    cv: Any = CrossDatasetSplit(["a", "b"], train="rest", n_splits=3)
    assert repr(cv) == (
        "CrossDatasetSplit(dataset=['a', 'b'], n_splits=3, random_state=None,\n"
        "         shuffle=False, train='rest')"
    )
    assert vars(clone(cv, safe=False)) == vars(cv)
