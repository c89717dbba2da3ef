"""Displays of faces, training histories, probabilities over time, and evidence.

As in scikit-learn, call ``plot`` or a class method such as ``from_estimator`` to draw a
Display. Displays of reports are in :mod:`skdeepfake.evaluation`.
"""

from ._attribution import AttributionDisplay
from ._faces import FacesDisplay
from ._history import HistoryDisplay
from ._timeline import TimelineDisplay

__all__ = ["AttributionDisplay", "FacesDisplay", "HistoryDisplay", "TimelineDisplay"]
