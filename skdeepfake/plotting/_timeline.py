"""Probability of fake over the time of one video."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline

from ._drawing import BLUE, ORANGE, check_matplotlib, draw_cell


class TimelineDisplay:
    """Probability of fake over the time of one video.

    Parameters
    ----------
    timestamps : array-like of shape (n_frames,)
        Time of each slot in seconds; NaN in empty slots.
    probabilities : array-like of shape (n_frames,)
        Probability of fake of each slot; NaN where no face was found.
    faces : sequence of ndarray of shape (h, w, 3) or None, default=None
        The crop of each slot, RGB uint8, None where no face was found. They are
        drawn in a strip below the curve.
    score : float or None, default=None
        Probability of fake of the whole video.
    threshold : float, default=0.5
        Probability from which on a video passes for a fake.
    title : str or None, default=None
        Written above, the name of the video for instance.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The figure, after ``plot``.
    ax_ : matplotlib.axes.Axes
        Axes of the curve, after ``plot``; those of the faces are its
        ``child_axes``.

    See Also
    --------
    TimelineDisplay.from_estimator : The same from a fitted pipeline and a path.

    Examples
    --------
    >>> from skdeepfake.plotting import TimelineDisplay
    >>> display = TimelineDisplay(
    ...     [0.0, 0.5, 1.0], [0.8, float("nan"), 0.9], score=0.85
    ... ).plot()
    >>> display.ax_.get_ylabel()
    'probability of fake'
    """

    def __init__(
        self,
        timestamps: ArrayLike,
        probabilities: ArrayLike,
        *,
        faces: Sequence[NDArray[np.uint8] | None] | None = None,
        score: float | None = None,
        threshold: float = 0.5,
        title: str | None = None,
    ) -> None:
        self.timestamps = timestamps
        self.probabilities = probabilities
        self.faces = faces
        self.score = score
        self.threshold = threshold
        self.title = title

    @classmethod
    def from_estimator(
        cls,
        pipeline: Pipeline,
        path: str | os.PathLike[str],
        *,
        threshold: float = 0.5,
        title: str | None = None,
        **plot_params: Any,
    ) -> TimelineDisplay:
        """Plot what a fitted pipeline says about the frames of a video.

        Parameters
        ----------
        pipeline : sklearn.pipeline.Pipeline
            Fitted, with a step named ``"sampler"`` that gives clips and a
            detector at its end. The faces are drawn where there is a step named
            ``"cropper"``.
        path : str or os.PathLike
            The video.
        threshold : float, default=0.5
            Probability from which on a video passes for a fake.
        title : str or None, default=None
            Written above; the name of the file by default.
        **plot_params : dict
            Passed on to ``plot``.

        Returns
        -------
        display : TimelineDisplay
            With its figure drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the pipeline has no step named ``"sampler"``, or its last step no
            ``predict_frame_proba``.
        """
        check_matplotlib("TimelineDisplay.from_estimator")
        steps = list(pipeline.named_steps)
        if "sampler" not in steps[:-1]:
            raise ValueError(
                "TimelineDisplay needs a pipeline with a step named 'sampler', and "
                f"this one has {steps}."
            )
        detector = pipeline[-1]
        if not hasattr(detector, "predict_frame_proba"):
            raise ValueError(
                "TimelineDisplay needs a pipeline that ends in a detector with "
                f"predict_frame_proba, and {type(detector).__name__} has none."
            )
        # In parts, since the clip and the faces are wanted on the way, and no
        # video is to be decoded twice.
        done = steps.index("sampler") + 1
        X = pipeline[:done].transform([path])
        clip, faces = X[0], None
        if "cropper" in steps[done:-1]:
            found = steps.index("cropper") + 1
            X, done = pipeline[done:found].transform(X), found
            faces = [None if face is None else np.asarray(face) for face in X[0]]
        if done < len(steps) - 1:
            X = pipeline[done:-1].transform(X)
        frames = detector.predict_frame_proba(X)
        display = cls(
            clip.timestamps,
            frames[0, :, 1],
            faces=faces,
            score=float(detector.aggregate_proba(frames)[0, 1]),
            threshold=threshold,
            title=os.path.basename(os.fspath(path)) if title is None else title,
        )
        return display.plot(**plot_params)

    def plot(self, *, ax: Any = None, max_faces: int = 12) -> TimelineDisplay:
        """Draw the curve, and the faces below it.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None, default=None
            Axes to draw on. By default a new figure is made.
        max_faces : int, default=12
            At most this many faces are drawn: those of every slot, of every second
            one, and so on.

        Returns
        -------
        display : TimelineDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `timestamps`, `probabilities` and `faces` do not agree in their
            lengths, or `max_faces` is less than 1.
        """
        check_matplotlib("TimelineDisplay.plot")
        from matplotlib import pyplot as plt

        if max_faces < 1:
            raise ValueError(f"max_faces must be 1 or more, got {max_faces!r}.")
        seconds = np.asarray(self.timestamps, dtype=float)
        probabilities = np.asarray(self.probabilities, dtype=float)
        n_slots = len(seconds)
        for name, value in (("probabilities", probabilities), ("faces", self.faces)):
            if value is not None and len(value) != n_slots:
                raise ValueError(
                    f"{name} must have one entry a slot, {n_slots}, as timestamps "
                    f"has; got {len(value)}."
                )
        if ax is None:
            height = 3.4 if self.faces is None else 4.4
            _, ax = plt.subplots(figsize=(8, height), layout="constrained")

        timed = np.isfinite(seconds)
        ax.plot(
            seconds[timed],
            probabilities[timed],
            color=BLUE,
            marker="o",
            markersize=5,
            label="a frame",
            zorder=3,
        )
        without = timed & np.isnan(probabilities)
        if without.any():
            ax.plot(
                seconds[without],
                np.full(without.sum(), 0.02),
                color="0.4",
                marker="x",
                linestyle="none",
                label="no face",
            )
        ax.axhline(
            self.threshold,
            color="0.4",
            linestyle=":",
            label=f"threshold: {self.threshold:g}",
        )
        if self.score is not None:
            ax.axhline(
                self.score,
                color=ORANGE,
                linestyle="--",
                label=f"the video: {self.score:.2f}",
            )
        bottom = -0.03
        if self.faces is not None and timed.any():
            bottom = self._draw_faces(ax, seconds, np.flatnonzero(timed), max_faces)
        ax.set_ylim(bottom, 1.03)
        ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
        ax.set_xlabel("time in seconds")
        ax.set_ylabel("probability of fake")
        ax.grid(alpha=0.3)
        # Above the axes: inside there is no place that no curve can reach.
        ax.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=4,
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
        self, ax: Any, seconds: NDArray, slots: NDArray, max_faces: int
    ) -> float:
        """Draw faces below zero, each under its time; return the strip's bottom."""
        assert self.faces is not None
        slots = slots[:: math.ceil(len(slots) / max_faces)]
        times = seconds[slots]
        width = float(np.diff(times).min()) if len(times) > 1 else 1.0
        top, bottom = -0.06, -0.36
        for slot, time in zip(slots, times, strict=True):
            cell = ax.inset_axes(
                [time - 0.46 * width, bottom, 0.92 * width, top - bottom],
                transform=ax.transData,
            )
            draw_cell(cell, self.faces[slot], "no\nface", 1.0)
        ax.set_xlim(times[0] - 0.55 * width, times[-1] + 0.55 * width)
        ax.axhline(0, color="0.2", linewidth=0.8)
        return bottom - 0.04
