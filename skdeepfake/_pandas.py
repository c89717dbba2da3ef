"""Optional import of pandas."""

from __future__ import annotations

from typing import Any


def import_pandas(caller: str, otherwise: str) -> Any:
    """Import pandas, or raise an ImportError that names the alternative."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            f"{caller} needs pandas: pip install pandas. Without it, {otherwise}."
        ) from error
    return pandas
