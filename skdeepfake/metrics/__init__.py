"""Numbers that say how good a detector is, of frames or of videos, never of a mix.

A video has one score, that of ``predict_proba``; a frame has its own, that of
``predict_frame_proba``, which :func:`frame_scores` prepares.
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
