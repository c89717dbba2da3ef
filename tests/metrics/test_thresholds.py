"""Choice and evaluation of thresholds."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from skdeepfake.metrics import (
    balanced_accuracy_at,
    choose_threshold,
    equal_error_rate,
)

# -- evaluation --------------------------------------------------------------------


@pytest.mark.parametrize("threshold", [0.0, 0.31, 0.5, 0.9, 2.0])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_balanced_accuracy_is_scikit_learns_for_the_labels(scored, threshold, weighted):
    y_true, score, weight = scored
    weight = weight if weighted else None
    expected = balanced_accuracy_score(y_true, score >= threshold, sample_weight=weight)
    found = balanced_accuracy_at(
        y_true, score, threshold=threshold, sample_weight=weight
    )
    assert found == pytest.approx(expected, abs=1e-12)


def test_score_at_the_threshold_is_a_fake():
    assert balanced_accuracy_at([0, 1], [0.4, 0.5], threshold=0.5) == 1
    assert balanced_accuracy_at([0, 1], [0.5, 0.6], threshold=0.5) == 0.5


def test_each_class_counts_one_half():
    assert balanced_accuracy_at([0] * 9 + [1], [0.1] * 10, threshold=0.5) == 0.5


@pytest.mark.parametrize("threshold", [np.nan, "0.5", None])
def test_threshold_that_is_no_number_is_refused(threshold):
    with pytest.raises(ValueError, match="'threshold' parameter"):
        balanced_accuracy_at([0, 1], [0.1, 0.9], threshold=threshold)


# -- choice ------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_no_threshold_has_a_higher_balanced_accuracy(scored, weighted):
    y_true, score, weight = scored
    weight = weight if weighted else None
    chosen = choose_threshold(y_true, score, sample_weight=weight)

    def accuracy(threshold):
        return balanced_accuracy_score(y_true, score >= threshold, sample_weight=weight)

    best = max(map(accuracy, [*score, 2]))
    assert accuracy(chosen) == pytest.approx(best, abs=1e-12)
    assert 0.5 < accuracy(chosen) < 1


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_no_threshold_has_rates_of_errors_that_are_closer(scored, weighted):
    y_true, score, weight = scored
    weight = weight if weighted else np.ones(len(score))
    chosen = choose_threshold(
        y_true, score, criterion="equal_error_rate", sample_weight=weight
    )

    def rates(threshold):
        wrong = (score >= threshold) != y_true
        return [
            np.average(wrong[y_true == c], weights=weight[y_true == c]) for c in (0, 1)
        ]

    closest = min(np.ptp(rates(t)) for t in [*score, 2])
    assert np.ptp(rates(chosen)) == pytest.approx(closest, abs=1e-12)
    eer = equal_error_rate(y_true, score, sample_weight=weight)
    assert rates(chosen) == pytest.approx([eer, eer], abs=0.02)


def test_criteria_differ():
    # One of four fakes and no real sample is above 5; half of each class is above 3.
    y_true, score = [0, 0, 1, 1, 1, 1], [3, 5, 1, 2, 4, 6]
    assert choose_threshold(y_true, score) == 5.5
    assert choose_threshold(y_true, score, criterion="equal_error_rate") == 3.5


def test_weights_move_the_threshold():
    y_true, score = [0, 0, 1, 1], [1, 3, 2, 4]
    assert choose_threshold(y_true, score, sample_weight=[1, 1, 3, 1]) == 1.5
    assert choose_threshold(y_true, score, sample_weight=[1, 3, 1, 1]) == 3.5


def test_threshold_is_half_way_between_the_classes():
    assert choose_threshold([0, 0, 1, 1], [0.0, 0.25, 0.75, 1.0]) == 0.5


def test_highest_of_equally_good_thresholds_is_chosen():
    # Thresholds 0.75 and 0.25 both classify three of four samples correctly.
    y_true, score = [0, 1, 0, 1], [0.0, 0.5, 0.5, 1.0]
    assert choose_threshold(y_true, score) == 0.75
    # 1/3 - 0, 2/3 - 1/3 and 1 - 2/3 are equal except for rounding.
    assert 1 - 2 / 3 > 1 / 3
    assert choose_threshold([0, 1] * 3, [1, 2, 3, 4, 5, 6]) == 5.5


def test_nothing_is_a_better_sign_than_inverted_scores():
    # No threshold is better than chance; the lowest score classifies all as fake.
    assert choose_threshold([0, 1], [0.9, 0.1]) == 0.1


def test_scores_that_are_neighbors_are_told_apart():
    low = 0.5
    high = np.nextafter(low, 1)
    assert choose_threshold([0, 1], [low, high]) == high


def test_labels_may_be_words():
    names = ["real", "real", "fake", "fake"]
    score = [0.0, 0.25, 0.75, 1.0]
    assert choose_threshold(names, score, pos_label="fake") == 0.5
    found = balanced_accuracy_at(names, score, threshold=0.1, pos_label="fake")
    assert found == 0.75


def test_unknown_criterion_is_refused():
    with pytest.raises(ValueError, match=r"'criterion' parameter.*equal_error_rate"):
        choose_threshold([0, 1], [0, 1], criterion="accuracy")
