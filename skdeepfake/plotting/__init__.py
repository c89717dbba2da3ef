"""Displays in scikit-learn's manner: the faces, the training, the video's time."""

from ._attribution import AttributionDisplay
from ._evaluation import EvaluationDisplay
from ._faces import FacesDisplay
from ._history import HistoryDisplay
from ._reliability import ReliabilityDisplay
from ._robustness import RobustnessDisplay
from ._timeline import TimelineDisplay

__all__ = [
    "AttributionDisplay",
    "EvaluationDisplay",
    "FacesDisplay",
    "HistoryDisplay",
    "ReliabilityDisplay",
    "RobustnessDisplay",
    "TimelineDisplay",
]
