"""One pipeline leads from paths of videos to probabilities."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from skdeepfake import CNNDetector
from skdeepfake.pipeline import make_detector_pipeline
from skdeepfake.preprocessing import DlibFaceCropper, Resizer, VideoFrameSampler

ROOT = Path(__file__).resolve().parent.parent

LOAD_AND_ANSWER = """
import sys
import joblib, numpy
assert not any(name.startswith(("skdeepfake", "keras")) for name in sys.modules)
pipeline = joblib.load(sys.argv[1])
numpy.save(sys.argv[3], pipeline.predict_proba(numpy.load(sys.argv[2])))
"""


def answers_of_a_new_process(
    pipeline: Pipeline, X: np.ndarray, folder: Path
) -> np.ndarray:
    """Dump the pipeline and have a new process load it and answer."""
    joblib.dump(pipeline, folder / "pipeline.joblib")
    np.save(folder / "X.npy", X)
    names = ["pipeline.joblib", "X.npy", "answers.npy"]
    subprocess.run(
        [sys.executable, "-c", LOAD_AND_ANSWER, *(str(folder / n) for n in names)],
        check=True,
        cwd=ROOT,
    )
    return np.load(folder / "answers.npy")


def small_pipeline(**params: Any) -> Pipeline:
    defaults = {
        "size": (32, 32),
        "n_frames": 2,
        "filters": (4,),
        "dense_units": 4,
        "optimizer": "sgd",
        "epochs": 2,
        "validation_fraction": None,
        "random_state": 0,
    }
    return make_detector_pipeline("cnn", **{**defaults, **params})


# -- the steps -------------------------------------------------------------------


def test_steps_have_their_names_and_classes() -> None:
    pipeline = make_detector_pipeline()
    assert [(name, type(step)) for name, step in pipeline.steps] == [
        ("sampler", VideoFrameSampler),
        ("cropper", DlibFaceCropper),
        ("resizer", Resizer),
        ("detector", CNNDetector),
    ]


def test_defaults_are_the_papers() -> None:
    params = make_detector_pipeline().get_params()
    assert params["sampler__n_frames"] == 10
    assert params["sampler__duration"] == 10.0
    assert params["cropper__margin"] == 0.0
    assert params["resizer__size"] == (224, 224)
    detector = make_detector_pipeline("cnn").named_steps["detector"]
    assert detector.get_params() == CNNDetector().get_params()


def test_parameters_reach_their_steps() -> None:
    pipeline = make_detector_pipeline(
        "cnn",
        n_frames=5,
        duration=None,
        margin=0.15,
        size=(64, 48),
        n_jobs=2,
        verbose=1,
        epochs=3,
        optimizer__clipnorm=0.5,
    )
    params = pipeline.get_params()
    expected = {
        "sampler__n_frames": 5,
        "sampler__duration": None,
        "cropper__margin": 0.15,
        "cropper__n_jobs": 2,
        "cropper__verbose": 1,
        "resizer__size": (64, 48),
        "detector__epochs": 3,
        "detector__verbose": 1,
        "detector__optimizer__clipnorm": 0.5,
    }
    assert {name: params[name] for name in expected} == expected
    pipeline.set_params(detector__optimizer__clipnorm=1.0, resizer__size=(8, 8))
    assert pipeline.named_steps["detector"].get_params()["optimizer__clipnorm"] == 1.0


def test_pipeline_is_a_classifier() -> None:
    assert is_classifier(make_detector_pipeline())
    assert is_classifier(make_detector_pipeline(LogisticRegression()))


def test_unknown_name_lists_those_that_are_known() -> None:
    with pytest.raises(ValueError, match=r"detector='cnm' is not known.*'cnn'"):
        make_detector_pipeline("cnm")


def test_classifier_may_be_an_object() -> None:
    classifier = DummyClassifier()
    pipeline = make_detector_pipeline(classifier, n_frames=3)
    assert pipeline.named_steps["detector"] is classifier
    assert pipeline.named_steps["sampler"].n_frames == 3


@pytest.mark.parametrize("detector", [Ridge(), Resizer(), None, 3])
def test_anything_but_a_classifier_is_refused(detector: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="classifier"):
        make_detector_pipeline(detector)


def test_class_in_place_of_an_object_is_refused() -> None:
    with pytest.raises((TypeError, ValueError), match=r"class|instance"):
        make_detector_pipeline(CNNDetector)


def test_parameters_belong_to_a_name_not_to_an_object() -> None:
    with pytest.raises(TypeError, match=r"epochs.*on the object itself"):
        make_detector_pipeline(CNNDetector(), epochs=3)


def test_parameter_that_the_detector_does_not_know_is_named() -> None:
    with pytest.raises(TypeError, match="'epoch'"):
        make_detector_pipeline("cnn", epoch=3)


def test_pipeline_that_was_not_fitted_says_so(rendered_videos: Bunch) -> None:
    with pytest.raises(NotFittedError):
        small_pipeline().predict(rendered_videos.data[:1])


# -- end to end ------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted(rendered_videos: Bunch) -> Pipeline:
    pipeline = small_pipeline(validation_fraction=0.2)
    return pipeline.fit(
        rendered_videos.data,
        rendered_videos.target,
        detector__groups=rendered_videos.groups,
    )


def test_rendered_videos_are_scored_by_group(rendered_videos: Bunch) -> None:
    scores = cross_val_score(
        small_pipeline(),
        rendered_videos.data,
        rendered_videos.target,
        cv=GroupKFold(3),
        groups=rendered_videos.groups,
        scoring="roc_auc",
        error_score="raise",
    )
    assert scores.shape == (3,)
    assert ((scores >= 0) & (scores <= 1)).all()


def test_paths_become_a_probability_each(
    fitted: Pipeline, rendered_videos: Bunch
) -> None:
    assert set(fitted["detector"].history_) >= {"loss", "val_loss"}
    assert fitted["detector"].frame_shape_ == (32, 32, 3)
    paths = rendered_videos.data[[0, 6, 3]]
    answers = fitted.predict_proba(paths)
    assert answers.shape == (3, 2)
    assert fitted.classes_.tolist() == [0, 1]
    np.testing.assert_allclose(answers.sum(axis=1), 1)
    alone = fitted.predict_proba([Path(paths[1])])
    np.testing.assert_allclose(alone[0], answers[1], atol=1e-6)
    faces = fitted[:-1].transform(paths)
    np.testing.assert_array_equal(fitted["detector"].predict_proba(faces), answers)


def test_clone_of_the_pipeline_is_not_fitted_and_trains_the_same(
    fitted: Pipeline, rendered_videos: Bunch
) -> None:
    copy = clone(fitted)
    assert not hasattr(copy["detector"], "model_")
    copy.fit(
        rendered_videos.data,
        rendered_videos.target,
        detector__groups=rendered_videos.groups,
    )
    some = rendered_videos.data[:2]
    np.testing.assert_array_equal(copy.predict_proba(some), fitted.predict_proba(some))


@pytest.mark.slow
def test_pipeline_answers_the_same_in_a_new_process(
    fitted: Pipeline, rendered_videos: Bunch, tmp_path: Path
) -> None:
    some = rendered_videos.data[[0, 6]]
    answers = answers_of_a_new_process(fitted, some, tmp_path)
    np.testing.assert_array_equal(answers, fitted.predict_proba(some))


@pytest.mark.slow
def test_real_videos_go_all_the_way(real_videos: Bunch, tmp_path: Path) -> None:
    # One of each pair of fakes a fold, no person in both: vs9 is the fake of v9.
    folds = [
        ("sdfvd_v9", "sdfvd_vs9", "retalking_1"),
        ("sdfvd_v7", "sdfvd_vs46", "retalking_2"),
    ]
    place = {Path(path).stem: i for i, path in enumerate(real_videos.data)}
    chosen = [place[name] for fold in folds for name in fold]
    X, y = real_videos.data[chosen], real_videos.target[chosen]
    groups = np.repeat([0, 1], 3)
    assert y.tolist() == [0, 1, 0, 0, 1, 0]

    pipeline = small_pipeline(n_frames=3, duration=1.0)
    scores = cross_val_score(
        pipeline,
        X,
        y,
        cv=GroupKFold(2),
        groups=groups,
        scoring="roc_auc",
        error_score="raise",
    )
    assert scores.shape == (2,)
    assert set(scores) <= {0.0, 0.5, 1.0}  # one fake among two real ones a fold

    pipeline.fit(X, y)
    some = X[[1, 2]]
    answers = pipeline.predict_proba(some)
    assert ((answers > 0) & (answers < 1)).all()
    np.testing.assert_array_equal(
        answers_of_a_new_process(pipeline, some, tmp_path), answers
    )
