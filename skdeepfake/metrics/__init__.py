"""Metrics of detectors, per video or per frame.

Scores per video come from ``predict_proba``. Scores per frame come from
``predict_frame_proba``; :func:`frame_scores` prepares them for the metrics.
"""

from ._bootstrap import BootstrapInterval, group_bootstrap
from ._frames import Coverage, FrameScores, coverage, frame_scores
from ._probabilities import (
    ReliabilityCurve,
    clipped_log_loss,
    expected_calibration_error,
    reliability_curve,
)
from ._roc import (
    balanced_accuracy_at,
    choose_threshold,
    equal_error_rate,
    true_positive_rate_at,
)
from ._scorers import get_scorer, get_scorer_names

__all__ = [
    "BootstrapInterval",
    "Coverage",
    "FrameScores",
    "ReliabilityCurve",
    "balanced_accuracy_at",
    "choose_threshold",
    "clipped_log_loss",
    "coverage",
    "equal_error_rate",
    "expected_calibration_error",
    "frame_scores",
    "get_scorer",
    "get_scorer_names",
    "group_bootstrap",
    "reliability_curve",
    "true_positive_rate_at",
]
