"""Split videos by identity, dataset, manipulation or official lists.

Pass the splitters as ``cv``, like those of scikit-learn.
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
