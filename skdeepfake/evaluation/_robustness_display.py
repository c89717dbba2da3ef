"""Display of a robustness curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _drawing
from .._drawing import BLUE, GREEN, ORANGE, with_display_docs
from ..perturbations import DISTORTIONS
from ._robustness import RobustnessCurve, robustness_curve

# Each distortion has its own color, marker and dash pattern. The colors are those of
# Okabe and Ito without yellow, which is hard to see on white.
_STYLES: dict[str, tuple[str, str, Any]] = {
    "CS": (BLUE, "o", "-"),
    "CC": (ORANGE, "s", (0, (5, 1.5))),
    "BW": (GREEN, "D", (0, (1, 1))),
    "GNC": ("#000000", "v", (0, (5, 1.5, 1, 1.5))),
    "GB": ("#56B4E9", "^", (0, (8, 2))),
    "JPEG": ("#E69F00", "P", (0, (2.5, 1))),
    "VC": ("#CC79A7", "X", (0, (5, 1.5, 1, 1.5, 1, 1.5))),
}


@with_display_docs
@dataclass(repr=False, eq=False)
class RobustnessDisplay:
    """Scores and coverage by level of distortion.

    The upper panel shows the scores, and the lower panel shows the share of frames with
    a face. The line of each distortion starts at level 0, the undistorted videos.

    Parameters
    ----------
    curve : RobustnessCurve
        Result of :func:`~skdeepfake.evaluation.robustness_curve`.

    Attributes
    ----------
    {{figure}}
    ax_ : matplotlib.axes.Axes
        Axes of the scores drawn by ``plot``.
    coverage_ax_ : matplotlib.axes.Axes or None
        Axes of the coverage drawn by ``plot``, or None if the coverage is unknown.

    See Also
    --------
    RobustnessDisplay.from_estimator : Plot from a fitted pipeline and videos.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.evaluation import RobustnessCurve, RobustnessDisplay
    >>> curve = RobustnessCurve(
    ...     ("GB",), (1, 5), 0.9, np.array([[0.85, 0.6]]), 1.0, np.array([[1.0, 0.8]]),
    ...     np.zeros(40), np.zeros((1, 2, 40)), "roc_auc", 0.5, "corrected", "perturbed"
    ... )
    >>> display = RobustnessDisplay(curve).plot()
    >>> display.ax_.get_ylabel()
    'AUC'
    """

    curve: RobustnessCurve

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        ax: Any = None,
        **params: Any,
    ) -> RobustnessDisplay:
        """Score a fitted pipeline on distorted videos and plot the scores.

        Parameters
        ----------
        estimator : sklearn.pipeline.Pipeline
            Fitted pipeline that ends in a classifier and has a step named
            ``"sampler"``.
        X : array-like of shape (n_videos,)
            Paths of test videos.
        y : array-like of shape (n_videos,)
            Label of each video.
        ax : matplotlib.axes.Axes or None, default=None
            Passed to ``plot``.
        **params : dict
            Passed to :func:`~skdeepfake.evaluation.robustness_curve`.

        {{returns_drawn}}

        Raises
        ------
        ValueError, VideoReadError
            As in :func:`~skdeepfake.evaluation.robustness_curve`.
        """
        _drawing.check_matplotlib("RobustnessDisplay.from_estimator")
        return cls(robustness_curve(estimator, X, y, **params)).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> RobustnessDisplay:
        """Draw the scores and, below them, the coverage.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None, default=None
            Axes to draw on. They are split into two panels if the coverage is known.
            None makes a new figure.

        {{returns_itself}}
        """
        ax = _drawing.make_axes("RobustnessDisplay.plot", ax, (7.2, 5.6))
        curve = self.curve
        self.figure_ = ax.figure
        self.ax_, self.coverage_ax_ = ax, None
        lowest = ax
        if not np.isnan(curve.clean_coverage):
            # Draw two panels inside the given axes, which keep their title.
            ax.set_axis_off()
            self.ax_ = ax.inset_axes([0, 0.36, 1, 0.64])
            lowest = ax.inset_axes([0, 0, 1, 0.29], sharex=self.ax_)
            self.coverage_ax_ = lowest
            self.ax_.tick_params(labelbottom=False)
            self._draw(lowest, curve.clean_coverage, curve.coverage)
            lowest.set(ylim=(-0.06, 1.06), ylabel="frames\nwith a face")
            lowest.set_yticks([0, 0.5, 1], ["0%", "50%", "100%"])
        self._draw(self.ax_, curve.clean_score, curve.scores)
        if curve.chance is not None:
            label = f"chance: {curve.chance:.2g}"
            self.ax_.axhline(curve.chance, color="0.4", ls=":", label=label, zorder=1)
        metric = "AUC" if curve.metric == "roc_auc" else curve.metric.replace("_", " ")
        self.ax_.set_ylabel(metric)
        # Sort the legend by the last score, to match the order of the lines.
        handles, labels = self.ax_.get_legend_handles_labels()
        last = np.array([handle.get_ydata()[-1] for handle in handles])
        order = np.argsort(-last, kind="stable")
        self.ax_.legend(
            [handles[k] for k in order],
            [labels[k] for k in order],
            loc="upper left",
            bbox_to_anchor=(1, 1),
            frameon=False,
            fontsize="small",
        )
        lowest.set_xticks((0, *curve.levels), ["clean", *map(str, curve.levels)])
        lowest.set_xlabel("level of distortion")
        return self

    def _draw(self, ax: Any, clean: float, values: NDArray[np.float64]) -> None:
        for code, row in zip(self.curve.distortions, values, strict=True):
            color, marker, dashes = _STYLES[code]
            ax.plot(
                (0, *self.curve.levels),
                (clean, *row),
                color=color,
                marker=marker,
                markersize=6.5,
                markevery=slice(1, None),
                linestyle=dashes,
                linewidth=1.6,
                # A white edge separates overlapping markers.
                markeredgecolor="white",
                markeredgewidth=0.7,
                label=f"{code}: {DISTORTIONS[code].name}, {row[-1]:.2f}",
                zorder=3,
            )
        ax.plot(0, clean, "o", color="0.25", label=f"clean: {clean:.2f}", zorder=4)
        ax.grid(alpha=0.3)
