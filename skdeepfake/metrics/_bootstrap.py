"""Intervals by resampling identities."""

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
    """A figure and how far it might be off.

    Attributes
    ----------
    estimate : float or ndarray of float64
        The metric of all samples.
    low, high : float or ndarray of float64
        Limits of the interval.
    n_valid : int
        Number of resamples with all classes, which the interval is computed from.

    See Also
    --------
    group_bootstrap : Computes it.
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
    """Compute a metric and the interval in which it lies for other people.

    A bootstrap resamples with replacement and takes quantiles of the metric, which
    assumes independent samples. Videos of one person, and frames of one video, are not
    independent, so whole groups are drawn. Drawing videos makes the interval too
    narrow, by up to the square root of the number of videos per person [1]_.

    Parameters
    ----------
    metric : callable
        Called as ``metric(y_true, y_score)``, with ``sample_weight=`` if there are
        weights; returns a number, or an array of them, such as those of several
        metrics. Use `functools.partial` for other parameters, such as `pos_label`.
    y_true : array-like of shape (n_samples,)
        Label of each video, or of each frame.
    y_score : array-like of shape (n_samples,) or (n_samples, ...)
        What `metric` takes for each sample.
    groups : array-like of shape (n_samples,), default=None
        Identity of each sample, as splitters take it. None: samples are independent.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each sample.
    n_resamples : int, default=1000
        How many times groups are drawn.
    confidence_level : float, default=0.95
        Confidence level of the interval, between 0 and 1.
    random_state : int, RandomState instance or None, default=0
        Draws the groups. An int gives the same interval at each call.

    Returns
    -------
    BootstrapInterval
        Named tuple of `estimate`, the limits `low` and `high`, and `n_valid`.

    Raises
    ------
    ValueError
        If the lengths differ, there is one group only, the group of a sample is missing
        (None or NaN), no resample holds every class, or `metric` raises it.

    See Also
    --------
    scipy.stats.bootstrap : For samples that are independent of each other.

    Notes
    -----
    The interval is the expanded percentile interval [2]_: percentiles are taken further
    outside the fewer groups there are. It is extended to the estimate where the metric
    is biased in resamples, as average precision is for few videos. Below some twenty
    groups it is unreliable all the same. It is NaN if the metric is NaN for any
    resample.

    Resamples that lack a class are skipped. An `n_valid` well below `n_resamples` shows
    that one class comes from very few groups.

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
    ...     roc_auc_score, y_true, y_score, groups=identities
    ... )
    >>> interval.estimate
    0.875
    >>> interval.low < interval.estimate <= interval.high
    True
    >>> interval.n_valid
    1000
    """
    labels, score = check_labels(y_true), np.asarray(y_score)
    check_consistent_length(labels, score, groups, sample_weight)
    group = np.arange(len(labels)) if groups is None else encode_groups(groups)
    weights = {}
    if sample_weight is not None:
        weight = check_weight(sample_weight)
        # What weighs nothing is no sample of its class.
        labels, score, group = (part[weight > 0] for part in (labels, score, group))
        weights["sample_weight"] = weight[weight > 0]

    def figure(index: NDArray[np.intp]) -> NDArray[np.float64]:
        drawn = {name: part[index] for name, part in weights.items()}
        return np.asarray(metric(labels[index], score[index], **drawn), dtype=float)

    estimate = figure(np.arange(len(labels)))
    # The samples have been looked at, and a rate that they cannot resolve was told of.
    with (
        config_context(assume_finite=True, skip_parameter_validation=True),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", UnresolvedRateWarning)
        resamples = _resamples(labels, group, n_resamples, random_state)
        figures = [figure(index) for index in resamples]
    if not figures:
        raise ValueError(
            f"None of n_resamples={n_resamples} holds all classes: too few groups have "
            "samples of one of them"
        )
    n_groups = len(np.unique(group))
    reach = t.ppf((1 - confidence_level) / 2, n_groups - 1)
    outside = norm.cdf(reach * np.sqrt(n_groups / (n_groups - 1)))
    low, high = np.quantile(figures, [outside, 1 - outside], axis=0)
    return BootstrapInterval(
        _plain(estimate),
        _plain(np.minimum(low, estimate)),
        _plain(np.maximum(high, estimate)),
        n_valid=len(figures),
    )


def _resamples(
    labels: NDArray,
    group: NDArray[np.intp],
    n_resamples: int,
    random_state: int | np.random.RandomState | None,
) -> Iterator[NDArray[np.intp]]:
    """Yield the numbers of the samples of each resample that holds all classes."""
    # Numbered anew: a group whose samples weigh nothing is none.
    group = np.unique(group, return_inverse=True)[1]
    members, size = np.argsort(group, kind="stable"), np.bincount(group)
    n_groups = len(size)
    if n_groups < 2:
        raise ValueError(
            "groups holds one group only: how groups vary cannot be seen from one"
        )
    start = np.cumsum(size) - size
    classes, label = np.unique(labels, return_inverse=True)
    has_class = np.zeros((n_groups, len(classes)), dtype=bool)
    has_class[group, label] = True
    rng = check_random_state(random_state)
    for _ in range(n_resamples):
        drawn = rng.randint(n_groups, size=n_groups)
        if has_class[drawn].any(axis=0).all():
            sizes = size[drawn]
            # One after the other, the runs of `members` that are the groups drawn.
            offset = start[drawn] - (np.cumsum(sizes) - sizes)
            yield members[np.repeat(offset, sizes) + np.arange(sizes.sum())]


def _plain(figure: NDArray[np.float64]) -> Any:
    """Turn an array without dimensions into a number."""
    return figure if figure.ndim else float(figure)
