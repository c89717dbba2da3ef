"""Evaluation of a fitted pipeline."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LinearRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import Bunch

from skdeepfake import DlibFaceCropper, Resizer, VideoFrameSampler
from skdeepfake.evaluation import evaluate


class Brightness(ClassifierMixin, BaseEstimator):
    """Classify bright frames as fake, and score each video by its brightest frame."""

    aggregation = "max"

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_frame_proba(self, X):
        mean = X.reshape(*X.shape[:2], -1).mean(axis=2) / 255
        return np.stack([1 - mean, mean], axis=2) * np.where(mean, 1, np.nan)[..., None]

    def aggregate_proba(self, frames):
        return np.nanmax(frames, axis=1)

    def predict_proba(self, X):
        return self.aggregate_proba(self.predict_frame_proba(X))


class Silent(Brightness):
    """Brightness without `predict_frame_proba`."""

    predict_frame_proba = property()

    def predict_proba(self, X):
        return Brightness.predict_proba(Brightness(), X)


@pytest.fixture
def videos() -> Bunch:
    rng = np.random.RandomState(0)
    y = np.arange(12) % 2
    X = rng.randint(1, 200, size=(12, 3, 2, 2, 3)).astype(np.uint8)
    X[y == 1] += 50
    X[4, 1:] = 0  # two frames without a face
    return Bunch(X=X, y=y)


def test_detector_is_scored_by_its_own_answers(videos: Bunch) -> None:
    detector = Brightness().fit(videos.X, videos.y)
    report = evaluate(detector, videos.X, videos.y, n_resamples=0)
    expected = detector.predict_proba(videos.X)[:, 1]
    assert report.scores["videos"].y_score.tolist() == expected.tolist()
    assert report["AUC"] == roc_auc_score(videos.y, expected)
    assert report.coverage["all"] == (12, 1.0, 34 / 36, None)
    assert report.row("AUC", level="frames")["n_real"] == 16
    assert "aggregation of frame scores: max" in str(report)
    detector._sees_sequences = True
    report = evaluate(detector, videos.X, videos.y, n_resamples=0)
    assert "aggregation" not in report.settings


class Picky(Brightness):
    """Brightness without a score for the first frame."""

    def predict_frame_proba(self, X):
        frames = super().predict_frame_proba(X)
        frames[:, 0] = np.nan
        return frames


def test_frames_without_an_answer_count_as_frames_without_a_face(videos: Bunch) -> None:
    X, y = videos.X[:4], videos.y[:4]
    report = evaluate(Picky().fit(X, y), X, y, n_resamples=0)
    assert report.coverage["all"] == (4, 1.0, 2 / 3, None)


def test_images_are_not_scored_twice(videos: Bunch) -> None:
    images = videos.X[:, :1]
    detector = Brightness().fit(images, videos.y)
    report = evaluate(detector, images, videos.y, n_resamples=10)
    assert {row["level"] for row in report.rows} == {"videos"}
    assert report.coverage["all"] == (12, 1.0, 1.0, None)


def test_classes_in_another_order_are_looked_up(videos: Bunch) -> None:
    names = np.where(videos.y == 1, "a fake", "real")
    detector = Brightness().fit(videos.X, names)
    detector.classes_ = np.array(["a fake", "real"])
    report = evaluate(detector, videos.X, names, pos_label="a fake", n_resamples=0)
    expected = detector.predict_frame_proba(videos.X)[..., 0]
    of_videos = np.nanmax(expected, axis=1)
    assert report.scores["videos"].y_score.tolist() == of_videos.tolist()
    of_frames = expected[~np.isnan(expected)]
    assert report.scores["frames"].y_score.tolist() == of_frames.tolist()


def test_classifier_that_is_silent_on_frames_has_figures_of_videos_and_coverage(
    videos: Bunch,
) -> None:
    same = FunctionTransformer(lambda X: X)
    pipeline = make_pipeline(same, "passthrough", Silent()).fit(videos.X, videos.y)
    report = evaluate(pipeline, videos.X, videos.y, n_resamples=0)
    expected = pipeline.predict_proba(videos.X)[:, 1]
    assert list(report.scores) == ["videos"]
    assert report.scores["videos"].y_score.tolist() == expected.tolist()
    assert report.coverage["all"] == (12, 1.0, 34 / 36, None)


def test_pipeline_decodes_each_video_once_and_names_it(
    rendered_videos: Bunch, asked
) -> None:
    paths, y = rendered_videos.data[4:8], rendered_videos.target[4:8]
    steps = (VideoFrameSampler(2), DlibFaceCropper(), Resizer((8, 8)))
    pipeline = make_pipeline(*steps, Brightness())
    pipeline[-1].fit(None, y)
    report = evaluate(pipeline, paths, y, n_resamples=0)
    decoded = [request for request in asked if request[0] == "decode"]
    assert len(decoded) == 4
    assert report.names == paths.tolist()
    assert report.to_dict()["videos"][3]["name"] == paths[3]
    assert report.coverage["all"].videos_with_face == 1.0


def test_what_is_no_classifier_is_refused(videos: Bunch) -> None:
    with pytest.raises(ValueError, match="LinearRegression is not a classifier"):
        evaluate(LinearRegression(), videos.X, videos.y)


def test_classes_that_do_not_tell_the_fake_are_refused(videos: Bunch) -> None:
    detector = Brightness().fit(videos.X, videos.y + 3)
    with pytest.raises(
        ValueError, match="pass the label of the fake class as pos_label"
    ):
        evaluate(detector, videos.X, videos.y)
