"""Several people per video are trained as separate samples and aggregated."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from skdeepfake.detectors import (
    Attention,
    CNNDetector,
    CNNRNNDetector,
    GANDetector,
    PerPerson,
    TopK,
)
from skdeepfake.detectors._aggregation import by_person, by_video
from skdeepfake.exceptions import NoFaceWarning

N_PEOPLE = 3


@pytest.fixture(scope="module")
def crowd() -> tuple[np.ndarray, np.ndarray]:
    """Six videos of four frames and three people, some of whom are missing."""
    rng = np.random.default_rng(0)
    X = rng.integers(1, 256, (6, 4 * N_PEOPLE, 8, 8, 3), dtype=np.uint8)
    y = np.array([0, 1] * 3)
    X[y == 1] //= 2
    X[0, 2::N_PEOPLE] = 0  # no third person
    X[1, :N_PEOPLE] = 0  # no one in the first frame
    X[2, 1::N_PEOPLE][1:] = 0  # the second person leaves
    return X, y


def small_cnn(**params: Any) -> CNNDetector:
    defaults = {"filters": (2,), "dense_units": 2, "epochs": 1, "random_state": 0}
    return CNNDetector(**{"validation_fraction": None, **defaults, **params})


def as_videos(X: np.ndarray) -> np.ndarray:
    """Make a video of each person, ordered by video and then by person."""
    return np.concatenate(
        [video[i::N_PEOPLE][np.newaxis] for video in X for i in range(N_PEOPLE)]
    )


def test_rows_of_people_and_back() -> None:
    slots = np.arange(2 * 6).reshape(2, 6)
    rows = by_person(slots, 3)
    assert rows.tolist() == [[0, 3], [1, 4], [2, 5], [6, 9], [7, 10], [8, 11]]
    np.testing.assert_array_equal(by_video(rows, 3), slots)


@pytest.mark.parametrize(
    ("people", "expected"), [("max", [0.9, 0.4, np.nan]), ("mean", [0.5, 0.4, np.nan])]
)
def test_people_are_combined_by_their_rule(people: str, expected: list[float]) -> None:
    proba = np.array([[0.1, 0.9], [0.4, np.nan], [np.nan, np.nan]])
    np.testing.assert_allclose(PerPerson(people=people).combine(proba), expected)


@pytest.mark.parametrize(
    "rules",
    [
        # The same network is used, since these aggregations do not affect training.
        pytest.param(["mean", "logit_mean", TopK(2)], id="rules"),
        pytest.param([Attention()], id="attention"),
    ],
)
def test_people_are_predicted_as_videos_of_their_own(crowd: Any, rules: Any) -> None:
    X, y = crowd
    model = small_cnn(aggregation=PerPerson(N_PEOPLE, aggregation=rules[0]))
    model.fit(X, y)
    alone = clone(model).set_params(aggregation=rules[0])
    seen = as_videos(X).any(axis=(1, 2, 3, 4))
    # Training is identical, since the samples and their order are the same.
    alone.fit(as_videos(X)[seen], y.repeat(N_PEOPLE)[seen])
    for rule, people in itertools.product(rules, ["max", "mean"]):
        per_person = PerPerson(N_PEOPLE, aggregation=rule, people=people)
        model.set_params(aggregation=per_person)
        alone.set_params(aggregation=rule)
        assert_predicts_people(model, alone, X, seen)


def assert_predicts_people(model: Any, alone: Any, X: Any, seen: Any) -> None:
    with pytest.warns(NoFaceWarning, match=r"\[2\]"):
        expected = alone.predict_proba(as_videos(X))[:, 1]
    expected[~seen] = np.nan
    expected = expected.reshape(6, N_PEOPLE)

    found = model.predict_person_proba(X)
    assert found.shape == (6, N_PEOPLE, 2)
    np.testing.assert_allclose(found[..., 1], expected, rtol=1e-5)
    np.testing.assert_allclose(found.sum(axis=-1)[~np.isnan(expected)], 1)
    is_max = model.aggregation.people == "max"
    combine = np.nanmax if is_max else np.nanmean
    proba = model.predict_proba(X)[:, 1]
    np.testing.assert_allclose(proba, combine(expected, axis=1), rtol=1e-5)

    frames = model.predict_frame_proba(X)
    np.testing.assert_allclose(
        frames[..., 1],
        by_video(alone.predict_frame_proba(as_videos(X))[..., 1], 3),
        rtol=1e-5,
    )
    np.testing.assert_allclose(model.aggregate_proba(frames)[:, 1], proba, rtol=1e-6)


def test_weights_add_up_to_one_for_each_person(crowd: Any) -> None:
    X, y = crowd
    rule = PerPerson(N_PEOPLE, aggregation=Attention())
    weights = small_cnn(aggregation=rule).fit(X, y).predict_frame_weights(X)
    assert weights.shape == (6, 4 * N_PEOPLE)
    totals = np.nansum(weights.reshape(6, 4, N_PEOPLE), axis=1)
    expected = np.ones((6, N_PEOPLE))
    expected[0, 2] = 0  # no third person
    np.testing.assert_allclose(totals, expected, rtol=1e-6)


@pytest.mark.parametrize("sequence", ["spatial", "temporal"])
def test_recurrent_network_follows_each_person(crowd: Any, sequence: str) -> None:
    X, y = crowd
    features = X[:, :, :2, :2].reshape(*X.shape[:2], 4, 3).astype(np.float32) / 255
    if sequence == "temporal":
        features = features.mean(axis=2)
    model = CNNRNNDetector(
        sequence=sequence,
        units=(3,),
        epochs=1,
        aggregation=PerPerson(N_PEOPLE),
        validation_fraction=None,
        random_state=0,
    ).fit(features, y)
    found = model.predict_person_proba(features)[..., 1]
    # The probability of a person does not depend on other people.
    others = features.copy()
    others[:, 1::N_PEOPLE] = 0
    alone = model.predict_person_proba(others)[..., 1]
    np.testing.assert_allclose(alone[:, [0, 2]], found[:, [0, 2]], rtol=1e-5)
    assert np.isnan(alone[:, 1]).all()
    assert np.isnan(found[0, 2])


def test_gan_takes_several_people(crowd: Any) -> None:
    X, y = crowd
    model = (
        GANDetector(
            aggregation=PerPerson(N_PEOPLE),
            discriminator_filters=(2,),
            epochs=1,
            validation_fraction=None,
            random_state=0,
        )
        .set_params(generator__filters=(2, 2))
        .fit(X, y)
    )
    people = model.predict_person_proba(X)[..., 1]
    np.testing.assert_allclose(
        model.predict_proba(X)[:, 1], np.nanmax(people, axis=1), rtol=1e-6
    )


def test_without_the_rule_all_slots_are_one_person(crowd: Any) -> None:
    X, y = crowd
    model = small_cnn().fit(X, y)
    people = model.predict_person_proba(X)
    assert people.shape == (6, 1, 2)
    np.testing.assert_array_equal(people[:, 0], model.predict_proba(X))


def test_pickle_keeps_the_people(crowd: Any) -> None:
    X, y = crowd
    model = small_cnn(aggregation=PerPerson(N_PEOPLE)).fit(X, y)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        copy.predict_person_proba(X), model.predict_person_proba(X)
    )
    assert copy.get_params()["aggregation__max_faces"] == N_PEOPLE


def test_number_of_slots_that_does_not_fit_names_the_parameter(crowd: Any) -> None:
    X, y = crowd
    with pytest.raises(
        ValueError, match=r"multiple of 5 slots.*got 12\. Pass.*max_faces"
    ):
        small_cnn(aggregation=PerPerson(5)).fit(X, y)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (PerPerson(0), "'max_faces' parameter of PerPerson"),
        (PerPerson(people="min"), "'people' parameter of PerPerson"),
        (PerPerson(aggregation="min"), "'aggregation' parameter of"),
        (PerPerson(aggregation=PerPerson()), "'aggregation' parameter of"),
        (PerPerson(aggregation=TopK(0)), "'k' parameter of TopK"),
    ],
)
def test_bad_rule_is_refused(crowd: Any, rule: PerPerson, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        small_cnn(aggregation=rule).fit(*crowd)


def test_rule_that_the_detector_lacks_is_refused_within_people(crowd: Any) -> None:
    rule = PerPerson(N_PEOPLE, aggregation=Attention())
    with pytest.raises(ValueError, match=r"'aggregation' parameter of GANDetector"):
        GANDetector(aggregation=rule).fit(*crowd)
