"""Colors, axes and image cells shared by the Displays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._docs import shared_docs

_RETURNS = "Returns\n-------\n{{class}}\n"
_RETURNS_DRAWN = f"{_RETURNS}    Display with its figure drawn.\n"
with_display_docs = shared_docs(
    {
        "figure": """\
figure_ : matplotlib.figure.Figure
    Figure drawn by ``plot``.
""",
        "returns_drawn": _RETURNS_DRAWN,
        "plot_params": f"""\
**plot_params : dict
    Parameters of ``plot``.

{_RETURNS_DRAWN}""",
        "pos_label": """\
pos_label : int, float, bool or str, default=None
    Label of the fake class. None means 1 and requires labels 0 and 1, or -1 and 1.
""",
        "returns_itself": f"{_RETURNS}    The display itself.\n",
    }
)

# Okabe-Ito palette, which is suitable for color-blind readers.
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
_CELL = "0.92"
# Maximum size of a drawn image, in pixels.
_MAX_SIDE = 256


def check_matplotlib(caller: str) -> None:
    """Raise an ImportError that names the extra if matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f'{caller} requires matplotlib: pip install "skdeepfake[plot]"'
        ) from error


def make_axes(caller: str, ax: Any, figsize: tuple[float, float]) -> Any:
    """Return `ax`, or the axes of a new figure of `figsize` inches."""
    check_matplotlib(caller)
    from matplotlib import pyplot as plt

    return plt.subplots(figsize=figsize, layout="constrained")[1] if ax is None else ax


def make_grid(
    axes: Any,
    heights: Sequence[float],
    n_columns: int,
    *,
    cell_size: float,
    n_rows: int,
    margin: float = 0.0,
) -> NDArray:
    """Return `axes` after checking their shape, or the axes of a new figure.

    `heights` are the row heights as multiples of `cell_size`, the width of a cell in
    inches. Each video has `n_rows` rows. `margin` is added to the figure width, in
    inches.
    """
    from matplotlib import pyplot as plt

    shape = len(heights), n_columns
    if axes is None:
        n_videos = len(heights) // n_rows
        size = (
            cell_size * (n_columns + 0.5) + margin,
            cell_size * sum(heights) + 0.3 * (len(heights) + n_videos),
        )
        _, axes = plt.subplots(
            *shape,
            figsize=size,
            squeeze=False,
            layout="constrained",
            gridspec_kw={"height_ratios": heights},
        )
    axes = np.asarray(axes, dtype=object)
    if axes.shape != shape:
        raise ValueError(
            f"axes must have shape {shape}: {n_rows} rows per video and one column per "
            f"slot; got {axes.shape}."
        )
    return axes


def check_entries(
    name: str,
    rows: Sequence[Sequence[Any]],
    titles: Sequence[str] | None,
    **others: Sequence[Any] | None,
) -> Sequence[str]:
    """Check that all arguments have one entry per video and slot, and return titles.

    `name` is the name of `rows` in messages. If `titles` is None, they are "video 1",
    "video 2" and so on.
    """
    if not any(len(row) for row in rows):
        raise ValueError(f"{name} is empty, so there is nothing to draw.")
    if titles is None:
        titles = [f"video {k + 1}" for k in range(len(rows))]
    for other, value in {"titles": titles, **others}.items():
        if value is not None and len(value) != len(rows):
            raise ValueError(
                f"{other} must have one entry per video, like {name}: expected "
                f"{len(rows)}, got {len(value)}."
            )
    for other, value in others.items():
        for k, (row, entry) in enumerate(zip(rows, value or (), strict=False)):
            if len(entry) != len(row):
                raise ValueError(
                    f"{other}[{k}] must have one entry per slot, like {name}[{k}]: "
                    f"expected {len(row)}, got {len(entry)}."
                )
    return titles


def draw_row(
    axes: NDArray,
    images: Sequence[NDArray[np.uint8] | None],
    name: str,
    missing: str = "no face",
    aspect: float = 1.0,
) -> None:
    """Draw a row of images, each in its own axes."""
    for ax, image in zip(axes, images, strict=False):
        draw_cell(ax, image, missing, aspect)
    finish_row(axes, len(images), name)


def finish_row(axes: NDArray, n_cells: int, name: str) -> None:
    """Write the name of a row, and hide the axes after its last image."""
    if n_cells:
        axes[0].set_ylabel(name, fontsize="small")
    for ax in axes[n_cells:]:
        ax.set_axis_off()


def write_title(ax: Any, title: str) -> None:
    """Write the title of a row of cells above its first cell."""
    # A wide title would widen the column, so a blank title reserves the height only.
    ax.set_title(" ", fontsize="medium")
    place = {"xycoords": "axes fraction", "textcoords": "offset points"}
    ax.annotate(title, (0, 1), (0, 5), in_layout=False, **place)


def write_times(axes: NDArray, timestamps: ArrayLike | None) -> None:
    """Write the time of each slot below its cell, unless it is NaN."""
    seconds = np.asarray([] if timestamps is None else timestamps, dtype=float)
    for ax, second in zip(axes, seconds, strict=False):
        if math.isfinite(second):
            ax.set_xlabel(f"{second:.2f} s", fontsize="x-small")


def check_max_frames(max_frames: int, name: str = "max_frames") -> None:
    """Raise a ValueError if `max_frames` is below 1."""
    if max_frames < 1:
        raise ValueError(f"{name} must be at least 1; got {max_frames!r}.")


def spread(n_slots: int, max_frames: int) -> NDArray[np.intp]:
    """Choose at most `max_frames` evenly spaced slots."""
    chosen = np.linspace(0, n_slots - 1, min(max_frames, n_slots)).round()
    return chosen.astype(np.intp)


def shrink(image: NDArray[np.uint8] | None) -> NDArray[np.uint8] | None:
    """Shrink `image` to the maximum size of drawn images."""
    if image is None or max(image.shape[:2]) <= _MAX_SIDE:
        return image
    height, width = image.shape[:2]
    ratio = _MAX_SIDE / max(height, width)
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)


def draw_cell(
    ax: Any, image: NDArray[np.uint8] | None, missing: str, aspect: float
) -> None:
    """Draw an image without ticks, or hatched axes with the text `missing`."""
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_color("0.6")
    if image is not None:
        ax.imshow(shrink(image))
        return
    ax.set_box_aspect(aspect)
    ax.set_facecolor(_CELL)
    ax.patch.set(hatch="///", edgecolor="0.75", linewidth=0)
    box = {"facecolor": _CELL, "edgecolor": "none", "pad": 1.5}
    style = {"ha": "center", "va": "center", "fontsize": "x-small", "bbox": box}
    ax.text(0.5, 0.5, missing, transform=ax.transAxes, **style)
