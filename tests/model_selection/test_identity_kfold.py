"""Tests of IdentityKFold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV, cross_validate

from skdeepfake.model_selection import IdentityKFold

N_PEOPLE = 12
# As in Celeb-DF, with two real videos per person and a fake of each ordered pair.
PAIRS = [(a, b) for a in range(N_PEOPLE) for b in range(N_PEOPLE) if a != b]
TARGET = [f"id{a}" for a in range(N_PEOPLE) for _ in "12"]
TARGET += [f"id{a}" for a, _ in PAIRS]
SOURCE = [None] * 2 * N_PEOPLE + [f"id{b}" for _, b in PAIRS]
Y = np.array([int(source is not None) for source in SOURCE])
X = np.zeros((len(Y), 1))


def people_in(videos: np.ndarray) -> set[str]:
    return {who for i in videos for who in (TARGET[i], SOURCE[i] or TARGET[i])}


@pytest.fixture
def cv() -> IdentityKFold:
    return IdentityKFold(TARGET, SOURCE, 3, random_state=0)


def test_nobody_is_on_both_sides(cv: IdentityKFold) -> None:
    splits = list(cv.split(X, Y))
    assert len(splits) == cv.get_n_splits() == 3
    tested = [people_in(test) for _, test in splits]
    for (train, _), there in zip(splits, tested, strict=True):
        assert not people_in(train) & there
        assert len(people_in(train) | there) == N_PEOPLE
    assert sum(map(len, tested)) == N_PEOPLE  # each person is tested once


def test_fakes_between_the_sides_are_left_out(cv: IdentityKFold) -> None:
    left_out = cv.left_out()
    for (train, test), left in zip(cv.split(X, Y), left_out, strict=True):
        there = people_in(test)
        assert left.tolist() == [
            i
            for i in range(len(Y))
            if SOURCE[i]
            if (TARGET[i] in there) != (SOURCE[i] in there)
        ]
        everything = np.concatenate([train, test, left])
        assert sorted(everything) == list(range(len(Y)))
    # 4 of 12 people are in the test set, so 2 * 4 * 8 of 132 fakes are left out.
    assert [len(left) for left in left_out] == [64, 64, 64]


def test_test_sets_are_of_about_one_size() -> None:
    rng = np.random.default_rng(0)
    n_real = rng.integers(1, 30, 40)
    # Half of the people are in fakes, with random partners.
    fakes = [(a, b) for a, b in rng.integers(0, 20, (400, 2)).tolist() if a != b]
    target = [*np.repeat(np.arange(40), n_real).tolist(), *(a for a, _ in fakes)]
    source = [*[None] * n_real.sum(), *(b for _, b in fakes)]
    y = [int(one is not None) for one in source]
    cv = IdentityKFold(target, source, 4, random_state=0)
    sizes = [len(test) for _, test in cv.split(y, y)]
    assert max(sizes) - min(sizes) < 0.25 * np.mean(sizes)
    # Without fakes, test sets have nearly the same size.
    n = n_real.sum()
    cv = IdentityKFold(target[:n], source[:n], 4, random_state=0)
    sizes = [test.sum() for _, test in cv._sides()]
    assert max(sizes) - min(sizes) <= 2


@pytest.mark.parametrize("seed", range(3))
def test_circles_of_people_stay_together(seed: int) -> None:
    # All faces were swapped within four sets of people. The first set is connected to
    # the other sets.
    pairs = [(a, b) for a, b in PAIRS if a // 3 == b // 3]
    target = [*range(N_PEOPLE), *(a for a, _ in pairs)]
    source = [*[None] * N_PEOPLE, *(b for _, b in pairs)]
    target, source = [*target, 0, 1, 2], [*source, 3, 6, 9]
    y = [int(one is not None) for one in source]
    cv = IdentityKFold(target, source, 2, random_state=seed)
    assert all(len(left) <= 5 for left in cv.left_out())
    assert [len(test) >= 15 for _, test in cv.split(y, y)] == [True, True]


def test_seed_deals_the_people_again() -> None:
    def tested(**parameters: Any) -> list[tuple]:
        cv = IdentityKFold(TARGET, SOURCE, 2, **parameters)
        return [tuple(test) for _, test in cv.split(X, Y)]

    seeds = [tested(random_state=seed) for seed in range(3)]
    assert seeds[0] == tested(random_state=0)
    assert not seeds[0] == seeds[1] == seeds[2]
    assert tested(shuffle=False) == tested(shuffle=False)


def test_sources_of_fakes_may_be_unknown() -> None:
    # As in DFDC, only the target is known, and fakes are marked in y.
    target, y = np.repeat(np.arange(4), 2), np.tile([0, 1], 4)
    cv = IdentityKFold(pd.Series(target), pd.Series([np.nan] * 8), 2, random_state=0)
    for train, test in cv.split(y, y):
        assert (len(train), len(test)) == (4, 4)
        assert not set(target[train]) & set(target[test])
    assert [len(left) for left in cv.left_out()] == [0, 0]


# -- errors ----------------------------------------------------------------------


def test_side_without_fakes_is_an_error() -> None:
    # With one fold per person, no fake has both people in the same fold.
    cv = IdentityKFold(TARGET, SOURCE, N_PEOPLE, random_state=0)
    expected = (
        "^Split 0, with 22 videos in neither set, has no video of class 1 in its test "
        r"set: reduce n_splits, or use another random_state\.$"
    )
    with pytest.raises(ValueError, match=expected):
        next(cv.split(X, Y))


def test_too_few_people_are_counted() -> None:
    cv = IdentityKFold(TARGET, SOURCE, 13)
    with pytest.raises(
        ValueError, match=r"n_splits=13 exceeds .*: pass n_splits=12 or"
    ):
        next(cv.split(X, Y))


def test_single_person_cannot_be_split() -> None:
    cv = IdentityKFold(["anna"] * 4, [None] * 4, 2)
    with pytest.raises(ValueError, match="show the same person; expected at least two"):
        next(cv.split(X[:4], [0, 1, 0, 1]))


def test_what_is_left_out_at_random_cannot_be_told() -> None:
    for state in (None, np.random.RandomState(0)):
        cv = IdentityKFold(TARGET, SOURCE, 2, random_state=state)
        with pytest.raises(ValueError, match="every call makes new folds"):
            cv.left_out()
    assert len(IdentityKFold(TARGET, SOURCE, 2, shuffle=False).left_out()) == 2


def test_columns_must_fit(cv: IdentityKFold) -> None:
    with pytest.raises(ValueError, match="IdentityKFold requires y"):
        next(cv.split(X))
    with pytest.raises(ValueError, match="target has 156 values for 155 videos"):
        next(cv.split(X[1:], Y[1:]))
    with pytest.raises(ValueError, match="source has 155 values for 156 videos"):
        next(IdentityKFold(TARGET, SOURCE[1:]).split(X, Y))
    with pytest.raises(ValueError, match="target has 2 values and source 1"):
        IdentityKFold(["a", "b"], [None], 2, shuffle=False).left_out()
    with pytest.raises(ValueError, match=r"target has missing values at indices 0\.$"):
        next(IdentityKFold([None, *TARGET[1:]], SOURCE).split(X, Y))


# -- scikit-learn API -------------------------------------------------------------


def test_it_goes_wherever_a_splitter_goes(cv: IdentityKFold) -> None:
    dummy = DummyClassifier(strategy="constant", constant=0)
    found = cross_validate(dummy, X, Y, cv=cv, groups=np.zeros(len(Y)))
    # A test set has four people, with eight real videos and twelve fakes.
    assert found["test_score"].tolist() == [0.4] * 3
    search = GridSearchCV(dummy, {"constant": [0, 1]}, cv=cv).fit(X, Y)
    assert search.cv_results_["split2_test_score"].tolist() == [0.4, 0.6]


def test_it_is_copied_and_shown_like_other_splitters() -> None:
    cv = IdentityKFold(["a", "b"], [None, "a"], 2)
    assert " ".join(repr(cv).split()) == (
        "IdentityKFold(n_splits=2, random_state=None, shuffle=True, "
        "source=[None, 'a'], target=['a', 'b'])"
    )
    assert vars(clone(cv, safe=False)) == vars(cv)
