"""Heads with recurrent layers, dense layers and frame weights."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.utils import Bunch

from skdeepfake import persistence
from skdeepfake.detectors import (
    Attention,
    BlendedFakes,
    CNNRNNDetector,
    Head,
    PerPerson,
    TransferDetector,
)
from skdeepfake.inspection import grad_cam, occlusion

FIT = {"validation_fraction": None, "random_state": 0}


def backbone() -> keras.Model:
    kernel = keras.initializers.GlorotUniform(seed=0)
    return keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Rescaling(1 / 127.5, -1),
            keras.layers.Conv2D(4, 3, kernel_initializer=kernel, activation="relu"),
            keras.layers.BatchNormalization(momentum=0.5),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(4, 3, kernel_initializer=kernel, activation="relu"),
        ]
    )


def detector(trainable: Any = "top", aggregation: Any = "mean", **params: Any) -> Any:
    settings = {"learning_rate": 0.02, "epochs": 1, **FIT, **params}
    return TransferDetector(
        backbone=backbone,
        trainable=trainable,
        head=Head(cell="gru", units=(8,), learning_rate=0.1, epochs=0),
        aggregation=aggregation,
        **settings,
    )


@pytest.fixture(scope="module")
def ordered() -> Bunch:
    """Faces that become brighter in fakes and darker in real videos."""
    y = np.array([0, 1] * 4)
    X = np.random.RandomState(0).randint(1, 40, size=(8, 4, 16, 16, 3)).astype(np.uint8)
    steps = (np.arange(4) * 60).astype(np.uint8)[:, None, None, None]
    X[y == 1] += steps
    X[y == 0] += steps[::-1]
    X[3, 2] = 0  # no face
    X.flags.writeable = False
    return Bunch(X=X, y=y)


# -- network ---------------------------------------------------------------------


def test_dense_layers_follow_the_recurrent_ones() -> None:
    X = np.random.RandomState(0).rand(4, 3, 2, 5).astype(np.float32)
    built = CNNRNNDetector(
        sequence="temporal", units=(6,), dense_units=(7,), head_dropout=0.5, **FIT
    ).initialize(X, [0, 1, 0, 1])
    by_hand = keras.Sequential(
        [
            keras.Input((3, 5)),
            keras.layers.LSTM(6),
            keras.layers.Dense(7),
            keras.layers.Dense(1),
        ]
    )
    assert built.model_.count_params() == by_hand.count_params()
    dropouts = [
        layer.rate
        for layer in built.model_.layers
        if isinstance(layer, keras.layers.Dropout)
    ]
    assert dropouts == [0.5]


def test_defaults_are_still_the_papers() -> None:
    X = np.zeros((2, 1, 49, 512), np.float32)
    X[:, 0] = 1
    built = CNNRNNDetector(**FIT).initialize(X, [0, 1])
    lstm = [4 * n * (m + n + 1) for m, n in ((512, 64), (64, 32))]
    assert built.model_.count_params() == sum(lstm) + 32 + 1


def test_head_along_frames_has_the_weights_of_a_network_built_by_hand(
    ordered: Bunch,
) -> None:
    head = Head(cell="lstm", units=(6, 3), bidirectional=True, dense_units=(5,))
    built = TransferDetector(backbone=backbone, head=head, **FIT)
    built.initialize(ordered.X, ordered.y)
    by_hand = keras.Sequential(
        [
            keras.Input((4, 4)),
            keras.layers.Bidirectional(keras.layers.LSTM(6, return_sequences=True)),
            keras.layers.Bidirectional(keras.layers.LSTM(3)),
            keras.layers.Dense(5),
            keras.layers.Dense(1),
        ]
    )
    own = built.model_.count_params() - backbone().count_params()
    assert own == by_hand.count_params()


# -- training --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trainable", "aggregation"),
    [
        ("all", Attention()),
        pytest.param("all", "mean", marks=pytest.mark.nightly),
        pytest.param(1, Attention(), marks=pytest.mark.nightly),
        pytest.param("top", "mean", marks=pytest.mark.nightly),
        pytest.param("top", Attention(), marks=pytest.mark.nightly),
    ],
)
def test_order_of_frames_is_learnt_from_pixels(
    ordered: Bunch, trainable: Any, aggregation: Any
) -> None:
    epochs = 20 if trainable == "top" else 12
    found = detector(trainable, aggregation, epochs=epochs).fit(ordered.X, ordered.y)
    assert found.score(ordered.X, ordered.y) == 1.0
    # The mean over frames does not depend on their order.
    backwards = found.predict(ordered.X[:, ::-1])
    assert (backwards == 1 - ordered.y).all()
    assert np.isnan(found.predict_frame_proba(ordered.X)[3, 2]).all()


@pytest.fixture(scope="module")
def fitted(ordered: Bunch) -> TransferDetector:
    return detector("all").fit(ordered.X, ordered.y)


def test_frame_score_is_that_of_the_video_so_far(
    ordered: Bunch, fitted: TransferDetector
) -> None:
    found = fitted
    frames = found.predict_frame_proba(ordered.X)
    two = found.predict_proba(ordered.X[:, :2])
    np.testing.assert_allclose(frames[:, 1], two, atol=1e-6)
    np.testing.assert_allclose(
        found.aggregate_proba(frames), found.predict_proba(ordered.X), atol=1e-6
    )


def test_missing_faces_change_nothing_wherever_they_are(
    ordered: Bunch, fitted: TransferDetector
) -> None:
    found = fitted
    gaps = np.zeros((8, 7, *ordered.X.shape[2:]), np.uint8)
    gaps[:, [0, 2, 3, 6]] = ordered.X
    np.testing.assert_allclose(
        found.predict_proba(gaps), found.predict_proba(ordered.X), atol=1e-6
    )


def test_batch_size_counts_frames(ordered: Bunch, trainings: list[Bunch]) -> None:
    detector("all", batch_size=8).fit(ordered.X, ordered.y)
    assert trainings[0].batch_sizes == [2, 2, 2, 2]
    assert trainings[0].frames.shape[1:] == (4, 16, 16, 3)
    assert (trainings[0].frames.any(axis=(2, 3, 4)).sum()) == 31


def test_head_is_trained_alone_first(ordered: Bunch) -> None:
    found = detector("all", epochs=1).set_params(head__epochs=2)
    found.fit(ordered.X, ordered.y)
    assert len(found.head_history_["loss"]) == 2


def test_fakes_are_made_of_real_videos(ordered: Bunch) -> None:
    found = detector("all", fake_source=BlendedFakes(), augment="flip")
    proba = found.fit(ordered.X, np.zeros(8, int)).predict_proba(ordered.X)
    assert proba.shape == (8, 2)
    assert found.classes_.tolist() == [0, 1]


def test_frames_and_places_are_explained(
    ordered: Bunch, fitted: TransferDetector
) -> None:
    found = fitted
    maps = grad_cam(found, ordered.X[2:4])
    assert maps.shape == (2, 4, 16, 16)
    assert np.isnan(maps[1, 2]).all()
    assert np.isfinite(maps[0]).all()
    assert occlusion(found, ordered.X[2:4], over="frame").shape == (2, 4)


@pytest.mark.parametrize(
    "aggregation", [pytest.param("mean", marks=pytest.mark.nightly), Attention()]
)
def test_model_survives_files(ordered: Bunch, aggregation: Any, tmp_path: Path) -> None:
    found = detector("top", aggregation).fit(ordered.X, ordered.y)
    expected = found.predict_proba(ordered.X)
    found.backbone = "vgg16"  # a file can store a name, but not a function
    persistence.save(found, tmp_path / "model.skops")
    for other in (
        pickle.loads(pickle.dumps(found)),
        persistence.load(tmp_path / "model.skops"),
    ):
        np.testing.assert_allclose(other.predict_proba(ordered.X), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("cell", "rnn"), ("units", ()), ("units", (0,)), ("dense_units", (2.5,))),
        *(("dense_dropout", 1.0), ("bidirectional", "both")),
    ],
)
def test_bad_parameters_are_named(ordered: Bunch, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"'{name}' parameter of Head"):
        TransferDetector(head=Head(**{name: value})).fit(ordered.X, ordered.y)


# -- frame weights ---------------------------------------------------------------


@pytest.fixture(scope="module")
def noisy() -> Bunch:
    """Features whose first channel shows the class, except in noisy frames.

    The second channel marks noisy frames.
    """
    rng = np.random.RandomState(0)
    y = np.array([0, 1] * 20)
    X = rng.normal(scale=0.3, size=(40, 4, 1, 3)).astype(np.float32)
    X[..., 0] += (2 * y - 1)[:, None, None]
    noise = rng.rand(40, 4) < 0.5
    noise[:, 0] = False
    X[noise, 0, 0] = rng.normal(scale=3, size=noise.sum())
    X[..., 1] += np.where(noise, 3, -3)[..., None]
    return Bunch(X=X, y=y, noise=noise)


@pytest.mark.parametrize(
    ("sequence", "limit"),
    [pytest.param("spatial", 0.18, marks=pytest.mark.nightly), ("temporal", 0.03)],
)
def test_frame_of_noise_gets_a_weight_near_zero(
    noisy: Bunch, sequence: str, limit: float
) -> None:
    found = CNNRNNDetector(
        sequence=sequence,
        units=(4,),
        aggregation=Attention(),
        learning_rate=0.1,
        epochs=25,
        batch_size=160,
        **FIT,
    ).fit(noisy.X, noisy.y)
    weights = found.predict_frame_weights(noisy.X)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert weights[noisy.noise].mean() < limit  # 0.25 if all were equal
    assert found.score(noisy.X, noisy.y) == 1.0


def test_weights_do_not_see_missing_frames(noisy: Bunch) -> None:
    X = noisy.X.copy()
    X[::2, 1] = 0  # only in every other video
    found = CNNRNNDetector(
        sequence="temporal", units=(4,), aggregation=Attention(), epochs=1, **FIT
    ).fit(X, noisy.y)
    weights = found.predict_frame_weights(X)
    assert np.isnan(weights[::2, 1]).all()
    np.testing.assert_allclose(np.nansum(weights, axis=1), 1)
    shorter = X[::2][:, [0, 2, 3]]
    np.testing.assert_allclose(
        found.predict_proba(X)[::2], found.predict_proba(shorter), atol=1e-6
    )
    both = found.model_.predict_on_batch(np.concatenate([shorter, 0 * shorter], axis=1))
    np.testing.assert_allclose(both, found.model_.predict_on_batch(shorter), atol=1e-6)


def test_weighted_frames_have_a_loss_of_their_own(noisy: Bunch) -> None:
    found = CNNRNNDetector(
        sequence="temporal",
        units=(4,),
        aggregation=Attention(),
        optimizer="sgd",
        learning_rate=1e-9,  # too small to change the weights
        epochs=1,
        **FIT,
    ).fit(noisy.X, noisy.y)
    both = keras.ops.convert_to_numpy(found.model_(noisy.X))
    target = noisy.y[:, None]
    entropy = -np.log(np.where(target, both, 1 - both)).mean(axis=0)
    np.testing.assert_allclose(found.history_["loss"][-1], entropy.sum(), rtol=1e-3)


def test_people_are_weighted_each_by_itself(noisy: Bunch) -> None:
    X = noisy.X.reshape(20, 8, 1, 3)
    found = CNNRNNDetector(
        sequence="temporal",
        units=(4,),
        aggregation=PerPerson(2, aggregation=Attention()),
        epochs=1,
        **FIT,
    ).fit(X, noisy.y[:20])
    weights = found.predict_frame_weights(X).reshape(20, 4, 2)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert found.predict_person_proba(X).shape == (20, 2, 2)


def test_two_answers_are_not_taken_for_one(noisy: Bunch) -> None:
    found = CNNRNNDetector(sequence="temporal", units=(4,), epochs=1, **FIT)
    found.initialize(noisy.X, noisy.y).set_params(aggregation=Attention())
    with pytest.raises(ValueError, match="Fit it again"):
        found.predict_proba(noisy.X)
