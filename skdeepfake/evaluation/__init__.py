"""Evaluation reports, robustness to distortions, and drift detection."""

from ._drift import DriftMeasure, DriftReport, drift
from ._drift_display import DriftDisplay
from ._evaluate import evaluate
from ._reliability_display import ReliabilityDisplay
from ._rendering import EvaluationDisplay
from ._report import EvaluationReport
from ._robustness import RobustnessCurve, robustness_curve
from ._robustness_display import RobustnessDisplay

__all__ = [
    "DriftDisplay",
    "DriftMeasure",
    "DriftReport",
    "EvaluationDisplay",
    "EvaluationReport",
    "ReliabilityDisplay",
    "RobustnessCurve",
    "RobustnessDisplay",
    "drift",
    "evaluate",
    "robustness_curve",
]
