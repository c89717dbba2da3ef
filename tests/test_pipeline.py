"""Pipelines from paths of videos to probabilities."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from skdeepfake import (
    CNNDetector,
    CNNRNNDetector,
    FeatureCache,
    GANDetector,
    KerasFeaturizer,
    SelfBlender,
    TransferDetector,
    VGG16Featurizer,
)
from skdeepfake.detectors import BlendedFakes
from skdeepfake.exceptions import NoFaceWarning, VideoReadError, VideoReadWarning
from skdeepfake.pipeline import make_detector_pipeline
from skdeepfake.preprocessing import DlibFaceCropper, Resizer, VideoFrameSampler


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


@pytest.mark.parametrize(("name", "kind"), [("cnn", CNNDetector), ("gan", GANDetector)])
def test_detectors_have_short_names(name: str, kind: type) -> None:
    detector = make_detector_pipeline(name, learning_rate=0.5)["detector"]
    assert type(detector) is kind
    assert detector.get_params() == kind(learning_rate=0.5).get_params()


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


@pytest.mark.nightly
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


def test_videos_that_cannot_be_read_are_skipped_and_change_no_other(
    rendered_videos: Bunch, tmp_path: Path
) -> None:
    text, hollow = tmp_path / "text.mp4", tmp_path / "hollow.mp4"
    text.write_text("not a video")
    hollow.write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(400))  # fails on decoding
    chosen = [0, 1, 6, 7]
    paths, y = rendered_videos.data[chosen], rendered_videos.target[chosen]
    X = np.insert(paths.astype(object), [1, 3], [str(text), str(hollow)])
    bad = [1, 4]
    good = np.delete(np.arange(6), bad)

    expected = small_pipeline().fit(paths, y).predict_proba(paths)
    pipeline = small_pipeline(on_error="skip")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pipeline.fit(X, np.insert(y, [1, 3], [1, 1]))
        proba = pipeline.predict_proba(X)

    np.testing.assert_array_equal(proba[good], expected)
    np.testing.assert_allclose(proba[bad], [pipeline[-1].class_prior_] * 2)
    messages = [warning.message for warning in caught]
    read = [m.path for m in messages if isinstance(m, VideoReadWarning)]
    assert read == [str(text), str(hollow)] * 2
    assert [str(m) for m in messages if isinstance(m, NoFaceWarning)] == [
        "Samples [1, 4] have no face and are not used for training.",
        "Samples [1, 4] have no face in any frame. "
        "The class prior is returned for them.",
    ]
    with pytest.raises(VideoReadError, match=r"text\.mp4"):
        pipeline.set_params(sampler__on_error="raise").predict_proba(X)


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


def test_pipeline_answers_the_same_in_a_new_process(
    fitted: Pipeline,
    rendered_videos: Bunch,
    answers_of_a_new_process: Callable[..., np.ndarray],
) -> None:
    some = rendered_videos.data[[0, 6]]
    answers = answers_of_a_new_process(fitted, some)
    np.testing.assert_allclose(answers, fitted.predict_proba(some), atol=1e-6)


def test_real_videos_go_all_the_way(
    real_videos: Bunch, answers_of_a_new_process: Callable[..., np.ndarray]
) -> None:
    # Each fold has one fake of each kind. No person is in both: vs9 is the fake of v9.
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
    assert set(scores) <= {0.0, 0.5, 1.0}  # the rank of one fake among two real videos

    pipeline.fit(X, y)
    some = X[[1, 2]]
    answers = pipeline.predict_proba(some)
    assert ((answers > 0) & (answers < 1)).all()
    found = answers_of_a_new_process(pipeline, some)
    np.testing.assert_allclose(found, answers, atol=1e-6)


# -- with features -------------------------------------------------------------------


def test_recurrent_detector_gets_the_papers_features() -> None:
    pipeline = make_detector_pipeline(
        "cnn_rnn", weights="vgg16.h5", memory="cache", verbose=1, sequence="temporal"
    )
    assert list(pipeline.named_steps) == [
        *("sampler", "cropper", "resizer", "featurizer", "detector")
    ]
    featurizer, detector = pipeline["featurizer"], pipeline["detector"]
    assert type(featurizer) is VGG16Featurizer
    assert featurizer.weights == "vgg16.h5"
    assert featurizer.memory == pipeline["cropper"].memory == "cache"
    assert featurizer.verbose == detector.verbose == 1
    assert type(detector) is CNNRNNDetector
    assert detector.sequence == "temporal"
    assert make_detector_pipeline("cnn_rnn")["featurizer"].weights == "imagenet"


def test_featurizer_that_is_passed_is_taken() -> None:
    featurizer = KerasFeaturizer("mobilenet_v2")
    pipeline = make_detector_pipeline("cnn_rnn", featurizer=featurizer)
    assert pipeline["featurizer"] is featurizer
    plain = make_detector_pipeline(LogisticRegression(), featurizer=featurizer)
    assert plain["featurizer"] is featurizer


@pytest.mark.parametrize(
    ("featurizer", "size", "expected"),
    [
        (KerasFeaturizer("inception_v3"), None, (299, 299)),
        (KerasFeaturizer("inception_v3"), (96, 80), (96, 80)),
        (VGG16Featurizer(), None, (224, 224)),
        (KerasFeaturizer(len), None, (224, 224)),
        (None, None, (224, 224)),
        (None, (64, 48), (64, 48)),
    ],
)
def test_faces_have_the_size_that_the_backbone_was_trained_on(
    featurizer: Any, size: Any, expected: tuple[int, int]
) -> None:
    pipeline = make_detector_pipeline("cnn_rnn", featurizer=featurizer, size=size)
    assert pipeline["resizer"].size == expected


@pytest.mark.nightly
def test_features_are_computed_once_in_a_grid_search(
    rendered_videos: Bunch, tmp_path: Path
) -> None:
    pipeline = make_detector_pipeline(
        "cnn_rnn",
        weights=None,
        size=(32, 32),
        n_frames=2,
        memory=tmp_path,
        units=(4,),
        epochs=1,
        validation_fraction=None,
        random_state=0,
    )
    grid = {"detector__cell": ["lstm", "gru"], "detector__sequence": ["temporal"]}
    search = GridSearchCV(pipeline, grid, cv=GroupKFold(2), scoring="roc_auc")
    paths, y, groups = (rendered_videos[k] for k in ("data", "target", "groups"))
    search.fit(paths, y, groups=groups)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    cache = FeatureCache(tmp_path)
    assert len(cache) == len(paths)
    written = {path: path.stat().st_ino for path in cache.folder.glob("*/*.zip")}
    search.best_estimator_.predict_proba(paths)
    assert {p: p.stat().st_ino for p in cache.folder.glob("*/*.zip")} == written


@pytest.mark.nightly
def test_real_videos_go_through_vgg16(
    real_videos: Bunch,
    vgg16_weights: str,
    answers_of_a_new_process: Callable[..., np.ndarray],
) -> None:
    chosen = [*np.flatnonzero(real_videos.target == 0)[:2]]
    chosen += [*np.flatnonzero(real_videos.target == 1)]
    pipeline = make_detector_pipeline(
        "cnn_rnn",
        weights=vgg16_weights,
        n_frames=2,
        size=(64, 64),
        epochs=20,
        learning_rate=0.01,
        validation_fraction=None,
        random_state=0,
    )
    paths, y = real_videos.data[chosen], real_videos.target[chosen]
    answers = pipeline.fit(paths, y).predict_proba(paths)
    assert (answers[:, 1] > 0.5).tolist() == [False, False, True, True]
    found = answers_of_a_new_process(pipeline, paths)
    np.testing.assert_allclose(found, answers, atol=1e-6)


@pytest.mark.nightly
def test_features_of_videos_serve_any_classifier(rendered_videos: Bunch) -> None:
    featurizer = KerasFeaturizer(
        "vgg16", weights=None, pooling="avg", frame_pooling="avg"
    )
    pipeline = make_detector_pipeline(
        make_pipeline(StandardScaler(), LogisticRegression()),
        featurizer=featurizer,
        size=(32, 32),
        n_frames=2,
    )
    pipeline.fit(rendered_videos.data, rendered_videos.target)
    assert pipeline["featurizer"].transform(
        pipeline[:3].transform(rendered_videos.data)
    ).shape == (12, 512)
    assert pipeline.score(rendered_videos.data, rendered_videos.target) == 1.0


# -- with a backbone that is trained -------------------------------------------------


def test_backbone_that_is_trained_has_a_short_name_and_its_own_size() -> None:
    pipeline = make_detector_pipeline(
        "transfer", weights="vgg16.h5", verbose=1, trainable=2
    )
    detector = pipeline["detector"]
    assert type(detector) is TransferDetector
    assert (detector.weights, detector.trainable) == ("vgg16.h5", 2)
    assert detector.verbose == 1
    assert list(pipeline.named_steps) == ["sampler", "cropper", "resizer", "detector"]
    assert pipeline["resizer"].size == (224, 224)
    assert make_detector_pipeline("transfer")["detector"].weights == "imagenet"


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"backbone": "xception"}, (299, 299)),
        ({"backbone": "xception", "size": (96, 80)}, (96, 80)),
        ({"backbone": len}, (224, 224)),
    ],
)
def test_faces_have_the_size_of_the_backbone_that_is_trained(
    params: dict[str, Any], expected: tuple[int, int]
) -> None:
    pipeline = make_detector_pipeline("transfer", **params)
    assert pipeline["resizer"].size == expected


# -- with fakes that are made ---------------------------------------------------------


@pytest.mark.parametrize("share", [None, 0.5])
@pytest.mark.parametrize("detector", ["cnn", "gan", "transfer"])
def test_blender_is_told_the_margin(detector: str, share: float | None) -> None:
    fakes = BlendedFakes(share=share)
    pipeline = make_detector_pipeline(detector, margin=0.25, fake_source=fakes)
    found = pipeline["detector"].fake_source
    assert found.blender.get_params() == SelfBlender(margin=0.25).get_params()
    assert found.share == share
    assert fakes.blender is None
    assert pipeline["cropper"].margin == 0.25


def test_blender_that_is_passed_is_taken_as_it_is() -> None:
    blender = SelfBlender(margin=0.5)
    fakes = BlendedFakes(blender)
    pipeline = make_detector_pipeline("cnn", margin=0.25, fake_source=fakes)
    assert pipeline["detector"].fake_source is fakes
    pipeline.set_params(detector__fake_source__blender__margin=0.4)
    assert blender.margin == 0.4


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"size": 64}, "'size' parameter of Resizer"),
        ({"n_frames": 0}, "'n_frames' parameter of VideoFrameSampler"),
        ({"margin": -1}, "'margin' parameter of DlibFaceCropper"),
        ({"epochs": 0}, "'epochs' parameter of CNNDetector"),
    ],
)
def test_parameters_are_checked_before_any_video_is_opened(
    params: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_detector_pipeline("cnn", **params)


def test_misspelled_parameter_is_answered_with_a_known_one() -> None:
    with pytest.raises(TypeError, match=r"'epoch'\. Did you mean 'epochs'"):
        make_detector_pipeline("cnn", epoch=3)


def test_unknown_backbone_is_named_with_those_that_are_known() -> None:
    featurizer = KerasFeaturizer("no_such_backbone")
    with pytest.raises(ValueError, match="'backbone' parameter of KerasFeaturizer"):
        make_detector_pipeline("cnn_rnn", featurizer=featurizer)


def test_real_videos_alone_train_a_pipeline(rendered_videos: Bunch) -> None:
    real = rendered_videos.target == 0
    pipeline = small_pipeline(fake_source=BlendedFakes(), margin=0.2, epochs=1)
    pipeline.fit(rendered_videos.data[real], rendered_videos.target[real])
    assert pipeline.classes_.tolist() == [0, 1]
    assert pipeline["detector"].class_count_.tolist() == [6, 6]
    answers = pipeline.predict_proba(rendered_videos.data[:2])
    assert ((answers > 0) & (answers < 1)).all()
