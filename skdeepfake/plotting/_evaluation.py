"""A report of an evaluation in pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..metrics import expected_calibration_error, reliability_curve
from ._drawing import BLUE, GREEN, ORANGE, check_matplotlib
from ._reliability import ReliabilityDisplay

if TYPE_CHECKING:
    from ..evaluation import EvaluationReport

_STYLES = {"videos": (BLUE, "o", "-"), "frames": (ORANGE, "s", "--")}


class EvaluationDisplay:
    """A report of an evaluation in pictures.

    From the upper left: the receiver operating characteristics of videos and of
    frames; predicted probabilities against how often they come true; how the scores of
    real videos and of fakes are spread; and the AUC of each kind of fakes with its
    interval, beside the share of frames with a face.

    Parameters
    ----------
    report : EvaluationReport
        What :func:`~skdeepfake.evaluation.evaluate` gives.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The figure, after ``plot``.
    axes_ : ndarray of matplotlib.axes.Axes of shape (2, 2)
        Its axes, after ``plot``.

    See Also
    --------
    skdeepfake.evaluation.EvaluationReport.to_html : A page with this picture.

    Examples
    --------
    >>> from skdeepfake.evaluation import EvaluationReport
    >>> from skdeepfake.plotting import EvaluationDisplay
    >>> report = EvaluationReport.from_predictions(
    ...     [0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9], n_resamples=0
    ... )
    >>> EvaluationDisplay(report).plot().axes_.shape
    (2, 2)
    """

    def __init__(self, report: EvaluationReport) -> None:
        self.report = report

    def plot(self) -> EvaluationDisplay:
        """Draw the pictures in a new figure.

        Returns
        -------
        display : EvaluationDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib("EvaluationDisplay.plot")
        from matplotlib import pyplot as plt

        self._draw(plt.figure(figsize=(9.6, 8.4), layout="constrained"))
        return self

    def draw(self) -> Any:
        """Draw the pictures in a figure that pyplot knows nothing of, for a file.

        Returns
        -------
        matplotlib.figure.Figure
            The figure, which holds no window and need not be closed.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib("EvaluationDisplay.draw")
        from matplotlib.figure import Figure

        return self._draw(Figure(figsize=(9.6, 8.4), layout="constrained"))

    def _draw(self, figure: Any) -> Any:
        self.figure_ = figure
        self.axes_ = figure.subplots(2, 2)
        self._draw_roc(self.axes_[0, 0])
        self._draw_reliability(self.axes_[0, 1])
        self._draw_scores(self.axes_[1, 0])
        self._draw_kinds(self.axes_[1, 1])
        return figure

    def _draw_roc(self, ax: Any) -> None:
        from sklearn.metrics import roc_curve

        ax.plot([0, 1], [0, 1], color="0.4", linestyle=":", label="chance: 0.5")
        for level, scores in self.report.scores.items():
            fpr, tpr, _ = roc_curve(scores.y_true, scores.y_score)
            row = self.report.row("AUC", level=level)
            color, _, style = _STYLES[level]
            ax.plot(
                fpr,
                tpr,
                color=color,
                linestyle=style,
                label=f"{level}: AUC {_with_interval(row)}",
            )
        ax.set(
            xlabel="share of real taken for fake",
            ylabel="share of fakes found",
            xlim=(-0.03, 1.03),
            ylim=(-0.03, 1.03),
        )
        ax.set_aspect("equal")
        ax.grid(alpha=0.3)
        ax.legend(loc="lower right", fontsize="small")
        ax.set_title("Telling fakes from real", fontsize="medium")

    def _draw_reliability(self, ax: Any) -> None:
        n_bins = self.report.settings["n_bins"]
        for level, scores in self.report.scores.items():
            color, marker, _ = _STYLES[level]
            samples = (scores.y_true, scores.y_score)
            ReliabilityDisplay(
                reliability_curve(*samples, n_bins=n_bins),
                error=expected_calibration_error(*samples, n_bins=n_bins),
                name=level,
            ).plot(ax=ax, color=color, marker=marker, show_counts=level == "videos")
        ax.set_title("What a probability means", fontsize="medium")

    def _draw_scores(self, ax: Any) -> None:
        videos = self.report.scores["videos"]
        bins = np.linspace(0, 1, 21)
        for label, name, color, hatch in (
            (0, "real", BLUE, ""),
            (1, "fake", ORANGE, "//"),
        ):
            ax.hist(
                videos.y_score[videos.y_true == label],
                bins=bins,
                color=color,
                alpha=0.55,
                hatch=hatch,
                edgecolor=color,
                label=f"{name}: {int((videos.y_true == label).sum())} videos",
            )
        threshold = self.report.settings["threshold"]
        ax.axvline(
            threshold, color="0.3", linestyle=":", label=f"threshold: {threshold:g}"
        )
        ax.set(xlabel="probability of fake", ylabel="videos", xlim=(-0.03, 1.03))
        ax.yaxis.get_major_locator().set_params(integer=True)
        ax.grid(alpha=0.3)
        ax.legend(fontsize="small")
        ax.set_title("Scores of videos", fontsize="medium")

    def _draw_kinds(self, ax: Any) -> None:
        subsets = self.report.subsets
        rows = [self.report.row("AUC", subset=subset) for subset in subsets]
        places = np.arange(len(subsets))[::-1]
        for place, row in zip(places, rows, strict=True):
            if np.isfinite(row["low"]):
                ax.plot([row["low"], row["high"]], [place, place], color=BLUE, lw=2)
            ax.plot(row["estimate"], place, color=BLUE, marker="o")
            if row["frames_with_face"] is not None:
                ax.plot(
                    row["frames_with_face"], place - 0.22, color=GREEN, marker="D", ms=5
                )
        ax.plot([], [], color=BLUE, marker="o", label="AUC of videos")
        if rows[0]["frames_with_face"] is not None:
            ax.plot(
                *([], []),
                **{"color": GREEN, "marker": "D", "linestyle": "none"},
                label="share of frames with a face",
            )
        ax.axvline(0.5, color="0.4", linestyle=":")
        ax.set_yticks(places, ["all videos", *subsets[1:]])
        low = min(0.45, *(np.nanmin([r["low"], r["estimate"]]) - 0.03 for r in rows))
        ax.set(xlim=(max(-0.03, low), 1.03), ylim=(-0.6, len(subsets) - 0.4))
        ax.grid(alpha=0.3, axis="x")
        ax.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2, fontsize="small"
        )
        ax.set_title("By kind of fakes", fontsize="medium")


def _with_interval(row: dict[str, Any]) -> str:
    text = f"{row['estimate']:.3f}"
    if np.isfinite(row["low"]):
        text += f" ({row['low']:.3f} to {row['high']:.3f})"
    return text
