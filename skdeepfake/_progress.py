"""Progress bars, which are cleared when they are complete."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from tqdm import TqdmWarning

with warnings.catch_warnings():  # without ipywidgets, tqdm uses a text bar
    warnings.simplefilter("ignore", TqdmWarning)
    from tqdm.auto import tqdm


def progress(
    items: Iterable[Any] | None = None,
    *,
    desc: str,
    unit: str,
    verbose: int,
    total: int | None = None,
) -> tqdm:
    """Return a progress bar over items or `total` steps, hidden if `verbose` is 0."""
    silent = verbose < 1
    return tqdm(items, desc=desc, unit=unit, total=total, disable=silent, leave=False)
