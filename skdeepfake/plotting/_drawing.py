"""What the displays share: colours, and cells with a picture or without."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

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
