"""Splits by identity, by data set, by manipulation and by official lists.

The splitters go as ``cv`` wherever those of scikit-learn do.
"""

from ._generalization import CrossDatasetSplit, LeaveOneManipulationOut
from ._identity_kfold import IdentityKFold
from ._official import OfficialSplit
from ._splitter import check_no_leakage

__all__ = [
    "CrossDatasetSplit",
    "IdentityKFold",
    "LeaveOneManipulationOut",
    "OfficialSplit",
    "check_no_leakage",
]
