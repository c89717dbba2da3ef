"""Conversion of values to JSON types."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from ._atomic import written


def step_parameters(steps: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return the parameters of each step that affect its results."""
    return {
        name: plain(
            {
                key: value
                for key, value in step.get_params(deep=False).items()
                if key not in ("n_jobs", "verbose", "memory")
            }
        )
        for name, step in steps
        if hasattr(step, "get_params")
    }


def to_json(value: Any, path: str | os.PathLike[str] | None) -> str:
    """Return a value as JSON text, and write it to `path` unless this is None."""
    return written(json.dumps(value, indent=2, allow_nan=False), path)


def plain(value: Any) -> Any:
    """Convert a value to JSON types, with None for NaN and infinity."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)
