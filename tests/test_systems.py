"""Each system of the paper's review is built by name, fits and predicts."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.utils import Bunch

from skdeepfake._systems import REFERENCES, SYSTEMS
from skdeepfake.datasets._recording import close_eyes, load_portrait
from skdeepfake.detectors import (
    Attention,
    CNNDetector,
    CNNRNNDetector,
    GANDetector,
    Generator,
    Head,
    PerPerson,
    TopK,
    TransferDetector,
)
from skdeepfake.features import KerasFeaturizer, MultiPathBackbone
from skdeepfake.pipeline import make_detector_pipeline

QUICK = {"epochs": 1, "validation_fraction": None, "random_state": 0}


def tiny() -> keras.Model:
    """Build a tiny backbone."""
    kernel = keras.initializers.GlorotUniform(seed=0)
    layers = [keras.Input((None, None, 3)), keras.layers.Rescaling(1 / 255)]
    layers += [keras.layers.Conv2D(4, 8, 8, kernel_initializer=kernel)]
    return keras.Sequential(layers)


FEATURES = KerasFeaturizer(tiny, pooling="avg")
RECURRENT = {"units": (4,), "dense_units": (4,)}
HEAD = Head(epochs=0)
# Parameters that make each system small enough for a test.
SMALL: dict[str, dict[str, Any]] = {
    "cnn": {"filters": (2,), "dense_units": 2},
    "cnn_rnn": {"featurizer": KerasFeaturizer(tiny), "units": (4,)},
    "gan": {"generator": Generator(filters=(4,)), "discriminator_filters": (4,)},
    "transfer": {"backbone": tiny, "head": HEAD},
    "multi_path": {"backbone": tiny, "head": HEAD},
    "inception_lstm": {"featurizer": FEATURES, **RECURRENT},
    "resnext_lstm": {"backbone": tiny, "head": Head(cell="lstm", units=(4,), epochs=0)},
    "face_weighting": {
        "backbone": tiny,
        "head": Head(cell="gru", units=(4,), bidirectional=True, epochs=0),
    },
    "discriminators": {},
    "regions": {"backbone": tiny, "head": HEAD},
    "optical_flow": {
        "backbone": tiny,
        "head": Head(cell="lstm", units=(4,), epochs=0),
        "burst": 4,
        "n_frames": 1,
    },
    "motion_magnification": {"featurizer": FEATURES, "burst": 4, **RECURRENT},
    "blinking": {"featurizer": FEATURES, "units": (4,)},
    "frame_prediction": {
        "backbone": tiny,
        "head": Head(cell="lstm", units=(4,), epochs=0),
        "n_frames": 1,
        "burst": 4,
    },
    "reconstruction": {"filters": (4,), "reconstruction_epochs": 1},
    "body": {"featurizer": FEATURES, **RECURRENT},
}


def steps_of(name: str, **params: Any) -> dict[str, Any]:
    return dict(make_detector_pipeline(name, **params).steps)


@pytest.mark.parametrize(
    "name",
    [
        # Four detectors, which test_discriminator.py also combines.
        pytest.param(name, marks=[pytest.mark.nightly] * (name == "discriminators"))
        for name in SYSTEMS
    ],
)
def test_system_learns_and_answers(name: str) -> None:
    rng = np.random.RandomState(0)
    y = np.array([0, 1] * 2)
    n_slots = 6 if name == "regions" else 4
    X = rng.randint(1, 100, size=(4, n_slots, 32, 32, 3)).astype(np.uint8)
    X[y == 1] += 100
    pipeline = make_detector_pipeline(name, weights=None, **SMALL[name], **QUICK)
    system = clone(pipeline[3:])
    if name == "discriminators":
        system.set_params(
            detector__deep__discriminator_filters=(4, 4),
            detector__alone__discriminator_filters=(4,),
            detector__adversarial__discriminator_filters=(4,),
            detector__adversarial__generator__filters=(4,),
        )
    if name == "frame_prediction":
        system.set_params(stream__filters=(4,), stream__epochs=1)
    proba = system.fit(X, y).predict_proba(X)
    assert proba.shape == (4, 2)
    assert ((proba > 0) & (proba < 1)).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)


def test_every_system_is_documented_with_its_reference() -> None:
    text = make_detector_pipeline.__doc__ or ""
    for name, system in SYSTEMS.items():
        (line,) = (line for line in text.split("- ``") if line.startswith(f'"{name}"'))
        if system.reference.startswith("["):
            assert system.reference in line


def test_every_reference_of_the_review_is_built_or_a_survey() -> None:
    # [1] and [17] are datasets; the default generator is the DCGAN of the surveys.
    surveys = {13, 14, 16}
    for number in sorted(set(range(2, 17)) - surveys):
        by_number = make_detector_pipeline(f"[{number}]", weights=None)
        by_name = make_detector_pipeline(REFERENCES[f"[{number}]"], weights=None)
        assert repr(by_number) == repr(by_name)
    assert len(REFERENCES) == 12
    with pytest.raises(
        ValueError, match=r"'\[13\]' is not known.*'\[15\]'\), or one of"
    ):
        make_detector_pipeline("[13]")
    for loss in ("bce", "wasserstein"):
        generator = Generator(filters=(4,), loss=loss)
        system = make_detector_pipeline("gan", generator=generator, **QUICK)[3:]
        X = np.random.RandomState(0).randint(1, 256, (4, 2, 16, 16, 3)).astype(np.uint8)
        system.set_params(detector__discriminator_filters=(4,)).fit(X, [0, 1] * 2)
        assert system[-1].generator_.output_shape == (None, 16, 16, 3)


# -- parts of the systems -----------------------------------------------------------


def test_inception_and_lstm_over_frames_in_a_row() -> None:
    steps = steps_of("inception_lstm")
    assert steps["sampler"].n_frames == 1
    assert steps["sampler"].burst == 20
    assert steps["cropper"].region == "frame"
    assert steps["resizer"].size == (299, 299)
    assert steps["featurizer"].backbone == "inception_v3"
    detector = steps["detector"]
    assert type(detector) is CNNRNNDetector
    found = detector.get_params()
    assert (found["units"], found["dropout"]) == ((2048,), 0.5)
    assert (found["dense_units"], found["head_dropout"]) == ((512,), 0.5)


@pytest.mark.nightly
def test_inception_and_lstm_have_the_weights_of_a_network_built_by_hand() -> None:
    X = np.ones((2, 3, 1, 2048), np.float32)
    detector = steps_of("inception_lstm")["detector"].initialize(X, [0, 1])
    by_hand = keras.Sequential(
        [
            keras.Input((3, 2048)),
            keras.layers.LSTM(2048),
            keras.layers.Dense(512),
            keras.layers.Dense(1),
        ]
    )
    assert detector.model_.count_params() == by_hand.count_params() == 34_612_225


def test_resnext_and_lstm_are_trained_together() -> None:
    steps = steps_of("resnext_lstm")
    assert (steps["sampler"].n_frames, steps["sampler"].burst) == (1, 100)
    detector = steps["detector"]
    assert type(detector) is TransferDetector
    assert (detector.backbone, detector.weights) == ("resnext50", None)
    head = detector.head
    assert (head.cell, head.units, head.dense_dropout) == ("lstm", (2048,), 0.4)
    assert steps_of("resnext_lstm", weights="own.h5")["detector"].weights == "own.h5"


def test_paths_are_those_of_the_paper() -> None:
    steps = steps_of("multi_path", weights=None)
    backbone = steps["detector"].backbone
    assert type(backbone) is MultiPathBackbone
    assert list(backbone.backbones) == [
        *("resnet50", "densenet121", "inception_resnet_v2")
    ]
    assert (backbone.attention, backbone.weights) == ("cbam", None)


def test_faces_are_weighted_all_together_unless_people_are_told() -> None:
    steps = steps_of("face_weighting")
    assert steps["cropper"].max_faces == 2
    assert type(steps["detector"].aggregation) is Attention
    assert steps["detector"].head.cell == "gru"
    rule = steps_of("face_weighting", people="mean")["detector"].aggregation
    assert type(rule) is PerPerson
    assert (rule.max_faces, rule.people) == (2, "mean")
    assert type(rule.aggregation) is Attention


def test_discriminators_vote_with_meso4() -> None:
    ensemble = steps_of("discriminators", epochs=3)["detector"]
    assert type(ensemble) is VotingClassifier
    assert ensemble.voting == "soft"
    members = dict(ensemble.estimators)
    assert members["meso4"].backbone == "meso4"
    assert members["alone"].generator is None
    assert all(member.epochs == 3 for member in members.values())
    assert [type(m) for m in members.values()].count(GANDetector) == 3


def test_streams_know_the_slots() -> None:
    params = {"burst": 4, "max_faces": 2, "region": ("eyes", "mouth")}
    for name in ("optical_flow", "motion_magnification", "frame_prediction"):
        steps = steps_of(name, **params)
        assert (steps["stream"].burst, steps["stream"].max_faces) == (4, 4)
        assert steps["cropper"].box == "burst"
    assert steps_of("motion_magnification")["detector"].dropout == 0.3
    assert steps_of("regions")["cropper"].region == ("eyes", "nose", "mouth")
    assert steps_of("blinking")["cropper"].region == "eyes"


def test_states_of_eyes_are_learned_from_labels_and_predicted_per_frame() -> None:
    # System [10] classifies eyes as open or closed. The closed eyelids are painted.
    rng = np.random.RandomState(0)
    portrait = load_portrait()

    def eyes(closed: float) -> np.ndarray:
        picture = close_eyes(portrait, closed)[86:118:2, 184:264:4, :3]
        return np.clip(picture * rng.uniform(0.8, 1.2) + rng.normal(0, 3), 1, 255)

    shares = np.where(np.arange(40) % 2, 0.0, 1.0)
    X = np.array([eyes(closed) for closed in shares]).astype(np.uint8)
    detector = CNNDetector(
        filters=(4,),
        dense_units=4,
        momentum=0.5,
        learning_rate=0.01,
        epochs=30,
        validation_fraction=None,
        random_state=0,
    ).fit(X, np.where(shares, "closed", "open"))
    burst = np.array([[eyes(closed) for closed in (0, 0, 1, 1, 0)]]).astype(np.uint8)
    is_open = detector.predict_frame_proba(burst)[0, :, 1] > 0.5
    assert detector.classes_.tolist() == ["closed", "open"]
    assert is_open.tolist() == [True, True, False, False, True]


# -- the layout of slots ---------------------------------------------------------


def test_layout_reaches_all_steps() -> None:
    steps = steps_of(
        "cnn", n_frames=3, burst=2, region="eyes", max_faces=4, people="mean"
    )
    assert (steps["sampler"].n_frames, steps["sampler"].burst) == (3, 2)
    assert (steps["cropper"].region, steps["cropper"].max_faces) == ("eyes", 4)
    rule = steps["detector"].aggregation
    assert rule.get_params(deep=False) == {
        "max_faces": 4,
        "aggregation": "mean",
        "people": "mean",
    }


def test_aggregation_is_that_of_each_person() -> None:
    rule = steps_of("cnn", max_faces=2, aggregation=TopK(2))["detector"].aggregation
    assert (rule.aggregation.k, rule.people) == (2, "max")
    own = PerPerson(2, people="mean")
    assert steps_of("cnn", max_faces=2, aggregation=own)["detector"].aggregation is own
    assert steps_of("cnn", aggregation="max")["detector"].aggregation == "max"


def test_layout_that_does_not_fit_to_a_detector_is_refused() -> None:
    detector = CNNDetector(aggregation=PerPerson(3))
    with pytest.raises(ValueError, match="max_faces=2"):
        make_detector_pipeline(detector, max_faces=2)
    make_detector_pipeline(detector, max_faces=3)
    with pytest.raises(ValueError, match="people='min'"):
        make_detector_pipeline("cnn", people="min")


def test_people_and_bursts_of_videos_are_answered(rendered_videos: Bunch) -> None:
    pipeline = make_detector_pipeline(
        "face_weighting",
        n_frames=1,
        burst=3,
        size=(32, 32),
        people="max",
        **SMALL["face_weighting"],
        **QUICK,
    )
    paths, y = rendered_videos.data[[0, 6]], rendered_videos.target[[0, 6]]
    pipeline.fit(paths, y)
    faces = pipeline[:3].transform(paths)
    assert faces.shape == (2, 6, 32, 32, 3)
    people = pipeline[-1].predict_person_proba(faces)
    assert people.shape == (2, 2, 2)
    assert np.isnan(people[:, 1]).all()  # there is one person
    np.testing.assert_allclose(pipeline.predict_proba(paths), people[:, 0], atol=1e-6)
