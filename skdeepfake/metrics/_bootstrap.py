"""Confidence intervals by resampling identities."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, t
from sklearn import config_context
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils._param_validation import Interval

from .._groups import encode_groups
from .._scores import check_labels, check_weight
from .._validation import validated
from ..exceptions import UnresolvedRateWarning


class BootstrapInterval(NamedTuple):
    """Estimate of a metric with its confidence interval.

    Attributes
    ----------
    estimate : float or ndarray of float64
        Metric of all samples.
    low, high : float or ndarray of float64
        Limits of the interval.
    n_valid : int
        Number of resamples that contain all classes. Other resamples are not used.

    See Also
    --------
    group_bootstrap : Compute the interval.
    """

    estimate: Any
    low: Any
    high: Any
    n_valid: int


@validated(
    metric=[callable],
    y_true=["array-like"],
    y_score=["array-like"],
    groups=["array-like", None],
    sample_weight=["array-like", None],
    n_resamples=[Interval(Integral, 1, None, closed="left")],
    confidence_level=[Interval(Real, 0, 1, closed="neither")],
    random_state=["random_state"],
)
def group_bootstrap(
    metric: Callable[..., Any],
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    n_resamples: int = 1000,
    confidence_level: float = 0.95,
    random_state: int | np.random.RandomState | None = 0,
) -> BootstrapInterval:
    """Compute a metric and its confidence interval by resampling groups.

    The bootstrap resamples whole groups with replacement and returns quantiles of the
    metric. Resampling single videos or frames would assume that they are independent.
    Since videos of the same person and frames of the same video are not independent,
    the interval would be too narrow, by a factor of up to the square root of the number
    of videos per person [1]_.

    Parameters
    ----------
    metric : callable
        Function with the signature ``metric(y_true, y_score)`` that returns a number or
        an array of numbers. If weights are passed, it must also take ``sample_weight``.
        Use :func:`functools.partial` for other parameters, such as `pos_label`.
    y_true : array-like of shape (n_samples,)
        Label of each video or frame.
    y_score : array-like of shape (n_samples,) or (n_samples, ...)
        Scores passed to `metric`.
    groups : array-like of shape (n_samples,), default=None
        Identity of each sample, as passed to splitters. None treats samples as
        independent.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights.
    n_resamples : int, default=1000
        Number of resamples.
    confidence_level : float, default=0.95
        Confidence level of the interval, between 0 and 1.
    random_state : int, RandomState instance or None, default=0
        Controls the resampling. Pass an int for reproducible intervals.

    Returns
    -------
    BootstrapInterval
        Named tuple of `estimate`, the limits `low` and `high`, and `n_valid`, the
        number of resamples that contain every class.

    Raises
    ------
    ValueError
        If the lengths differ, there is only one group, the group of a sample is missing
        (None or NaN), or no resample contains every class.

    See Also
    --------
    scipy.stats.bootstrap : Intervals for independent samples.

    Notes
    -----
    The result is the expanded percentile interval [2]_, which is wider for fewer
    groups. The interval is extended to include the estimate, because some metrics, such
    as average precision for few videos, are biased in resamples. The interval is
    unreliable with fewer than about 20 groups. It is NaN if the metric is NaN for any
    resample.

    Resamples that lack a class are skipped. If `n_valid` is well below `n_resamples`,
    one class has very few groups.

    References
    ----------
    .. [1] A. C. Davison, D. V. Hinkley, "Bootstrap Methods and their Application",
       Cambridge University Press, 1997, sections 3.8 and 5.3.
    .. [2] T. C. Hesterberg, "What Teachers Should Know About the Bootstrap", The
       American Statistician 69, 2015, section 5.3.

    Examples
    --------
    >>> from sklearn.metrics import roc_auc_score
    >>> from skdeepfake.metrics import group_bootstrap
    >>> y_true = [0, 1, 0, 1, 0, 1, 0, 1]
    >>> y_score = [0.1, 0.8, 0.2, 0.9, 0.6, 0.5, 0.3, 0.4]
    >>> identities = ["Ann", "Ann", "Bob", "Bob", "Cid", "Cid", "Dee", "Dee"]
    >>> interval = group_bootstrap(
    ...     roc_auc_score, y_true, y_score, groups=identities, confidence_level=0.9
    ... )
    >>> interval.estimate
    0.875
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.25, 1.0)
    >>> interval.n_valid
    1000
    """
    labels, score = check_labels(y_true), np.asarray(y_score)
    check_consistent_length(labels, score, groups, sample_weight)
    group = np.arange(len(labels)) if groups is None else encode_groups(groups)
    weights = {}
    if sample_weight is not None:
        weight = check_weight(sample_weight)
        # Samples of zero weight do not count as samples of a class.
        labels, score, group = (part[weight > 0] for part in (labels, score, group))
        weights["sample_weight"] = weight[weight > 0]

    def compute(index: NDArray[np.intp]) -> NDArray[np.float64]:
        drawn = {name: part[index] for name, part in weights.items()}
        return np.asarray(metric(labels[index], score[index], **drawn), dtype=float)

    estimate = compute(np.arange(len(labels)))
    # Computing the estimate has already validated the samples and issued the warning.
    with (
        config_context(assume_finite=True, skip_parameter_validation=True),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", UnresolvedRateWarning)
        resamples = _resamples(labels, group, n_resamples, random_state)
        values = [compute(index) for index in resamples]
    if not values:
        raise ValueError(
            f"None of n_resamples={n_resamples} resamples contains all classes: one "
            "class has too few groups."
        )
    n_groups = len(np.unique(group))
    reach = t.ppf((1 - confidence_level) / 2, n_groups - 1)
    outside = norm.cdf(reach * np.sqrt(n_groups / (n_groups - 1)))
    low, high = np.quantile(values, [outside, 1 - outside], axis=0)
    limits = estimate, np.minimum(low, estimate), np.maximum(high, estimate)
    point, lower, upper = (each if each.ndim else float(each) for each in limits)
    return BootstrapInterval(point, lower, upper, n_valid=len(values))


def _resamples(
    labels: NDArray,
    group: NDArray[np.intp],
    n_resamples: int,
    random_state: int | np.random.RandomState | None,
) -> Iterator[NDArray[np.intp]]:
    """Yield the sample indices of each resample that contains all classes."""
    # Renumber, since groups without weight were removed.
    group = np.unique(group, return_inverse=True)[1]
    members, size = np.argsort(group, kind="stable"), np.bincount(group)
    n_groups = len(size)
    if n_groups < 2:
        raise ValueError("groups must contain at least two groups; got one.")
    start = np.cumsum(size) - size
    classes, label = np.unique(labels, return_inverse=True)
    has_class = np.zeros((n_groups, len(classes)), dtype=bool)
    has_class[group, label] = True
    rng = check_random_state(random_state)
    for _ in range(n_resamples):
        drawn = rng.randint(n_groups, size=n_groups)
        if has_class[drawn].any(axis=0).all():
            sizes = size[drawn]
            # Concatenate the slices of `members` that belong to the drawn groups.
            offset = start[drawn] - (np.cumsum(sizes) - sizes)
            yield members[np.repeat(offset, sizes) + np.arange(sizes.sum())]
