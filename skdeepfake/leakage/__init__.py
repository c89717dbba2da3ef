"""What a data set, or a split of it, gives away besides the faces."""

from ._report import LeakageReport, leakage_report
from ._trivial_features import trivial_features

__all__ = ["LeakageReport", "leakage_report", "trivial_features"]
