"""Splitting videos so that a score says something: by identity, by official lists."""

from ._leakage import check_no_leakage
from ._official import OfficialSplit

__all__ = ["OfficialSplit", "check_no_leakage"]
