"""The metrics as `scoring=` of cross-validation and searches."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from sklearn.metrics import brier_score_loss, make_scorer

from .._scores import PosLabel
from ._probabilities import clipped_log_loss, expected_calibration_error
from ._roc import balanced_accuracy_at, equal_error_rate, true_positive_rate_at

_RANKING = ("decision_function", "predict_proba")
# Thresholds too are of probabilities: 0.5 of a decision function is another thing.
_PROBABILITY = "predict_proba"

# Each metric, what it is computed from, and whether more is better.
_SCORERS: dict[str, tuple[Callable[..., Any], str | tuple[str, ...], bool]] = {
    "balanced_accuracy_at": (balanced_accuracy_at, _PROBABILITY, True),
    "neg_brier_score": (brier_score_loss, _PROBABILITY, False),
    "neg_clipped_log_loss": (clipped_log_loss, _PROBABILITY, False),
    "neg_equal_error_rate": (equal_error_rate, _RANKING, False),
    "neg_expected_calibration_error": (expected_calibration_error, _PROBABILITY, False),
    "true_positive_rate_at": (true_positive_rate_at, _RANKING, True),
}


def get_scorer_names() -> list[str]:
    """List the names that :func:`get_scorer` knows.

    Returns
    -------
    list of str
        The names, sorted.

    See Also
    --------
    get_scorer : The scorer of a name.

    Examples
    --------
    >>> from skdeepfake.metrics import get_scorer_names
    >>> get_scorer_names()[:2]
    ['balanced_accuracy_at', 'neg_brier_score']
    """
    return sorted(_SCORERS)


def get_scorer(
    name: str, *, pos_label: PosLabel = None, **params: Any
) -> Callable[..., float]:
    """Make a scorer, for ``scoring=`` in cross-validation and searches.

    A scorer asks a fitted pipeline for videos, so its score is at the level of videos.
    Errors and losses are negated, with names in ``neg_``: more is always better.

    Parameters
    ----------
    name : str
        One of :func:`get_scorer_names`. ``neg_brier_score`` is scikit-learn's.
    pos_label : int, float, bool or str, default=None
        Label of the fakes. None means 1, if the labels are 0 and 1 or -1 and 1. The
        probabilities are those of this class, whichever comes first in ``classes_``.
    **params
        Other parameters of the metric, such as ``fpr=0.01``.

    Returns
    -------
    callable
        Scorer with the signature ``(estimator, X, y)``, which takes part in
        scikit-learn's metadata routing: ``set_score_request(sample_weight=True)``.

    Raises
    ------
    ValueError
        If there is no such scorer.
    TypeError
        If the metric does not take one of `params`, or needs one that is missing.

    See Also
    --------
    sklearn.metrics.get_scorer : Those of scikit-learn, such as ``"roc_auc"``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_validate
    >>> from skdeepfake.metrics import get_scorer
    >>> X = np.arange(8.0).reshape(-1, 1)
    >>> y = ["real"] * 4 + ["fake"] * 4
    >>> scoring = {
    ...     "eer": get_scorer("neg_equal_error_rate", pos_label="fake"),
    ...     "tpr": get_scorer("true_positive_rate_at", fpr=0.5, pos_label="fake"),
    ... }
    >>> scores = cross_validate(LogisticRegression(), X, y, cv=2, scoring=scoring)
    >>> scores["test_tpr"]
    array([1., 1.])
    """
    if name not in _SCORERS:
        raise ValueError(
            f"There is no scorer {name!r}; there are {', '.join(get_scorer_names())}"
        )
    metric, response_method, greater_is_better = _SCORERS[name]
    # A parameter that is wrong would else turn every fold's score into NaN.
    inspect.signature(metric).bind(None, None, pos_label=pos_label, **params)
    return make_scorer(
        metric,
        response_method=response_method,
        greater_is_better=greater_is_better,
        pos_label=pos_label,
        **params,
    )
