"""Drift is detected for distorted videos, and not for videos of the same source."""

from __future__ import annotations

import json
import warnings

import cv2
import matplotlib
import numpy as np
import pytest
from scipy.stats import ks_2samp
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skdeepfake.detectors import CNNRNNDetector
from skdeepfake.evaluation import DriftDisplay, DriftReport, drift

matplotlib.use("Agg")
from matplotlib import pyplot as plt


class Texture(TransformerMixin, BaseEstimator):
    """Compute the mean color and detail of each face, or per video if `pooled`."""

    def __init__(self, pooled: bool = False) -> None:
        self.pooled = pooled

    def fit(self, X: np.ndarray, y: object = None) -> Texture:
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        detail = np.abs(np.diff(X.astype(np.float32), axis=2)).mean(axis=(2, 3, 4))
        features = np.concatenate([X.mean(axis=(2, 3)), detail[..., None]], axis=-1)
        features = features.astype(np.float32) / 255
        return features.mean(axis=1) if self.pooled else features[:, :, np.newaxis]


def make_faces(n_videos: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Make faces of noise, with less contrast in fakes."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_videos) % 2
    noise = rng.normal(0, 1, (n_videos, 2, 16, 16, 3))
    level = rng.uniform(90, 150, (n_videos, 1, 1, 1, 1))
    contrast = np.where(y, 12, 20) * rng.uniform(0.8, 1.2, n_videos)
    faces = level + contrast[:, None, None, None, None] * noise
    return np.clip(faces, 1, 255).astype(np.uint8), y


def blurred(faces: np.ndarray) -> np.ndarray:
    smooth = [cv2.GaussianBlur(f, (0, 0), 1.5) for f in faces.reshape(-1, 16, 16, 3)]
    return np.array(smooth).reshape(faces.shape)


@pytest.fixture(scope="module")
def pipeline():
    X, y = make_faces(80, 0)
    return make_pipeline(Texture(pooled=True), LogisticRegression(C=1000)).fit(X, y)


@pytest.fixture(scope="module")
def reference() -> np.ndarray:
    return make_faces(120, 1)[0]


def test_videos_of_the_same_source_have_not_drifted(pipeline, reference) -> None:
    for seed in range(2, 12):
        report = drift(pipeline, reference, make_faces(100, seed)[0])
        assert not report.drifted
        assert list(report.measures) == [
            *("score", "coverage", "feature 1", "feature 2", "feature 3"),
        ]


def test_blurred_videos_have_drifted(pipeline, reference) -> None:
    report = drift(pipeline, reference, blurred(make_faces(100, 2)[0]))
    assert report.drifted
    measures = report.measures
    assert measures["score"].drifted
    assert any(measures[f"feature {k}"].drifted for k in (1, 2, 3))
    assert not measures["coverage"].drifted
    assert measures["coverage"].ks == 0
    assert measures["coverage"].psi == pytest.approx(0, abs=1e-3)
    for name in report.measures:
        expected = ks_2samp(report.reference[name], report.new[name])
        assert measures[name][:2] == tuple(expected)


def test_lost_faces_are_a_drift_of_coverage(reference) -> None:
    X, y = make_faces(12, 0)
    detector = CNNRNNDetector(units=(2,), epochs=1, random_state=0)
    pipeline = make_pipeline(Texture(), detector).fit(X, y)
    new = make_faces(100, 3)[0]
    new[:60, 1] = 0
    new[0] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = drift(pipeline, reference, new, n_components=2)
    coverage = report.measures["coverage"]
    assert coverage.drifted
    assert coverage.ks == pytest.approx(0.6)
    assert report.new["coverage"][[0, 1, 99]].tolist() == [0, 0.5, 1]
    # Empty slots are ignored, and a video without a face has no features.
    assert list(report.measures)[2:] == ["feature 1", "feature 2"]
    assert np.isnan(report.new["feature 1"]).tolist() == [True] + 99 * [False]
    assert not report.measures["feature 1"].drifted


def test_pipelines_without_features_are_compared_by_score(reference) -> None:
    X, y = make_faces(40, 0)
    flat = make_pipeline(Texture(pooled=True), LogisticRegression()).fit(X, y)
    report = drift(flat, reference, make_faces(60, 4)[0], n_components=0)
    assert list(report.measures) == ["score", "coverage"]


def test_index_is_the_symmetric_divergence_of_the_bins() -> None:
    reference = np.arange(400) / 400
    new = np.concatenate([reference[:200:2], reference[200:]])
    report = DriftReport.from_values({"s": reference}, {"s": new}, n_bins=2)
    p, q = np.array([200.5, 200.5]) / 401, np.array([100.5, 200.5]) / 301
    measure = report.measures["s"]
    assert measure.psi == pytest.approx(((q - p) * np.log(q / p)).sum())
    assert measure.psi_bound == 0.25
    # The difference is significant, but the index is below its bound.
    assert measure.p_value < 0.01
    assert not measure.drifted
    by_both = {"n_bins": 2, "max_psi": 0.1}
    assert DriftReport.from_values({"s": reference}, {"s": new}, **by_both).drifted


def test_bound_of_the_index_grows_where_videos_are_few() -> None:
    rng = np.random.default_rng(0)
    indices, bounds = [], []
    for _ in range(300):
        pair = [{"s": rng.normal(size=60)} for _ in range(2)]
        measure = DriftReport.from_values(*pair).measures["s"]
        indices.append(measure.psi)
        bounds.append(measure.psi_bound)
    # 21.67 is the 99% quantile of chi-squared with 9 degrees of freedom.
    assert bounds[0] == pytest.approx(21.67 * 2 / 60, rel=1e-3)
    assert np.mean(np.array(indices) > bounds) < 0.02
    assert np.quantile(indices, 0.99) > 0.75 * bounds[0]
    assert np.mean(np.array(indices) > 0.25) > 0.3  # the usual bound


def test_report_tells_its_verdict() -> None:
    values = np.linspace(0, 1, 50)
    same = {"score": values, "coverage": np.ones(50)}
    new = {"score": values + 2, "coverage": np.ones(50)}
    assert str(DriftReport.from_values(same, same)).startswith(
        "50 reference videos, 50 new videos: no drift\n"
    )
    report = DriftReport.from_values(same, new)
    assert "50 new videos: drift of score\n" in str(report)
    record = json.loads(json.dumps(report.to_dict()))
    assert (record["drifted"], record["n_new"]) == (True, 50)
    assert record["measures"]["score"]["ks"] == 1
    table = report.to_frame()
    assert table.loc["coverage", "drifted"] == np.False_
    assert list(table.columns) == ["ks", "p_value", "psi", "psi_bound", "drifted"]


@pytest.mark.parametrize(
    ("reference", "new", "message"),
    [
        (
            {"a": [1.0]},
            {"b": [1.0]},
            r"keys and must not be empty; got \['a'\] and \['b'\]",
        ),
        ({"a": [np.nan]}, {"a": [1.0]}, "'a' must have a finite value"),
        ({}, {}, "must not be empty"),
    ],
)
def test_values_that_cannot_be_compared(reference, new, message) -> None:
    with pytest.raises(ValueError, match=message):
        DriftReport.from_values(reference, new)


def test_bad_parameters_are_named(pipeline, reference) -> None:
    with pytest.raises(ValueError, match="'alpha' parameter of drift"):
        drift(pipeline, reference, reference, alpha=0)


def test_display_draws_both_distributions(pipeline, reference) -> None:
    new = blurred(reference[:50])
    display = DriftDisplay.from_estimator(pipeline, reference, new, n_components=2)
    titles = [ax.get_title() for ax in display.axes_]
    assert titles[:2] == ["score: drift", "coverage: no drift"]
    assert titles[2:] == ["feature 1: no drift", "feature 2: drift"]
    for line, values in zip(
        display.axes_[0].get_lines(),
        (display.report.reference["score"], display.report.new["score"]),
        strict=True,
    ):
        assert sorted(set(line.get_xdata()[1:])) == sorted(set(values))
    _, axes = plt.subplots(1, 2)
    with pytest.raises(ValueError, match="one axes per quantity: expected 4, got 2"):
        display.plot(axes=axes)
    plt.close("all")


@pytest.mark.parametrize("constant", [0.0, 1.0])
def test_values_that_are_mostly_equal_have_a_bin_of_their_own(constant: float) -> None:
    reference = {"coverage": np.full(100, constant)}
    new = {"coverage": np.where(np.arange(100) % 2, constant, 0.5)}
    measure = DriftReport.from_values(reference, new).measures["coverage"]
    assert measure.drifted
    assert measure.psi > 1


def test_level_holds_for_all_tests_together() -> None:
    values = np.linspace(0, 1, 200)
    same = {str(k): values for k in range(5)}
    p_value = ks_2samp(values, values**1.6).pvalue
    assert 0.002 < p_value < 0.01
    # With two wide bins, the index exceeds its bound.
    params = {"max_psi": 0.0, "n_bins": 2, "alpha": 0.01}
    pair = {"a": values}, {"a": values**1.6}
    assert DriftReport.from_values(*pair, **params).drifted
    pair = {**same, **pair[0]}, {**same, **pair[1]}
    assert not DriftReport.from_values(*pair, **params).drifted
