"""Detectors train on single frames with a face and the label of their video."""

from __future__ import annotations

import pickle
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils import Bunch
from sklearn.utils.class_weight import compute_sample_weight

from skdeepfake.detectors import CNNDetector, CNNRNNDetector, PlateauCallbacks
from skdeepfake.detectors._callbacks import StopWhenDiverged
from skdeepfake.exceptions import NoFaceError, NoFaceWarning, TrainingDivergedError

Tiny = Callable[..., CNNDetector]


def weights_of(detector: CNNDetector) -> list[np.ndarray]:
    return detector.model_.get_weights()


def same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    """Return True if two lists of weights are equal."""
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


# -- frames ----------------------------------------------------------------------


def test_each_frame_is_trained_on_once_under_the_label_of_its_video(
    tiny: Tiny, trainings: list[Bunch]
) -> None:
    X = np.ones((5, 3, 4, 4, 3), np.uint8)
    X[..., 0] = np.arange(5)[:, None, None, None] + 1  # red encodes the video
    X[..., 1] = np.arange(3)[:, None, None] + 1  # green encodes the frame
    y = np.array([0, 1, 1, 0, 1])
    tiny(batch_size=4).fit(X, y)
    (training,) = trainings
    videos, frames = training.frames[:, 0, 0, 0] - 1, training.frames[:, 0, 0, 1] - 1
    assert sorted(zip(videos, frames, strict=True)) == [
        (v, f) for v in range(5) for f in range(3)
    ]
    assert training.labels.tolist() == y[videos].tolist()
    assert training.weights.tolist() == [1.0] * 15


def test_empty_slots_are_not_trained_on(
    tiny: Tiny, gappy: Bunch, trainings: list[Bunch]
) -> None:
    tiny().fit(gappy.X, gappy.y)
    (training,) = trainings
    assert len(training.frames) == 10 * 4 - 3
    assert training.frames.any(axis=(1, 2, 3)).all()
    assert training.labels.sum() == 4 * 4 - 2


def test_empty_slots_are_not_validated_on(
    tiny: Tiny, gappy: Bunch, trainings: list[Bunch]
) -> None:
    tiny(validation_fraction=0.5).fit(gappy.X, gappy.y)
    held_out = trainings[0].validation_data
    frames = np.concatenate([held_out[n][0] for n in range(held_out.num_batches)])
    assert frames.any(axis=(1, 2, 3)).all()
    assert len(frames) + len(trainings[0].frames) == 10 * 4 - 3


@pytest.fixture(scope="module")
def two_epochs(tiny: Tiny, videos: Bunch) -> CNNDetector:
    return tiny(epochs=2).fit(videos.X, videos.y)


def test_further_empty_slots_do_not_change_the_weights(
    tiny: Tiny, videos: Bunch, two_epochs: CNNDetector
) -> None:
    empty = np.zeros((10, 3, 16, 16, 3), np.uint8)
    longer = np.concatenate([videos.X, empty], axis=1)
    second = tiny(epochs=2).fit(longer, videos.y)
    assert same(weights_of(two_epochs), weights_of(second))


def test_frames_of_a_video_count_like_images_of_its_label(
    tiny: Tiny, videos: Bunch, two_epochs: CNNDetector
) -> None:
    images = videos.X.reshape(40, 16, 16, 3)
    second = tiny(epochs=2).fit(images, videos.y.repeat(4))
    assert same(weights_of(two_epochs), weights_of(second))


def test_videos_without_a_face_are_left_out_with_a_warning(
    tiny: Tiny, faceless: Bunch
) -> None:
    with pytest.warns(NoFaceWarning, match=r"Samples \[2, 7\] have no face") as record:
        detector = tiny(epochs=2).fit(faceless.X, faceless.y)
    assert len(record) == 1
    assert record[0].filename == __file__
    seen = faceless.seen
    without = tiny(epochs=2).fit(faceless.X[seen], faceless.y[seen])
    assert same(weights_of(detector), weights_of(without))


def test_training_without_any_face_is_an_error(tiny: Tiny, videos: Bunch) -> None:
    with pytest.raises(NoFaceError, match="None of the 10 samples has a frame"):
        tiny().fit(np.zeros_like(videos.X), videos.y)


def test_training_without_any_face_of_weight_is_told(
    tiny: Tiny, faceless: Bunch
) -> None:
    weight = np.zeros(10)
    weight[[2, 7]] = 1  # those without a face
    with (
        pytest.warns(NoFaceWarning),
        pytest.raises(ValueError, match=r"face|sample_weight"),
    ):
        tiny().fit(faceless.X, faceless.y, sample_weight=weight)


# -- weights ---------------------------------------------------------------------


def test_frames_weigh_what_their_video_weighs(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    weight = np.arange(1, 11) / 2
    tiny().fit(videos.X, videos.y, sample_weight=weight)
    lookup = {videos.X[v, f].tobytes(): weight[v] for v in range(10) for f in range(4)}
    expected = [lookup[frame.tobytes()] for frame in trainings[0].frames]
    assert trainings[0].weights.tolist() == expected


def test_weight_zero_is_like_leaving_the_video_out(tiny: Tiny, videos: Bunch) -> None:
    keep = np.ones(10)
    keep[[3, 4]] = 0
    chosen = keep == 1
    weighted = tiny(epochs=2).fit(videos.X, videos.y, sample_weight=keep)
    without = tiny(epochs=2).fit(videos.X[chosen], videos.y[chosen])
    assert same(weights_of(weighted), weights_of(without))


def test_weight_zero_leaves_the_video_out_of_the_prior(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    keep = np.ones(10)
    keep[[0, 2]] = 0  # real ones, of six
    detector = tiny().fit(videos.X, videos.y, sample_weight=keep)
    assert detector.class_prior_.tolist() == [0.5, 0.5]


def test_weight_zero_for_all_is_refused(tiny: Tiny, videos: Bunch) -> None:
    with pytest.raises(ValueError, match=r"(?i)sample.weight"):
        tiny().fit(videos.X, videos.y, sample_weight=np.zeros(10))


@pytest.mark.parametrize(
    "class_weight", ["balanced", {0: 0.5, 1: 3.0}], ids=["balanced", "dict"]
)
def test_class_weight_equals_the_sample_weight_it_stands_for(
    class_weight: Any, tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    own = np.arange(1, 11) / 4
    expected = compute_sample_weight(class_weight, videos.y)
    tiny(class_weight=class_weight).fit(videos.X, videos.y)
    tiny().fit(videos.X, videos.y, sample_weight=expected)
    tiny(class_weight=class_weight).fit(videos.X, videos.y, sample_weight=own)
    tiny().fit(videos.X, videos.y, sample_weight=own * expected)
    by_class, by_sample, both, product = (training.weights for training in trainings)
    assert by_class.tolist() == by_sample.tolist()
    assert both.tolist() == product.tolist()
    assert len(set(by_class.tolist())) == 2
    assert by_class.tolist() != both.tolist()


def test_class_weight_goes_by_the_names_of_the_classes(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    names = np.array(["real", "fake"])[videos.y]
    tiny(class_weight={"real": 1, "fake": 5}).fit(videos.X, names)
    (training,) = trainings
    # Classes are sorted: "fake" is the first and "real" the second.
    assert training.weights.tolist() == np.where(training.labels, 1.0, 5.0).tolist()


def test_weights_change_what_is_learnt(tiny: Tiny, videos: Bunch) -> None:
    plain = tiny().fit(videos.X, videos.y)
    heavy = tiny(class_weight={0: 1, 1: 20}).fit(videos.X, videos.y)
    assert (heavy.predict_proba(videos.X) > plain.predict_proba(videos.X))[:, 1].all()


def test_arguments_come_out_as_they_went_in(
    tiny: Tiny, gappy: Bunch, trainings: list[Bunch]
) -> None:
    X, y, weight = gappy.X.copy(), gappy.y.copy(), np.arange(10) / 3
    groups = np.arange(10)
    before = [array.copy() for array in (X, y, weight, groups)]
    detector = tiny(class_weight="balanced", validation_fraction=0.5)
    detector.fit(X, y, sample_weight=weight, groups=groups)
    for array, copy in zip((X, y, weight, groups), before, strict=True):
        np.testing.assert_array_equal(array, copy)


# -- random state ----------------------------------------------------------------

AFTER_A_SEEDED_TRAINING = """
import keras
estimator.fit(X, [0, 1, 0, 1])
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(numpy.ones((4, 3)), numpy.ones(4), verbose=0)  # shuffles without a seed
"""


def test_seed_changes_nothing_for_the_rest_of_the_process(
    tiny: Tiny, answers_of_a_new_process: Callable[..., list[np.ndarray]]
) -> None:
    X = np.full((4, 8, 8, 3), 9, np.uint8)
    answers_of_a_new_process(tiny(), X, f"exec({AFTER_A_SEEDED_TRAINING!r}) or 0")


def test_same_seed_gives_the_same_detector(tiny: Tiny, videos: Bunch) -> None:
    params = {"epochs": 3, "validation_fraction": 0.5, "batch_size": 10}
    first, second, other = (
        tiny(random_state=seed, **params).fit(videos.X, videos.y) for seed in (4, 4, 5)
    )
    assert same(weights_of(first), weights_of(second))
    assert first.history_ == second.history_
    np.testing.assert_array_equal(
        first.predict_proba(videos.X), second.predict_proba(videos.X)
    )
    assert not same(weights_of(first), weights_of(other))
    assert first.history_ != other.history_


def test_seed_decides_the_initial_weights_and_the_order(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    for seed in (4, 4, 5):
        tiny(random_state=seed).fit(videos.X, videos.y)
    first, second, other = trainings
    assert same(first.initial_weights, second.initial_weights)
    assert not same(first.initial_weights, other.initial_weights)
    np.testing.assert_array_equal(first.frames, second.frames)
    assert not np.array_equal(first.frames, other.frames)


def test_random_state_instance_seeds_and_is_not_used_up(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    state = np.random.RandomState(3)
    before = state.get_state()[1].tolist()
    detector = tiny(random_state=state).fit(videos.X, videos.y)
    tiny(random_state=np.random.RandomState(3)).fit(videos.X, videos.y)
    first, second = trainings
    assert same(first.initial_weights, second.initial_weights)
    np.testing.assert_array_equal(first.frames, second.frames)
    assert detector.random_state is state
    assert state.get_state()[1].tolist() == before


def test_random_state_instances_of_other_seeds_differ(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    for seed in (3, 4):
        tiny(random_state=np.random.RandomState(seed)).fit(videos.X, videos.y)
    first, second = trainings
    assert not same(first.initial_weights, second.initial_weights)
    assert not np.array_equal(first.frames, second.frames)


def test_seed_may_be_an_integer_of_numpy(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    tiny(random_state=np.int64(3)).fit(videos.X, videos.y)
    tiny(random_state=3).fit(videos.X, videos.y)
    first, second = trainings
    assert same(first.initial_weights, second.initial_weights)


@pytest.mark.parametrize("seed", [0, None])
def test_global_generators_are_left_alone(
    seed: int | None, tiny: Tiny, videos: Bunch
) -> None:
    generator = np.random.mtrand._rand
    numpy_state, python_state = generator.get_state(), random.getstate()
    tiny(random_state=seed).fit(videos.X, videos.y)
    assert generator.get_state()[1].tolist() == numpy_state[1].tolist()
    assert generator.get_state()[2] == numpy_state[2]
    if seed is not None:  # Keras draws its own seeds from Python's generator
        assert random.getstate() == python_state


def test_epochs_draw_different_orders(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch], monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = []
    stub = keras.Model.fit

    def fit(model: keras.Model, x: Any, **options: Any) -> keras.callbacks.History:
        orders.append(x.order.tolist())
        x.on_epoch_end()
        orders.append(x.order.tolist())
        return stub(model, x, **options)

    monkeypatch.setattr(keras.Model, "fit", fit)
    tiny().fit(videos.X, videos.y)
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(40))


# -- gradient accumulation -------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {"optimizer": "sgd", "optimizer__gradient_accumulation_steps": 2},
        pytest.param(
            {"optimizer": keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)},
            marks=pytest.mark.nightly,
        ),
    ],
    ids=["parameter", "instance"],
)
def test_accumulated_gradients_of_two_batches_are_those_of_their_union(
    params: dict[str, Any], videos: Bunch
) -> None:
    X = videos.X[..., 0].astype(np.float32) / 255
    shared = {"units": (2,), "validation_fraction": None, "random_state": 0}
    whole = CNNRNNDetector(
        optimizer="sgd", learning_rate=0.1, batch_size=20, epochs=2, **shared
    ).fit(X, videos.y)
    detector = CNNRNNDetector(
        learning_rate=0.1, batch_size=10, epochs=2, **shared, **params
    )
    halves = pickle.loads(pickle.dumps(clone(detector))).fit(X, videos.y)
    initial = clone(detector).initialize(X, videos.y).model_.get_weights()
    for one, two, start in zip(
        whole.model_.get_weights(), halves.model_.get_weights(), initial, strict=True
    ):
        np.testing.assert_allclose(two, one, atol=1e-6)
        assert np.abs(one - start).max() > 1e-4
    proba = pickle.loads(pickle.dumps(halves)).predict_proba(X)
    np.testing.assert_allclose(proba, halves.predict_proba(X), atol=1e-6)


# -- epochs ----------------------------------------------------------------------


class SpoilAfterFirstEpoch(keras.callbacks.Callback):
    """Set a large output bias after the first epoch, so that all predictions are 1."""

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        if epoch > 0:
            self.model.layers[-1].bias.assign([30.0])


def is_spoilt(detector: CNNDetector) -> bool:
    return float(detector.model_.layers[-1].bias[0]) > 20


@pytest.mark.compiled
def test_early_stopping_restores_the_best_epoch(tiny: Tiny, videos: Bunch) -> None:
    params = {"validation_fraction": 0.5, "learning_rate": 0.01}
    spoil = [PlateauCallbacks(patience=2), SpoilAfterFirstEpoch()]
    detector = tiny(epochs=9, callbacks=spoil, **params)
    detector.fit(videos.X, videos.y)
    losses = detector.history_["val_loss"]
    assert len(losses) == 3  # the best epoch and two without improvement
    assert losses[0] < 2 < losses[1]
    best = tiny(epochs=1, **params).fit(videos.X, videos.y)
    assert same(weights_of(detector), weights_of(best))


class SpoilRanking(keras.callbacks.Callback):
    """Record the weights of each epoch, and invert predictions after the second."""

    kept: ClassVar[list[list[np.ndarray]]] = []

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        weights = self.model.get_weights()
        self.kept.append(weights)
        if epoch == 1:
            *others, kernel, bias = weights
            self.model.set_weights([*others, -kernel, -bias])


def test_early_stopping_can_go_by_the_ranking(tiny: Tiny, videos: Bunch) -> None:
    SpoilRanking.kept.clear()
    detector = tiny(
        epochs=9,
        callbacks=[
            PlateauCallbacks(monitor="val_roc_auc", patience=2),
            SpoilRanking(),
        ],
        validation_fraction=0.5,
        learning_rate=0.01,
    ).fit(videos.X, videos.y)
    ranked = detector.history_["val_roc_auc"]
    best = int(np.argmax(ranked))
    assert len(ranked) == best + 3 < 9
    assert set(detector.history_) >= {"roc_auc", "val_roc_auc", "val_loss"}
    assert same(weights_of(detector), SpoilRanking.kept[best])
    assert not same(weights_of(detector), SpoilRanking.kept[-1])


@pytest.mark.parametrize(
    ("monitor", "mode"), [("val_loss", "min"), ("val_roc_auc", "max")]
)
def test_stopping_and_the_plateau_watch_the_same(monitor: str, mode: str) -> None:
    plateau, stopping = PlateauCallbacks(monitor=monitor).make()
    assert (plateau.monitor, plateau.mode) == (monitor, mode)
    assert (stopping.monitor, stopping.mode) == (monitor, mode)


def test_ranking_is_not_counted_unless_it_is_watched(tiny: Tiny, videos: Bunch) -> None:
    detector = tiny(validation_fraction=0.5).fit(videos.X, videos.y)
    assert set(detector.history_) >= {"loss", "val_loss"}
    assert not any("auc" in name for name in detector.history_)


@pytest.mark.parametrize("name", ["loss", "generator_loss"])
def test_training_stops_at_the_first_loss_that_is_not_finite(name: str) -> None:
    stop = StopWhenDiverged()
    stop.set_model(keras.Sequential())
    stop.model.stop_training = False  # as at the start of `fit`
    stop.on_train_batch_end(0, {"loss": 1.0, "generator_loss": 2.0, "accuracy": 0.5})
    assert not stop.model.stop_training
    stop.on_train_batch_end(1, {"loss": 1.0, "generator_loss": 2.0, name: float("nan")})
    assert stop.model.stop_training


def test_without_patience_all_epochs_run_and_the_last_stays(
    tiny: Tiny, videos: Bunch
) -> None:
    """The learning rate is reduced at each plateau, down to min_lr."""
    detector = tiny(
        epochs=6,
        learning_rate=0.1,
        validation_fraction=0.5,
        callbacks=[
            PlateauCallbacks(patience=None, lr_patience=1, lr_factor=0.5, min_lr=0.02),
            SpoilAfterFirstEpoch(),
        ],
    ).fit(videos.X, videos.y)
    assert len(detector.history_["val_loss"]) == 6
    assert is_spoilt(detector)
    assert detector.history_["learning_rate"] == pytest.approx(
        [0.1, 0.1, 0.05, 0.025, 0.02, 0.02]
    )


def test_without_validation_all_epochs_run(tiny: Tiny, videos: Bunch) -> None:
    callbacks = [PlateauCallbacks(patience=1), SpoilAfterFirstEpoch()]
    detector = tiny(epochs=6, callbacks=callbacks)
    detector.fit(videos.X, videos.y)
    assert set(detector.history_) == {"loss", "accuracy"}
    assert len(detector.history_["loss"]) == 6
    assert is_spoilt(detector)


def test_history_holds_a_plain_float_an_epoch(tiny: Tiny, videos: Bunch) -> None:
    callbacks = PlateauCallbacks(lr_patience=None)
    detector = tiny(epochs=2, validation_fraction=0.5, callbacks=callbacks)
    history = detector.fit(videos.X, videos.y).history_
    assert type(history) is dict
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert all(type(values) is list for values in history.values())
    assert [len(values) for values in history.values()] == [2] * 4
    assert {type(value) for values in history.values() for value in values} == {float}
    assert all(0 <= accuracy <= 1 for accuracy in history["val_accuracy"])


def test_callbacks_of_the_user_are_called_and_come_out_untouched(
    tiny: Tiny, videos: Bunch
) -> None:
    spoil = SpoilAfterFirstEpoch()
    callbacks = [spoil]
    before = dict(vars(spoil))
    detector = tiny(epochs=2, callbacks=callbacks)
    params = dict(detector.get_params())
    detector.fit(videos.X, videos.y)
    assert is_spoilt(detector)
    assert detector.callbacks is callbacks
    assert callbacks == [spoil]
    assert vars(spoil) == before
    assert detector.get_params() == params


# -- verbosity -------------------------------------------------------------------


def test_verbose_0_prints_nothing(
    tiny: Tiny, videos: Bunch, capfd: pytest.CaptureFixture[str]
) -> None:
    tiny(epochs=2, validation_fraction=0.5).fit(videos.X, videos.y).predict(videos.X)
    assert capfd.readouterr() == ("", "")


def test_verbose_1_prints_a_line_an_epoch_and_a_bar_for_answers(
    tiny: Tiny, videos: Bunch, capfd: pytest.CaptureFixture[str]
) -> None:
    detector = tiny(epochs=2, validation_fraction=0.5, verbose=1)
    detector.fit(videos.X, videos.y)
    out, err = capfd.readouterr()
    first, second = out.splitlines()
    number = r"\d[\d.e-]*"
    line = rf"epoch %d/2 - {number} s - accuracy: {number} - loss: {number}.*val_loss"
    assert re.match(line % 1, first)
    assert re.match(line % 2, second)
    assert err == ""
    detector.predict(videos.X)
    out, err = capfd.readouterr()
    assert out == ""
    assert "detecting: " in err


# -- divergence ------------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {"epochs": 3},
        {"epochs": 1, "batch_size": 8},
        {"epochs": 1, "batch_size": 100, "validation_fraction": 0.5},
    ],
    ids=["epochs", "steps", "validation"],
)
def test_diverged_training_is_told_and_leaves_nothing_that_answers(
    params: dict[str, Any], tiny: Tiny, videos: Bunch
) -> None:
    detector = tiny(learning_rate=1e30, rescale=1e38, **params)
    with pytest.raises(TrainingDivergedError, match=r"learning_rate.*1e\+30"):
        detector.fit(videos.X, videos.y)
    assert not hasattr(detector, "model_")
    with pytest.raises(ValueError, match="not fitted"):
        detector.predict_proba(videos.X)


def test_network_that_diverged_in_its_last_step_is_told(
    tiny: Tiny, videos: Bunch, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The loss is finite, since it was computed before the last step.
    monkeypatch.setattr(
        CNNDetector, "_predict_batch", lambda _, frames: np.full(len(frames), np.nan)
    )
    with pytest.raises(TrainingDivergedError, match="finite"):
        tiny(epochs=1).fit(videos.X, videos.y)


class SpoilWeights(keras.callbacks.Callback):
    """Set the first weights of the network to NaN."""

    def on_train_end(self, logs: dict | None = None) -> None:
        first, *others = self.model.get_weights()
        self.model.set_weights([first * np.nan, *others])


def test_weights_that_diverged_are_told_whatever_they_compute(
    tiny: Tiny, videos: Bunch, monkeypatch: pytest.MonkeyPatch
) -> None:
    # ReLU returns 0 for NaN on some processors.
    monkeypatch.setattr(
        CNNDetector, "_predict_batch", lambda _, frames: np.zeros(len(frames))
    )
    with pytest.raises(TrainingDivergedError, match="finite"):
        tiny(callbacks=[SpoilWeights()]).fit(videos.X, videos.y)


def test_diverged_training_prints_nothing(
    tiny: Tiny, videos: Bunch, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(TrainingDivergedError):
        tiny(rescale=1e38, epochs=3).fit(videos.X, videos.y)
    assert capfd.readouterr() == ("", "")


def test_detector_trains_again_after_it_diverged(tiny: Tiny, videos: Bunch) -> None:
    detector = tiny(rescale=1e38, epochs=3, warm_start=True)
    with pytest.raises(TrainingDivergedError):
        detector.fit(videos.X, videos.y)
    detector.set_params(rescale=1 / 255).partial_fit(videos.X, videos.y)
    assert len(detector.history_["loss"]) == 1
    assert detector.class_count_.tolist() == [6, 4]
    assert np.isfinite(detector.predict_proba(videos.X)).all()


# -- warm start and partial_fit --------------------------------------------------


def test_partial_fit_adds_an_epoch_a_call(tiny: Tiny, videos: Bunch) -> None:
    detector = tiny(epochs=5)
    assert detector.partial_fit(videos.X, videos.y) is detector
    first = weights_of(detector)
    assert len(detector.history_["loss"]) == 1
    detector.partial_fit(videos.X, videos.y)
    assert len(detector.history_["loss"]) == 2
    assert not same(first, weights_of(detector))
    once = tiny(epochs=1).fit(videos.X, videos.y)
    assert same(first, weights_of(once))


def test_partial_fit_counts_all_videos_for_the_prior(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    detector = tiny()
    for part in (slice(0, 4), slice(4, 10)):
        detector.partial_fit(videos.X[part], videos.y[part])
    assert detector.class_count_.tolist() == [6, 4]
    detector.fit(videos.X[:4], videos.y[:4])
    assert detector.class_count_.tolist() == [2, 2]


def test_partial_fit_goes_on_after_fit_without_validation(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    detector = tiny(validation_fraction=0.5, epochs=3).fit(videos.X, videos.y)
    model = detector.model_
    detector.partial_fit(videos.X[:2], videos.y[:2])
    assert detector.model_ is model
    assert trainings[1].validation_data is None
    assert len(trainings[1].frames) == 8
    assert trainings[1].epochs - trainings[1].initial_epoch == 1


def test_first_partial_fit_may_hold_one_class_if_told_both(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    names = np.array(["real", "fake"])[videos.y]
    real = videos.y == 0
    detector = tiny().partial_fit(videos.X[real], names[real], classes=["real", "fake"])
    assert detector.classes_.tolist() == ["fake", "real"]
    assert set(trainings[0].labels) == {1.0}
    detector.partial_fit(videos.X[~real], names[~real])
    assert set(trainings[1].labels) == {0.0}
    assert detector.class_count_.tolist() == [4, 6]


def test_partial_fit_refuses_labels_it_was_not_told(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    with pytest.raises(ValueError, match=r"2 classes.*contains 1"):
        tiny().partial_fit(videos.X, np.zeros(10, int))
    detector = tiny().partial_fit(videos.X, videos.y)
    with pytest.raises(ValueError, match=r"labels \[0, 2\], but the classes are"):
        detector.partial_fit(videos.X, videos.y * 2)
    with pytest.raises(ValueError, match=r"labels \[0, 1\], but the classes are"):
        tiny().partial_fit(videos.X, videos.y, classes=[1, 2])


@pytest.mark.parametrize("classes", [[0], [0, 1, 2]])
def test_partial_fit_takes_two_classes_only(
    classes: list[int], tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    with pytest.raises(ValueError, match="classes"):
        tiny().partial_fit(videos.X, np.zeros(10, int), classes=classes)
    assert not trainings


def test_warm_start_goes_on_from_the_weights(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    detector = tiny(warm_start=True).fit(videos.X, videos.y)
    learnt = [weight + 1 for weight in weights_of(detector)]
    detector.model_.set_weights(learnt)
    detector.fit(videos.X, videos.y)
    assert same(trainings[1].initial_weights, learnt)
    assert detector.class_prior_.tolist() == [0.6, 0.4]
    with pytest.raises(ValueError, match="the classes are"):
        detector.fit(videos.X, videos.y + 1)


def test_fit_starts_anew(tiny: Tiny, videos: Bunch, trainings: list[Bunch]) -> None:
    detector = tiny().fit(videos.X, videos.y)
    detector.model_.set_weights([weight + 1 for weight in weights_of(detector)])
    detector.fit(videos.X[:, :, :8], videos.y + 1)
    assert detector.frame_shape_ == (8, 16, 3)
    assert detector.classes_.tolist() == [1, 2]
    detector.fit(videos.X, videos.y)
    assert same(trainings[0].initial_weights, trainings[2].initial_weights)
    assert len(detector.history_["loss"]) == 1
    assert detector.class_count_.tolist() == [6, 4]


@pytest.mark.nightly
def test_a_training_that_was_interrupted_can_be_resumed(
    tiny: Tiny, videos: Bunch, tmp_path: Path
) -> None:
    """Training resumed with BackupAndRestore gives the same weights."""

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                raise KeyboardInterrupt

    backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
    # No dropout, since Keras does not save its state.
    params = {"epochs": 3, "optimizer": "adam", "dropout": 0, "augment": "light"}
    params["batch_size"] = 20
    whole = tiny(**params).fit(videos.X, videos.y)
    with pytest.raises(KeyboardInterrupt):
        tiny(callbacks=[backup, Interrupt()], **params).fit(videos.X, videos.y)
    resumed = tiny(callbacks=[backup], **params).fit(videos.X, videos.y)
    assert len(resumed.history_["loss"]) == 1
    for expected, found in zip(
        whole.model_.get_weights(), resumed.model_.get_weights(), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
