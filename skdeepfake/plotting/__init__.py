"""Displays in scikit-learn's manner: the faces, the training, the video's time."""

from ._faces import FacesDisplay
from ._history import HistoryDisplay
from ._timeline import TimelineDisplay

__all__ = ["FacesDisplay", "HistoryDisplay", "TimelineDisplay"]
