"""Displays of faces, training, scores over time and evidence.

As in scikit-learn, a Display is drawn by its ``plot`` method or by a class method such
as ``from_estimator``. The Displays of reports are in :mod:`skdeepfake.evaluation`.
"""

from ._attribution import AttributionDisplay
from ._faces import FacesDisplay
from ._history import HistoryDisplay
from ._timeline import TimelineDisplay

__all__ = ["AttributionDisplay", "FacesDisplay", "HistoryDisplay", "TimelineDisplay"]
