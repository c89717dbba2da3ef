"""Display of faces with the evidence of a detector."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _drawing
from .._drawing import BLUE, ORANGE, check_matplotlib, with_display_docs
from .._predictions import positive_column, predict_with_frames
from .._scores import PosLabel
from .._validation import check_choice

# Height of a bar cell relative to a face cell.
_BAR_HEIGHT = 0.6


@with_display_docs
@dataclass(repr=False, eq=False)
class AttributionDisplay:
    """Faces of videos with the evidence that a detector finds.

    Each video has a row of faces. With `maps`, a second row shows the faces overlaid
    with their maps. The opacity of a map increases with the evidence. With
    `frame_attributions`, the last row shows one bar per frame.

    Parameters
    ----------
    faces : sequence of sequences of ndarray of shape (h, w, 3) or None
        Face of each slot of each video, RGB uint8; None without a face.
    maps : sequence of sequences of ndarray of shape (h, w) or None, default=None
        Map of each face, as returned by :func:`~skdeepfake.inspection.grad_cam`; None
        or NaN without a face. Maps can have any size. Negative values are not drawn.
    frame_attributions : sequence of array-like of float or None, default=None
        For each frame, the drop in the log-odds of the video if the frame is removed,
        as returned by :func:`~skdeepfake.inspection.occlusion` with ``over="frame"``;
        NaN without a face.
    proba : sequence of array-like of float or None, default=None
        Probability of fake for each slot, written below its face or map; NaN without a
        face.
    titles : sequence of str or None, default=None
        Title of each video. None uses ``"video 1"`` and so on.
    timestamps : sequence of array-like of float or None, default=None
        Time of each slot in seconds, written below the faces; NaN without a frame.
    label : str, default="evidence for fake"
        Label of the color bar.

    Attributes
    ----------
    colorbar_ : matplotlib.colorbar.Colorbar or None
        Color bar drawn by ``plot``; None without maps.
    {{figure}}
    axes_ : ndarray of matplotlib.axes.Axes of shape (n_rows * n_videos, n_slots)
        Axes drawn on by ``plot``. The rows of each video show its faces and, if given,
        its maps and bars, in this order.

    See Also
    --------
    AttributionDisplay.from_estimator : Plot from a fitted detector.
    TimelineDisplay : Plot the probability of each frame as a curve.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.plotting import AttributionDisplay
    >>> face = np.full((32, 32, 3), 128, dtype=np.uint8)
    >>> display = AttributionDisplay(
    ...     [[face, None]], [[np.eye(7), None]], proba=[[0.9, float("nan")]]
    ... )
    >>> display.plot().axes_.shape
    (2, 2)
    """

    faces: Sequence[Sequence[NDArray[np.uint8] | None]]
    maps: Sequence[Sequence[ArrayLike | None]] | None = None
    _: KW_ONLY
    frame_attributions: Sequence[ArrayLike] | None = None
    proba: Sequence[ArrayLike] | None = None
    titles: Sequence[str] | None = None
    timestamps: Sequence[ArrayLike] | None = None
    label: str = "evidence for fake"

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        titles: Sequence[str] | None = None,
        max_frames: int = 6,
        pos_label: PosLabel = None,
        class_label: Any = None,
        layer: int | str = -1,
        weights: str = "position",
        baseline: str = "mean",
        **plot_params: Any,
    ) -> AttributionDisplay:
        """Plot the evidence that a fitted detector finds in faces and frames.

        Maps are computed by :func:`~skdeepfake.inspection.grad_cam` or, for detectors
        that take features, by :func:`~skdeepfake.inspection.occlusion`. If a
        detector that takes features has ``sequence="temporal"``, bars show the evidence
        in each frame.

        Parameters
        ----------
        estimator : detector or sklearn.pipeline.Pipeline
            Fitted detector of images, or fitted pipeline with a step that outputs
            faces.
        X : array-like of shape (n_videos, ...)
            Input of `estimator`: paths, or faces of shape (n_videos, n_frames, height,
            width, 3) and dtype uint8.
        titles : sequence of str or None, default=None
            Title of each video. None uses the file name and the score.
        max_frames : int, default=6
            Maximum number of slots to show per video. The slots are evenly spaced.
        {{pos_label}}
        class_label : object, default=None
            Class to explain. None uses the fake class.
        layer : int or str, default=-1
            As in `grad_cam`.
        weights : {"channel", "position"}, default="position"
            As in `grad_cam`. For `CNNDetector` and `GANDetector`, "position" (HiResCAM)
            is more accurate than "channel" (Grad-CAM).
        baseline : {"mean", "zero"}, default="mean"
            As in `occlusion`.
        {{plot_params}}

        Raises
        ------
        ValueError
            If `estimator` is not a detector or a pipeline that ends in one, if neither
            `X` nor the output of a step contains faces, if the fake class is unknown,
            if the positions of the features do not form a grid, or if `max_frames` is
            less than 1.

        Warns
        -----
        NoFaceWarning
            If a video has no face.
        """
        check_matplotlib("AttributionDisplay.from_estimator")
        # Imported here, since it imports Keras.
        from ..inspection import grad_cam, occlusion

        _drawing.check_max_frames(max_frames)
        column = positive_column(estimator, pos_label)
        run = predict_with_frames(estimator, X, column=column, keep_faces=True)
        detector, frames, images = run.detector, run.frames, run.images
        if images is None:
            raise ValueError(
                "AttributionDisplay requires faces of shape (n_videos, n_frames, "
                "height, width, 3) and dtype uint8, but the input of "
                f"{type(detector).__name__} contains none. Pass a pipeline that takes "
                "faces or paths and ends in the detector."
            )
        fake = detector.classes_[column]
        class_label = fake if class_label is None else class_label
        wanted = "fake" if class_label == fake else f"class {class_label}"
        slots = _drawing.spread(images.shape[1], max_frames)
        params: dict[str, Any]
        maps: list[Any] | None = None
        drops: list[NDArray] | None = None
        if frames.ndim == 5:  # explain images separately
            params = {"class_label": class_label, "layer": layer, "weights": weights}
            maps = list(grad_cam(detector, frames[:, slots], **params))
        else:
            params = {"class_label": class_label, "baseline": baseline}
            together = detector._sees_sequences
            if frames.shape[2] > 1:
                grid = _grid(frames.shape[2], images.shape[2:4])
                parts = frames if together else frames[:, slots]
                found = occlusion(detector, parts, **params)
                found = found[:, slots] if together else found
                maps = list(found.reshape(*found.shape[:2], *grid))
            if together:
                found = occlusion(detector, frames, over="frame", **params)
                drops = list(found[:, slots])
        if titles is None:
            names = run.paths or [f"video {k + 1}" for k in range(len(images))]
            titles = [
                f"{os.path.basename(name)}, probability of fake {score:.2f}"
                for name, score in zip(names, run.proba, strict=True)
            ]
        times = run.timestamps
        display = cls(
            [[f if f.any() else None for f in video[slots]] for video in images],
            maps,
            frame_attributions=drops,
            proba=list(run.frame_proba[:, slots]),
            titles=titles,
            timestamps=None if times is None else [row[slots] for row in times],
            label=f"evidence for {wanted}" + ("" if frames.ndim == 5 else ", log-odds"),
        )
        return display.plot(**plot_params)

    def plot(
        self,
        *,
        axes: Any = None,
        cell_size: float = 1.6,
        scale: str = "face",
        alpha: float = 0.7,
        colormap: str = "viridis",
    ) -> AttributionDisplay:
        """Draw the faces, maps and bars.

        Parameters
        ----------
        axes : array of matplotlib.axes.Axes or None, default=None
            Axes of shape (n_rows * n_videos, n_slots), with two or three rows per
            video. The color bar takes space from them. None makes a new figure.
        cell_size : float, default=1.6
            Width of each cell of a new figure, in inches.
        scale : {"face", "all"}, default="face"
            If "face", scale each map by its maximum, which is written below the map. If
            "all", scale all maps by their common maximum.
        alpha : float, default=0.7
            Opacity of the strongest evidence.
        colormap : str, default="viridis"
            As in :func:`~skdeepfake.inspection.overlay`.

        {{returns_itself}}

        Raises
        ------
        ValueError
            If `faces` of the display is empty, if its `maps` and `frame_attributions`
            are both None, or if another parameter of the display does not match `faces`
            in the number of videos or slots. Also raised if `scale` is unknown or if
            `axes` has the wrong shape.
        """
        check_matplotlib("AttributionDisplay.plot")
        check_choice(scale, ("face", "all"), "scale")
        maps, bars = self.maps, self.frame_attributions
        proba, times = self.proba, self.timestamps
        if maps is None and bars is None:
            raise ValueError(
                "maps and frame_attributions are both None: compute them with "
                "skdeepfake.inspection, or use FacesDisplay to draw only the faces."
            )
        titles = _drawing.check_entries(
            "faces",
            self.faces,
            self.titles,
            maps=maps,
            frame_attributions=bars,
            proba=proba,
            timestamps=times,
        )
        heights = [1.0] + [1.0] * (maps is not None)
        heights += [_BAR_HEIGHT] * (bars is not None)
        self.axes_ = _drawing.make_grid(
            axes,
            heights * len(self.faces),
            max(len(row) for row in self.faces),
            cell_size=cell_size,
            n_rows=len(heights),
            margin=0.0 if maps is None else 0.9,
        )
        self.figure_ = self.axes_[0, 0].figure
        strongest = _largest(maps) if scale == "all" and maps is not None else None
        look: dict[str, Any] = {"alpha": alpha, "colormap": colormap}
        limit = _largest([np.abs(row) for row in bars or ()]) or 1.0
        for k, title in enumerate(titles):
            rows = self.axes_[len(heights) * k : len(heights) * (k + 1)]
            _drawing.draw_row(rows[0], self.faces[k], "faces")
            _drawing.write_title(rows[0, 0], title)
            _drawing.write_times(rows[0], None if times is None else times[k])
            if maps is not None:
                _draw_maps(rows[1], self.faces[k], maps[k], strongest, look)
            if bars is not None:
                _draw_bars(rows[-1], bars[k], limit)
            if proba is not None:
                _write_probabilities(rows[0 if maps is None else 1], proba[k])
        self.colorbar_ = None
        if maps is not None:
            label = self.label
            if strongest is None:
                label += " (1 = maximum of the face)"
            self.colorbar_ = _draw_colorbar(self.axes_, strongest, look, label)
        return self


def _draw_maps(
    axes: NDArray,
    faces: Sequence[NDArray[np.uint8] | None],
    maps: Sequence[ArrayLike | None],
    strongest: float | None,
    look: dict[str, Any],
) -> None:
    from ..inspection import overlay

    drawn = [
        face
        if face is None or found is None
        else overlay(face, found, vmax=strongest, **look)
        for face, found in zip(map(_drawing.shrink, faces), maps, strict=True)
    ]
    _drawing.draw_row(axes, drawn, "evidence")
    for ax, face, found in zip(axes, faces, maps, strict=False):
        if strongest is None and face is not None and found is not None:
            ax.set_xlabel(f"max {_largest([[found]]):.2g}", fontsize="x-small")


def _draw_bars(axes: NDArray, drops: ArrayLike, limit: float) -> None:
    """Draw evidence for the class as upward bars, and against it as downward bars."""
    drops = np.asarray(drops, dtype=float)
    for ax, drop in zip(axes, drops, strict=False):
        # Leave space for the number at the end of the bar.
        ax.set(xticks=[], yticks=[], xlim=(-1, 1), ylim=(-1.5 * limit, 1.5 * limit))
        ax.spines[:].set_color("0.6")
        ax.set_box_aspect(_BAR_HEIGHT)
        ax.axhline(0, color="0.2", linewidth=0.8)
        if not np.isnan(drop):
            bar = ax.bar(0, drop, width=0.7, color=ORANGE if drop > 0 else BLUE)
            number = f"{round(float(drop), 2) + 0.0:+.2f}"  # avoid -0.00
            ax.bar_label(bar, [number], padding=2, fontsize="x-small")
    _drawing.finish_row(axes, len(drops), "frames, log-odds")


def _write_probabilities(axes: NDArray, proba: ArrayLike) -> None:
    for ax, value in zip(axes, np.asarray(proba, dtype=float), strict=False):
        if not math.isnan(value):
            text = f"fake: {value:.2f}\n{ax.get_xlabel()}".rstrip()
            ax.set_xlabel(text, fontsize="small")


def _draw_colorbar(
    axes: NDArray, strongest: float | None, look: dict[str, Any], label: str
) -> Any:
    """Draw a color bar with the colors of the maps on a white background."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    from ..inspection import overlay

    white = np.full((1, 256, 3), 255, dtype=np.uint8)
    colors = overlay(white, np.linspace(0, 1, 256)[np.newaxis], **look)[0] / 255
    scale = ScalarMappable(Normalize(0, strongest or 1.0), ListedColormap(colors))
    return axes[0, 0].figure.colorbar(
        scale, ax=axes.ravel().tolist(), label=label, fraction=0.05, aspect=30
    )


def _largest(rows: Sequence[Any]) -> float:
    """Return the largest positive value of all entries, or 0."""
    entries = [np.ravel(entry) for row in rows for entry in row if entry is not None]
    return float(np.nanmax(np.concatenate([*entries, [0.0]])))


def _grid(n_positions: int, size: tuple[int, ...]) -> tuple[int, int]:
    """Return the number of rows and columns of positions on a face of `size`."""
    pairs = [
        (n_rows, n_positions // n_rows)
        for n_rows in range(1, n_positions + 1)
        if n_positions % n_rows == 0
    ]

    def distortion(pair: tuple[int, int]) -> float:
        return abs(math.log(pair[0] / pair[1] * size[1] / size[0]))

    best = min(pairs, key=distortion)
    if distortion(best) > math.log(2):
        raise ValueError(
            f"The {n_positions} positions per frame do not form a grid on faces of "
            f"{size[0]} x {size[1]} pixels. Compute maps yourself and pass them to "
            "AttributionDisplay(faces, maps)."
        )
    return best
