"""What the displays share: colours, and cells with a picture or without."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

# Okabe and Ito's colours, told apart whatever one's colour vision.
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
_CELL = "0.92"
# Of a frame or a crop no more is seen in a cell.
_MAX_SIDE = 256


def check_matplotlib(caller: str) -> None:
    """Raise an ImportError that says what to install, before any computation."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f'{caller} requires matplotlib: pip install "skdeepfake[plot]"'
        ) from error


def check_entries(
    reference: str, rows: Sequence[Sequence[Any]], given: Mapping[str, Any], what: str
) -> None:
    """Check that everything has one entry a video, and in it one a slot.

    Parameters
    ----------
    reference : str
        What `rows` are called.
    rows : sequence of sequences
        What the others go by.
    given : mapping of str to sequence of sequences, or None
        The others by their names; None is not looked at, and of ``"titles"`` each is
        for all slots.
    what : str
        What an entry is called: "clip" or "video".

    Raises
    ------
    ValueError
        If lengths differ.
    """
    for name, value in given.items():
        if value is None:
            continue
        if len(value) != len(rows):
            raise ValueError(
                f"{name} must have one entry a {what}, {len(rows)}, as {reference} "
                f"has; got {len(value)}."
            )
        if name == "titles":
            continue
        for k, (row, entry) in enumerate(zip(rows, value, strict=True)):
            if len(entry) != len(row):
                raise ValueError(
                    f"{name}[{k}] must have one entry a slot, {len(row)}, as "
                    f"{reference}[{k}] has; got {len(entry)}."
                )


def write_title(ax: Any, title: str) -> None:
    """Write the title of a row of cells above the first of them."""
    # A title may be wider than the cell below it, and the layout would make room: it
    # gets a blank one for the height.
    ax.set_title(" ", fontsize="medium")
    ax.annotate(
        title,
        xy=(0, 1),
        xytext=(0, 5),
        xycoords="axes fraction",
        textcoords="offset points",
        in_layout=False,
    )


def write_times(axes: NDArray, timestamps: ArrayLike) -> None:
    """Write the time of each slot below its cell; NaN is an empty slot."""
    seconds = np.asarray(timestamps, dtype=float)
    for ax, second in zip(axes, seconds, strict=False):
        if math.isfinite(second):
            ax.set_xlabel(f"{second:.2f} s", fontsize="x-small")


def shrink(image: NDArray[np.uint8] | None) -> NDArray[np.uint8] | None:
    """Return `image` at the size at which it is drawn."""
    if image is None or max(image.shape[:2]) <= _MAX_SIDE:
        return image
    height, width = image.shape[:2]
    ratio = _MAX_SIDE / max(height, width)
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)


def draw_cell(
    ax: Any, image: NDArray[np.uint8] | None, missing: str, aspect: float
) -> None:
    """Draw an image without ticks, or a hatched cell that says what is missing."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_color("0.6")
    if image is not None:
        ax.imshow(shrink(image))
        return
    ax.set_box_aspect(aspect)
    ax.set_facecolor(_CELL)
    ax.patch.set(hatch="///", edgecolor="0.75", linewidth=0)
    ax.text(
        0.5,
        0.5,
        missing,
        ha="center",
        va="center",
        fontsize="x-small",
        transform=ax.transAxes,
        bbox={"facecolor": _CELL, "edgecolor": "none", "pad": 1.5},
    )
