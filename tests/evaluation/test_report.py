"""Metrics, notes and output formats of an evaluation report."""

from __future__ import annotations

import json
import math
import re
import sys

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.utils import Bunch

from skdeepfake import metrics
from skdeepfake.evaluation import EvaluationReport
from skdeepfake.exceptions import UnresolvedRateWarning


@pytest.fixture(scope="module")
def predictions() -> Bunch:
    """Sixty videos of 15 people; one video and three other frames have no face."""
    rng = np.random.RandomState(0)
    y = np.arange(60) % 3 % 2
    frames = (rng.rand(60, 4) + 0.15 * y[:, None]) / 1.15
    frames[4] = np.nan
    frames[[0, 7, 9], [1, 2, 0]] = np.nan
    proba = np.array([np.nanmean(f) if i != 4 else 0.25 for i, f in enumerate(frames)])
    by = np.array([None] * 60, dtype=object)
    by[y == 1] = ["swap", "swap", "reenact", "swap"] * 5
    return Bunch(y=y, proba=proba, frames=frames, groups=np.arange(60) // 4, by=by)


@pytest.fixture(scope="module")
def report(predictions: Bunch) -> EvaluationReport:
    return EvaluationReport.from_predictions(
        predictions.y,
        predictions.proba,
        frame_proba=predictions.frames,
        groups=predictions.groups,
        by=predictions.by,
        threshold=0.6,
        max_fprs=(0.1, 0.001),
        eps=0.01,
        n_bins=5,
        n_resamples=40,
        random_state=3,
    )


def independent(y, p) -> dict[str, float]:
    """Compute the metrics with scikit-learn and skdeepfake.metrics."""
    with pytest.warns(UnresolvedRateWarning):
        at_a_thousandth = metrics.true_positive_rate_at(y, p, fpr=0.001)
    return {
        "AUC": sk.roc_auc_score(y, p),
        "average precision": sk.average_precision_score(y, p),
        "equal error rate": metrics.equal_error_rate(y, p),
        "TPR at FPR 10%": metrics.true_positive_rate_at(y, p, fpr=0.1),
        "TPR at FPR 0.1%": at_a_thousandth,
        "balanced accuracy at 0.6": sk.balanced_accuracy_score(y, p >= 0.6),
        "accuracy at 0.6": sk.accuracy_score(y, p >= 0.6),
        "precision at 0.6": sk.precision_score(y, p >= 0.6),
        "recall at 0.6": sk.recall_score(y, p >= 0.6),
        "F1 at 0.6": sk.f1_score(y, p >= 0.6),
        "false positive rate at 0.6": 1 - sk.recall_score(y, p >= 0.6, pos_label=0),
        "log loss, clipped at 0.01": sk.log_loss(y, np.clip(p, 0.01, 0.99)),
        "Brier score": sk.brier_score_loss(y, p),
        "calibration error, 5 bins": metrics.expected_calibration_error(y, p, n_bins=5),
    }


def test_figures_of_videos_and_of_frames_are_those_of_the_metrics(
    report: EvaluationReport, predictions: Bunch
) -> None:
    has_face = ~np.isnan(predictions.frames)
    samples = {
        "videos": (predictions.y, predictions.proba),
        "frames": (
            np.repeat(predictions.y[:, None], 4, axis=1)[has_face],
            predictions.frames[has_face],
        ),
    }
    for level, (y, p) in samples.items():
        expected = independent(y, p)
        table = {name: cells[level] for name, cells in report.table("all").items()}
        assert list(table) == list(expected)
        for name, value in expected.items():
            assert table[name]["estimate"] == pytest.approx(value, abs=1e-12), name
        matrix = report.confusion_matrices["all", level]
        assert matrix.tolist() == sk.confusion_matrix(y, p >= 0.6).tolist()
        tn, fp, fn, tp = matrix.ravel()
        assert re.search(rf"real predicted real, fake .* {tn}, {fp}\b", str(report))
        assert table["recall at 0.6"]["estimate"] == tp / (tp + fn)


def test_kind_of_fakes_is_scored_against_all_real(
    report: EvaluationReport, predictions: Bunch
) -> None:
    kept = (predictions.y == 0) | (predictions.by == "reenact")
    row = report.row("AUC", subset="reenact")
    assert row["estimate"] == pytest.approx(
        sk.roc_auc_score(predictions.y[kept], predictions.proba[kept])
    )
    assert (row["n_real"], row["n_fake"], row["n_groups"]) == (40, 5, 15)
    assert report.subsets == ["all", "swap", "reenact"]


def test_values_of_an_attribute_are_scored_with_the_largest_gap(
    predictions: Bunch,
) -> None:
    by = np.array(["f", "m", None, "d"] * 15, dtype=object)
    report = EvaluationReport.from_predictions(
        predictions.y,
        predictions.proba,
        frame_proba=predictions.frames,
        by=by,
        n_resamples=0,
    )
    assert report.subsets == ["all", "f", "m", "d"]
    recalls = {}
    for value in "fmd":
        kept = by == value
        y, is_called = predictions.y[kept], predictions.proba[kept] >= 0.5
        recalls[value] = sk.recall_score(y, is_called)
        row = report.row("recall", subset=value)
        assert (row["estimate"], row["n_real"], row["n_fake"]) == (
            pytest.approx(recalls[value]),
            *np.bincount(y),
        )
        assert report.coverage[value].n_videos == 15
        matrix = report.confusion_matrices[value, "videos"]
        assert matrix.tolist() == sk.confusion_matrix(y, is_called).tolist()
    assert len(report.gaps) == 15 * 2
    (gap,) = [
        gap
        for gap in report.gaps
        if (gap["measure"], gap["level"]) == ("recall at 0.5", "videos")
    ]
    lowest, _, highest = sorted(recalls, key=recalls.get)
    assert gap["gap"] == pytest.approx(recalls[highest] - recalls[lowest])
    assert (gap["lowest"], gap["highest"]) == (lowest, highest)
    assert "fewer than 20" in gap["note"]
    text = str(report)
    assert "Largest gap between subsets" in text
    assert f"{gap['gap']:.3f} ({lowest} to {highest}) *" in text
    assert json.loads(report.to_json())["gaps"][0]["measure"] == "AUC"


def test_value_that_one_class_has_is_scored_against_the_other(
    predictions: Bunch,
) -> None:
    by = np.where(predictions.y == 1, predictions.by, "camera")
    report = EvaluationReport.from_predictions(
        predictions.y, predictions.proba, by=by, n_resamples=0
    )
    assert report.row("AUC", subset="camera")["estimate"] == report["AUC"]
    assert report.row("AUC", subset="swap")["n_real"] == 40
    text = "a subset of one class is scored against all videos of the other class"
    assert text in str(report)
    assert report.coverage["camera"].n_videos == 40
    alone = EvaluationReport.from_predictions(
        predictions.y, predictions.proba, by=["one"] * 60, n_resamples=0
    )
    assert alone.gaps == []


def test_interval_is_that_of_the_bootstrap_over_groups(
    report: EvaluationReport, predictions: Bunch
) -> None:
    expected = metrics.group_bootstrap(
        sk.roc_auc_score,
        predictions.y,
        predictions.proba,
        groups=predictions.groups,
        n_resamples=40,
        random_state=3,
    )
    row = report.row("AUC")
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))
    # A frame belongs to the group of its video.
    assert report.row("AUC", level="frames")["n_groups"] == 15


def test_coverage_stands_beside_every_figure(report: EvaluationReport) -> None:
    assert report.coverage["all"] == (60, 59 / 60, 233 / 240, None)
    # Videos 4 (without a face) and 7 (one frame without a face) are fake.
    assert report.coverage["real"] == (40, 1.0, 158 / 160, None)
    assert report.coverage["fake"] == (20, 19 / 20, 75 / 80, None)
    assert report.coverage["reenact"] == (5, 1.0, 19 / 20, None)
    for row in report.rows:
        if row["subset"] == "all":
            assert row["videos_with_face"] == 59 / 60
            assert row["frames_with_face"] == 233 / 240


def test_coverage_counts_seconds_that_are_damaged(predictions: Bunch) -> None:
    missing = np.zeros(60)
    missing[np.flatnonzero(predictions.y == 1)[:2]] = 1.5, 0.75
    report = EvaluationReport.from_predictions(
        predictions.y, predictions.proba, seconds_missing=missing, n_resamples=0
    )
    seconds = {name: each.seconds_missing for name, each in report.coverage.items()}
    assert seconds == {"all": 2.25, "real": 0.0, "fake": 2.25}
    assert "2.2 s of the videos are damaged or missing (fake)" in str(report)
    assert "damaged or missing (real)" not in str(report)
    assert report.to_dict()["coverage"]["fake"]["seconds_missing"] == 2.25
    with pytest.raises(ValueError, match="seconds_missing must not be negative"):
        EvaluationReport.from_predictions(
            predictions.y, predictions.proba, seconds_missing=missing - 1
        )


def test_videos_without_a_face_can_be_left_out(predictions: Bunch) -> None:
    report = EvaluationReport.from_predictions(
        predictions.y,
        predictions.proba,
        frame_proba=predictions.frames,
        no_face="leave_out",
        n_resamples=0,
    )
    kept = np.arange(60) != 4
    assert report["AUC"] == pytest.approx(
        sk.roc_auc_score(predictions.y[kept], predictions.proba[kept])
    )
    assert report.row("AUC")["n_fake"] == 19
    assert "videos without a face are left out" in str(report)
    assert len(report.to_dict()["videos"]) == 59


def test_rate_that_the_sample_cannot_resolve_has_a_note(
    report: EvaluationReport,
) -> None:
    text = "40 real samples cannot resolve a false positive rate of 0.001"
    assert report.row("TPR at FPR 0.1%")["note"] == text
    assert text not in report.row("TPR at FPR 10%")["note"]
    assert re.search(r"TPR at FPR 0\.1% .* \*", str(report))
    assert f"* {text} (videos; videos, swap; videos, reenact)" in str(report)


def test_few_groups_are_told(predictions: Bunch) -> None:
    # All fakes are in one group, which about every third resample lacks.
    groups = np.where(predictions.y == 1, 0, np.arange(60))
    report = EvaluationReport.from_predictions(
        predictions.y,
        predictions.proba,
        groups=groups,
        n_resamples=100,
        random_state=0,
    )
    assert re.search(r"^\d+ of 100 resamples lack a class", report.row("AUC")["note"])
    alone = EvaluationReport.from_predictions(
        predictions.y, predictions.proba, groups=np.zeros(60), n_resamples=20
    )
    assert math.isnan(alone.row("AUC")["low"])
    assert alone.row("AUC")["note"] == "no interval, because there is only one group"
    # With few groups, the metric also has a note.
    few = EvaluationReport.from_predictions(
        predictions.y[:12],
        predictions.proba[:12],
        groups=np.arange(12) // 2,
        n_resamples=20,
    )
    note = (
        "6 real and 4 fake groups; metrics and intervals are unreliable with fewer "
        "than 20 groups of either class"
    )
    assert few.row("average precision")["note"] == note
    assert f"* {note} (videos)" in str(few)


def test_precision_of_no_positives_has_a_note(predictions: Bunch) -> None:
    report = EvaluationReport.from_predictions(
        predictions.y, predictions.proba * 0.5, threshold=0.9, n_resamples=0
    )
    assert (report["precision"], report["F1"]) == (0, 0)
    text = "precision is set to 0, because nothing is classified as fake"
    assert report.row("precision")["note"] == text


def test_scores_alone_make_a_report_that_says_what_is_not_known(
    predictions: Bunch,
) -> None:
    report = EvaluationReport.from_predictions(
        predictions.y, predictions.proba, n_resamples=0
    )
    assert list(report.scores) == ["videos"]
    assert "coverage is unknown" in str(report)
    assert report.row("AUC")["frames_with_face"] is None
    assert report.row("AUC")["note"] == ""
    assert repr(report).startswith("<EvaluationReport: AUC 0.")


def test_labels_of_other_names_need_pos_label(predictions: Bunch) -> None:
    y = np.where(predictions.y == 1, "fake", "real")
    with pytest.raises(
        ValueError, match="pass the label of the fake class as pos_label"
    ):
        EvaluationReport.from_predictions(y, predictions.proba)
    report = EvaluationReport.from_predictions(
        y, predictions.proba, pos_label="fake", n_resamples=0
    )
    assert report["AUC"] == pytest.approx(
        sk.roc_auc_score(predictions.y, predictions.proba)
    )


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"threshold": 2}, "'threshold' parameter of evaluate"),
        ({"no_face": "drop"}, "'no_face' parameter of evaluate"),
        ({"no_face": "leave_out"}, "requires frame_proba or has_face"),
        ({"groups": [1, 2]}, "inconsistent numbers of samples"),
        ({"by": np.zeros((60, 2))}, r"by must have shape \(n_videos,\); got"),
        ({"has_face": np.ones(60)}, "has_face must have shape"),
    ],
)
def test_wrong_parameter_is_named(predictions: Bunch, params, message) -> None:
    with pytest.raises(ValueError, match=message):
        EvaluationReport.from_predictions(predictions.y, predictions.proba, **params)


def test_kind_without_a_face_is_named(predictions: Bunch) -> None:
    by = np.array([None] * 60, dtype=object)
    by[4] = "unseen"
    with pytest.raises(ValueError, match=r"'unseen' cannot be .* any frame of one"):
        EvaluationReport.from_predictions(
            predictions.y,
            predictions.proba,
            frame_proba=predictions.frames,
            by=by,
            n_resamples=0,
        )


def test_unknown_figure_is_an_error_that_lists_them(report: EvaluationReport) -> None:
    with pytest.raises(KeyError, match="'TPR' matches 2 metrics"):
        report["TPR"]
    with pytest.raises(KeyError, match=r"'F2' matches 0 metrics.*Brier score"):
        report["F2"]
    assert report["accuracy"] == report["accuracy at 0.6"]


# -- output formats ----------------------------------------------------------------


def test_table_has_a_line_for_each_figure(report: EvaluationReport) -> None:
    frame = report.to_frame()
    assert frame.shape == (3 * 2 * 14, 12)
    assert list(frame.columns[:4]) == ["subset", "level", "estimate", "low"]
    found = frame.query("subset == 'swap' and level == 'frames' and measure == 'AUC'")
    assert found["estimate"].item() == report.row(
        "AUC", level="frames", subset="swap"
    )["estimate"]  # fmt: skip


def test_table_says_what_to_install(report: EvaluationReport, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        report.to_frame()


def test_json_holds_what_the_figures_were_computed_from(
    report: EvaluationReport, predictions: Bunch, tmp_path
) -> None:
    path = tmp_path / "report.json"
    text = report.to_json(path)
    assert path.read_text() == text
    read = json.loads(text)
    proba = [video["probability"] for video in read["videos"]]
    y = [video["is_fake"] for video in read["videos"]]
    assert sk.roc_auc_score(y, proba) == read["rows"][0]["estimate"]
    assert [video["group"] for video in read["videos"]] == predictions.groups.tolist()
    assert read["videos"][4]["name"] == "4"
    assert read["settings"]["random_state"] == 3
    assert read["coverage"]["fake"]["videos_with_face"] == 0.95
    assert read["confusion_matrices"][0] == {
        "subset": "all",
        "level": "videos",
        "matrix": report.confusion_matrices["all", "videos"].tolist(),
    }


def test_json_has_null_where_there_is_no_number(predictions: Bunch) -> None:
    report = EvaluationReport.from_predictions(
        predictions.y, predictions.proba, n_resamples=0
    )
    assert report.to_dict()["rows"][0]["low"] is None


def test_same_seed_gives_the_same_report(predictions: Bunch) -> None:
    given = (predictions.y, predictions.proba)
    default, again = (
        EvaluationReport.from_predictions(*given, n_resamples=10).to_json()
        for _ in range(2)
    )
    assert default == again
    first, second, other = (
        EvaluationReport.from_predictions(
            *given, n_resamples=10, random_state=np.random.RandomState(seed)
        ).to_json()
        for seed in (1, 1, 2)
    )
    assert first == second
    assert first != other


def test_page_stands_for_itself_and_escapes_what_it_shows(
    predictions: Bunch, tmp_path
) -> None:
    by = np.where(predictions.y == 1, "<b>swap</b>", None)
    report = EvaluationReport.from_predictions(
        predictions.y,
        predictions.proba,
        frame_proba=predictions.frames,
        by=by,
        n_resamples=10,
        random_state=0,
    )
    assert report.to_html(tmp_path / "report.html", title="A & B") is None
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert (tmp_path / "report.html").read_text() == page
    assert "<title>A &amp; B</title>" in page
    assert "<b>swap" not in page
    assert "<h2>&lt;b&gt;swap&lt;/b&gt;</h2>" in page
    assert "<svg" in page
    assert not re.search(r"""(src|href)=["'](?!#|data:image/png)""", page)
    assert f"{report['AUC']:.3f}" in page
    assert page == report.to_html(title="A & B")


def test_page_without_matplotlib_has_no_pictures(
    report: EvaluationReport, monkeypatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = report.to_html()
    assert "<svg" not in page
    assert "<table>" in page


def test_notebook_shows_a_part_of_a_page(report: EvaluationReport) -> None:
    part = report._repr_html_()
    assert "<html" not in part
    assert "<h2>reenact</h2>" in part
