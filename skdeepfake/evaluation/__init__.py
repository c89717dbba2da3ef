"""Reports on fitted pipelines, and their robustness to distortions."""

from ._evaluate import evaluate
from ._reliability_display import ReliabilityDisplay
from ._rendering import EvaluationDisplay
from ._report import EvaluationReport
from ._robustness import RobustnessCurve, robustness_curve
from ._robustness_display import RobustnessDisplay

__all__ = [
    "EvaluationDisplay",
    "EvaluationReport",
    "ReliabilityDisplay",
    "RobustnessCurve",
    "RobustnessDisplay",
    "evaluate",
    "robustness_curve",
]
