"""Progress bars: one per step, which goes away when the step is finished."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from tqdm import TqdmWarning

with warnings.catch_warnings():  # a notebook without ipywidgets gets a bar of text
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
    """Return a progress bar over items, or of `total` steps, if `verbose` is not 0."""
    silent = verbose < 1
    return tqdm(items, desc=desc, unit=unit, total=total, disable=silent, leave=False)
