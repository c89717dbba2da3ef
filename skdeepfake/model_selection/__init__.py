"""Splitters by identity, dataset, manipulation and official lists.

Pass them as ``cv``, like the splitters of scikit-learn.
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
