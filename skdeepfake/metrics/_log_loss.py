"""The log loss as challenges clip it."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval

from .._scores import SCORE_CONSTRAINTS, PosLabel, check_scored, with_score_docs
from .._validation import validated


@with_score_docs
@validated(
    {
        **SCORE_CONSTRAINTS,
        "eps": [Interval(Real, 0, 0.5, closed="neither")],
    }
)
def clipped_log_loss(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    eps: float = 1e-15,
    pos_label: PosLabel = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Log loss of probabilities that are kept `eps` away from 0 and 1.

    A single wrong video with probability 0 makes the log loss infinite, so `eps`
    decides how much it counts: 34.5 at 1e-15, 4.6 at 0.01. scikit-learn's own takes the
    precision of the array's type, which differs between float32 and float64.

    Parameters
    ----------
    {{labels_and_probabilities}}
    eps : float, default=1e-15
        Least probability of either class, above 0 and below 0.5. 1e-15 is common in
        contests. The Deepfake Detection Challenge [1]_ was scored by log loss; which
        number it clipped at we do not know.
    {{pos_label_and_weights}}

    Returns
    -------
    float
        Mean of the negative natural logarithms of the true classes' probabilities;
        ``log(2)``, 0.693, is what one gets for 0.5 everywhere.

    Raises
    ------
    {{probability_errors}}

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
        y_true, y_score, pos_label, sample_weight, is_probability=True
    )
    of_truth = np.where(scored.is_positive, scored.score, 1 - scored.score)
    losses = -np.log(np.clip(of_truth, eps, 1 - eps))
    return float(np.average(losses, weights=scored.weight))
