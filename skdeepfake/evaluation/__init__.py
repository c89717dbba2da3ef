"""How good a fitted pipeline is, on whom, and how it bears what happens to videos."""

from ._evaluate import evaluate
from ._report import EvaluationReport
from ._robustness import RobustnessCurve, robustness_curve

__all__ = [
    "EvaluationReport",
    "RobustnessCurve",
    "evaluate",
    "robustness_curve",
]
