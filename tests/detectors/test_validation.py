"""Invalid input raises an error before training or prediction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils import Bunch

from skdeepfake.detectors import CNNDetector

Tiny = Callable[..., CNNDetector]


@pytest.fixture(autouse=True)
def _nothing_is_trained(trainings: list[Bunch]) -> Any:
    yield
    assert not trainings


def object_array(videos: Bunch) -> np.ndarray:
    crops = np.empty(videos.X.shape[:2], dtype=object)
    for cell in np.ndindex(crops.shape):
        crops[cell] = videos.X[cell]
    return crops


# -- X ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_frame_proba"])
def test_float_is_refused_where_bytes_were_learnt(
    method: str, fitted: CNNDetector, videos: Bunch
) -> None:
    message = (
        "float32, but this CNNDetector was fitted on uint8. Pass X with dtype uint8"
    )
    with pytest.raises(ValueError, match=message):
        getattr(fitted, method)(videos.X.astype(np.float32) / 255)


def test_wider_integers_are_refused_where_bytes_were_learnt(
    fitted: CNNDetector, videos: Bunch
) -> None:
    with pytest.raises(ValueError, match=r"dtype int64.*uint8"):
        fitted.predict(videos.X.tolist())


def test_bytes_are_refused_where_floats_were_learnt(tiny: Tiny, videos: Bunch) -> None:
    detector = tiny().initialize(videos.X / np.float32(255), videos.y)
    with pytest.raises(ValueError, match=r"dtype uint8.*float32"):
        detector.predict_frame_proba(videos.X)


def test_precision_of_floats_does_not_matter(tiny: Tiny, videos: Bunch) -> None:
    X = videos.X.astype(np.float32) / np.float32(255)
    detector = tiny(rescale=1.0).initialize(X, videos.y)
    np.testing.assert_allclose(
        detector.predict_frame_proba(X.astype(np.float64)),
        detector.predict_frame_proba(X),
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("shape", "seen"),
    [
        ((2, 4, 8, 16, 3), r"\(8, 16, 3\)"),
        ((2, 4, 16, 16, 1), r"\(16, 16, 1\)"),
        ((2, 32, 16, 3), r"\(32, 16, 3\)"),
    ],
)
def test_frames_of_another_shape_than_learnt_are_refused(
    shape: tuple[int, ...], seen: str, fitted: CNNDetector
) -> None:
    message = rf"frames of shape {seen}.*fitted on frames of shape \(16, 16, 3\)"
    with pytest.raises(ValueError, match=message):
        fitted.predict(np.ones(shape, np.uint8))


@pytest.mark.parametrize("warm", ["partial_fit", "warm_start"])
def test_going_on_with_other_frames_is_refused(
    warm: str, tiny: Tiny, videos: Bunch
) -> None:
    detector = tiny(warm_start=True).initialize(videos.X, videos.y)
    train = detector.partial_fit if warm == "partial_fit" else detector.fit
    with pytest.raises(ValueError, match="was fitted on frames of shape"):
        train(videos.X[:, :, :8], videos.y)


def test_array_of_crops_is_sent_to_the_resizer(
    tiny: Tiny, fitted: CNNDetector, videos: Bunch
) -> None:
    crops = object_array(videos)
    for X in (crops, videos.X.astype(object)):
        with pytest.raises(ValueError, match=r"dtype object.*Put a Resizer between"):
            tiny().fit(X, videos.y)
        with pytest.raises(ValueError, match="Put a Resizer between"):
            fitted.predict(X)


def test_paths_are_refused(fitted: CNNDetector) -> None:
    with pytest.raises(
        ValueError, match="CNNDetector needs numeric arrays; X has dtype <U5"
    ):
        fitted.predict(np.array(["a.mp4", "b.mp4"]))


@pytest.mark.parametrize("shape", [(10, 16, 3), (10, 48), (10, 1, 4, 16, 16, 3)])
def test_number_of_axes_is_checked(
    shape: tuple[int, ...], tiny: Tiny, fitted: CNNDetector, videos: Bunch
) -> None:
    X = np.ones(shape, np.uint8)
    with pytest.raises(
        ValueError, match=r"needs arrays of 5 axes .* or 4 axes \(single"
    ):
        tiny().fit(X, videos.y)
    with pytest.raises(ValueError, match="needs arrays of 5 axes"):
        fitted.predict(X)


def test_no_samples_are_refused(tiny: Tiny, fitted: CNNDetector, videos: Bunch) -> None:
    with pytest.raises(ValueError, match="0 sample"):
        tiny().fit(videos.X[:0], videos.y[:0])
    with pytest.raises(ValueError, match="0 sample"):
        fitted.predict(videos.X[:0])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_floats_must_be_finite(value: float, tiny: Tiny, videos: Bunch) -> None:
    X = videos.X / np.float32(255)
    detector = tiny().initialize(X, videos.y)
    X[3, 2, 1, 0, 0] = value
    with pytest.raises(ValueError, match=r"contains (NaN|infinity)"):
        tiny().fit(X, videos.y)
    with pytest.raises(ValueError, match=r"contains (NaN|infinity)"):
        detector.predict_frame_proba(X)


def test_images_too_small_for_the_network_are_refused(
    tiny: Tiny, videos: Bunch
) -> None:
    detector = tiny(filters=(2, 2, 2, 2, 2))
    with pytest.raises(ValueError, match=r"16 x 16 pixels.*32 x 32.*shorten `filters`"):
        detector.fit(videos.X, videos.y)
    assert not hasattr(detector, "model_")


# -- y ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "found"),
    [
        (np.zeros(10, int), r"contains 1 class: \[0\]"),
        (np.arange(10) % 3, r"contains 3 classes: \[0, 1, 2\]"),
        (np.array(["fake"] * 10), r"contains 1 class: \['fake'\]"),
    ],
    ids=["one", "three", "one name"],
)
def test_number_of_classes_is_two(
    y: np.ndarray, found: str, tiny: Tiny, videos: Bunch
) -> None:
    with pytest.raises(ValueError, match=f"2 classes.*real and fake.*{found}"):
        tiny().fit(videos.X, y)


def test_targets_of_a_regression_are_refused(tiny: Tiny, videos: Bunch) -> None:
    with pytest.raises(ValueError, match="continuous"):
        tiny().fit(videos.X, np.linspace(0, 1, 10))


def test_length_of_y_is_checked(tiny: Tiny, videos: Bunch) -> None:
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[10, 9\]"):
        tiny().fit(videos.X, videos.y[:-1])


def test_y_of_two_columns_is_refused(tiny: Tiny, videos: Bunch) -> None:
    with pytest.raises(ValueError, match="1d array"):
        tiny().fit(videos.X, np.c_[videos.y, videos.y])


def test_nan_in_y_is_refused(tiny: Tiny, videos: Bunch) -> None:
    y = videos.y.astype(float)
    y[3] = np.nan
    with pytest.raises(ValueError, match="y contains NaN"):
        tiny().fit(videos.X, y)


def test_y_is_needed(tiny: Tiny, videos: Bunch) -> None:
    for train in (tiny().fit, tiny().partial_fit, tiny().initialize):
        with pytest.raises(ValueError, match=r"requires y.*the target y is None"):
            train(videos.X, None)


# -- sample_weight ---------------------------------------------------------------


@pytest.mark.parametrize("size", [9, 40])
def test_length_of_sample_weight_is_checked(
    size: int, tiny: Tiny, videos: Bunch
) -> None:
    with pytest.raises(ValueError, match="sample_weight"):
        tiny().fit(videos.X, videos.y, sample_weight=np.ones(size))


def test_sample_weight_must_be_finite(tiny: Tiny, videos: Bunch) -> None:
    weight = np.ones(10)
    weight[3] = np.nan
    with pytest.raises(ValueError, match="sample_weight contains NaN"):
        tiny().fit(videos.X, videos.y, sample_weight=weight)


def test_negative_sample_weight_is_refused(tiny: Tiny, videos: Bunch) -> None:
    weight = np.ones(10)
    weight[3] = -1
    with pytest.raises(ValueError, match=r"(?i)negative"):
        tiny().fit(videos.X, videos.y, sample_weight=weight)


# -- after an error --------------------------------------------------------------


def test_refused_training_leaves_no_detector(tiny: Tiny, videos: Bunch) -> None:
    detector = tiny()
    with pytest.raises(ValueError, match="2 classes"):
        detector.fit(videos.X, np.zeros(10, int))
    with pytest.raises(ValueError, match="not fitted"):
        detector.predict_proba(videos.X)
    assert clone(detector).get_params() == detector.get_params()
