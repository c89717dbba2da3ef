"""Scores over the levels of distortions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._drawing import BLUE, GREEN, ORANGE, check_matplotlib

if TYPE_CHECKING:
    from ..evaluation import RobustnessCurve

# A colour, a marker and a dash pattern for each distortion, which tell it apart without
# any of the other two. The colours are all that Okabe and Ito have, but yellow, which
# is not seen on white.
_STYLES: dict[str, tuple[str, str, Any]] = {
    "CS": (BLUE, "o", "-"),
    "CC": (ORANGE, "s", (0, (5, 1.5))),
    "BW": (GREEN, "D", (0, (1, 1))),
    "GNC": ("#000000", "v", (0, (5, 1.5, 1, 1.5))),
    "GB": ("#56B4E9", "^", (0, (8, 2))),
    "JPEG": ("#E69F00", "P", (0, (2.5, 1))),
    "VC": ("#CC79A7", "X", (0, (5, 1.5, 1, 1.5, 1, 1.5))),
}


class RobustnessDisplay:
    """Scores over the levels of distortions, and of how many frames they speak.

    A line for each distortion begins at level 0, with the undistorted videos. The panel
    below shows the share of the frames in which a face was found: where it falls, the
    score is about fewer frames.

    Parameters
    ----------
    curve : RobustnessCurve
        What :func:`~skdeepfake.evaluation.robustness_curve` gives.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The figure, after ``plot``.
    ax_ : matplotlib.axes.Axes
        Axes of the scores, after ``plot``.
    coverage_ax_ : matplotlib.axes.Axes or None
        Axes of the shares of frames, after ``plot``; None where no step of the pipeline
        tells.

    See Also
    --------
    RobustnessDisplay.from_estimator : The same from a fitted pipeline and videos.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.evaluation import RobustnessCurve
    >>> from skdeepfake.plotting import RobustnessDisplay
    >>> curve = RobustnessCurve(
    ...     distortions=("GB", "VC"), levels=(1, 5), clean_score=0.9,
    ...     scores=np.array([[0.85, 0.6], [0.88, 0.7]]), clean_coverage=1.0,
    ...     coverage=np.array([[1.0, 0.8], [1.0, 0.9]]), clean_proba=np.array([0, 1]),
    ...     proba=np.zeros((2, 2, 2)), metric="roc_auc", chance=0.5, mode="corrected",
    ...     boxes="perturbed",
    ... )
    >>> display = RobustnessDisplay(curve).plot()
    >>> display.ax_.get_ylabel()
    'AUC'
    """

    def __init__(self, curve: RobustnessCurve) -> None:
        self.curve = curve

    @classmethod
    def from_estimator(
        cls, pipeline: Any, X: ArrayLike, y: ArrayLike, *, ax: Any = None, **params: Any
    ) -> RobustnessDisplay:
        """Score a fitted pipeline on distorted videos, and plot it.

        Parameters
        ----------
        pipeline : sklearn.pipeline.Pipeline
            Fitted, with a step named ``"sampler"`` and a classifier at its end.
        X : array-like of shape (n_videos,)
            Paths of videos.
        y : array-like of shape (n_videos,)
            Label of each.
        ax : matplotlib.axes.Axes or None, default=None
            Passed on to ``plot``.
        **params : dict
            Passed on to :func:`~skdeepfake.evaluation.robustness_curve`.

        Returns
        -------
        display : RobustnessDisplay
            With its figure drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError, VideoReadError
            As :func:`~skdeepfake.evaluation.robustness_curve` raises them.
        """
        check_matplotlib("RobustnessDisplay.from_estimator")
        from ..evaluation import robustness_curve

        return cls(robustness_curve(pipeline, X, y, **params)).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> RobustnessDisplay:
        """Draw the scores, and the shares of frames below them.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None, default=None
            Axes to draw on; its lower part goes to the shares of frames. By default a
            new figure is made.

        Returns
        -------
        display : RobustnessDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib("RobustnessDisplay.plot")
        from matplotlib import pyplot as plt

        curve = self.curve
        if ax is None:
            _, ax = plt.subplots(figsize=(7.2, 5.6), layout="constrained")
        self.figure_ = ax.figure
        self.ax_, self.coverage_ax_ = ax, None
        if not np.isnan(curve.clean_coverage):
            # An own pair of axes in the place of the given one, which keeps its title.
            ax.set_axis_off()
            self.ax_ = ax.inset_axes([0, 0.36, 1, 0.64])
            self.coverage_ax_ = ax.inset_axes([0, 0, 1, 0.29], sharex=self.ax_)
            self.ax_.tick_params(labelbottom=False)
        self._draw(self.ax_, curve.clean_score, curve.scores)
        self.ax_.annotate(
            f"{curve.clean_score:.2f}",
            (0, curve.clean_score),
            xytext=(-7, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize="small",
        )
        if curve.chance is not None:
            self.ax_.axhline(curve.chance, color="0.4", linestyle=":", zorder=1)
            self.ax_.annotate(
                f"chance: {curve.chance:.2g}",
                (0, curve.chance),
                xytext=(3, 3),
                textcoords="offset points",
                fontsize="small",
                color="0.3",
            )
        self.ax_.set_ylabel(_name(curve.metric))
        lowest = self.ax_
        if self.coverage_ax_ is not None:
            lowest = self.coverage_ax_
            self._draw(lowest, curve.clean_coverage, curve.coverage)
            lowest.set_ylim(-0.06, 1.06)
            lowest.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
            lowest.set_ylabel("frames\nwith a face")
        levels = (0, *curve.levels)
        lowest.set_xticks(levels, ["clean", *map(str, curve.levels)])
        lowest.set_xlim(-0.55, levels[-1] + 0.15)
        lowest.set_xlabel("level of distortion")
        self._draw_names()
        return self

    def _draw(self, ax: Any, clean: float, values: NDArray[np.float64]) -> None:
        curve = self.curve
        for code, of_levels in zip(curve.distortions, values, strict=True):
            color, marker, dashes = _STYLES[code]
            ax.plot(
                (0, *curve.levels),
                (clean, *of_levels),
                color=color,
                marker=marker,
                markersize=6.5,
                markevery=slice(1, None),
                linestyle=dashes,
                linewidth=1.6,
                # An edge that shows where markers lie on each other.
                markeredgecolor="white",
                markeredgewidth=0.7,
                label=code,
                zorder=3,
            )
        # One for all of them.
        ax.plot(0, clean, color="0.25", marker="o", label="clean", zorder=4)
        ax.grid(alpha=0.3)

    def _draw_names(self) -> None:
        """Write the names beside the ends of the lines, each with its marker."""
        from ..perturbations import DISTORTIONS

        curve, ax = self.curve, self.ax_
        low, high = ax.get_ylim()
        ends = (curve.scores[:, -1] - low) / (high - low)
        places = _apart([float(end) for end in ends], 0.075)
        for code, score, end, place in zip(
            curve.distortions, curve.scores[:, -1], ends, places, strict=True
        ):
            color, marker, _ = _STYLES[code]
            # From the end of the line to its name.
            ax.plot(
                [1.005, 1.04],
                [end, place],
                color=color,
                linewidth=0.8,
                transform=ax.transAxes,
                clip_on=False,
            )
            ax.plot(
                1.06,
                place,
                color=color,
                marker=marker,
                markersize=6.5,
                transform=ax.transAxes,
                clip_on=False,
            )
            ax.text(
                1.085,
                place,
                f"{score:.2f}  {code}, {DISTORTIONS[code].name}".replace(
                    "JPEG, JPEG", "JPEG"
                ),
                va="center",
                fontsize="small",
                transform=ax.transAxes,
            )


def _apart(wanted: Sequence[float], gap: float) -> list[float]:
    """Move places apart to at least a gap, as little as that takes, between 0 and 1.

    Places that come too near each other become a block about their mean.
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    blocks: list[list[int]] = []
    starts: list[float] = []
    for i in order:
        blocks.append([i])
        starts.append(wanted[i])
        while len(blocks) > 1 and starts[-1] < starts[-2] + gap * len(blocks[-2]):
            last = blocks.pop()
            starts.pop()
            blocks[-1] += last
            block, half = blocks[-1], gap * (len(blocks[-1]) - 1) / 2
            mean = sum(wanted[j] for j in block) / len(block)
            starts[-1] = min(max(mean, half), 1 - half) - half
    places = [0.0] * len(wanted)
    for block, start in zip(blocks, starts, strict=True):
        for rank, i in enumerate(block):
            places[i] = start + rank * gap
    return places


def _name(metric: str) -> str:
    return {"roc_auc": "AUC"}.get(metric, metric.replace("_", " "))
