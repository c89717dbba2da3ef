"""Scorers for cross-validation and parameter searches."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from sklearn.metrics import brier_score_loss, make_scorer

from .._scores import PosLabel
from ._probabilities import clipped_log_loss, expected_calibration_error
from ._roc import balanced_accuracy_at, equal_error_rate, true_positive_rate_at

_RANKING = ("decision_function", "predict_proba")
# Thresholds refer to probabilities, not to the decision function.
_PROBABILITY = "predict_proba"

# Metric, response method and greater_is_better.
_SCORERS: dict[str, tuple[Callable[..., Any], str | tuple[str, ...], bool]] = {
    "balanced_accuracy_at": (balanced_accuracy_at, _PROBABILITY, True),
    "neg_brier_score": (brier_score_loss, _PROBABILITY, False),
    "neg_clipped_log_loss": (clipped_log_loss, _PROBABILITY, False),
    "neg_equal_error_rate": (equal_error_rate, _RANKING, False),
    "neg_expected_calibration_error": (expected_calibration_error, _PROBABILITY, False),
    "true_positive_rate_at": (true_positive_rate_at, _RANKING, True),
}


def get_scorer_names() -> list[str]:
    """Return the names of all available scorers.

    Returns
    -------
    list of str
        Sorted names for :func:`get_scorer`.

    See Also
    --------
    get_scorer : Make a scorer from its name.

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
    """Make a scorer for the ``scoring`` parameter of cross-validation and searches.

    The score is computed per video. Errors and losses are negated and their names start
    with ``neg_``, so that higher is always better.

    Parameters
    ----------
    name : str
        Name of the scorer, one of :func:`get_scorer_names`. ``neg_brier_score`` uses
        :func:`sklearn.metrics.brier_score_loss`.
    pos_label : int, float, bool or str, default=None
        Label of the fake class. None means 1 and requires labels 0 and 1, or -1 and 1.
        Probabilities of this class are used, regardless of the order of ``classes_``.
    **params : dict
        Other parameters of the metric, such as ``fpr=0.01``.

    Returns
    -------
    callable
        Scorer with the signature ``(estimator, X, y)`` that supports scikit-learn's
        metadata routing through ``set_score_request(sample_weight=True)``.

    Raises
    ------
    ValueError
        If `name` is not the name of a scorer.
    TypeError
        If `params` contains an unknown parameter or lacks a required one.

    See Also
    --------
    sklearn.metrics.get_scorer : Scorers of scikit-learn, such as ``"roc_auc"``.

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
            f"{name!r} is not a scorer; available are {', '.join(get_scorer_names())}."
        )
    metric, response_method, greater_is_better = _SCORERS[name]
    # In cross-validation, an invalid parameter would only turn all scores into NaN.
    inspect.signature(metric).bind(None, None, pos_label=pos_label, **params)
    return make_scorer(
        metric,
        response_method=response_method,
        greater_is_better=greater_is_better,
        pos_label=pos_label,
        **params,
    )
