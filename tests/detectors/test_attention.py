"""Attention weights frames and trains on whole videos."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from scipy.special import expit
from sklearn.utils import Bunch

from skdeepfake.augmentation import KerasAugmentation
from skdeepfake.detectors import (
    Attention,
    BlendedFakes,
    CNNDetector,
    GANDetector,
    Head,
    TransferDetector,
)
from skdeepfake.detectors._video_network import VideoNetwork
from skdeepfake.evaluation import evaluate
from skdeepfake.inspection import occlusion

KINDS = ["cnn", "transfer"]


def flat() -> keras.Model:
    """Build a backbone that returns the color of each quarter of a face."""
    inputs = keras.Input((8, 8, 3))
    x = layers.AveragePooling2D(4)(layers.Rescaling(1 / 127.5, -1.0)(inputs))
    return keras.Model(inputs, layers.Flatten()(x))


def attentive(kind: str, **params: Any) -> Any:
    """Make a detector with attention."""
    detector = {
        "cnn": lambda **shared: CNNDetector(
            filters=(), dense_units=8, momentum=0.5, dropout=0, **shared
        ),
        "transfer": lambda **shared: TransferDetector(
            backbone=flat, trainable="top", head=Head(learning_rate=0.05), **shared
        ),
    }[kind]
    shared = {
        "aggregation": Attention(),
        "learning_rate": 0.02,
        "batch_size": 40,
        "epochs": 15,
        "validation_fraction": None,
        "random_state": 0,
    }
    return detector(**{**shared, **params})


def weights_layer(detector: Any) -> keras.Layer:
    return detector.model_.get_layer("frame_weight")


def draw(n_videos: int, seed: int) -> Bunch:
    """Draw faces of 8 x 8 pixels. In bright frames, fakes are red and real faces blue.

    Every other frame is dark and has a random color. Some slots are empty.
    """
    rng = np.random.RandomState(seed)
    y = np.arange(n_videos) % 2
    dark = np.arange(4) % 2 == rng.randint(2, size=n_videos)[:, np.newaxis]
    is_red = np.where(dark, rng.randint(2, size=dark.shape), y[:, np.newaxis])
    X = rng.randint(1, 20, size=(n_videos, 4, 8, 8, 3))
    X[~dark] += 100
    X[..., 0] += np.where(is_red, 100, 0)[..., np.newaxis, np.newaxis]
    X[..., 2] += np.where(is_red, 0, 100)[..., np.newaxis, np.newaxis]
    X[0, 1] = X[1, 0] = X[1, 3] = 0
    X[2, [1, 2, 3]] = 0
    X = X.astype(np.uint8)
    X.flags.writeable = False
    return Bunch(X=X, y=y, dark=dark, filled=X.any(axis=(2, 3, 4)))


@pytest.fixture(scope="module")
def known() -> Bunch:
    return draw(40, seed=0)


@pytest.fixture(scope="module")
def fresh() -> Bunch:
    return draw(12, seed=1)


@pytest.fixture(scope="module")
def detectors(known: Bunch) -> Callable[[str], Any]:
    """Return a function that makes untrained detectors with random frame weights.

    Tests must not modify them.
    """
    made: dict[str, Any] = {}

    def give(kind: str) -> Any:
        if kind not in made:
            made[kind] = attentive(kind).initialize(known.X, known.y)
            attention = weights_layer(made[kind])
            rng = np.random.RandomState(0)
            shapes = [weight.shape for weight in attention.get_weights()]
            attention.set_weights(
                [rng.normal(scale=0.5, size=shape) for shape in shapes]
            )
        return made[kind]

    return give


# -- learned weights -------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_frames_that_say_nothing_count_for_little(
    kind: str, known: Bunch, fresh: Bunch
) -> None:
    detector = attentive(kind).fit(known.X, known.y)
    weight = detector.predict_frame_weights(fresh.X)
    both = np.isfinite(weight).all(axis=1)  # two bright frames and two dark ones
    assert both.sum() == 9
    dark = np.where(fresh.dark, weight, 0).sum(axis=1)[both]
    assert dark.mean() < 0.3
    seen = fresh.filled & ~fresh.dark
    sure = seen.any(axis=1)
    np.testing.assert_array_equal(detector.predict(fresh.X)[sure], fresh.y[sure])


def test_at_first_all_frames_count_alike(fresh: Bunch) -> None:
    detector = attentive("cnn").initialize(fresh.X, fresh.y)
    weight = detector.predict_frame_weights(fresh.X)
    n_faces = fresh.filled.sum(axis=1, keepdims=True)
    expected = np.where(fresh.filled, 1 / n_faces, np.nan)
    np.testing.assert_allclose(weight, expected, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_add_up_to_one_and_are_nan_where_there_is_no_face(
    kind: str, detectors: Callable[[str], Any], fresh: Bunch
) -> None:
    weight = detectors(kind).predict_frame_weights(fresh.X)
    assert weight.shape == (12, 4)
    np.testing.assert_array_equal(np.isnan(weight), ~fresh.filled)
    np.testing.assert_allclose(np.nansum(weight, axis=1), 1)
    assert (weight[fresh.filled] > 0).all()


# -- predictions -----------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_answer_is_that_of_the_log_odds_by_their_weights(
    kind: str, detectors: Callable[[str], Any], fresh: Bunch
) -> None:
    detector = detectors(kind)
    weight = detector.predict_frame_weights(fresh.X)
    frames = fresh.X.reshape(48, 8, 8, 3)
    positive = detector.model_.predict_on_batch(frames)[:, 0].reshape(12, 4)
    positive = np.clip(positive.astype(float), 1e-7, 1 - 1e-7)
    odds = np.log(positive / (1 - positive))
    expected = expit(np.nansum(weight * odds, axis=1))
    answers = detector.predict_proba(fresh.X)
    np.testing.assert_allclose(answers[:, 1], expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(answers.sum(axis=1), 1)


@pytest.mark.parametrize("kind", KINDS)
def test_answer_at_a_frame_is_that_for_the_video_up_to_there(
    kind: str, detectors: Callable[[str], Any], fresh: Bunch
) -> None:
    detector = detectors(kind)
    running = detector.predict_frame_proba(fresh.X)
    np.testing.assert_array_equal(np.isnan(running[..., 1]), ~fresh.filled)
    for n in range(1, 5):
        there = fresh.filled[:, n - 1]
        np.testing.assert_allclose(
            running[there, n - 1],
            detector.predict_proba(fresh.X[there, :n]),
            rtol=1e-5,
            atol=1e-6,
        )


@pytest.mark.parametrize("kind", KINDS)
def test_last_answer_is_that_for_the_video(
    kind: str, detectors: Callable[[str], Any], fresh: Bunch
) -> None:
    detector = detectors(kind)
    running = detector.predict_frame_proba(fresh.X)
    answers = detector.predict_proba(fresh.X)
    np.testing.assert_array_equal(detector.aggregate_proba(running), answers)
    videos = zip(running, fresh.filled, strict=True)
    last = [video[filled][-1] for video, filled in videos]
    np.testing.assert_array_equal(last, answers)


@pytest.mark.parametrize("kind", KINDS)
def test_video_alone_gets_the_same_answer(
    kind: str, detectors: Callable[[str], Any], fresh: Bunch
) -> None:
    detector = detectors(kind)
    together = detector.predict_proba(fresh.X)
    alone = [detector.predict_proba(fresh.X[[i]])[0] for i in range(4)]
    np.testing.assert_allclose(alone, together[:4], atol=1e-6)


def test_video_without_a_face_gets_the_prior(
    detectors: Callable[[str], Any], fresh: Bunch
) -> None:
    X = fresh.X.copy()
    X[3] = 0
    with pytest.warns(UserWarning, match=r"Samples \[3\] have no face"):
        answers = detectors("cnn").predict_proba(X)
    np.testing.assert_allclose(answers[3], [0.5, 0.5])


def test_running_answers_by_hand() -> None:
    nan = np.nan
    positive = np.array([[0.8, nan, 0.5, 0.2], [nan, 0.5, 1.0, nan]])
    weight = np.array([[1.0, nan, 3.0, 4.0], [nan, 2.0, 2.0, nan]])
    odds = np.log(4)  # log-odds of 0.8, negative for 0.2
    expected = [
        [0.8, nan, expit(odds / 4), expit((odds - 4 * odds) / 8)],
        # A probability of 1 is clipped to odds of ten million.
        [nan, 0.5, expit(np.log(1e7) / 2), nan],
    ]
    np.testing.assert_allclose(
        Attention().running(positive, weight), expected, rtol=1e-6
    )


def test_frames_that_all_weigh_nothing_say_nothing() -> None:
    found = Attention().running(np.array([[0.9, 0.9]]), np.zeros((1, 2)))
    assert found.tolist() == [[0.5, 0.5]]


# -- training --------------------------------------------------------------------


@pytest.fixture(scope="module")
def of_videos() -> VideoNetwork:
    """Network for frames of one number x with log-odds x and weight softplus(2 x)."""
    inputs = keras.Input((1,))
    last = layers.Dense(1, activation="sigmoid")
    network = Attention().extend(keras.Model(inputs, last(inputs)))
    last.set_weights([np.ones((1, 1)), np.zeros(1)])
    weights = [np.full((1, 1), 2.0), np.zeros(1)]
    network.get_layer("frame_weight").set_weights(weights)
    return VideoNetwork(network)


def test_video_is_trained_on_as_it_is_answered_for(of_videos: VideoNetwork) -> None:
    odds = np.array([[1.0, -0.5, 2.0], [0.25, 7.0, 7.0]], np.float32)
    present = np.array([[1, 1, 1], [1, 0, 0]], np.float32)
    weight = np.log1p(np.exp(2 * odds)) * present
    expected = expit((weight * odds).sum(axis=1) / weight.sum(axis=1))
    found = of_videos.predict_on_batch((odds[..., np.newaxis], present))
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-5)
    # A single face determines the result. Fillers have no effect.
    np.testing.assert_allclose(found[1, 0], expit(0.25), rtol=1e-5)


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[Bunch]:
    """Replace the training of Keras, and record the arguments of each call."""
    handed: list[Bunch] = []

    def fit(model: keras.Model, x: Any, **options: Any) -> keras.callbacks.History:
        handed.append(Bunch(model=model, batches=x, **options))
        history = keras.callbacks.History()
        history.history = {"loss": [0.5], "accuracy": [0.5]}
        return history

    monkeypatch.setattr(keras.Model, "fit", fit)
    return handed


def test_network_is_trained_on_whole_videos(known: Bunch, handed: list[Bunch]) -> None:
    attentive("cnn").fit(known.X, known.y)
    (training,) = handed
    assert type(training.model) is VideoNetwork
    assert training.batches.num_batches == 4
    for number in range(4):
        (frames, present), y, weight = training.batches[number]
        assert frames.shape == (10, 4, 8, 8, 3)  # `batch_size` counts frames
        # Bright fakes are red, and bright real faces are not.
        bright = (frames[..., 1].mean(axis=(2, 3)) > 50) & (present == 1)
        is_red = frames[..., 0].mean(axis=(2, 3)) > frames[..., 2].mean(axis=(2, 3))
        assert (is_red == y)[bright].all()
        assert weight.tolist() == [1.0] * 10
        # The first frame fills missing frames.
        assert frames.any(axis=(2, 3, 4)).all()
        for video, there in zip(frames, present, strict=True):
            for filler in video[there == 0]:
                np.testing.assert_array_equal(filler, video[0])
    n_faces = sum(training.batches[number][0][1].sum() for number in range(4))
    assert n_faces == known.filled.sum()


def test_what_is_frozen_is_computed_of_videos_too(
    known: Bunch, handed: list[Bunch]
) -> None:
    detector = attentive("transfer").fit(known.X, known.y)
    (training,) = handed
    (features, present), _, _ = training.batches[0]
    assert features.shape == (10, 4, 12)
    assert present.shape == (10, 4)
    parts = {id(weight) for weight in training.model.trainable_weights}
    head = detector.model_.get_layer("probability_of_fake")
    own = [*head.weights, *weights_layer(detector).weights]
    assert parts == {id(weight) for weight in own}


def test_frames_of_a_video_are_augmented_and_blended_together(
    known: Bunch, handed: list[Bunch]
) -> None:
    X = known.X.repeat(2, axis=2).repeat(2, axis=3)
    params = {
        "augment": KerasAugmentation(layers.Rescaling(0.5)),
        "fake_source": BlendedFakes(),
    }
    attentive("cnn", **params).fit(X, known.y)
    (frames, present), y, _ = handed[0].batches[0]
    assert frames.shape == (10, 4, 16, 16, 3)
    assert y.ravel().tolist() == [0] * 5 + [1] * 5
    np.testing.assert_array_equal(present[:5], present[5:])
    assert frames.max() <= 128


@pytest.mark.parametrize("short", [0, 1])
def test_blends_take_the_places_of_videos_of_other_numbers_of_faces(
    short: int, known: Bunch, handed: list[Bunch]
) -> None:
    X = known.X.repeat(2, axis=2).repeat(2, axis=3)
    X[known.y == short, 2:] = 0
    detector = attentive("cnn", fake_source=BlendedFakes(share=1.0))
    detector.fit(X, known.y)
    n_faces = X.any(axis=(2, 3, 4)).sum(axis=1)
    longest = n_faces[known.y == 0].max()
    for number in range(handed[0].batches.num_batches):
        (frames, present), y, _ = handed[0].batches[number]
        assert frames.shape[:2] == present.shape
        assert frames.any(axis=(2, 3, 4)).all()
        # Each fake is blended from a real video and has no more faces.
        assert present[y[:, 0] == 1].sum(axis=1).max() <= longest


# -- other aggregations ----------------------------------------------------------


def test_detector_that_has_learnt_no_weights_says_so(
    fitted: CNNDetector, variant: Callable[..., CNNDetector], videos: Bunch
) -> None:
    with pytest.raises(AttributeError, match=r"aggregation=Attention\(\)"):
        fitted.predict_frame_weights(videos.X)
    for method in ("predict_proba", "predict_frame_proba", "predict_frame_weights"):
        with pytest.raises(ValueError, match="was fitted with another aggregation"):
            getattr(variant(aggregation=Attention()), method)(videos.X)
    with pytest.raises(ValueError, match="Fit it with warm_start=False"):
        variant(aggregation=Attention()).partial_fit(videos.X, videos.y)


def test_other_aggregations_answer_after_attention(
    detectors: Callable[[str], Any], fresh: Bunch
) -> None:
    detector = pickle.loads(pickle.dumps(detectors("cnn"))).set_params(
        aggregation="mean"
    )
    frames = detector.predict_frame_proba(fresh.X)[..., 1]
    np.testing.assert_allclose(
        detector.predict_proba(fresh.X)[:, 1], np.nanmean(frames, axis=1)
    )
    found = detector.model_.predict_on_batch(fresh.X[:, 2])[:, 0]
    np.testing.assert_allclose(
        frames[:, 2][fresh.filled[:, 2]], found[fresh.filled[:, 2]], rtol=1e-5
    )


@pytest.mark.parametrize("kind", KINDS)
def test_training_does_not_go_on_by_frames_after_attention(
    kind: str, known: Bunch, handed: list[Bunch]
) -> None:
    detector = attentive(kind).fit(known.X, known.y).set_params(aggregation="mean")
    with pytest.raises(ValueError, match="'mean' requires a different network"):
        detector.partial_fit(known.X, known.y)
    detector.fit(known.X, known.y)
    assert detector.model_.output_shape == (None, 1)
    by_video, by_frame = handed
    assert type(by_video.model) is VideoNetwork
    assert len(by_frame.batches[0][0]) == 40


def test_gan_learns_no_weights(known: Bunch) -> None:
    with pytest.raises(ValueError, match="'aggregation' parameter of GANDetector"):
        GANDetector(aggregation=Attention()).fit(known.X, known.y)


# -- other features --------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_loaded_detector_weighs_alike(
    kind: str, detectors: Callable[[str], Any], fresh: Bunch
) -> None:
    detector = detectors(kind)
    loaded = pickle.loads(pickle.dumps(detector))
    for method in ("predict_proba", "predict_frame_weights"):
        np.testing.assert_array_equal(
            getattr(loaded, method)(fresh.X), getattr(detector, method)(fresh.X)
        )


def test_loaded_detector_learns_on_with_its_weights(
    detectors: Callable[[str], Any], known: Bunch
) -> None:
    loaded = pickle.loads(pickle.dumps(detectors("transfer")))
    before = weights_layer(loaded).get_weights()
    loaded.partial_fit(known.X, known.y)
    assert len(loaded.history_["loss"]) == 1
    moved = np.abs(weights_layer(loaded).get_weights()[0] - before[0]).max()
    assert 0 < moved < 0.5  # four steps of at most 0.05


def test_frames_are_occluded_with_the_weights_of_the_others(
    detectors: Callable[[str], Any], fresh: Bunch
) -> None:
    detector = detectors("cnn")
    falls = occlusion(detector, fresh.X, over="frame")
    np.testing.assert_array_equal(np.isnan(falls), ~fresh.filled)
    whole = detector.predict_proba(fresh.X)[:, 1]
    for slot in (0, 3):
        others = fresh.X.copy()
        others[:, slot] = 0
        left = fresh.filled[:, slot] & others.any(axis=(1, 2, 3, 4))
        rest = detector.predict_proba(others[left])[:, 1]
        expected = np.log(whole / (1 - whole))[left] - np.log(rest / (1 - rest))
        np.testing.assert_allclose(falls[left, slot], expected, rtol=1e-3, atol=1e-3)


def test_report_names_the_aggregation(
    detectors: Callable[[str], Any], fresh: Bunch
) -> None:
    report = evaluate(detectors("cnn"), fresh.X, fresh.y, n_resamples=0)
    assert report.to_dict()["settings"]["aggregation"] == "Attention()"
