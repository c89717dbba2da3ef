"""Training fakes are blended from real faces and differ in each epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils import Bunch

from skdeepfake.detectors import BlendedFakes, CNNDetector
from skdeepfake.detectors._batches import Batch
from skdeepfake.detectors._fakes import append_blends, replace_fakes
from skdeepfake.synthesis import SelfBlender

Tiny = Callable[..., CNNDetector]


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


def all_of(batches: Any) -> Bunch:
    """Join the batches of an epoch."""
    parts = [batches[number] for number in range(batches.num_batches)]
    frames, y, weight = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Bunch(frames=frames, y=y.ravel(), weight=weight)


def is_one_of(frames: np.ndarray, X: np.ndarray) -> list[bool]:
    """Return which frames are identical to a frame of X."""
    known = {frame.tobytes() for frame in X.reshape(-1, *X.shape[2:])}
    return [frame.tobytes() in known for frame in frames]


# -- labels ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([0, 1], [0, 1]),
        ([0.0, 1.0], [0, 1]),
        ([False, True], [False, True]),
        (["real", "fake"], ["fake", "real"]),
        (["real", "synthetic"], ["real", "synthetic"]),
        ([0, 0], [0, 1]),
        ([False, False], [False, True]),
        (["real", "real"], ["fake", "real"]),
        (np.array(["real", "real"], object), ["fake", "real"]),
    ],
)
def test_real_is_known_by_its_label(
    labels: Any, classes: list, tiny: Tiny, videos: Bunch, handed: list[Bunch]
) -> None:
    chosen = videos.y == 0 if labels[0] == labels[1] else slice(None)
    X, y = videos.X[chosen], np.asarray(labels)[videos.y][chosen]
    detector = tiny(fake_source=BlendedFakes()).fit(X, y)
    assert detector.classes_.tolist() == classes
    given = all_of(handed[0].batches)
    real = classes.index(labels[0])
    known = np.array(is_one_of(given.frames, videos.X))
    np.testing.assert_array_equal(given.y[known], real)
    np.testing.assert_array_equal(given.y[~known], 1 - real)
    assert known.sum() >= 24  # some blends leave all bytes unchanged
    # There are as many blended fakes as real faces.
    assert detector.class_prior_.tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ([1, 2], r"\[1, 2\]"),
        ([1, 1], r"\[1\]"),
        (["fake", "fake"], r"\['fake'\]"),
        ([-1, 1], r"\[-1, 1\]"),
    ],
)
@pytest.mark.parametrize("fakes", [BlendedFakes(), BlendedFakes(share=0.25)])
def test_labels_of_which_none_is_real_are_refused(
    labels: list, found: str, fakes: Any, tiny: Tiny, videos: Bunch
) -> None:
    message = f"must be 0, False or 'real'; got {found}"
    detector = tiny(fake_source=fakes)
    for learn in (detector.fit, detector.partial_fit, detector.initialize):
        with pytest.raises(ValueError, match=message):
            learn(videos.X, np.array(labels)[videos.y])
    assert not hasattr(detector, "model_")


@pytest.mark.parametrize("fakes", ["labels", BlendedFakes(share=0.25)])
def test_fakes_are_needed_where_they_are_used(
    fakes: Any, tiny: Tiny, videos: Bunch
) -> None:
    with pytest.raises(ValueError, match="needs samples of 2 classes, real and fake"):
        tiny(fake_source=fakes).fit(videos.X, np.zeros(10, int))


def test_column_of_labels_is_taken_with_a_warning(
    tiny: Tiny, videos: Bunch, handed: list[Bunch]
) -> None:
    with pytest.warns(UserWarning, match="A column-vector y was passed"):
        tiny(fake_source=BlendedFakes()).fit(videos.X, np.zeros((10, 1), int))
    assert len(handed) == 1


# -- self-blended ----------------------------------------------------------------


def test_given_fakes_are_left_out(
    tiny: Tiny, videos: Bunch, handed: list[Bunch]
) -> None:
    real = videos.y == 0
    detector = tiny(fake_source=BlendedFakes(), batch_size=10)
    detector.fit(videos.X, videos.y)
    assert detector.class_count_.tolist() == [6, 6]
    detector.fit(videos.X[real], videos.y[real])
    assert detector.class_count_.tolist() == [6, 6]
    with_fakes, without = (all_of(training.batches) for training in handed)
    for name in ("frames", "y", "weight"):
        np.testing.assert_array_equal(with_fakes[name], without[name])
    assert len(with_fakes.frames) == 48


def test_batch_is_half_of_real_faces_and_half_of_fakes_of_them(
    tiny: Tiny, videos: Bunch, handed: list[Bunch]
) -> None:
    tiny(fake_source=BlendedFakes(), batch_size=8).fit(videos.X, videos.y)
    (training,) = handed
    assert training.batches.num_batches == 6
    n_changed = 0
    for number in range(6):
        frames, y, weight = training.batches[number]
        assert frames.dtype == np.uint8
        assert y.ravel().tolist() == [0] * 4 + [1] * 4
        assert weight.tolist() == [1.0] * 8
        assert all(is_one_of(frames[:4], videos.X[videos.y == 0]))
        differences = np.abs(frames[4:].astype(int) - frames[:4])
        n_changed += differences.any(axis=(1, 2, 3)).sum()
        # Each fake is closest to the real face at the same position.
        across = np.abs(frames[4:, None].astype(int) - frames[None, :4])
        nearest = across.mean(axis=(2, 3, 4)).argmin(axis=1)
        assert nearest.tolist() == [0, 1, 2, 3]
    assert n_changed == 24


def test_epoch_makes_other_fakes_of_the_same_faces(
    tiny: Tiny, videos: Bunch, handed: list[Bunch]
) -> None:
    tiny(fake_source=BlendedFakes(), validation_fraction=0.5).fit(videos.X, videos.y)
    (training,) = handed
    epochs = []
    for _ in range(2):
        held_out = all_of(training.validation_data)
        epochs.append((all_of(training.batches), held_out))
        training.batches.on_epoch_end()
        training.validation_data.on_epoch_end()
    (first, held_out), (second, again) = epochs
    (reals, fakes), (same_reals, other_fakes) = (
        [{f.tobytes() for f in part.frames[part.y == label]} for label in (0, 1)]
        for part in (first, second)
    )
    assert reals == same_reals
    assert not fakes & other_fakes
    np.testing.assert_array_equal(held_out.frames, again.frames)
    # The validation set has blended fakes and shares no face with the training set.
    assert held_out.y.mean() == 0.5
    assert not reals & {frame.tobytes() for frame in held_out.frames}


def test_same_seed_makes_the_same_fakes(
    tiny: Tiny, videos: Bunch, handed: list[Bunch]
) -> None:
    for seed in (0, 0, 1):
        tiny(fake_source=BlendedFakes(), random_state=seed).fit(videos.X, videos.y)
    first, again, other = (all_of(training.batches).frames for training in handed)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(np.unique(first, axis=0), np.unique(other, axis=0))


@pytest.mark.parametrize(
    ("class_weight", "real", "fake"),
    [
        ({0: 1, 1: 3}, 1, 3),
        ({0: 2, 1: 1}, 2, 1),
        ({1: 5}, 1, 5),
        ("balanced", 1, 1),
        (None, 1, 1),
    ],
)
def test_classes_weigh_what_is_asked_and_faces_what_their_video_weighs(
    class_weight: Any,
    real: float,
    fake: float,
    tiny: Tiny,
    videos: Bunch,
    handed: list[Bunch],
) -> None:
    own = np.arange(1, 11) / 2
    tiny(fake_source=BlendedFakes(), class_weight=class_weight, batch_size=80).fit(
        videos.X, videos.y, sample_weight=own
    )
    given = all_of(handed[0].batches)
    lookup = {videos.X[v, f].tobytes(): own[v] for v in range(10) for f in range(4)}
    expected = np.array([lookup[frame.tobytes()] for frame in given.frames[:24]])
    np.testing.assert_allclose(given.weight[:24], real * expected)
    np.testing.assert_allclose(given.weight[24:], fake * expected)


def test_groups_of_real_videos_stand_on_one_side(
    tiny: Tiny, videos: Bunch, handed: list[Bunch]
) -> None:
    groups = np.array([0, 9, 0, 9, 1, 1, 9, 2, 9, 2])
    detector = tiny(fake_source=BlendedFakes(), validation_fraction=0.34)
    detector.fit(videos.X, videos.y, groups=groups)
    held_out = all_of(handed[0].validation_data)
    held = [any(is_one_of(held_out.frames, videos.X[[v]])) for v in range(10)]
    assert len(set(groups[held])) == 1
    assert sum(held) == 2
    assert 9 not in groups[held]


def test_fakes_of_a_video_leave_empty_slots_empty() -> None:
    X = np.random.RandomState(0).randint(1, 256, (2, 3, 16, 16, 3)).astype(np.uint8)
    X[0, 1] = 0
    present = np.array([[1, 0, 1], [1, 1, 1]], np.float32)
    batch = Batch(X, np.zeros((2, 1)), np.array([1.0, 3.0]), present)
    made = append_blends(
        batch, np.random.default_rng(0), blender=SelfBlender(), fake=1, times=2.0
    )
    filled = made.frames.any(axis=(2, 3, 4))
    np.testing.assert_array_equal(filled, [*present, *present])
    assert made.y.ravel().tolist() == [0, 0, 1, 1]
    assert made.weight.tolist() == [1, 3, 2, 6]
    np.testing.assert_array_equal(made.present, [*present, *present])


def test_targets_are_the_real_faces_where_these_are_altered() -> None:
    """Otherwise, a detector would learn that all altered faces are fake."""
    X = np.random.RandomState(0).randint(1, 256, (4, 16, 16, 3)).astype(np.uint8)
    batch = Batch(X, np.zeros((4, 1)), np.ones(4))
    blender = SelfBlender(altered="target")
    made = append_blends(batch, np.random.default_rng(0), blender=blender, fake=1)
    targets, fakes = blender.blend_pairs(X, np.random.default_rng(0))
    np.testing.assert_array_equal(made.frames, [*targets, *fakes])
    assert (made.frames[:4] != X).any(axis=(1, 2, 3)).all()


# -- given and blended fakes -----------------------------------------------------


def mixed(
    share: float, altered: str = "source", n: int = 60
) -> tuple[np.ndarray, np.ndarray, Batch, Batch]:
    """Replace fakes of a batch. Also return the real faces used for the blends."""
    rng = np.random.RandomState(0)
    X = rng.randint(1, 256, (8, 5, 16, 16, 3)).astype(np.uint8)
    index = tuple(axis.ravel() for axis in np.indices((8, 5)))
    y = (np.arange(n) % 3 > 0).astype(np.float32)[:, np.newaxis]  # two thirds are fake
    numbers = np.arange(n, dtype=np.uint8)
    frames = np.broadcast_to(numbers[:, None, None, None], (n, 16, 16, 3))
    batch = Batch(frames, y, np.arange(n, dtype=float))
    blender = SelfBlender(altered=altered)
    settings = {"blender": blender, "fake": 1, "share": share, "X": X, "index": index}
    changed = replace_fakes(batch, np.random.default_rng(1), **settings)
    return X, y.ravel(), batch, changed


def replaced(before: Batch, after: Batch) -> np.ndarray:
    return (before.frames != after.frames).any(axis=(1, 2, 3))


def test_share_of_the_fakes_is_replaced_and_no_real_face() -> None:
    _, y, before, after = mixed(0.25, n=240)
    there = replaced(before, after)
    assert not there[y == 0].any()
    assert there[y == 1].mean() == pytest.approx(0.25, abs=0.08)
    assert after.y is before.y
    assert after.weight is before.weight


def test_blends_are_of_real_faces() -> None:
    X, y, before, after = mixed(1.0)
    np.testing.assert_array_equal(replaced(before, after), y == 1)
    faces = X.reshape(-1, 16, 16, 3).astype(int)
    made = after.frames[y == 1].astype(int)
    distance = np.abs(made[:, None] - faces[None]).mean(axis=(2, 3, 4))
    # Two noise images differ by 85 on average.
    assert (distance.min(axis=1) < 50).all()
    assert len(set(distance.argmin(axis=1))) > 20


@pytest.mark.parametrize("altered", ["target", "either"])
def test_targets_take_the_places_of_as_many_real_faces(altered: str) -> None:
    _, y, before, after = mixed(0.3, altered)
    there = replaced(before, after)
    assert 5 < there[y == 1].sum() < 20
    assert there[y == 0].sum() == there[y == 1].sum()
    _, y, before, after = mixed(1.0, altered)
    # There are fewer real faces than fakes.
    assert replaced(before, after).all()


def test_batch_is_left_alone_where_nothing_is_replaced() -> None:
    _, _, before, after = mixed(1e-9)
    assert after is before


@pytest.mark.parametrize("labels", [[0, 1], ["real", "fake"]])
def test_mixed_fakes_are_given_ones_and_blends(
    labels: list, tiny: Tiny, videos: Bunch, handed: list[Bunch]
) -> None:
    detector = tiny(
        fake_source=BlendedFakes(share=0.5), batch_size=40, validation_fraction=0.5
    )
    y = np.array(labels)[videos.y]
    detector.fit(videos.X, y)
    fake = detector.classes_.tolist().index(labels[1])
    counts = []
    for batches in (handed[0].batches, handed[0].validation_data):
        part = all_of(batches)
        known = np.array(is_one_of(part.frames, videos.X))
        assert known[part.y != fake].all()
        counts.append((~known[part.y == fake]).mean())
        # Blends use faces of the same subset and stay similar to them.
        reals = part.frames[part.y != fake].astype(int)
        blends = part.frames[(part.y == fake) & ~known].astype(int)
        distance = np.abs(blends[:, None] - reals[None]).mean(axis=(2, 3, 4))
        assert (distance.min(axis=1) < 28).all()  # two faces differ by 33
    assert 0.1 < min(counts) <= max(counts) < 0.9
    assert detector.class_count_.sum() == 10  # the given labels


def test_epochs_of_one_class_alone_can_be_mixed(
    tiny: Tiny, videos: Bunch, handed: list[Bunch]
) -> None:
    """Without real faces to blend, the fakes are unchanged."""
    fake = videos.y == 1
    detector = tiny(fake_source=BlendedFakes(share=1.0))
    detector.partial_fit(videos.X[fake], videos.y[fake], classes=[0, 1])
    given = all_of(handed[0].batches)
    assert all(is_one_of(given.frames, videos.X[fake]))


# -- parameters ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"fake_source": BlendedFakes(share=0.5)},
            r"RGB images of dtype uint8 for fake_source=BlendedFakes\(share=0.5\)",
        ),
        ({"augment": "flip"}, "RGB images of dtype uint8 for augment='flip'; got"),
        (
            {"augment": "flip", "fake_source": BlendedFakes()},
            r"RGB .* for augment='flip' and fake_source=BlendedFakes\(\); got",
        ),
    ],
)
def test_faces_that_are_no_bytes_are_refused(
    params: dict[str, Any], message: str, tiny: Tiny, videos: Bunch
) -> None:
    for X in (videos.X.astype(np.float32), videos.X[..., :1]):
        with pytest.raises(ValueError, match=message):
            tiny(**params).fit(X, videos.y)


@pytest.mark.parametrize("share", [0, -0.1, 1.1])
def test_share_is_checked(share: float, tiny: Tiny, videos: Bunch) -> None:
    with pytest.raises(ValueError, match="'share' parameter of BlendedFakes"):
        tiny(fake_source=BlendedFakes(share=share)).fit(videos.X, videos.y)


def test_parameters_of_the_blender_are_the_detectors(
    tiny: Tiny, videos: Bunch, handed: list[Bunch]
) -> None:
    detector = tiny(fake_source=BlendedFakes(SelfBlender(margin=0.25)))
    assert detector.get_params()["fake_source__blender__margin"] == 0.25
    prefix = "fake_source__blender__"
    detector.set_params(**{f"{prefix}color": 0, f"{prefix}detail": 0})
    detector = clone(detector).set_params(**{f"{prefix}movement": 0})
    assert detector.fake_source.blender.get_params() == {
        **SelfBlender().get_params(),
        **{"margin": 0.25, "color": 0, "detail": 0, "movement": 0},
    }
    assert "fake_source__blender__margin" not in detector.get_params(deep=False)
    # A face blended with itself hardly changes.
    detector.set_params(batch_size=24).fit(videos.X, videos.y)
    frames, *_ = handed[0].batches[0]
    assert np.abs(frames[:12].astype(int) - frames[12:]).max() <= 1
