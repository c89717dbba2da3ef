"""Splits by identity, by data set, by manipulation and by official lists.

The splitters go as ``cv`` wherever those of scikit-learn do.
"""

from ._domains import CrossDatasetSplit
from ._identity_kfold import IdentityKFold
from ._leakage import check_no_leakage
from ._manipulations import LeaveOneManipulationOut
from ._official import OfficialSplit

__all__ = [
    "CrossDatasetSplit",
    "IdentityKFold",
    "LeaveOneManipulationOut",
    "OfficialSplit",
    "check_no_leakage",
]
