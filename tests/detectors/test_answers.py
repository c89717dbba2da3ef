"""Predictions for videos depend on the frames with a face."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.utils import Bunch

from skdeepfake.detectors import CNNDetector, TopK
from skdeepfake.exceptions import NoFaceError, NoFaceWarning

Variant = Callable[..., CNNDetector]


@pytest.fixture(scope="module")
def fresh(videos: Bunch) -> Bunch:
    """Videos not used for training, with varying brightness."""
    rng = np.random.RandomState(1)
    y = np.array([0, 0, 1, 1, 1, 0])
    brightness = np.where(y, 100, 0)[:, None] + rng.randint(-30, 30, size=(6, 5))
    noise = rng.randint(31, 100, size=(6, 5, 16, 16, 3))
    X = (noise + brightness[..., None, None, None]).astype(np.uint8)
    X.flags.writeable = False
    return Bunch(X=X, y=y)


def without_faces(X: np.ndarray, *slots: tuple) -> np.ndarray:
    X = X.copy()
    for slot in slots:
        X[slot] = 0
    return X


# -- frames ----------------------------------------------------------------------


@pytest.mark.jax
def test_detector_has_learnt_the_toy_videos(
    fitted: CNNDetector, videos: Bunch, fresh: Bunch
) -> None:
    np.testing.assert_array_equal(fitted.predict(videos.X), videos.y)
    np.testing.assert_array_equal(fitted.predict(fresh.X), fresh.y)


def test_frame_probability_is_the_networks_answer(
    fitted: CNNDetector, fresh: Bunch
) -> None:
    answers = fitted.predict_frame_proba(fresh.X)
    assert answers.shape == (6, 5, 2)
    network = fitted.model_.predict_on_batch(fresh.X.reshape(30, 16, 16, 3))
    np.testing.assert_allclose(
        answers[..., 1], network.reshape(6, 5), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(answers.sum(axis=2), 1, rtol=1e-12)


def test_frame_without_a_face_is_nan(fitted: CNNDetector, fresh: Bunch) -> None:
    X = without_faces(fresh.X, (1, 3), (4, 0))
    answers = fitted.predict_frame_proba(X)
    expected = np.zeros((6, 5, 2), bool)
    expected[1, 3] = expected[4, 0] = True
    np.testing.assert_array_equal(np.isnan(answers), expected)
    whole = fitted.predict_frame_proba(fresh.X)
    np.testing.assert_allclose(answers[~expected], whole[~expected], atol=1e-6)


def test_frames_without_any_face_are_all_nan_without_a_warning(
    fitted: CNNDetector, fresh: Bunch
) -> None:
    answers = fitted.predict_frame_proba(np.zeros_like(fresh.X))
    assert answers.shape == (6, 5, 2)
    assert np.isnan(answers).all()


# -- videos ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [("mean", np.mean), ("median", np.median), ("max", np.max)],
)
def test_video_is_the_aggregate_of_its_frames_with_a_face(
    aggregation: str,
    expected: Callable[[np.ndarray], float],
    variant: Variant,
    fresh: Bunch,
) -> None:
    X = without_faces(fresh.X, (0, 0), (0, 1), (2, 4), (3, slice(1, 5)))
    detector = variant(aggregation=aggregation)
    frames = detector.predict_frame_proba(X)[..., 1]
    answers = detector.predict_proba(X)
    assert answers.shape == (6, 2)
    np.testing.assert_allclose(
        answers[:, 1], [expected(video[~np.isnan(video)]) for video in frames]
    )
    np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-12)


def test_aggregations_differ(variant: Variant, fresh: Bunch) -> None:
    mean, median, maximum = (
        variant(aggregation=how).predict_proba(fresh.X)[:, 1]
        for how in ("mean", "median", "max")
    )
    assert (maximum > mean).all()
    assert (maximum > median).all()
    assert (np.abs(mean - median) > 1e-6).all()


def test_video_without_a_face_gets_the_prior_with_a_warning(
    fitted: CNNDetector, fresh: Bunch
) -> None:
    X = without_faces(fresh.X, (1,), (4,))
    message = r"Samples \[1, 4\] have no face .* class prior is returned"
    with pytest.warns(NoFaceWarning, match=message) as record:
        answers = fitted.predict_proba(X)
    assert len(record) == 1
    assert record[0].filename == __file__
    np.testing.assert_allclose(answers[[1, 4]], [[0.6, 0.4]] * 2)
    others = [0, 2, 3, 5]
    np.testing.assert_allclose(
        answers[others], fitted.predict_proba(fresh.X[others]), atol=1e-6
    )


def test_video_without_a_face_is_of_the_more_common_class(fitted: CNNDetector) -> None:
    with pytest.warns(NoFaceWarning, match=r"Samples \[0, 1\]"):
        assert fitted.predict(np.zeros((2, 3, 16, 16, 3), np.uint8)).tolist() == [0, 0]


def test_many_videos_without_a_face_are_counted(fitted: CNNDetector) -> None:
    with pytest.warns(NoFaceWarning, match=r"7, 8, 9\] and 2 more have no face"):
        fitted.predict_proba(np.zeros((12, 1, 16, 16, 3), np.uint8))


def test_video_without_a_face_is_an_error_where_asked_for(
    variant: Variant, fresh: Bunch
) -> None:
    detector = variant(no_face="raise")
    with pytest.raises(NoFaceError, match=r"Samples \[3\] .*no_face='prior'"):
        detector.predict_proba(without_faces(fresh.X, (3,)))
    # A single face is enough.
    some = without_faces(fresh.X, (3, slice(0, 4)))
    assert detector.predict(some).tolist() == fresh.y.tolist()


def test_initialized_detector_answers_too(tiny: Variant, videos: Bunch) -> None:
    detector = tiny().initialize(videos.X, videos.y)
    answers = detector.predict_proba(videos.X)
    frames = detector.predict_frame_proba(videos.X)
    np.testing.assert_allclose(answers, frames.mean(axis=1))


# -- invariance of predictions ---------------------------------------------------


def test_number_of_frames_may_differ_from_that_of_the_training(
    fitted: CNNDetector, fresh: Bunch
) -> None:
    for n in (1, 2, 5):
        answers = fitted.predict_proba(fresh.X[:, :n])
        frames = fitted.predict_frame_proba(fresh.X)[:, :n]
        np.testing.assert_allclose(answers, frames.mean(axis=1), atol=1e-6)


def test_image_is_a_video_of_one_frame(fitted: CNNDetector, fresh: Bunch) -> None:
    images = without_faces(fresh.X[:, 0], (2,))
    frames = fitted.predict_frame_proba(images)
    assert frames.shape == (6, 1, 2)
    np.testing.assert_array_equal(frames, fitted.predict_frame_proba(images[:, None]))
    with pytest.warns(NoFaceWarning):
        answers = fitted.predict_proba(images)
    with pytest.warns(NoFaceWarning):
        np.testing.assert_array_equal(answers, fitted.predict_proba(images[:, None]))
    assert answers.shape == (6, 2)


def test_order_of_videos_and_frames_does_not_matter(
    fitted: CNNDetector, fresh: Bunch
) -> None:
    X = without_faces(fresh.X, (0, 0), (3, 2))
    answers = fitted.predict_proba(X)
    order = np.array([5, 2, 0, 4, 1, 3])
    np.testing.assert_allclose(
        fitted.predict_proba(X[order]), answers[order], atol=1e-6
    )
    np.testing.assert_allclose(fitted.predict_proba(X[:, ::-1]), answers, atol=1e-6)


def test_video_alone_gets_the_same_answer(fitted: CNNDetector, fresh: Bunch) -> None:
    together = fitted.predict_proba(fresh.X)
    alone = [fitted.predict_proba(fresh.X[[i]])[0] for i in range(6)]
    np.testing.assert_allclose(alone, together, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_batch_size_does_not_change_the_answer(
    batch_size: int, variant: Variant, fresh: Bunch
) -> None:
    X = without_faces(fresh.X, (0, 0), (3, 2))
    np.testing.assert_allclose(
        variant(batch_size=batch_size).predict_frame_proba(X),
        variant(batch_size=32).predict_frame_proba(X),
        atol=1e-6,
    )


def test_answering_changes_nothing(fitted: CNNDetector, fresh: Bunch) -> None:
    before = fitted.model_.get_weights()
    first, second = fitted.predict_proba(fresh.X), fitted.predict_proba(fresh.X)
    np.testing.assert_array_equal(first, second)  # dropout is off
    for weight, unchanged in zip(fitted.model_.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, unchanged)


# -- memory-mapped input ---------------------------------------------------------


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory, videos: Bunch) -> np.ndarray:
    """Read-only memory map of 400 frames of 64 x 64 pixels (5 MB)."""
    path = tmp_path_factory.mktemp("mapped") / "X.npy"
    np.save(path, np.tile(videos.X, (10, 1, 4, 4, 1)))
    return np.load(path, mmap_mode="r")


def peak_of(work: Callable[[], object]) -> int:
    """Return the peak memory of Python and NumPy in bytes."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_answers_read_a_memory_map_batch_by_batch(
    tiny: Variant, mapped: np.ndarray
) -> None:
    detector = tiny(batch_size=20).initialize(mapped[:2], [0, 1])
    assert isinstance(mapped, np.memmap)
    assert peak_of(lambda: detector.predict_frame_proba(mapped)) < mapped.nbytes / 5


def test_training_reads_a_memory_map_batch_by_batch(
    tiny: Variant, mapped: np.ndarray, videos: Bunch, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def fit(model: keras.Model, x: Any, **options: Any) -> keras.callbacks.History:
        drawn.extend(len(x[number][0]) for number in range(x.num_batches))
        history = keras.callbacks.History()
        history.history = {"loss": [0.5]}
        return history

    # Do not count the memory of Keras.
    monkeypatch.setattr(keras.Model, "fit", fit)
    detector = tiny(batch_size=20, validation_fraction=0.1)
    detector.initialize(mapped[:2], [0, 1]).set_params(warm_start=True)
    y = np.tile(videos.y, 10)
    assert peak_of(lambda: detector.fit(mapped, y)) < mapped.nbytes / 5
    assert drawn == [20] * 18


def test_memory_map_gives_the_answers_of_the_array(
    fitted: CNNDetector, videos: Bunch, tmp_path: Path
) -> None:
    np.save(tmp_path / "X.npy", videos.X)
    for mode in ("r", "c"):
        mapped = np.load(tmp_path / "X.npy", mmap_mode=mode)
        np.testing.assert_array_equal(
            fitted.predict_proba(mapped), fitted.predict_proba(videos.X)
        )


# -- labels ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["real", "synthetic"]),
        np.array(["real", "synthetic"], dtype=object),
        np.array([False, True]),
        np.array([-1, 1]),
        np.array([0.0, 1.0]),
    ],
    ids=["str", "object", "bool", "signs", "float"],
)
def test_labels_may_be_of_any_kind(
    labels: np.ndarray, tiny: Variant, videos: Bunch
) -> None:
    detector = tiny(learning_rate=0.5, epochs=3).fit(videos.X, labels[videos.y])
    assert detector.classes_.tolist() == labels.tolist()
    predicted = detector.predict(videos.X)
    assert predicted.dtype == labels.dtype
    assert predicted.tolist() == labels[videos.y].tolist()
    assert detector.score(videos.X, labels[videos.y]) == 1.0


def test_columns_are_in_the_order_of_the_classes(
    tiny: Variant, videos: Bunch, trainings: list[Bunch]
) -> None:
    names = np.array(["real", "fake"])[videos.y]
    detector = tiny().fit(videos.X, names.tolist())
    assert detector.classes_.tolist() == ["fake", "real"]
    # The network learns the probability of the second.
    assert trainings[0].labels.mean() == pytest.approx(0.6)
    detector.model_.layers[-1].set_weights([np.zeros((4, 1)), np.array([2.0])])
    np.testing.assert_allclose(
        detector.predict_proba(videos.X), [[1 - 0.880797, 0.880797]] * 10, rtol=1e-5
    )
    assert set(detector.predict(videos.X)) == {"real"}


def test_predicted_class_is_the_more_probable(
    fitted: CNNDetector, fresh: Bunch
) -> None:
    probability = fitted.predict_proba(fresh.X)
    np.testing.assert_array_equal(
        fitted.predict(fresh.X), (probability[:, 1] > 0.5).astype(int)
    )


def test_score_is_the_weighted_accuracy(fitted: CNNDetector, fresh: Bunch) -> None:
    wrong = fresh.y.copy()
    wrong[0] = 1
    assert fitted.score(fresh.X, wrong) == pytest.approx(5 / 6)
    weight = [5, 1, 1, 1, 1, 1]
    assert fitted.score(fresh.X, wrong, sample_weight=weight) == pytest.approx(0.5)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_frame_proba"])
def test_detector_that_was_not_fitted_says_so(
    method: str, tiny: Variant, videos: Bunch
) -> None:
    with pytest.raises(NotFittedError, match="CNNDetector instance is not fitted"):
        getattr(tiny(), method)(videos.X)


def test_score_of_a_detector_that_was_not_fitted_is_an_error(
    tiny: Variant, videos: Bunch
) -> None:
    with pytest.raises(NotFittedError):
        tiny().score(videos.X, videos.y)


# -- aggregations ----------------------------------------------------------------


def answer(detector: CNNDetector, *frames: float) -> float:
    """Aggregate the probabilities of the frames of one video."""
    positive = np.array([frames])
    proba = np.stack([1 - positive, positive], axis=-1)
    real, fake = detector.aggregate_proba(proba)[0]
    assert real + fake == pytest.approx(1)
    return float(fake)


def test_log_odds_are_averaged(variant: Variant) -> None:
    detector = variant(aggregation="logit_mean")
    # The odds are 9, 1 and 1/9, then 9, 9 and 1, then 4 and 1.
    assert answer(detector, 0.9, 0.5, 0.1) == pytest.approx(0.5)
    assert answer(detector, 0.9, 0.9, 0.5) == pytest.approx(1 / (1 + 9 ** (-2 / 3)))
    assert answer(detector, np.nan, 0.8, 0.5, np.nan) == pytest.approx(2 / 3)
    # A confident frame has more weight than in the mean.
    assert answer(detector, 0.999, 0.4, 0.4) > np.mean([0.999, 0.4, 0.4]) > 0.5


def test_log_odds_of_what_is_sure_are_finite(variant: Variant) -> None:
    detector = variant(aggregation="logit_mean")
    assert answer(detector, 1.0, 0.0) == pytest.approx(0.5)
    assert answer(detector, 1.0, 1.0) == pytest.approx(1 - 1e-7, abs=1e-9)
    # The odds are ten million, 1 and 1.
    expected = 1 / (1 + 1e7 ** (-1 / 3))
    assert answer(detector, 1.0, 0.5, 0.5) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("top_k", "frames", "expected"),
    [
        (2, (0.1, 0.9, 0.2, 0.7), 0.8),
        (1, (0.1, 0.9, 0.2, 0.7), 0.9),
        (4, (0.1, 0.9, 0.2, 0.7), 0.475),
        # Averages all frames if there are fewer.
        (3, (0.4, 0.2), 0.3),
        (3, (np.nan, 0.4, np.nan, 0.2, np.nan), 0.3),
        (2, (0.1, np.nan, 0.5, 0.3), 0.4),
        (3, (np.nan, 0.25), 0.25),
        (2, (1.0, 0.0, 1.0), 1.0),
    ],
)
def test_highest_probabilities_are_averaged(
    top_k: int, frames: tuple, expected: float, variant: Variant
) -> None:
    detector = variant(aggregation=TopK(top_k))
    assert answer(detector, *frames) == pytest.approx(expected)


@pytest.mark.parametrize("aggregation", ["logit_mean", "top_k"])
def test_other_aggregations_are_of_the_frames_with_a_face(
    aggregation: str, variant: Variant, fresh: Bunch
) -> None:
    X = without_faces(fresh.X, (0, 0), (0, 1), (3, slice(1, 5)), (5,))
    chosen = TopK(2) if aggregation == "top_k" else aggregation
    detector = variant(aggregation=chosen)
    with pytest.warns(NoFaceWarning, match=r"Samples \[5\]"):
        answers = detector.predict_proba(X)
    np.testing.assert_allclose(answers[5], [0.6, 0.4])
    frames = detector.predict_frame_proba(X)[:5, :, 1]
    for found, of_video in zip(answers[:5, 1], frames, strict=True):
        known = of_video[~np.isnan(of_video)]
        odds = np.log(known / (1 - known)).mean()
        expected = {
            "logit_mean": 1 / (1 + np.exp(-odds)),
            "top_k": np.sort(known)[-2:].mean(),
        }
        assert found == pytest.approx(expected[aggregation], rel=1e-5)


@pytest.mark.parametrize("top_k", [0, 1.5, "all"])
def test_number_of_the_highest_is_checked(
    top_k: Any, tiny: Variant, videos: Bunch
) -> None:
    with pytest.raises(ValueError, match="'k' parameter of TopK"):
        tiny(aggregation=TopK(top_k)).fit(videos.X, videos.y)


def test_aggregation_may_be_a_function(variant: Variant) -> None:
    def lowest(proba: np.ndarray) -> np.ndarray:
        return np.nanmin(proba, axis=1)

    assert answer(variant(aggregation=lowest), 0.4, np.nan, 0.3) == pytest.approx(0.3)
