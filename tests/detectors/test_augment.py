"""Faces are augmented only during training."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from keras import layers
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils import Bunch

from skdeepfake.augmentation import (
    KerasAugmentation,
    RandomBlur,
    RandomFlip,
    RandomNoise,
)
from skdeepfake.detectors import BlendedFakes, CNNDetector
from skdeepfake.synthesis import SelfBlender

Tiny = Callable[..., CNNDetector]
Variant = Callable[..., CNNDetector]

BRIGHTER = KerasAugmentation(layers.Rescaling(1.0, 20.0))
HALF = KerasAugmentation(layers.Rescaling(0.5))


def bytes_of(frames: np.ndarray) -> set[bytes]:
    return {frame.tobytes() for frame in frames.reshape(-1, *frames.shape[-3:])}


# -- when faces are augmented ----------------------------------------------------


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


def test_augmentations_change_one_after_the_other(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    for augment in ([HALF, BRIGHTER], (BRIGHTER, HALF)):
        tiny(augment=augment).fit(videos.X, videos.y)
    halved, moved = (bytes_of(training.frames) for training in trainings)
    faces = videos.X.astype(float)
    assert halved == bytes_of((np.rint(faces / 2) + 20).astype(np.uint8))
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
        tiny(augment=augment, fake_source=BlendedFakes()).fit(videos.X, videos.y)
    plain, halved = (training.frames for training in trainings)
    np.testing.assert_array_equal(halved, np.rint(plain / 2).astype(np.uint8))


def test_a_face_and_its_fake_are_changed_alike(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    same = SelfBlender(color=0, detail=0, movement=0)
    detector = tiny(augment="strong", fake_source=BlendedFakes(same), batch_size=8)
    detector.fit(videos.X, videos.y)
    frames, y = trainings[0].frames, trainings[0].labels.ravel()
    np.testing.assert_array_equal(frames[y == 0], frames[y == 1])
    # Different faces are augmented differently.
    assert len(bytes_of(frames)) > 0.4 * len(frames)


def test_draws_are_those_of_the_seed(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    noise = RandomNoise(probability=1)
    for seed in (0, 0, 1):
        tiny(augment=noise, random_state=seed).fit(videos.X, videos.y)
    first, again, other = trainings
    np.testing.assert_array_equal(first.frames, again.frames)
    # Weak noise may be lost in rounding.
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


# -- errors ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("augment", "error", "message"),
    [
        ("weak", ValueError, r"augment='weak' must be a preset \(flip, light"),
        ([HALF, 3], TypeError, "which holds 3, must be a preset"),
        ([], ValueError, "is empty"),
        (RandomNoise(-1), ValueError, "'sigma' parameter of RandomNoise"),
        (layers.Rescaling(0.5), TypeError, "Wrap Keras layers in KerasAugmentation"),
        (RandomNoise, TypeError, "must be a preset"),
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
    detector = tiny(augment=KerasAugmentation(layers.CenterCrop(8, 8, name="middle")))
    with pytest.raises(ValueError, match="augment: the layer 'middle', a CenterCrop"):
        detector.fit(videos.X, videos.y)


# -- parameter -------------------------------------------------------------------


def test_augmentations_are_kept_as_they_are(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    flip = layers.RandomFlip("horizontal")
    given = [RandomNoise(probability=1), KerasAugmentation(flip)]
    detector = tiny(augment=given).fit(videos.X, videos.y)
    assert detector.augment is given
    assert not flip.built


@pytest.mark.parametrize(
    "augment",
    [
        "flip",
        RandomBlur(),
        [RandomNoise(0.2), KerasAugmentation(layers.RandomFlip("horizontal"))],
    ],
    ids=["preset", "augmentation", "list"],
)
def test_pickle_and_clone_keep_the_augmentations(
    augment: Any, tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    detector = tiny(augment=augment).fit(videos.X, videos.y)
    loaded = pickle.loads(pickle.dumps(detector))
    clone(loaded).fit(videos.X, videos.y)
    first, again = trainings
    np.testing.assert_array_equal(again.frames, first.frames)


def test_grid_search_over_augmentations(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    candidates = ["light", RandomFlip(), [RandomFlip(), RandomNoise()]]
    search = GridSearchCV(tiny(), {"augment": candidates}, cv=2)
    search.fit(videos.X, videos.y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(trainings) == 7
    assert all(bytes_of(t.frames) - bytes_of(videos.X) for t in trainings)


# -- prefetching -------------------------------------------------------------------


def test_batches_are_made_in_another_thread_while_the_network_learns(
    tiny: Tiny, videos: Bunch
) -> None:
    threads = set()

    class Noting(RandomNoise):
        def augment_image(self, image: Any, rng: np.random.Generator) -> Any:
            threads.add(threading.get_ident())
            return super().augment_image(image, rng)

    detector, again = (
        tiny(augment=Noting(probability=1), batch_size=8, epochs=2) for _ in range(2)
    )
    detector.fit(videos.X, videos.y)
    assert threads - {threading.get_ident()}
    again.fit(videos.X, videos.y)
    assert again.history_ == detector.history_
