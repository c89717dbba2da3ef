"""Text, tables and HTML of an evaluation report."""

from __future__ import annotations

import io
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import ConfusionMatrixDisplay, roc_curve

from .. import _html
from .._drawing import BLUE, GREEN, ORANGE, check_matplotlib, with_display_docs
from ._measures import ALL, with_interval
from ._reliability_display import ReliabilityDisplay

if TYPE_CHECKING:
    from ._report import EvaluationReport


_SIZE = 13.2, 8.4  # inches
_STYLES = {"videos": (BLUE, "o", "-"), "frames": (ORANGE, "s", "--")}


@with_display_docs
@dataclass(repr=False, eq=False)
class EvaluationDisplay:
    """Curves and scores of an evaluation report.

    The figure shows the ROC curves, calibration curves and confusion matrices of videos
    and frames, a histogram of the video scores, and the AUC and coverage of all videos
    and of each subset (see `by` of :meth:`EvaluationReport.from_predictions`).

    Parameters
    ----------
    report : EvaluationReport
        Result of :func:`~skdeepfake.evaluation.evaluate`.

    Attributes
    ----------
    {{figure}}
    axes_ : ndarray of matplotlib.axes.Axes of shape (2, 3)
        Axes drawn by ``plot``.

    See Also
    --------
    skdeepfake.evaluation.EvaluationReport.to_html : Write an HTML page with this
        figure.

    Examples
    --------
    >>> from skdeepfake.evaluation import EvaluationDisplay, EvaluationReport
    >>> report = EvaluationReport.from_predictions(
    ...     [0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9], n_resamples=0
    ... )
    >>> EvaluationDisplay(report).plot().axes_.shape
    (2, 3)
    """

    report: EvaluationReport

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike, y: ArrayLike, **params: Any
    ) -> EvaluationDisplay:
        """Evaluate a fitted pipeline and plot the report.

        Parameters
        ----------
        estimator : classifier
            Fitted pipeline or detector.
        X : array-like of shape (n_videos, ...)
            Input of `estimator`.
        y : array-like of shape (n_videos,)
            Label of each video.
        **params : dict
            Passed to :func:`~skdeepfake.evaluation.evaluate`.

        {{returns_drawn}}

        Raises
        ------
        ValueError
            As in :func:`~skdeepfake.evaluation.evaluate`.
        """
        from ._evaluate import evaluate

        check_matplotlib("EvaluationDisplay.from_estimator")
        return cls(evaluate(estimator, X, y, **params)).plot()

    @classmethod
    def from_predictions(
        cls, y_true: ArrayLike, y_score: ArrayLike, **params: Any
    ) -> EvaluationDisplay:
        """Evaluate predictions and plot the report.

        Parameters
        ----------
        y_true : array-like of shape (n_videos,)
            Label of each video.
        y_score : array-like of shape (n_videos,)
            Probability of being fake for each video.
        **params : dict
            Passed to :meth:`EvaluationReport.from_predictions`.

        {{returns_drawn}}

        Raises
        ------
        ValueError
            As in :meth:`EvaluationReport.from_predictions`.
        """
        from ._report import EvaluationReport

        check_matplotlib("EvaluationDisplay.from_predictions")
        return cls(EvaluationReport.from_predictions(y_true, y_score, **params)).plot()

    def plot(self, *, figure: Any = None) -> EvaluationDisplay:
        """Draw the report.

        Parameters
        ----------
        figure : matplotlib.figure.Figure or None, default=None
            Empty figure to draw on. None makes a new figure.

        {{returns_itself}}
        """
        check_matplotlib("EvaluationDisplay.plot")
        if figure is None:
            from matplotlib import pyplot as plt

            figure = plt.figure(figsize=_SIZE, layout="constrained")
        self.figure_ = figure
        self.axes_ = figure.subplots(2, 3)
        _draw_roc(self.axes_[0, 0], self.report)
        _draw_reliability(self.axes_[0, 1], self.report)
        _draw_scores(self.axes_[1, 0], self.report)
        _draw_subsets(self.axes_[1, 1], self.report)
        for ax, level in zip(self.axes_[:, 2], _STYLES, strict=True):
            _draw_confusion(ax, self.report, level)
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


def _draw_confusion(ax: Any, report: EvaluationReport, level: str) -> None:
    matrix = report.confusion_matrices.get((ALL, level))
    if matrix is None:
        ax.set_axis_off()
        return
    display = ConfusionMatrixDisplay(matrix, display_labels=["real", "fake"])
    display.plot(ax=ax, cmap="Blues", colorbar=False)
    ax.set(xlabel="predicted class", ylabel="true class")
    threshold = report.settings["threshold"]
    ax.set_title(f"Confusion matrix of {level} at {threshold:g}", fontsize="medium")


def _draw_subsets(ax: Any, report: EvaluationReport) -> None:
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
    ax.set_title("AUC by subset", fontsize="medium")


def render_text(report: EvaluationReport) -> str:
    """Format a report as text, with a summary, tables and notes."""
    tables = make_tables(report)
    cells = [cell for rows in tables.values() for row in rows.values() for cell in row]
    width = 2 + max(24, *map(len, cells))
    levels = "".join(f"{level:<{width}}" for level in report.scores)
    lines = [*summarize(report), ""]
    for title, rows in tables.items():
        lines.append(f"{title:<33}{levels}")
        for name, row in rows.items():
            lines.append(f"  {name:<31}" + "".join(f"{cell:<{width}}" for cell in row))
        lines.append("")
    lines += [f"* {note}" for note in list_notes(report)]
    return "\n".join(line.rstrip() for line in lines).rstrip()


def make_tables(report: EvaluationReport) -> dict[str, dict[str, list[str]]]:
    """Return the cells of each table, by table title and row name."""
    tables = {}
    levels = list(report.scores)
    for subset in report.subsets:
        rows = report.table(subset)
        cells = {
            name: [with_interval(row[level]) for level in levels]
            for name, row in rows.items()
        }
        # All rows of a level have the same counts and coverage.
        shared = [next(iter(rows.values()))[level] for level in levels]
        cells["real and fake"] = [f"{r['n_real']} and {r['n_fake']}" for r in shared]
        matrices = [report.confusion_matrices[subset, level] for level in levels]
        for k, name in enumerate(("real", "fake")):
            cells[f"{name} predicted real, fake"] = [
                f"{matrix[k, 0]}, {matrix[k, 1]}" for matrix in matrices
            ]
        if shared[0]["videos_with_face"] is not None:
            shares = [row[f"{row['level']}_with_face"] for row in shared]
            cells["share with a face"] = [f"{share:.3f}" for share in shares]
        tables["All videos" if subset == ALL else subset] = cells
    gaps: dict[str, list[str]] = {}
    for gap in report.gaps:
        cell = f"{gap['gap']:.3f} ({gap['lowest']} to {gap['highest']})"
        gaps.setdefault(gap["measure"], []).append(cell + " *" * bool(gap["note"]))
    if gaps:
        tables["Largest gap between subsets"] = gaps
    return tables


def summarize(report: EvaluationReport) -> list[str]:
    """Summarize the data and the computation of scores and intervals."""
    counts = {name: report.coverage[name].n_videos for name in (ALL, "real", "fake")}
    n_groups = len(set(report.scores["videos"].group.tolist()))
    lines = [
        f"{counts[ALL]} videos ({counts['real']} real, {counts['fake']} fake) of "
        f"{n_groups} groups"
    ]
    for name, (_, videos, frames, _) in report.coverage.items():
        if videos is None or frames is None:
            lines.append("coverage is unknown")
            break
        lines.append(
            f"a face was found in {_percent(videos)} of the videos and "
            f"{_percent(frames)} of the frames ({name})"
        )
    else:
        policy = {
            "keep": "videos without a face are included",
            "leave_out": "videos without a face are left out",
        }
        lines.append(policy[report.settings["no_face"]])
    lines.extend(
        f"{covered.seconds_missing:.1f} s of the videos are damaged or missing ({name})"
        for name, covered in report.coverage.items()
        if covered.seconds_missing
    )
    if rule := report.settings.get("aggregation"):
        lines.append(f"aggregation of frame scores: {rule}")
    if len(report.subsets) > 1:
        lines.append(
            "a subset of one class is scored against all videos of the other class"
        )
    if report.settings["n_resamples"]:
        lines.append(
            f"{_percent(report.settings['confidence_level'])} intervals are in "
            f"parentheses ({report.settings['n_resamples']} resamples of the groups)"
        )
    return lines


def list_notes(report: EvaluationReport) -> list[str]:
    """List the distinct notes of starred metrics, with their levels and subsets."""
    places: dict[str, dict[str, None]] = {}
    for row in report.rows:
        if row["note"]:
            place = [row["level"], *[row["subset"]] * (row["subset"] != ALL)]
            places.setdefault(row["note"], {})[", ".join(place)] = None
    return [f"{note} ({'; '.join(found)})" for note, found in places.items()]


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"


_STYLE = ".skdeepfake .interval { color: #555; }\n"
_CAUTION = (
    "Scores apply only to the manipulations and sources of the test videos. They are "
    "too high if the training and test videos share people, original videos or "
    "encoders."
)


def render_page(report: EvaluationReport, title: str, *, whole: bool = True) -> str:
    """Render a report as an HTML page, or as a part without figures if not `whole`."""
    parts = [f"<h1>{escape(title)}</h1>"]
    parts += ["<ul>", *(f"<li>{escape(line)}</li>" for line in summarize(report))]
    parts.append("</ul>")
    for head, rows in make_tables(report).items():
        parts += _table(head, list(report.scores), rows)
    if notes := list_notes(report):
        parts += ["<ul>", *(f"<li>* {escape(note)}</li>" for note in notes), "</ul>"]
    if whole and (picture := _picture(report)):
        parts += ["<h2>Figures</h2>", picture]
    parts += [f"<p>{escape(_CAUTION)}</p>", _footer(report)]
    body = _html.part("\n".join(parts), _STYLE)
    return _html.page(title, body) if whole else body


def _table(title: str, levels: list[str], rows: dict[str, list[str]]) -> list[str]:
    lines = [f"<h2>{escape(title)}</h2>", '<div class="wide"><table>', "<tr><th></th>"]
    lines += [f'<th scope="col">{level}</th>' for level in levels] + ["</tr>"]
    for name, cells in rows.items():
        lines.append(f'<tr><th scope="row">{escape(name)}</th>')
        for cell in cells:
            interval = escape(cell).replace("(", '<span class="interval">(')
            lines.append(f"<td>{interval.replace(')', ')</span>')}</td>")
        lines.append("</tr>")
    return [*lines, "</table></div>"]


def _picture(report: EvaluationReport) -> str | None:
    """Draw the report as SVG; return None without matplotlib."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return None
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    # A fixed salt makes the page reproducible.
    with rc_context({"svg.hashsalt": "skdeepfake"}):
        # Unlike a pyplot figure, this figure does not have to be closed.
        figure = Figure(figsize=_SIZE, layout="constrained")
        EvaluationDisplay(report).plot(figure=figure)
        file = io.StringIO()
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})
    svg = file.getvalue()
    return svg[svg.index("<svg") :]


def _footer(report: EvaluationReport) -> str:
    settings = ", ".join(f"{k}={v!r}" for k, v in report.settings.items())
    return f"<footer>{escape(settings)}<br>{escape(_html.versions())}</footer>"
