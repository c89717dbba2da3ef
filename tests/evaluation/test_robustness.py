"""Scores of a fitted pipeline on each distortion at each level."""

from __future__ import annotations

import json
import sys
import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import Pipeline

from skdeepfake._predictions import VideoPredictions
from skdeepfake.evaluation import _robustness, robustness_curve
from skdeepfake.exceptions import NoFaceWarning
from skdeepfake.perturbations import DISTORTIONS
from skdeepfake.preprocessing import VideoFrameSampler


class Step(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        raise AssertionError("fitted once more")

    def __sklearn_is_fitted__(self):
        return True


class Sampler(VideoFrameSampler):
    calls = 0

    def transform(self, X):
        type(self).calls += 1
        return super().transform(X)


class Cropper(Step):
    """Return whole frames as faces, and no face for noisy frames."""

    def transform(self, X):
        crops = np.empty((len(X), X[0].n_frames), dtype=object)
        for row, clip in zip(crops, X, strict=True):
            frames = list(clip)
            row[:] = [frame if frame[..., 1].std() < 20 else None for frame in frames]
            if all(crop is None for crop in row):
                warnings.warn(f"{clip.path}: no face", NoFaceWarning, stacklevel=2)
        return crops


class Colorfulness(ClassifierMixin, BaseEstimator):
    """Classify colorful videos as fake; the score is 1/3 without a face."""

    def __init__(self, classes=(0, 1)):
        self.classes = classes

    def fit(self, X, y):
        raise AssertionError("fitted once more")

    @property
    def classes_(self):
        return np.array(self.classes)

    def predict_frame_proba(self, X):
        shares = np.full(X.shape, np.nan)
        for place, frame in np.ndenumerate(X):
            if frame is not None:
                shares[place] = np.ptp(frame.reshape(-1, 3).mean(axis=0)) / 255
        return np.stack([1 - shares, shares], axis=-1)

    def aggregate_proba(self, frames):
        n_faces = (~np.isnan(frames)).sum(axis=1)
        means = np.nansum(frames, axis=1) / np.maximum(n_faces, 1)
        return np.where(n_faces, means, 1 / 3)

    def predict_proba(self, X):
        return self.aggregate_proba(self.predict_frame_proba(X))


@pytest.fixture(scope="module")
def videos(tmp_path_factory, ffmpeg):
    """Two gray and two colorful videos of equal brightness, with two frames each."""
    folder, paths = tmp_path_factory.mktemp("videos"), []
    for name, color in {
        "real0": (100, 100, 100),
        "real1": (120, 120, 110),
        "fake0": (140, 90, 90),
        "fake1": (170, 90, 70),
    }.items():
        frames = np.full((2, 48, 64, 3), color, np.uint8)
        frames[1] += 10  # OpenCV treats a still video as interlaced
        paths.append(str(folder / f"{name}.mkv"))
        options = ("-c:v", "ffv1", "-pix_fmt", "bgr0")
        ffmpeg(*options, paths[-1], frames=frames)
    return np.array(paths)


@pytest.fixture
def pipeline():
    steps = [("sampler", Sampler(2)), ("cropper", Cropper())]
    return Pipeline([*steps, ("detector", Colorfulness())])


Y = np.array([0, 0, 1, 1])


def test_scores_and_coverage_stand_at_their_distortion_and_level(videos, pipeline):
    calls = Sampler.calls
    # A NoFaceWarning of the cropper would be an error.
    curve = robustness_curve(
        pipeline, videos, Y, distortions=["GNC", "CS"], levels=(5, 1)
    )
    assert (curve.distortions, curve.levels) == (("CS", "GNC"), (1, 5))
    assert (curve.clean_score, curve.clean_coverage) == (1, 1)
    # At level 5, CS makes all frames gray, and GNC leaves no face.
    np.testing.assert_array_equal(curve.scores, [[1, 0.5], [1, 0.5]])
    np.testing.assert_array_equal(curve.coverage, [[1, 1], [1, 0]])
    np.testing.assert_allclose(
        curve.clean_proba, np.array([0, 10, 50, 100]) / 255, atol=0.005
    )
    weaker = curve.clean_proba * 0.4
    np.testing.assert_allclose(curve.proba[0, 0], weaker, atol=0.005)
    np.testing.assert_allclose(curve.proba[1, 1], 1 / 3)
    assert curve.proba.shape == (2, 2, 4)
    assert (curve.metric, curve.chance) == ("roc_auc", 0.5)
    assert Sampler.calls == calls + 1
    assert list(pipeline.named_steps) == ["sampler", "cropper", "detector"]


def test_result_is_the_same_each_time_and_in_any_order(videos, pipeline):
    def probabilities(order, random_state=0):
        curve = robustness_curve(
            *(pipeline, videos[order], Y[order]),
            distortions="GNC",
            levels=[1],
            random_state=random_state,
        )
        return curve.proba[0, 0]

    one = probabilities([0, 1, 2, 3])
    np.testing.assert_array_equal(probabilities([3, 1, 0, 2]), one[[3, 1, 0, 2]])
    assert (probabilities([0, 1, 2, 3], 1) != one).any()


@pytest.fixture
def asked_for(monkeypatch):
    """Predict without decoding, and record the perturbers."""
    perturbers = []

    def predict(estimator, X, column):
        assert list(estimator.named_steps) == ["perturber", "cropper", "detector"]
        perturber = estimator[0]
        perturbers.append(perturber)
        level = perturber.level
        proba = np.array([0.1, 0.2 + level / 10, 0.4, 0.8])
        has_face = np.arange(8).reshape(4, 2) >= level
        return VideoPredictions(None, X, proba=proba, has_face=has_face)

    monkeypatch.setattr(_robustness, "predict_with_frames", predict)
    return perturbers


def test_all_seven_at_five_levels_are_asked_for_after_the_clean_ones(
    videos, pipeline, asked_for, tmp_path
):
    parameters = {"mode": "faithful", "boxes": "clean", "cache_dir": tmp_path}
    curve = robustness_curve(pipeline, videos, Y, **parameters)
    assert [(each.distortion, each.level) for each in asked_for[1:]] == [
        (code, level) for code in DISTORTIONS for level in range(1, 6)
    ]
    assert asked_for[0].level == 0
    for each in asked_for:
        assert {name: getattr(each, name) for name in parameters} == parameters
    assert len({each.random_state for each in asked_for}) == 1
    assert (curve.mode, curve.boxes) == ("faithful", "clean")
    # From level 3 on, one of four pairs is in the wrong order.
    np.testing.assert_array_equal(curve.scores, [[1, 0.875, 0.75, 0.75, 0.75]] * 7)
    np.testing.assert_array_equal(curve.coverage[0], 1 - np.arange(1, 6) / 8)


@pytest.mark.parametrize(
    ("metric", "name", "score", "chance"),
    [
        ("equal_error_rate", "equal_error_rate", 0.5, 0.5),
        ("average_precision", "average_precision", 5 / 6, 0.5),
        (average_precision_score, "average_precision", 5 / 6, 0.5),
        (roc_auc_score, "roc_auc", 0.75, 0.5),
        (lambda y_true, y_score: y_score[y_true == 1].min(), "<lambda>", 0.4, None),
    ],
)
def test_metric_is_a_name_or_a_function(
    videos, pipeline, asked_for, metric, name, score, chance
):
    found = robustness_curve(
        pipeline, videos, Y, distortions=["CS"], levels=[3], metric=metric
    )
    assert (found.metric, found.chance) == (name, chance)
    assert found.scores[0, 0] == pytest.approx(score)


def test_probabilities_are_those_of_the_fakes_whatever_they_are_called(
    videos, pipeline
):
    pipeline.set_params(detector__classes=("a real one", "a fake"))
    y = np.array(["a real one", "a fake"])[Y]
    parameters = {"distortions": ["CC"], "levels": [1]}
    curve = robustness_curve(pipeline, videos, y, pos_label="a fake", **parameters)
    assert curve.clean_score == 1
    with pytest.raises(
        ValueError, match="pass the label of the fake class as pos_label"
    ):
        robustness_curve(pipeline, videos, y, **parameters)


def test_progress_is_shown_if_asked_for(
    videos, pipeline, asked_for, capsys, every_step
):
    some = {"distortions": ["CS"], "levels": [1, 2]}
    robustness_curve(pipeline, videos, Y, **some)
    assert capsys.readouterr().err == ""
    robustness_curve(pipeline, videos, Y, verbose=1, **some)
    assert "3/3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"distortions": ["CS", "XX"]},
            r"distortions must be one or more of CS, .*; got \['CS', 'XX'\]",
        ),
        ({"distortions": []}, r"distortions must be one or more .*; got \[\]"),
        ({"levels": (0, 1)}, r"must be one or more of 1, 2, 3, 4, 5; got \(0, 1\)"),
        ({"levels": [6]}, r"levels must be one or more of .*; got \[6\]"),
        ({"levels": []}, r"levels must be one or more of .*; got \[\]"),
        ({"metric": "auc"}, "metric must be callable or one of roc_auc.*; got 'auc'"),
        ({"mode": "right"}, "'mode' parameter"),
        ({"boxes": "both"}, "'boxes' parameter"),
        ({"y": [0, 1, 1]}, "inconsistent numbers of samples"),
        ({"y": [0, 0, 0, 0]}, "exactly two classes; got 1"),
        ({"pos_label": 2}, "pos_label=2 is not a class of y_true"),
    ],
    ids=str,
)
def test_bad_parameters_are_named(videos, pipeline, asked_for, parameters, message):
    with pytest.raises(ValueError, match=message):
        robustness_curve(pipeline, videos, **{"y": Y, **parameters})
    assert asked_for == []


def test_pipeline_without_a_sampler_or_a_classifier_is_refused(videos, pipeline):
    with pytest.raises(ValueError, match=r"named 'sampler'; got \['crop"):
        robustness_curve(pipeline[1:], videos, Y)
    with pytest.raises(ValueError, match=r"is not a classifier"):
        robustness_curve(pipeline[:-1], videos, Y)


# -- the result --------------------------------------------------------------------


@pytest.fixture
def curve(videos, pipeline, asked_for):
    return robustness_curve(
        pipeline, videos, Y, distortions=["GB", "VC"], levels=[1, 4]
    )


def test_curve_prints_as_a_table(curve):
    assert str(curve).splitlines() == [
        "roc_auc of 4 videos, corrected distortions, faces detected in distorted "
        "frames;",
        "score and share of frames with a face:",
        "",
        "level                         clean           1           4",
        "GB   Gaussian blur       1.000 100%  1.000  88%  0.750  50%",
        "VC   video compression   1.000 100%  1.000  88%  0.750  50%",
    ]


def test_curve_becomes_a_table_of_pandas(curve, monkeypatch):
    frame = curve.to_frame()
    assert frame.columns.tolist() == ["distortion", "level", "score", "coverage"]
    assert frame.to_numpy().tolist() == [
        ["clean", 0, 1.0, 1.0],
        ["GB", 1, 1.0, 0.875],
        ["GB", 4, 0.75, 0.5],
        ["VC", 1, 1.0, 0.875],
        ["VC", 4, 0.75, 0.5],
    ]
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"needs pandas: pip install pandas.*to_dict"):
        curve.to_frame()


def test_curve_becomes_plain_values(curve):
    assert json.loads(json.dumps(curve.to_dict())) == {
        "metric": "roc_auc",
        "chance": 0.5,
        "mode": "corrected",
        "boxes": "perturbed",
        "n_videos": 4,
        "distortions": ["GB", "VC"],
        "levels": [1, 4],
        "clean_score": 1.0,
        "scores": [[1.0, 0.75], [1.0, 0.75]],
        "clean_coverage": 1.0,
        "coverage": [[0.875, 0.5], [0.875, 0.5]],
    }


def test_where_nobody_knows_of_faces_there_is_no_coverage(
    videos, pipeline, monkeypatch
):
    monkeypatch.setattr(Colorfulness, "predict_frame_proba", property())
    proba = np.eye(2)[Y]
    monkeypatch.setattr(Colorfulness, "predict_proba", lambda self, X: proba)
    pipeline.set_params(cropper="passthrough")
    curve = robustness_curve(pipeline, videos, Y, distortions=["GB"], levels=[2])
    assert np.isnan([curve.clean_coverage, curve.coverage[0, 0]]).all()
    assert curve.to_dict()["coverage"] == [[None]]
    assert curve.to_dict()["clean_coverage"] is None
    assert str(curve).endswith("1.000   ?   1.000   ?")


def test_curve_cannot_be_changed(curve):
    with pytest.raises(AttributeError):
        curve.clean_score = 1.0
