"""Splitting videos so that a score says something: by identity, by official lists.

:func:`leakage_report` says what a split, or a data set, gives away. The splitters go
as ``cv`` wherever those of scikit-learn do.
"""

from ._domains import CrossDatasetSplit
from ._identities_kfold import IdentityKFold
from ._leakage import check_no_leakage
from ._leakage_report import LeakageReport, leakage_report
from ._manipulations import LeaveOneManipulationOut
from ._official import OfficialSplit
from ._trivial_features import trivial_features

__all__ = [
    "CrossDatasetSplit",
    "IdentityKFold",
    "LeakageReport",
    "LeaveOneManipulationOut",
    "OfficialSplit",
    "check_no_leakage",
    "leakage_report",
    "trivial_features",
]
