"""Display of the probability of fake over time."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline

from .. import _drawing
from .._drawing import BLUE, ORANGE, check_matplotlib, with_display_docs
from .._predictions import check_steps, positive_column, predict_with_frames
from .._scores import PosLabel


@with_display_docs
@dataclass(repr=False, eq=False)
class TimelineDisplay:
    """Probability of fake over time in a video.

    Parameters
    ----------
    timestamps : array-like of shape (n_slots,)
        Time of each slot in seconds; NaN without a frame.
    probabilities : array-like of shape (n_slots,)
        Probability of fake for each slot; NaN without a face.
    faces : sequence of ndarray of shape (h, w, 3) or None, default=None
        Face crop of each slot, RGB uint8, drawn below the curve; None without a face.
    score : float or None, default=None
        Probability of fake for the video.
    threshold : float, default=0.5
        Probability at or above which videos are classified as fake.
    title : str or None, default=None
        Title of the axes, such as the file name.
    n_people : int, default=1
        Number of people. Each frame has one slot per person, and each person has a
        curve. Only the faces of the person with the highest mean probability are drawn.
    uncertain_above : float or None, default=None
        Lower limit of the gray band of uncertain probabilities, which ends at
        `threshold`. None draws no band.

    Attributes
    ----------
    {{figure}}
    ax_ : matplotlib.axes.Axes
        Axes of the curve drawn by ``plot``. Its ``child_axes`` show the faces.

    See Also
    --------
    TimelineDisplay.from_estimator : Plot from a fitted pipeline and a path.

    Examples
    --------
    >>> from skdeepfake.plotting import TimelineDisplay
    >>> display = TimelineDisplay(
    ...     [0.0, 0.5, 1.0], [0.8, float("nan"), 0.9], score=0.85
    ... ).plot()
    >>> display.ax_.get_ylabel()
    'probability of fake'
    """

    timestamps: ArrayLike
    probabilities: ArrayLike
    _: KW_ONLY
    faces: Sequence[NDArray[np.uint8] | None] | None = None
    score: float | None = None
    threshold: float = 0.5
    title: str | None = None
    n_people: int = 1
    uncertain_above: float | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: Pipeline,
        X: ArrayLike | os.PathLike[str],
        *,
        threshold: float = 0.5,
        title: str | None = None,
        pos_label: PosLabel = None,
        **plot_params: Any,
    ) -> TimelineDisplay:
        """Plot the predictions of a fitted pipeline for each frame of a video.

        Parameters
        ----------
        estimator : sklearn.pipeline.Pipeline
            Fitted pipeline that ends in a detector and has a step named ``"sampler"``.
        X : str, os.PathLike or array-like of shape (1,) of these
            Path of the video.
        threshold : float, default=0.5
            Probability at or above which videos are classified as fake.
        title : str or None, default=None
            Title of the axes. None uses the file name.
        {{pos_label}}
        {{plot_params}}

        Raises
        ------
        ValueError
            If the pipeline has no step ``"sampler"`` or does not end in a detector, if
            the fake class is unknown, or if `X` is not a single video.
        """
        check_matplotlib("TimelineDisplay.from_estimator")
        check_steps(estimator, ["sampler"], "TimelineDisplay")
        if not hasattr(estimator[-1], "predict_frame_proba"):
            raise ValueError(
                "TimelineDisplay requires a detector with predict_frame_proba; got "
                f"{type(estimator[-1]).__name__}."
            )
        paths = [X] if isinstance(X, (str, os.PathLike)) else list(np.ravel(X))
        if len(paths) != 1:
            raise ValueError(f"TimelineDisplay requires one video; got {len(paths)}.")
        column = positive_column(estimator, pos_label)
        run = predict_with_frames(estimator, paths, column=column, keep_faces=True)
        # Average the probabilities of all regions of a person's face.
        _, frames, people = run.positions
        _, first, cell = np.unique(
            frames * run.n_people + people, return_index=True, return_inverse=True
        )
        proba = run.frame_proba[0]
        scored = ~np.isnan(proba)
        n_scored = np.bincount(cell, scored).astype(float)
        n_scored[n_scored == 0] = np.nan
        faces: list[Any] | None = None
        if run.crops is not None:
            faces = [None] * len(first)
            for k, face in reversed(list(zip(cell, run.crops[0], strict=True))):
                faces[k] = faces[k] if face is None else np.asarray(face)
        display = cls(
            run.timestamps[0][first],
            np.bincount(cell, np.where(scored, proba, 0.0)) / n_scored,
            faces=faces,
            score=float(run.proba[0]),
            threshold=threshold,
            title=os.path.basename(os.fspath(paths[0])) if title is None else title,
            n_people=run.n_people,
        )
        return display.plot(**plot_params)

    def plot(self, *, ax: Any = None, max_faces: int = 12) -> TimelineDisplay:
        """Draw the curve and the faces below it.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None, default=None
            Axes to draw on. None makes a new figure.
        max_faces : int, default=12
            Maximum number of faces to draw. If there are more, only faces at regular
            intervals are drawn.

        {{returns_itself}}

        Raises
        ------
        ValueError
            If `probabilities`, `faces` and `timestamps` of the display differ in
            length, or if their length is not a multiple of its `n_people`. Also raised
            if `max_faces` is less than 1.
        """
        check_matplotlib("TimelineDisplay.plot")
        _drawing.check_max_frames(max_faces, "max_faces")
        seconds = np.asarray(self.timestamps, dtype=float)
        probabilities = np.asarray(self.probabilities, dtype=float)
        for name, value in (("probabilities", probabilities), ("faces", self.faces)):
            if value is not None and len(value) != len(seconds):
                raise ValueError(
                    f"{name} must have one entry per slot, like timestamps: expected "
                    f"{len(seconds)}, got {len(value)}."
                )
        height = 3.4 if self.faces is None else 4.4
        ax = _drawing.make_axes("TimelineDisplay.plot", ax, (8, height))
        if len(seconds) % self.n_people:
            raise ValueError(
                f"The number of timestamps must be a multiple of n_people="
                f"{self.n_people}; got {len(seconds)}."
            )
        by_person = probabilities.reshape(-1, self.n_people).T
        shown = np.flatnonzero(~np.isnan(by_person).all(axis=1))
        seconds = seconds[:: self.n_people]
        timed = np.isfinite(seconds)
        style: dict[str, Any] = {"marker": "o", "markersize": 5, "zorder": 3}
        for i in shown if self.n_people > 1 else [0]:
            label = {"label": f"person {i + 1}"}
            if self.n_people == 1:
                label = {"label": "frame", "color": BLUE}
            ax.plot(seconds[timed], by_person[i, timed], **label, **style)
        without = timed & np.isnan(by_person).all(axis=0)
        if without.any():
            below = np.full(without.sum(), 0.02)
            style = {"color": "0.4", "marker": "x", "linestyle": "none"}
            ax.plot(seconds[without], below, label="no face", **style)
        if self.uncertain_above is not None:
            band = (self.uncertain_above, self.threshold)
            ax.axhspan(*band, color="0.9", zorder=0, label="uncertain")
        name = f"threshold: {self.threshold:g}"
        ax.axhline(self.threshold, color="0.4", linestyle=":", label=name)
        if self.score is not None:
            name = f"video: {self.score:.2f}"
            ax.axhline(self.score, color=ORANGE, linestyle="--", label=name)
        bottom = -0.03
        if self.faces is not None and timed.any():
            first = 0
            if len(shown):
                first = shown[np.nanmean(by_person[shown], axis=1).argmax()]
            faces = self.faces[first :: self.n_people]
            bottom = _draw_faces(ax, faces, seconds, np.flatnonzero(timed), max_faces)
        ax.set(
            xlabel="time in seconds",
            ylabel="probability of fake",
            ylim=(bottom, 1.03),
            yticks=[0, 0.25, 0.5, 0.75, 1],
        )
        ax.grid(alpha=0.3)
        # Place the legend above the axes, since curves may be anywhere inside.
        ax.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=5,
            frameon=False,
            fontsize="small",
            borderaxespad=0.2,
        )
        if self.title is not None:
            ax.set_title(self.title, fontsize="medium", loc="left", pad=24)
        self.ax_ = ax
        self.figure_ = ax.figure
        return self


def _draw_faces(
    ax: Any,
    faces: Sequence[NDArray[np.uint8] | None],
    seconds: NDArray,
    slots: NDArray,
    max_faces: int,
) -> float:
    """Draw faces below the curve at their times; return the lower y limit."""
    slots = slots[:: math.ceil(len(slots) / max_faces)]
    times = seconds[slots]
    width = float(np.diff(times).min()) if len(times) > 1 else 1.0
    top, bottom = -0.06, -0.36
    for slot, time in zip(slots, times, strict=True):
        cell = ax.inset_axes(
            [time - 0.46 * width, bottom, 0.92 * width, top - bottom],
            transform=ax.transData,
        )
        _drawing.draw_cell(cell, faces[slot], "no\nface", 1.0)
    right = max(times[-1] + 0.55 * width, 1.02 * np.nanmax(seconds))
    ax.set_xlim(times[0] - 0.55 * width, right)
    ax.axhline(0, color="0.2", linewidth=0.8)
    return bottom - 0.04
