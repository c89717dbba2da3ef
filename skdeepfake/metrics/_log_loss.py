"""The log loss as challenges clip it."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval

from ._validation import LABELS_AND_WEIGHTS, PosLabel, check_scored, validated


@validated(
    {
        **LABELS_AND_WEIGHTS,
        "y_proba": ["array-like"],
        "eps": [Interval(Real, 0, 0.5, closed="neither")],
    }
)
def clipped_log_loss(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    *,
    eps: float = 1e-15,
    pos_label: PosLabel = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Log loss of probabilities that are kept `eps` away from 0 and 1.

    One video that a detector is wrong about with probability 0 makes the log loss
    infinite. Whatever bounds it decides then over the mean of all: 34.5 for each such
    video at 1e-15, 4.6 at 0.01. Two figures compare only if both name their `eps`.
    scikit-learn's own takes the precision of the array's type, so that one detector
    has two losses in float32 and float64.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Label of each video, or of each frame.
    y_proba : array-like of shape (n_samples,)
        Probability of the positive class.
    eps : float, default=1e-15
        Least probability of either class, above 0 and below 0.5. 1e-15 is common in
        contests. The Deepfake Detection Challenge [1]_ was scored by log loss; which
        number it clipped at we do not know.
    pos_label : int, float, bool or str, default=None
        Label of the fakes. None means 1, if the labels are 0 and 1 or -1 and 1.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each sample.

    Returns
    -------
    float
        Mean of the negative natural logarithms of the true classes' probabilities;
        ``log(2)``, 0.693, is what one gets for 0.5 everywhere.

    Raises
    ------
    ValueError
        If there are not exactly two classes, `pos_label` is missing or not among
        them, the lengths differ, or a probability is NaN or not between 0 and 1.

    See Also
    --------
    sklearn.metrics.log_loss : The same where nothing is clipped.
    sklearn.metrics.brier_score_loss : Bounded without clipping.

    References
    ----------
    .. [1] B. Dolhansky et al., "The DeepFake Detection Challenge (DFDC) Dataset",
       2020, arXiv:2006.07397.

    Examples
    --------
    >>> from skdeepfake.metrics import clipped_log_loss
    >>> round(clipped_log_loss([0, 1], [0.2, 0.9]), 4)
    0.1643
    >>> round(clipped_log_loss([0, 1], [0.2, 0.0], eps=0.01), 4)
    2.4142
    """
    scored = check_scored(
        y_true, y_proba, pos_label, sample_weight, name="y_proba", is_probability=True
    )
    of_truth = np.where(scored.is_positive, scored.score, 1 - scored.score)
    losses = -np.log(np.clip(of_truth, eps, 1 - eps))
    return float(np.average(losses, weights=scored.weight))
