"""Displays of evaluation reports and calibration curves."""

from __future__ import annotations

import matplotlib
import numpy as np
from sklearn.linear_model import LogisticRegression

from skdeepfake.evaluation import (
    EvaluationDisplay,
    EvaluationReport,
    ReliabilityDisplay,
)
from skdeepfake.metrics import expected_calibration_error, reliability_curve

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

Y = np.arange(40) % 2
SCORE = np.clip(np.linspace(0, 0.7, 40) + 0.3 * Y, 0, 1)


def labels(ax) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_reliability_is_drawn_with_the_number_of_samples() -> None:
    display = ReliabilityDisplay.from_predictions(Y, SCORE, n_bins=4, name="videos")
    curve = reliability_curve(Y, SCORE, n_bins=4)
    assert display.line_.get_xdata().tolist() == curve.predicted.tolist()
    assert display.line_.get_ydata().tolist() == curve.observed.tolist()
    written = [text.get_text() for text in display.ax_.texts]
    assert written == [str(n) for n in curve.n_samples]
    error = expected_calibration_error(Y, SCORE, n_bins=4)
    assert labels(display.ax_) == [f"videos: error {error:.3f}"]


def test_reliability_of_an_estimator_is_that_of_its_answers() -> None:
    X = SCORE[:, None]
    model = LogisticRegression().fit(X, Y)
    display = ReliabilityDisplay.from_estimator(model, X, Y, n_bins=4)
    expected = reliability_curve(Y, model.predict_proba(X)[:, 1], n_bins=4)
    assert display.line_.get_ydata().tolist() == expected.observed.tolist()


def test_second_curve_goes_on_the_same_axes_with_one_diagonal() -> None:
    first = ReliabilityDisplay.from_predictions(Y, SCORE, name="a")
    second = ReliabilityDisplay.from_predictions(
        Y, SCORE**2, name="b", ax=first.ax_, show_counts=False
    )
    assert second.ax_ is first.ax_
    diagonals = [line for line in first.ax_.lines if line.get_gid() == "calibrated"]
    assert len(diagonals) == 1
    assert len(first.ax_.texts) == len(first.curve.n_samples)


def test_report_is_drawn_with_its_figures() -> None:
    frames = np.repeat(SCORE[:, None], 2, axis=1)
    frames[0] = np.nan
    report = EvaluationReport.from_predictions(
        Y,
        SCORE,
        frame_proba=frames,
        by=np.where(np.arange(40) < 20, "old", "new"),
        n_resamples=20,
        random_state=0,
    )
    axes = EvaluationDisplay(report).plot().axes_
    roc, reliability, videos, scores, kinds, frames_ = axes.flat
    auc = report.row("AUC")
    text = f"videos: AUC {auc['estimate']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})"
    assert text in labels(roc)
    assert [label.split(":")[0] for label in labels(reliability)] == [
        "videos",
        "frames",
    ]
    assert labels(scores)[:2] == ["real: 20 videos", "fake: 20 videos"]
    assert [tick.get_text() for tick in kinds.get_yticklabels()] == [
        "all videos",
        "old",
        "new",
    ]
    assert "share of frames with a face" in labels(kinds)
    for ax, level in ((videos, "videos"), (frames_, "frames")):
        counts = [int(text.get_text()) for text in ax.texts]
        assert counts == report.confusion_matrices["all", level].ravel().tolist()
        assert ax.get_title() == f"Confusion matrix of {level} at 0.5"


def test_report_of_scores_alone_is_drawn() -> None:
    report = EvaluationReport.from_predictions(Y, SCORE, n_resamples=0)
    figure = Figure()
    assert EvaluationDisplay(report).plot(figure=figure).figure_ is figure
    figure.draw_without_rendering()
    assert plt.get_fignums() == []
    assert labels(figure.axes[0])[1] == f"videos: AUC {report['AUC']:.3f}"
    assert not figure.axes[5].axison  # no frames


def test_evaluation_is_drawn_from_predictions_and_from_an_estimator(monkeypatch):
    display = EvaluationDisplay.from_predictions(Y, SCORE, n_resamples=0, threshold=0.4)
    expected = EvaluationReport.from_predictions(Y, SCORE, n_resamples=0, threshold=0.4)
    assert str(display.report) == str(expected)
    assert display.axes_.shape == (2, 3)
    score = np.asarray(SCORE, dtype=float)
    X = np.c_[np.log(score.clip(1e-3, 0.999) / (1 - score.clip(1e-3, 0.999)))]
    model = LogisticRegression().fit(X, Y)
    display = EvaluationDisplay.from_estimator(model, X, Y, n_resamples=0)
    assert display.report["AUC"] == expected["AUC"]
    assert display.axes_.shape == (2, 3)
