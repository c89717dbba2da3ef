"""Error rates and thresholds from the receiver operating characteristic (ROC)."""

from __future__ import annotations

import warnings
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from .._scores import (
    ROUNDING,
    PosLabel,
    check_scored,
    error_where_equal,
    roc,
    score_metric,
    tpr_up_to,
)
from ..exceptions import UnresolvedRateWarning


@score_metric()
def equal_error_rate(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    pos_label: PosLabel = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Compute the equal error rate (EER).

    The EER is the error rate at the threshold where the false positive rate equals the
    false negative rate. Both rates are interpolated between thresholds.

    Parameters
    ----------
    {{labels_and_scores}}
    {{pos_label_and_weights}}

    Returns
    -------
    float
        Equal error rate, between 0 (perfect ranking) and 1. Chance level is 0.5.

    {{score_errors}}

    See Also
    --------
    choose_threshold : Choose a threshold by balanced accuracy or equal error rate.
    true_positive_rate_at : True positive rate at a given false positive rate.

    Notes
    -----
    The EER is computed on the ROC curve itself. On the convex hull of the curve, the
    EER would be lower or equal.

    References
    ----------
    .. [1] T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters
       27, 861-874, 2006.

    Examples
    --------
    >>> from skdeepfake.metrics import equal_error_rate
    >>> y_true = [0, 0, 0, 1, 1]
    >>> y_score = [0.1, 0.2, 0.6, 0.4, 0.9]
    >>> round(equal_error_rate(y_true, y_score), 3)
    0.333
    """
    return error_where_equal(
        roc(check_scored(y_true, y_score, pos_label, sample_weight))
    )


@score_metric(fpr=[Interval(Real, 0, 1, closed="both"), "array-like"])
def true_positive_rate_at(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    fpr: float | ArrayLike = 0.1,
    pos_label: PosLabel = None,
    sample_weight: ArrayLike | None = None,
) -> float | NDArray[np.float64]:
    """Compute the true positive rate at a given false positive rate.

    The result is the largest true positive rate of all thresholds whose false positive
    rate is at most `fpr`, without interpolation.

    Parameters
    ----------
    {{labels_and_scores}}
    fpr : float or array-like of shape (n_rates,), default=0.1
        Maximum false positive rate (share of real videos classified as fake). Common
        values are 0.1, 0.01 and 0.001.
    {{pos_label_and_weights}}

    Returns
    -------
    float or ndarray of float64, shape (n_rates,)
        True positive rate, between 0 and 1, for each `fpr`.

    {{score_errors}}

    Warns
    -----
    UnresolvedRateWarning
        If there are fewer than ``1 / fpr`` real samples. The result then depends only
        on the highest score of a real sample.

    See Also
    --------
    equal_error_rate : Error rate at the threshold where both error rates are equal.

    Examples
    --------
    >>> from skdeepfake.metrics import true_positive_rate_at
    >>> y_true = [0, 0, 0, 0, 1, 1, 1, 1]
    >>> y_score = [0.1, 0.2, 0.3, 0.7, 0.2, 0.6, 0.8, 0.9]
    >>> true_positive_rate_at(y_true, y_score, fpr=0.25)
    0.75
    >>> true_positive_rate_at(y_true, y_score, fpr=[0.25, 0.75])
    array([0.75, 1.  ])
    """
    scored = check_scored(y_true, y_score, pos_label, sample_weight)
    rates = np.asarray(fpr, dtype=np.float64)
    if rates.ndim > 1 or not ((rates >= 0) & (rates <= 1)).all():
        raise ValueError(f"fpr must contain rates between 0 and 1; got {fpr!r}.")
    n_negatives = int((~scored.is_positive).sum())
    unresolved = rates[rates * n_negatives < 1 - ROUNDING]
    if unresolved.size:
        asked = ", ".join(f"{rate:g}" for rate in unresolved)
        warnings.warn(
            f"{n_negatives} negative samples cannot resolve a false positive rate of "
            f"{asked}: the lowest nonzero rate is {1 / n_negatives:.2g}.",
            UnresolvedRateWarning,
            stacklevel=3,  # skip the parameter validation
        )
    tpr = tpr_up_to(roc(scored), rates)
    return tpr if rates.ndim else float(tpr)


@score_metric(threshold=[Interval(Real, None, None, closed="neither")])
def balanced_accuracy_at(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    threshold: float,
    pos_label: PosLabel = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Compute the balanced accuracy at a given threshold.

    Choose the threshold on data that is not used for testing. The best threshold for
    the test set is not known in practice, and using it makes the score too high.

    Parameters
    ----------
    {{labels_and_scores}}
    threshold : float
        Score at or above which samples are classified as fake.
    {{pos_label_and_weights}}

    Returns
    -------
    float
        Balanced accuracy, between 0 and 1. Chance level is 0.5 for any class balance.

    {{score_errors}}

    See Also
    --------
    choose_threshold : Choose the threshold on validation data.
    sklearn.metrics.balanced_accuracy_score : Balanced accuracy of predicted labels.
    sklearn.model_selection.FixedThresholdClassifier : Predict with a threshold.

    Examples
    --------
    >>> from skdeepfake.metrics import balanced_accuracy_at
    >>> balanced_accuracy_at([0, 0, 1], [0.1, 0.7, 0.9], threshold=0.5)
    0.75
    """
    scored = check_scored(y_true, y_score, pos_label, sample_weight)
    is_right = (scored.score >= threshold) == scored.is_positive
    shares = [
        np.average(is_right[of_class], weights=scored.weight[of_class])
        for of_class in (scored.is_positive, ~scored.is_positive)
    ]
    return float(np.mean(shares))


@score_metric(criterion=[StrOptions({"balanced_accuracy", "equal_error_rate"})])
def choose_threshold(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    criterion: str = "balanced_accuracy",
    pos_label: PosLabel = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Choose the threshold at or above which a sample is classified as fake.

    Use validation data that shares no identity with the test data.

    Parameters
    ----------
    {{labels_and_scores}}
    criterion : {"balanced_accuracy", "equal_error_rate"}, default="balanced_accuracy"
        Criterion to optimize. "balanced_accuracy" maximizes the balanced accuracy.
        "equal_error_rate" minimizes the difference between the false positive rate and
        the false negative rate.
    {{pos_label_and_weights}}

    Returns
    -------
    float
        Threshold halfway between two adjacent scores, or the lowest score if it is best
        to classify all samples as fake. The highest of equally good thresholds is used.

    {{score_errors}}

    See Also
    --------
    sklearn.model_selection.TunedThresholdClassifierCV : Tune a threshold by
        cross-validation.

    Examples
    --------
    >>> from skdeepfake.metrics import balanced_accuracy_at, choose_threshold
    >>> threshold = choose_threshold([0, 0, 1, 1], [0.1, 0.25, 0.5, 0.75])
    >>> threshold
    0.375
    >>> balanced_accuracy_at([0, 1, 1], [0.25, 0.25, 0.5], threshold=threshold)
    0.75
    """
    curve = roc(check_scored(y_true, y_score, pos_label, sample_weight))
    if criterion == "balanced_accuracy":
        merit = curve.tpr - curve.fpr
    else:
        merit = -np.abs(curve.fpr + curve.tpr - 1)
    # Skip the infinite threshold, which is never better than the lowest threshold.
    merit, threshold = merit[1:], curve.threshold[1:]
    best = int(np.flatnonzero(merit >= merit.max() - ROUNDING)[0])
    above, below = threshold[best], threshold[min(best + 1, len(threshold) - 1)]
    middle = below + (above - below) / 2
    # Adjacent floats have no number between them.
    return float(middle if middle > below else above)
