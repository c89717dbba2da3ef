"""pandas, where it is there."""

from __future__ import annotations

from typing import Any


def import_pandas(caller: str, otherwise: str) -> Any:
    """Import pandas, or say what to install and what does without."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            f"{caller} needs pandas: pip install pandas; without it, {otherwise}"
        ) from error
    return pandas
