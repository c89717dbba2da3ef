"""Report data leakage in datasets and splits."""

from ._report import LeakageReport, leakage_report
from ._trivial_features import trivial_features

__all__ = ["LeakageReport", "leakage_report", "trivial_features"]
