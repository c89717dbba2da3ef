"""Faces are changed while a network is trained on them, and at no other time."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from keras import layers
from sklearn.base import clone
from sklearn.utils import Bunch

from skdeepfake.augmentation import RandomBlur, RandomNoise
from skdeepfake.detectors import CNNDetector, SelfBlendedFakes

Tiny = Callable[..., CNNDetector]
Variant = Callable[..., CNNDetector]

BRIGHTER = layers.Rescaling(1.0, 20.0)
HALF = layers.Rescaling(0.5)


def bytes_of(frames: np.ndarray) -> set[bytes]:
    return {frame.tobytes() for frame in frames.reshape(-1, *frames.shape[-3:])}


# -- when ------------------------------------------------------------------------


def test_training_frames_are_changed_and_no_other(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    detector = tiny(augment=BRIGHTER, validation_fraction=0.5)
    detector.fit(videos.X, videos.y)
    (training,) = trainings
    held_out = training.validation_data
    validated = np.concatenate([held_out[n][0] for n in range(held_out.num_batches)])
    assert training.frames.dtype == validated.dtype == np.uint8
    assert len(training.frames) == len(validated) == 20
    assert bytes_of(validated) < bytes_of(videos.X)
    assert bytes_of(training.frames - 20) == bytes_of(videos.X) - bytes_of(validated)


def test_network_and_its_answers_know_nothing_of_it(
    tiny: Tiny, variant: Variant, fitted: CNNDetector, videos: Bunch
) -> None:
    plain, augmented = (
        tiny(augment=augment).initialize(videos.X, videos.y)
        for augment in (None, "strong")
    )
    assert [type(layer) for layer in augmented.model_.layers] == [
        type(layer) for layer in plain.model_.layers
    ]
    for found, expected in zip(
        augmented.model_.get_weights(), plain.model_.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(
        variant(augment="strong").predict_proba(videos.X),
        fitted.predict_proba(videos.X),
    )


def test_layers_change_one_after_the_other(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    for augment in ([HALF, BRIGHTER], (BRIGHTER, HALF)):
        tiny(augment=augment).fit(videos.X, videos.y)
    halved, moved = (bytes_of(training.frames) for training in trainings)
    faces = videos.X.astype(float)
    assert halved == bytes_of(np.rint(faces / 2 + 20).astype(np.uint8))
    assert moved == bytes_of(np.rint((faces + 20) / 2).astype(np.uint8))


def test_labels_and_weights_stay_with_their_frames(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    weight = np.arange(1, 11) / 2
    tiny(augment=BRIGHTER).fit(videos.X, videos.y, sample_weight=weight)
    (training,) = trainings
    place = {videos.X[v, f].tobytes(): v for v in range(10) for f in range(4)}
    found = [place[frame.tobytes()] for frame in training.frames - 20]
    np.testing.assert_array_equal(training.labels, videos.y[found])
    np.testing.assert_array_equal(training.weights, weight[found])


def test_blends_are_augmented_like_the_faces(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    for augment in (None, HALF):
        tiny(augment=augment, fake_source=SelfBlendedFakes()).fit(videos.X, videos.y)
    plain, halved = (training.frames for training in trainings)
    np.testing.assert_array_equal(halved, np.rint(plain / 2).astype(np.uint8))


def test_draws_are_those_of_the_seed(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    noise = RandomNoise(probability=1)
    for seed in (0, 0, 1):
        tiny(augment=noise, random_state=seed).fit(videos.X, videos.y)
    first, again, other = trainings
    np.testing.assert_array_equal(first.frames, again.frames)
    # A little noise may be rounded off.
    assert len(bytes_of(first.frames) & bytes_of(videos.X)) < 4
    assert len(bytes_of(first.frames) & bytes_of(other.frames)) < 4


def test_further_epoch_draws_anew(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    detector = tiny(augment=RandomNoise(probability=1))
    for _ in range(2):
        detector.partial_fit(videos.X, videos.y)
    first, second = trainings
    assert len(bytes_of(first.frames) & bytes_of(second.frames)) < 4


# -- what is refused -------------------------------------------------------------


@pytest.mark.parametrize(
    ("augment", "error", "message"),
    [
        ("weak", ValueError, "augment='weak' must be one of the presets flip, light"),
        ([HALF, 3], TypeError, "which holds 3, must be one of the presets"),
        ([], ValueError, "holds no layer"),
        (RandomNoise, ValueError, "'augment' parameter of CNNDetector must be"),
    ],
)
def test_anything_else_is_refused_before_the_training(
    augment: Any, error: type, message: str, tiny: Tiny, videos: Bunch
) -> None:
    detector = tiny(augment=augment)
    for learn in (detector.fit, detector.partial_fit):
        with pytest.raises(error, match=message):
            learn(videos.X, videos.y)
    assert not hasattr(detector, "model_")


def test_layer_that_changes_the_size_is_named(tiny: Tiny, videos: Bunch) -> None:
    detector = tiny(augment=layers.CenterCrop(8, 8, name="middle"))
    with pytest.raises(ValueError, match="augment: the layer 'middle', a CenterCrop"):
        detector.fit(videos.X, videos.y)


# -- as a parameter --------------------------------------------------------------


def test_layers_are_kept_as_they_are(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    given = [RandomNoise(probability=1), layers.RandomFlip("horizontal")]
    detector = tiny(augment=given).fit(videos.X, videos.y)
    assert detector.augment is given
    assert not given[0].built
    assert given[0].seed is None


@pytest.mark.parametrize(
    "augment",
    [
        "flip",
        RandomBlur(seed=3),
        [RandomNoise(0.2), layers.RandomFlip("horizontal", seed=2)],
    ],
    ids=["preset", "layer", "list"],
)
def test_pickle_and_clone_keep_the_layers(
    augment: Any, tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    detector = tiny(augment=augment).fit(videos.X, videos.y)
    loaded = pickle.loads(pickle.dumps(detector))
    clone(loaded).fit(videos.X, videos.y)
    first, again = trainings
    np.testing.assert_array_equal(again.frames, first.frames)


def test_pickle_keeps_the_weights_of_layers(tiny: Tiny) -> None:
    """Those of a Normalization that was told its data, say."""
    layer = layers.Normalization(axis=None)
    layer.adapt(np.arange(10.0))
    loaded = pickle.loads(pickle.dumps(tiny(augment=layer)))
    for found, expected in zip(
        loaded.augment.get_weights(), layer.get_weights(), strict=True
    ):
        np.testing.assert_allclose(found, expected)
