"""Display of an evaluation report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import roc_curve

from .._drawing import BLUE, GREEN, ORANGE, check_matplotlib, with_display_docs
from ._reliability_display import ReliabilityDisplay
from ._samples import with_interval

if TYPE_CHECKING:
    from ._report import EvaluationReport

_STYLES = {"videos": (BLUE, "o", "-"), "frames": (ORANGE, "s", "--")}


@with_display_docs
@dataclass(repr=False, eq=False)
class EvaluationDisplay:
    """Curves and scores of an evaluation report.

    From the upper left: ROC curves of videos and frames; calibration curves; the
    distribution of the scores of real and fake videos; and the AUC of each kind of
    fakes with its interval, with the share of frames with a face.

    Parameters
    ----------
    report : EvaluationReport
        Result of :func:`~skdeepfake.evaluation.evaluate`.

    Attributes
    ----------
    {{figure}}
    axes_ : ndarray of matplotlib.axes.Axes of shape (2, 2)
        Its axes, after ``plot``.

    See Also
    --------
    skdeepfake.evaluation.EvaluationReport.to_html : A page with this figure.

    Examples
    --------
    >>> from skdeepfake.evaluation import EvaluationDisplay, EvaluationReport
    >>> report = EvaluationReport.from_predictions(
    ...     [0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9], n_resamples=0
    ... )
    >>> EvaluationDisplay(report).plot().axes_.shape
    (2, 2)
    """

    report: EvaluationReport

    def plot(self, *, figure: Any = None) -> EvaluationDisplay:
        """Draw the report.

        Parameters
        ----------
        figure : matplotlib.figure.Figure or None, default=None
            Empty figure to draw on. By default a new one is made.

        {{returns_itself}}
        """
        check_matplotlib("EvaluationDisplay.plot")
        if figure is None:
            from matplotlib import pyplot as plt

            figure = plt.figure(figsize=(9.6, 8.4), layout="constrained")
        self.figure_ = figure
        self.axes_ = figure.subplots(2, 2)
        _draw_roc(self.axes_[0, 0], self.report)
        _draw_reliability(self.axes_[0, 1], self.report)
        _draw_scores(self.axes_[1, 0], self.report)
        _draw_kinds(self.axes_[1, 1], self.report)
        return self


def _draw_roc(ax: Any, report: EvaluationReport) -> None:
    ax.plot([0, 1], [0, 1], color="0.4", linestyle=":", label="chance: 0.5")
    for level, scores in report.scores.items():
        fpr, tpr, _ = roc_curve(scores.y_true, scores.y_score)
        color, _, style = _STYLES[level]
        auc = with_interval(report.row("AUC", level=level), note="")
        ax.plot(fpr, tpr, color=color, ls=style, label=f"{level}: AUC {auc}")
    ax.set(
        xlabel="false positive rate",
        ylabel="true positive rate",
        xlim=(-0.03, 1.03),
        ylim=(-0.03, 1.03),
        aspect="equal",
    )
    ax.grid(alpha=0.3)
    ax.legend(loc="lower right", fontsize="small")
    ax.set_title("ROC curve", fontsize="medium")


def _draw_reliability(ax: Any, report: EvaluationReport) -> None:
    for level, scores in report.scores.items():
        color, marker, _ = _STYLES[level]
        ReliabilityDisplay.from_predictions(
            scores.y_true,
            scores.y_score,
            n_bins=report.settings["n_bins"],
            name=level,
            ax=ax,
            color=color,
            marker=marker,
            show_counts=level == "videos",
        )
    ax.set_title("Calibration curve", fontsize="medium")


def _draw_scores(ax: Any, report: EvaluationReport) -> None:
    videos = report.scores["videos"]
    kinds = ((0, "real", BLUE, ""), (1, "fake", ORANGE, "//"))
    for label, name, color, hatch in kinds:
        scores = videos.y_score[videos.y_true == label]
        style = {"color": color, "edgecolor": color, "hatch": hatch, "alpha": 0.55}
        name = f"{name}: {len(scores)} videos"
        ax.hist(scores, bins=np.linspace(0, 1, 21), label=name, **style)
    threshold = report.settings["threshold"]
    ax.axvline(threshold, color="0.3", ls=":", label=f"threshold: {threshold:g}")
    ax.set(xlabel="probability of fake", ylabel="videos", xlim=(-0.03, 1.03))
    ax.yaxis.get_major_locator().set_params(integer=True)
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small")
    ax.set_title("Scores of videos", fontsize="medium")


def _draw_kinds(ax: Any, report: EvaluationReport) -> None:
    subsets = report.subsets
    rows = [report.row("AUC", subset=subset) for subset in subsets]
    places = np.arange(len(subsets))[::-1]
    low, high, auc = (
        np.array([row[key] for row in rows]) for key in ("low", "high", "estimate")
    )
    ax.hlines(places, low, high, color=BLUE, lw=2)
    ax.plot(auc, places, "o", color=BLUE, label="AUC of videos")
    if rows[0]["frames_with_face"] is not None:
        shares = [row["frames_with_face"] for row in rows]
        label = "share of frames with a face"
        ax.plot(shares, places - 0.22, "D", color=GREEN, ms=5, label=label)
    ax.axvline(0.5, color="0.4", linestyle=":")
    ax.set_yticks(places, ["all videos", *subsets[1:]])
    lowest = min(0.45, np.nanmin([low, auc]) - 0.03)
    ax.set(xlim=(max(-0.03, lowest), 1.03), ylim=(-0.6, len(subsets) - 0.4))
    ax.grid(alpha=0.3, axis="x")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2, fontsize="small")
    ax.set_title("By kind of fakes", fontsize="medium")
