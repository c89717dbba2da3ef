"""A threshold is chosen on validation data and judged on other data."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval, StrOptions

from .._scores import (
    ROUNDING,
    SCORE_CONSTRAINTS,
    PosLabel,
    check_scored,
    roc,
    with_score_docs,
)
from .._validation import validated


@with_score_docs
@validated(
    {
        **SCORE_CONSTRAINTS,
        "threshold": [Interval(Real, None, None, closed="neither")],
    }
)
def balanced_accuracy_at(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    threshold: float,
    pos_label: PosLabel = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Mean of the shares of reals and of fakes that a threshold tells right.

    The threshold comes from other data than these, or from a decision: the best one
    of the test set is not known where the detector is used, and flatters it.

    Parameters
    ----------
    {{labels_and_scores}}
    threshold : float
        Samples that score this much or more are taken for fakes.
    {{pos_label_and_weights}}

    Returns
    -------
    float
        Balanced accuracy, between 0 and 1; 0.5 is chance, however many of the samples
        are fakes.

    Raises
    ------
    {{score_errors}}

    See Also
    --------
    choose_threshold : Choose the threshold on validation data.
    sklearn.metrics.balanced_accuracy_score : The same for predicted labels.
    sklearn.model_selection.FixedThresholdClassifier : Predict by a threshold.

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


@with_score_docs
@validated(
    {
        **SCORE_CONSTRAINTS,
        "criterion": [StrOptions({"balanced_accuracy", "equal_error_rate"})],
    }
)
def choose_threshold(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    criterion: str = "balanced_accuracy",
    pos_label: PosLabel = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Choose the threshold above which a sample is taken for a fake.

    Choose it on validation data that shares no identity with the test data, and judge
    it there by :func:`balanced_accuracy_at`.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Label of each video, or of each frame, of the validation data.
    y_score : array-like of shape (n_samples,)
        Probability of the positive class or any other score that rises with it.
    criterion : {"balanced_accuracy", "equal_error_rate"}, default="balanced_accuracy"
        What makes a threshold good: that the balanced accuracy is largest, or that
        the false positive rate and the false negative rate differ least.
    {{pos_label_and_weights}}

    Returns
    -------
    float
        The threshold, half way between the lowest score above and the highest below;
        if all samples are above, the lowest score. Of several as good, the highest,
        which accuses the fewest.

    Raises
    ------
    {{score_errors}}

    See Also
    --------
    sklearn.model_selection.TunedThresholdClassifierCV : Choose by cross-validation.

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
    # The first point is of a threshold at infinity, which takes nothing for a fake. It
    # is no better than the last, by either criterion.
    merit, threshold = merit[1:], curve.threshold[1:]
    best = int(np.flatnonzero(merit >= merit.max() - ROUNDING)[0])
    above, below = threshold[best], threshold[min(best + 1, len(threshold) - 1)]
    middle = below + (above - below) / 2
    # Between neighboring floats there is nothing.
    return float(middle if middle > below else above)
