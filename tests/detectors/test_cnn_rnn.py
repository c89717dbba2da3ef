"""Recurrent networks process the positions of a face or the frames of a video."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import Bunch

from skdeepfake.detectors import CNNRNNDetector, PlateauCallbacks
from skdeepfake.exceptions import NoFaceWarning

pytestmark = pytest.mark.usefixtures("compiled_predictions")

Make = Callable[..., CNNRNNDetector]

BOTH = pytest.mark.parametrize("sequence", ["spatial", "temporal"])
BOTH_WAYS = pytest.mark.parametrize("bidirectional", [False, True])


def make(**params: Any) -> CNNRNNDetector:
    """Make a detector that trains in about a second."""
    defaults = {
        "units": (4,),
        "learning_rate": 0.05,
        "epochs": 3,
        "validation_fraction": None,
        "random_state": 0,
    }
    return CNNRNNDetector(**{**defaults, **params})


@pytest.fixture(scope="module")
def features() -> Bunch:
    """Features of ten videos with 5 frames, 4 positions and 6 channels.

    Features of fakes are larger, and some frames are empty. The arrays are read-only,
    like memory-mapped arrays.
    """
    rng = np.random.RandomState(0)
    y = np.array([0, 1, 0, 1, 0, 0, 1, 0, 1, 0])
    X = rng.rand(len(y), 5, 4, 6).astype(np.float32)
    X[y == 1] += 0.5
    X[1, [0, 3]] = 0
    X[2, 4] = 0
    X[3, 1:] = 0
    for array in (X, y):
        array.flags.writeable = False
    return Bunch(X=X, y=y)


@pytest.fixture(scope="module")
def fitted(features: Bunch) -> Callable[..., CNNRNNDetector]:
    """Return a function that trains each kind of detector once."""
    known: dict[Any, CNNRNNDetector] = {}

    def get(**params: Any) -> CNNRNNDetector:
        key = tuple(sorted(params.items()))
        if key not in known:
            known[key] = make(**params).fit(features.X, features.y)
        return known[key]

    return get


def kinds(model: keras.Model) -> list[tuple]:
    """Describe the type and settings of each layer."""
    described: list[tuple] = []
    for layer in model.layers:
        kind = type(layer).__name__
        if kind == "Bidirectional":
            described.append((kind, *kinds_of_recurrent(layer.forward_layer)))
        elif kind in ("LSTM", "GRU"):
            described.append(kinds_of_recurrent(layer))
        elif kind == "Dense":
            described.append((kind, layer.units, layer.activation.__name__))
        elif kind == "Dropout":
            described.append((kind, layer.rate))
        else:
            described.append((kind,))
    return described


def kinds_of_recurrent(layer: keras.layers.Layer) -> tuple:
    return type(layer).__name__, layer.units, layer.return_sequences


# -- the network -----------------------------------------------------------------


def test_default_network_is_that_of_the_appendix() -> None:
    X = np.ones((2, 1, 49, 512), np.float32)
    model = CNNRNNDetector().initialize(X, [0, 1]).model_
    assert model.input_shape == (None, 49, 512)
    assert kinds(model) == [
        ("InputLayer",),
        ("LSTM", 64, True),
        ("LSTM", 32, False),
        ("Dense", 1, "sigmoid"),
    ]
    # 4 gates of (inputs + units + 1) x units each.
    expected = 4 * (512 + 64 + 1) * 64 + 4 * (64 + 32 + 1) * 32 + 33
    assert model.count_params() == expected
    assert type(model.optimizer) is keras.optimizers.Adam
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-3)
    assert model.loss == "binary_crossentropy"


def test_parameters_change_the_network(features: Bunch) -> None:
    detector = make(units=[7], cell="gru", bidirectional=True, dropout=0.25)
    detector.initialize(features.X, features.y)
    assert kinds(detector.model_) == [
        ("InputLayer",),
        ("Bidirectional", "GRU", 7, False),
        ("Dropout", 0.25),
        ("Dense", 1, "sigmoid"),
    ]


def test_temporal_network_averages_positions_and_masks_what_is_missing(
    features: Bunch,
) -> None:
    detector = make(sequence="temporal").initialize(features.X, features.y)
    assert detector.model_.input_shape == (None, None, 4, 6)
    assert [kind for kind, *_ in kinds(detector.model_)] == [
        *("InputLayer", "Masking", "LSTM", "Dense")
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sequence", "frames"),
        ("units", 64),
        ("units", ()),
        ("units", (8, 0)),
        ("units", (2.5,)),
        ("cell", "rnn"),
        ("bidirectional", "yes"),
        ("dropout", 1.0),
    ],
)
def test_bad_values_are_refused_by_name(
    name: str, value: Any, features: Bunch, trainings: list[Bunch]
) -> None:
    with pytest.raises(ValueError, match=rf"\b{name}\b.*CNNRNNDetector"):
        make(**{name: value}).fit(features.X, features.y)
    assert not trainings


def test_images_are_refused_with_the_shapes_that_fit(features: Bunch) -> None:
    images = np.ones((10, 3, 8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match=r"CNNRNNDetector needs arrays of 4 axes"):
        make().fit(images, features.y)


# -- spatial ---------------------------------------------------------------------


def test_spatial_network_is_given_each_face_by_itself(
    features: Bunch, trainings: list[Bunch]
) -> None:
    make().fit(features.X, features.y)
    (training,) = trainings
    assert training.frames.shape == (50 - 2 - 1 - 4, 4, 6)
    assert training.labels.sum() == 4 * 5 - 2 - 4
    known = {f.tobytes() for f in features.X.reshape(50, 4, 6)}
    assert {f.tobytes() for f in training.frames} <= known


def test_spatial_answers_are_those_of_plain_keras(
    fitted: Make, features: Bunch
) -> None:
    detector = fitted(sequence="spatial")
    answers = detector.predict_frame_proba(features.X)[..., 1]
    plain = detector.model_.predict(features.X.reshape(50, 4, 6), verbose=0)
    filled = features.X.any(axis=(2, 3))
    np.testing.assert_allclose(answers[filled], plain.reshape(10, 5)[filled], atol=1e-6)
    np.testing.assert_array_equal(np.isnan(answers), ~filled)
    np.testing.assert_allclose(
        detector.predict_proba(features.X)[:, 1], np.nanmean(answers, axis=1)
    )


def test_order_of_positions_matters(fitted: Make, features: Bunch) -> None:
    detector = fitted(sequence="spatial")
    answers = detector.predict_proba(features.X)
    turned = detector.predict_proba(features.X[:, :, ::-1])
    assert (np.abs(answers - turned) > 1e-4).any()


# -- temporal --------------------------------------------------------------------


def test_temporal_network_is_given_whole_videos(
    features: Bunch, trainings: list[Bunch]
) -> None:
    make(sequence="temporal").fit(features.X, features.y)
    (training,) = trainings
    assert training.frames.shape == (10, 5, 4, 6)
    pairs = zip(features.X, features.y, strict=True)
    lookup = {sorted_frames(video): label for video, label in pairs}
    found = [lookup[sorted_frames(video)] for video in training.frames]
    assert training.labels.tolist() == found
    # Frames with a face come first, in order.
    short = next(v for v in training.frames if sorted_frames(v) == key_of(features, 1))
    np.testing.assert_array_equal(short[:3], features.X[1, [1, 2, 4]])
    assert not short[3:].any()


def sorted_frames(video: np.ndarray) -> tuple[bytes, ...]:
    return tuple(sorted(frame.tobytes() for frame in video))


def key_of(features: Bunch, video: int) -> tuple[bytes, ...]:
    return sorted_frames(features.X[video])


@pytest.mark.jax
@pytest.mark.parametrize(
    "bidirectional", [False, pytest.param(True, marks=pytest.mark.nightly)]
)
def test_temporal_answer_is_that_of_plain_keras(
    bidirectional: bool, fitted: Make, features: Bunch
) -> None:
    detector = fitted(sequence="temporal", bidirectional=bidirectional, units=(5, 3))
    answers = detector.predict_proba(features.X)[:, 1]
    for video, answer in zip(features.X, answers, strict=True):
        filled = video.any(axis=(1, 2))
        # No mask is needed without empty frames.
        plain = detector.model_.predict(video[filled][None], verbose=0)
        assert answer == pytest.approx(float(plain[0, 0]), abs=1e-6)


@BOTH_WAYS
@pytest.mark.parametrize("where", ["after", "before", "between"])
def test_empty_slots_do_not_change_a_temporal_answer(
    where: str, bidirectional: bool, fitted: Make, features: Bunch
) -> None:
    detector = fitted(sequence="temporal", bidirectional=bidirectional)
    n, t = features.X.shape[:2]
    longer = np.zeros((n, 3 * t, 4, 6), np.float32)
    slots = {
        "after": slice(t),
        "before": slice(2 * t, None),
        "between": slice(1, None, 3),
    }
    longer[:, slots[where]] = features.X
    np.testing.assert_array_equal(
        detector.predict_proba(longer), detector.predict_proba(features.X)
    )
    frames = detector.predict_frame_proba(longer)[:, slots[where]]
    np.testing.assert_array_equal(frames, detector.predict_frame_proba(features.X))


def test_empty_slots_do_not_change_what_a_temporal_network_learns(
    fitted: Make, features: Bunch
) -> None:
    n, t = features.X.shape[:2]
    longer = np.zeros((n, 2 * t, 4, 6), np.float32)
    longer[:, 1::2] = features.X
    first = fitted(sequence="temporal")
    second = make(sequence="temporal").fit(longer, features.y)
    for a, b in zip(
        first.model_.get_weights(), second.model_.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@BOTH_WAYS
def test_running_answer_is_that_for_the_frames_so_far(
    bidirectional: bool, fitted: Make, features: Bunch
) -> None:
    detector = fitted(sequence="temporal", bidirectional=bidirectional)
    running = detector.predict_frame_proba(features.X)
    filled = features.X.any(axis=(2, 3))
    np.testing.assert_array_equal(np.isnan(running[..., 1]), ~filled)
    for n in range(1, 6):
        known = filled[:, n - 1]
        so_far = detector.predict_proba(features.X[known, :n])
        np.testing.assert_allclose(running[known, n - 1], so_far, atol=1e-6)
    np.testing.assert_allclose(
        detector.aggregate_proba(running),
        detector.predict_proba(features.X),
        atol=1e-6,
    )


def test_order_of_frames_matters_to_a_temporal_network_alone(
    fitted: Make, features: Bunch
) -> None:
    backwards = features.X[:, ::-1]
    spatial, temporal = (
        fitted(sequence=kind).predict_proba(backwards)
        - fitted(sequence=kind).predict_proba(features.X)
        for kind in ("spatial", "temporal")
    )
    np.testing.assert_allclose(spatial, 0, atol=1e-6)
    assert (np.abs(temporal) > 1e-4).any()


def test_temporal_network_takes_one_vector_a_frame(
    fitted: Make, features: Bunch
) -> None:
    averaged = features.X.mean(axis=2)
    first = fitted(sequence="temporal")
    second = make(sequence="temporal").fit(averaged, features.y)
    assert second.frame_shape_ == (1, 6)
    np.testing.assert_allclose(
        first.predict_proba(features.X), second.predict_proba(averaged), atol=1e-5
    )


def test_temporal_video_without_a_face_gets_the_prior(
    fitted: Make, features: Bunch
) -> None:
    X = features.X.copy()
    X[[0, 7]] = 0
    detector = fitted(sequence="temporal")
    with pytest.warns(NoFaceWarning, match=r"Samples \[0, 7\]"):
        answers = detector.predict_proba(X)
    np.testing.assert_allclose(answers[[0, 7]], [[0.6, 0.4]] * 2)
    np.testing.assert_allclose(
        answers[1:7], detector.predict_proba(features.X[1:7]), atol=1e-6
    )
    assert np.isnan(detector.predict_frame_proba(X)[[0, 7]]).all()
    with pytest.warns(NoFaceWarning, match=r"Samples \[0, 1\]"):
        nothing = detector.predict_proba(np.zeros_like(X[:2]))
    np.testing.assert_allclose(nothing, [[0.6, 0.4]] * 2)


def test_weight_of_a_video_reaches_its_sequence(
    features: Bunch, trainings: list[Bunch]
) -> None:
    weight = np.arange(1, 11) / 2
    make(sequence="temporal").fit(features.X, features.y, sample_weight=weight)
    expected = {key_of(features, i): weight[i] for i in range(10)}
    assert trainings[0].weights.tolist() == [
        expected[sorted_frames(video)] for video in trainings[0].frames
    ]


# -- detector API ----------------------------------------------------------------


@pytest.mark.parametrize(
    "sequence", [pytest.param("spatial", marks=pytest.mark.nightly), "temporal"]
)
def test_it_learns_and_validates_by_group(sequence: str, features: Bunch) -> None:
    detector = make(
        sequence=sequence,
        epochs=15,
        validation_fraction=0.5,
        callbacks=PlateauCallbacks(monitor="val_roc_auc"),
    )
    groups = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    detector.fit(features.X, features.y, groups=groups)
    assert max(detector.history_["val_roc_auc"]) == 1.0
    assert roc_auc_score(features.y, detector.predict_proba(features.X)[:, 1]) == 1.0


@pytest.mark.nightly
@BOTH
def test_same_seed_gives_the_same_detector(sequence: str, features: Bunch) -> None:
    first, second, other = (
        make(sequence=sequence, dropout=0.2, epochs=1, random_state=seed)
        .fit(features.X, features.y)
        .predict_proba(features.X)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - other).max() > 1e-4


@pytest.mark.parametrize(
    ("sequence", "bidirectional"), [("spatial", False), ("temporal", True)]
)
def test_pickle_answers_the_same(
    sequence: str, bidirectional: bool, fitted: Make, features: Bunch
) -> None:
    detector = fitted(sequence=sequence, bidirectional=bidirectional)
    loaded = pickle.loads(pickle.dumps(detector))
    np.testing.assert_array_equal(
        loaded.predict_proba(features.X), detector.predict_proba(features.X)
    )
    loaded.partial_fit(features.X, features.y)
    assert len(loaded.history_["loss"]) == 4


@pytest.mark.nightly
def test_pipeline_gives_the_same_answers_in_a_new_process(
    fitted: Make, features: Bunch, answers_of_a_new_process: Callable[..., np.ndarray]
) -> None:
    pipeline = make_pipeline(FunctionTransformer(), fitted(sequence="temporal"))
    np.testing.assert_array_equal(
        answers_of_a_new_process(pipeline, features.X),
        pipeline.predict_proba(features.X),
    )


@pytest.mark.nightly
def test_half_precision_features_are_taken(features: Bunch) -> None:
    halves = features.X.astype(np.float16)
    for sequence in ("spatial", "temporal"):
        first, second = (
            make(sequence=sequence, epochs=1).fit(X, features.y)
            for X in (halves, halves.astype(np.float32))
        )
        assert first.frame_dtype_ == np.float16
        np.testing.assert_allclose(
            first.predict_proba(halves), second.predict_proba(halves), atol=1e-6
        )


@pytest.mark.nightly
def test_grid_search_goes_over_the_network(features: Bunch) -> None:
    grid = [{"sequence": ["temporal"]}, {"cell": ["gru"]}]
    half = np.arange(len(features.X)) % 2 == 0
    search = GridSearchCV(
        make(epochs=1), grid, cv=[(half, ~half)], scoring="roc_auc", refit=False
    )
    search.fit(features.X, features.y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(search.cv_results_["params"]) == 2
