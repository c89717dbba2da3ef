"""Error rates from the ROC curve."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from sklearn.metrics import roc_curve

from skdeepfake.exceptions import UnresolvedRateWarning
from skdeepfake.metrics import equal_error_rate, true_positive_rate_at

# -- the equal error rate ------------------------------------------------------------


def crossing(y_true, score, weight=None):
    """Find the equal error rate by root finding."""
    fpr, tpr, _ = roc_curve(y_true, score, sample_weight=weight)
    return brentq(lambda x: x - (1 - np.interp(x, fpr, tpr)), 0, 1, xtol=1e-14)


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("n_samples", [12, 51, 203])
def test_eer_is_where_root_finding_puts_it(scored, n_samples, weighted):
    y_true, score, weight = (part[:n_samples] for part in scored)
    weight = weight if weighted else None
    found = equal_error_rate(y_true, score, sample_weight=weight)
    assert found == pytest.approx(crossing(y_true, score, weight), abs=1e-12)


def test_eer_lies_between_the_points_of_the_roc():
    # The curve through (0, 0), (0, 1/2), (1/3, 1/2), (1/3, 1) has its EER at 1/3.
    assert equal_error_rate([0, 0, 0, 1, 1], [1, 2, 6, 4, 9]) == pytest.approx(1 / 3)
    # If all scores are equal, the curve is the diagonal.
    assert equal_error_rate([0, 0, 0, 1], [5, 5, 5, 5]) == pytest.approx(0.5)
    # The EER is interpolated between the points (0, 1/2) and (1/2, 1).
    assert equal_error_rate([0, 0, 1, 1], [1, 5, 5, 9]) == pytest.approx(1 / 4)


def test_eer_of_perfect_and_of_inverted_rankings():
    assert equal_error_rate([0, 0, 1], [0.1, 0.2, 0.9]) == 0
    assert equal_error_rate([0, 0, 1], [0.9, 0.8, 0.1]) == 1


def test_eer_only_knows_ranks(scored):
    y_true, score, _ = scored
    logit = np.log(score / (1 - score))
    assert equal_error_rate(y_true, logit) == pytest.approx(
        equal_error_rate(y_true, score), abs=1e-15
    )


def test_eer_does_not_care_which_class_is_called_positive(scored):
    y_true, score, weight = scored
    names = np.array(["real", "fake"])[y_true]
    as_fake = equal_error_rate(names, score, pos_label="fake", sample_weight=weight)
    as_real = equal_error_rate(names, -score, pos_label="real", sample_weight=weight)
    assert as_fake == equal_error_rate(y_true, score, sample_weight=weight)
    assert as_real == pytest.approx(as_fake, abs=1e-12)


# -- the true positive rate ----------------------------------------------------------


def best_rate_by_hand(y_true, score, fpr, weight):
    rates = []
    for threshold in [np.inf, *score]:
        fakes = score >= threshold
        if np.average(fakes[y_true == 0], weights=weight[y_true == 0]) <= fpr + 1e-12:
            rates.append(np.average(fakes[y_true == 1], weights=weight[y_true == 1]))
    return max(rates)


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("fpr", [0.01, 0.05, 0.1, 0.5, 1.0])
def test_tpr_is_the_best_of_all_thresholds_tried(scored, fpr, weighted):
    y_true, score, weight = scored
    weight = weight if weighted else np.ones(len(score))
    expected = best_rate_by_hand(y_true, score, fpr, weight)
    found = true_positive_rate_at(y_true, score, fpr=fpr, sample_weight=weight)
    assert found == pytest.approx(expected, abs=1e-12)
    assert isinstance(found, float)


def test_tpr_takes_thresholds_on_a_straight_piece_of_the_roc():
    # (1/4, 1/4), (2/4, 2/4) and (3/4, 3/4) are all on the diagonal.
    y_true, score = [0, 1] * 4, [1, 1, 2, 2, 3, 3, 4, 4]
    assert true_positive_rate_at(y_true, score, fpr=0.6) == 0.5
    assert true_positive_rate_at(y_true, score, fpr=0.5) == 0.5
    assert true_positive_rate_at(y_true, score, fpr=0.49) == 0.25


def test_tpr_at_a_rate_that_is_reached_but_for_rounding():
    y_true = np.repeat([0, 1], 10)
    score = np.r_[np.arange(10), 8.5, np.full(9, 20)]
    assert 1 - 0.9 < 0.1
    with pytest.warns(UnresolvedRateWarning):
        assert true_positive_rate_at(y_true, score, fpr=0.099) == 0.9
    assert true_positive_rate_at(y_true, score, fpr=1 - 0.9) == 1


def test_tpr_at_several_rates_is_an_array_in_their_order(scored):
    y_true, score, _ = scored
    found = true_positive_rate_at(y_true, score, fpr=[0.5, 0.1])
    assert found.shape == (2,)
    assert found.tolist() == [
        true_positive_rate_at(y_true, score, fpr=0.5),
        true_positive_rate_at(y_true, score, fpr=0.1),
    ]


def test_tpr_by_default_is_at_ten_per_cent(scored):
    y_true, score, _ = scored
    expected = true_positive_rate_at(y_true, score, fpr=0.1)
    assert true_positive_rate_at(y_true, score) == expected


def test_rate_finer_than_the_sample_warns_and_names_both():
    y_true = np.repeat([0, 1], [140, 10])
    score = np.arange(150)
    with pytest.warns(UnresolvedRateWarning) as caught:
        found = true_positive_rate_at(y_true, score, fpr=[0.1, 0.01, 0.001])
    assert found.tolist() == [1, 1, 1]
    assert [str(one.message) for one in caught] == [
        "140 negative samples cannot resolve a false positive rate of 0.001: the "
        "lowest nonzero rate is 0.0071."
    ]
    assert caught[0].filename == __file__


@pytest.mark.parametrize("n_negatives", [10, 49, 100])
def test_rate_of_one_in_all_negatives_is_resolved(n_negatives):
    y_true = np.repeat([0, 1], [n_negatives, 1])
    score = np.arange(n_negatives + 1)
    assert true_positive_rate_at(y_true, score, fpr=1 / n_negatives) == 1
    with pytest.warns(UnresolvedRateWarning):
        true_positive_rate_at(y_true, score, fpr=0.99 / n_negatives)


def test_negatives_of_no_weight_resolve_nothing():
    y_true = np.repeat([0, 1], [20, 2])
    weight = np.r_[np.zeros(15), np.ones(7)]
    with pytest.warns(UnresolvedRateWarning, match="^5 negative samples"):
        true_positive_rate_at(y_true, np.arange(22), sample_weight=weight)


@pytest.mark.parametrize(
    "fpr",
    [-0.1, 1.5, [0.1, 2], [0.1, np.nan], [[0.1]], "0.1"],
    ids=["below", "above", "one-above", "one-nan", "table", "word"],
)
def test_rate_that_is_none_is_refused(fpr):
    with pytest.raises(ValueError, match="fpr"):
        true_positive_rate_at([0, 1], [0.1, 0.9], fpr=fpr)
