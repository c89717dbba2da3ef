"""Confidence intervals by resampling identities."""

from __future__ import annotations

import itertools
import pickle
from functools import partial

import numpy as np
import pytest
from scipy.stats import bootstrap, norm, t
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from skdeepfake.exceptions import UnresolvedRateWarning
from skdeepfake.metrics import (
    clipped_log_loss,
    equal_error_rate,
    group_bootstrap,
    true_positive_rate_at,
)


def auc(y_true, score):
    """Compute the AUC faster than scikit-learn."""
    fakes, reals = score[y_true == 1], score[y_true == 0]
    return ((fakes[:, None] > reals) + 0.5 * (fakes[:, None] == reals)).mean()


def mean_score(y_true, score):
    return score.mean()


def test_interval_is_scipys_where_samples_are_independent(scored):
    y_true, score, _ = scored
    found = group_bootstrap(auc, y_true, score, n_resamples=1500, random_state=0)
    other = bootstrap(
        (y_true, score),
        auc,
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=1500,
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert found.estimate == pytest.approx(roc_auc_score(y_true, score), abs=1e-12)
    assert found.n_valid == 1500
    assert (found.low, found.high) == pytest.approx(tuple(other), abs=0.008)
    assert found.high - found.low > 0.1


def test_interval_is_that_of_all_resamples_there_are():
    # Three groups, of one, two and three samples, have 27 resamples.
    score, groups = np.array([0, 2, 4, 3, 5, 10]), [0, 1, 1, 2, 2, 2]
    members = [score[:1], score[1:3], score[3:]]
    ways = itertools.product(members, repeat=3)
    means = sorted(np.concatenate(way).mean() for way in ways)
    for level in (0.6, 0.8):
        found = group_bootstrap(
            mean_score,
            np.zeros(6),
            score,
            groups=groups,
            confidence_level=level,
            n_resamples=4000,
            random_state=0,
        )
        # With three groups, the t distribution has two degrees of freedom.
        outside = norm.cdf(np.sqrt(3 / 2) * t.ppf((1 - level) / 2, 2))
        expected = np.quantile(means, [outside, 1 - outside], method="inverted_cdf")
        assert [found.low, found.high] == pytest.approx(expected.tolist())
    assert found.estimate == 4


def test_interval_holds_its_estimate():
    def n_scores(y_true, score):  # lower in each resample than in the sample
        return len(set(score))

    found = group_bootstrap(n_scores, np.zeros(12), np.arange(12), n_resamples=50)
    assert found.low < 12
    assert (found.estimate, found.high) == (12, 12)
    both = group_bootstrap(
        lambda y_true, score: [n_scores(y_true, score), -n_scores(y_true, score)],
        np.zeros(12),
        np.arange(12),
        n_resamples=50,
    )
    assert (both.high[0], both.low[1]) == (12, -12)


def test_interval_is_the_same_at_each_call_by_default():
    score = np.array([1, 2, 3, 4, 7])
    draw = partial(group_bootstrap, mean_score, np.zeros(5), score, n_resamples=20)
    assert draw() == draw()


def test_ten_copies_of_each_video_tell_nothing_new(scored):
    y_true, score, _ = scored
    draw = partial(group_bootstrap, mean_score, n_resamples=500, random_state=3)
    once = draw(y_true, score)
    copies = np.tile(y_true, 10), np.tile(score, 10)
    assert draw(*copies, groups=np.tile(np.arange(203), 10)) == pytest.approx(once)
    # Treating copies as independent narrows the interval by the square root of 10.
    fooled = draw(*copies)
    ratio = (once.high - once.low) / (fooled.high - fooled.low)
    assert ratio == pytest.approx(np.sqrt(10), rel=0.1)


def test_order_of_the_samples_and_names_of_the_groups_do_not_matter():
    y_true = np.array([0, 1, 0, 1, 0, 1, 0])
    score = np.array([0.1, 0.9, 0.4, 0.3, 0.2, 0.8, 0.6])
    names = np.array(["b", "b", "a", "a", "c", "c", "c"])
    found = group_bootstrap(auc, y_true, score, groups=names, random_state=0)
    shuffled = [0, 2, 4, 1, 3, 5, 6]
    again = group_bootstrap(
        auc,
        y_true[shuffled],
        score[shuffled],
        groups=[{"b": 7, "a": "x", "c": 2.5}[name] for name in names[shuffled]],
        random_state=0,
    )
    assert again == pytest.approx(found)
    assert found.low < found.estimate < found.high


def test_same_seed_same_interval(scored):
    y_true, score, _ = scored
    draw = partial(group_bootstrap, auc, y_true, score, n_resamples=50)
    assert draw(random_state=1) == draw(random_state=1)
    assert draw(random_state=1) != draw(random_state=2)
    assert draw(random_state=np.random.RandomState(1)) == draw(random_state=1)


def test_wider_for_more_confidence(scored):
    y_true, score, _ = scored
    draw = partial(group_bootstrap, auc, y_true, score, random_state=0, n_resamples=300)
    wide, narrow = draw(confidence_level=0.99), draw(confidence_level=0.5)
    assert wide.low < narrow.low < narrow.estimate < narrow.high < wide.high
    assert draw() == draw(confidence_level=0.95)


# -- resamples that lack a class -----------------------------------------------------


def test_resamples_of_one_class_are_counted():
    # One of two identities has all fakes, so half of the resamples lack a class.
    found = group_bootstrap(
        auc,
        [0, 0, 1, 1],
        np.array([0.1, 0.5, 0.4, 0.9]),
        groups=["a", "a", "b", "b"],
        random_state=0,
    )
    assert found.n_valid == pytest.approx(500, abs=50)
    assert (found.estimate, found.low, found.high) == (0.75, 0.75, 0.75)


def test_default_is_a_thousand_resamples_of_each_sample():
    found = group_bootstrap(
        mean_score, [0, 0, 0, 0], np.array([1, 2, 3, 4]), random_state=0
    )
    assert found.n_valid == 1000
    assert found.estimate == 2.5


def test_no_resample_with_both_classes_is_an_error():
    with pytest.raises(ValueError, match="None of n_resamples=1 resamples contains"):
        group_bootstrap(auc, [0, 1], np.array([0, 1]), n_resamples=1, random_state=1)


def test_one_group_is_an_error():
    with pytest.raises(ValueError, match="at least two groups; got one"):
        group_bootstrap(auc, [0, 1], np.array([0.1, 0.9]), groups=["a", "a"])


# -- metrics -------------------------------------------------------------------------


def test_several_metrics_share_their_resamples(scored):
    y_true, score, _ = (part[:60] for part in scored)

    def both(y_true, score):
        return [brier_score_loss(y_true, score), log_loss(y_true, score)]

    found = group_bootstrap(both, y_true, score, n_resamples=40, random_state=0)
    for k, metric in enumerate([brier_score_loss, clipped_log_loss]):
        alone = group_bootstrap(metric, y_true, score, n_resamples=40, random_state=0)
        limits = (found.estimate[k], found.low[k], found.high[k])
        assert limits == pytest.approx(alone[:3])
        assert all(type(part) is float for part in alone[:3])


def test_words_and_the_probabilities_of_both_classes(scored):
    y_true, score, _ = (part[:60] for part in scored)
    draw = partial(group_bootstrap, n_resamples=30, random_state=0)
    names = np.array(["real", "fake"])[y_true]
    eer = draw(partial(equal_error_rate, pos_label="fake"), names, score)
    assert eer == draw(equal_error_rate, y_true, score)
    found = draw(log_loss, names, np.c_[score, 1 - score])
    assert found[:3] == pytest.approx(draw(clipped_log_loss, y_true, score)[:3])


def test_weights_are_drawn_with_their_samples(scored):
    y_true, score, weight = (part[:60] for part in scored)

    def weighted_mean(y_true, score, *, sample_weight):
        return np.average(score, weights=sample_weight)

    found = group_bootstrap(
        weighted_mean, y_true, score, sample_weight=weight, random_state=0
    )

    def mean_of_columns(y_true, columns):
        return (columns[:, 0] * columns[:, 1]).sum() / columns[:, 1].sum()

    expected = group_bootstrap(
        mean_of_columns, y_true, np.c_[score, weight], random_state=0
    )
    assert found == pytest.approx(expected)


def test_samples_of_no_weight_are_not_drawn(scored):
    y_true, score, weight = (part[:60].copy() for part in scored)
    weight[:40] = 0
    draw = partial(group_bootstrap, clipped_log_loss, n_resamples=30, random_state=0)
    found = draw(y_true, score, groups=np.arange(60) // 2, sample_weight=weight)
    few = [part[40:] for part in (y_true, score, weight)]
    expected = draw(*few[:2], groups=np.arange(20) // 2, sample_weight=few[2])
    assert found == pytest.approx(expected)


def test_rate_that_cannot_be_resolved_is_told_once():
    y_true, score = np.arange(30) % 2, np.arange(30) % 7
    metric = partial(true_positive_rate_at, fpr=0.01)
    with pytest.warns(UnresolvedRateWarning) as caught:
        group_bootstrap(metric, y_true, score, n_resamples=20, random_state=0)
    assert len(caught) == 1


def test_interval_survives_pickling(scored):
    y_true, score, _ = scored
    found = group_bootstrap(auc, y_true, score, n_resamples=5, random_state=0)
    again = pickle.loads(pickle.dumps(found))
    assert again == found
    assert again.n_valid == 5


# -- invalid input -------------------------------------------------------------------


@pytest.mark.parametrize("missing", [None, np.nan], ids=["none", "nan"])
def test_group_that_is_missing_is_named(missing):
    groups = np.array(["a", "b", missing], dtype=object)
    with pytest.raises(ValueError, match=r"contains NaN or None for samples 2"):
        group_bootstrap(auc, [0, 1, 1], np.array([0, 1, 1]), groups=groups)


@pytest.mark.parametrize("name", ["groups", "sample_weight"])
def test_lengths_that_differ_are_refused(name):
    with pytest.raises(ValueError, match=r"inconsistent.*\[3, 3, 2\]"):
        group_bootstrap(auc, [0, 1, 1], np.array([0, 1, 1]), **{name: [1, 2]})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("n_resamples", 0), ("confidence_level", 1), ("confidence_level", 95)),
        ("random_state", "a"),
    ],
)
def test_wrong_parameters_are_refused(name, value):
    with pytest.raises(ValueError, match=f"'{name}' parameter of group_bootstrap"):
        group_bootstrap(auc, [0, 1], [0.1, 0.9], **{name: value})
    with pytest.raises(ValueError, match="'metric' parameter of group_bootstrap"):
        group_bootstrap("auc", [0, 1], [0.1, 0.9])


def test_what_the_metric_refuses_is_refused():
    with pytest.raises(ValueError, match="y_score is NaN for 1 of 3"):
        group_bootstrap(equal_error_rate, [0, 1, 1], [0.1, 0.9, np.nan])
