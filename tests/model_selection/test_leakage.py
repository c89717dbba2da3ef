"""Tests of check_no_leakage."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold

from skdeepfake.exceptions import LeakageError, SkdeepfakeError
from skdeepfake.model_selection import check_no_leakage

GROUPS = ["anna", "anna", "ben", "carla", "ben", "dora"]


@pytest.mark.parametrize("kind", [list, np.array, tuple])
def test_sides_without_a_common_group_pass(kind: Any) -> None:
    assert check_no_leakage(kind([0, 1]), kind([2, 4, 5]), kind(GROUPS)) is None


@pytest.mark.parametrize("cv", [GroupKFold(3), StratifiedGroupKFold(2)])
def test_what_splitters_by_group_give_passes(cv: Any) -> None:
    for train, test in cv.split(GROUPS, [0, 1, 0, 1, 1, 0], GROUPS):
        check_no_leakage(train, test, GROUPS)


def test_groups_on_both_sides_are_named() -> None:
    expected = (
        "2 of 4 groups are in the training set and in the test set: 'anna', 'ben'. "
        "Split by group, with GroupKFold or StratifiedGroupKFold."
    )
    with pytest.raises(LeakageError, match=f"^{re.escape(expected)}$") as error:
        check_no_leakage([0, 2, 3], [1, 4, 5], GROUPS)
    assert isinstance(error.value, ValueError)
    assert isinstance(error.value, SkdeepfakeError)


def test_of_many_groups_the_first_are_named() -> None:
    train, test = next(KFold(2, shuffle=True, random_state=0).split(np.zeros(40)))
    groups = np.tile(np.arange(20), 2)
    shared = [g for g in groups[train].tolist() if g in groups[test]]
    with pytest.raises(LeakageError) as error:
        check_no_leakage(train, test, groups)
    assert str(error.value).startswith(f"{len(shared)} of 20 groups are in")
    assert f": {shared[0]}, {shared[1]}, {shared[2]}" in str(error.value)
    assert f"and {len(shared) - 5} more." in str(error.value)


def test_one_group_is_one() -> None:
    with pytest.raises(LeakageError, match=r"^1 of 4 groups is in .*: 'anna'\."):
        check_no_leakage([0], [1], GROUPS)


def test_sample_on_both_sides_is_named_first() -> None:
    expected = r"^2 samples are in the training set and in the test set: 3, 5\.$"
    with pytest.raises(LeakageError, match=expected):
        check_no_leakage([0, 5, 3], [3, 4, 5], np.arange(6))


def test_masks_are_sides_too() -> None:
    train = np.array([True, True, False, False, False, False])
    check_no_leakage(train, ~train, GROUPS)
    train[4] = True
    with pytest.raises(LeakageError, match=r": 'ben'\."):
        check_no_leakage(train, ~train, GROUPS)


def test_numbers_from_the_end_are_the_same_samples() -> None:
    with pytest.raises(LeakageError, match=r"^1 sample is .*: 5\.$"):
        check_no_leakage([-1], [5], GROUPS)


def test_groups_of_several_kinds_are_compared() -> None:
    groups = np.array(["071", 71, (1, 2), 71], dtype=object)
    check_no_leakage([0], [1, 2, 3], groups)
    with pytest.raises(LeakageError, match=r": 71\."):
        check_no_leakage([0, 1], [2, 3], groups)


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_group_that_is_missing_is_refused(missing: Any) -> None:
    groups = np.array(["a", missing, "b", missing], dtype=object)
    with pytest.raises(
        ValueError, match="contains NaN or None for samples 1, 3: assign each video"
    ):
        check_no_leakage([0], [1], groups)


def test_number_beyond_the_groups_is_an_index_error() -> None:
    with pytest.raises(IndexError, match="6 is out of bounds"):
        check_no_leakage([0], [6], GROUPS)
    with pytest.raises(IndexError, match="boolean"):
        check_no_leakage([True, False], [5], GROUPS)


def test_empty_side_leaks_nothing() -> None:
    check_no_leakage([], [0, 1], GROUPS)
