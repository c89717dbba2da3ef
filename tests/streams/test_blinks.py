"""Eye aspect ratios of a portrait whose eyelids are painted at known openings."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import numpy as np
import pytest
from landmark_models import MARGIN, SIDE, aspect_ratio, face, write_model
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skdeepfake.streams import BlinkFeaturizer

pytest.importorskip("skimage.data")
ZOOM = 4


@functools.cache
def enlarged(closed: float) -> np.ndarray:
    return face(closed).repeat(ZOOM, 0).repeat(ZOOM, 1)


def video(*closed: float | None) -> np.ndarray:
    """Make faces with partly closed eyes. None is an empty slot."""
    empty = np.zeros_like(enlarged(0.0))
    return np.stack([empty if c is None else enlarged(c) for c in closed])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "68.dat", ZOOM)


@pytest.fixture(scope="module")
def eyes(model: Path) -> BlinkFeaturizer:
    return BlinkFeaturizer(model, margin=MARGIN / SIDE, frame_rate=10)


def test_ratio_is_that_of_the_painted_lids(eyes: BlinkFeaturizer) -> None:
    closed = [0.0, 0.2, 0.5, None, 0.8, 1.0]
    ratios = eyes.transform(video(*closed)[np.newaxis])
    assert (ratios.shape, ratios.dtype) == ((1, 6, 2), np.float32)
    expected = [0 if c is None else aspect_ratio(c) for c in closed]
    for side in (0, 1):
        np.testing.assert_allclose(ratios[0, :, side], expected, atol=0.03)
    assert not ratios[0, 3].any()


def test_summary_counts_blinks(eyes: BlinkFeaturizer) -> None:
    blinks = [0, 0, 0.9, 0.9, 0, 0, 0, 0.2, 0, 0, 0.8, 0, None, 0.9, 0]
    frozen = [0] * 15
    empty = [None] * 15
    faces = np.stack([video(*each) for each in (blinks, frozen, empty)])
    summary = eyes.set_params(output="summary").transform(faces)
    eyes.set_params(output="ratio")
    assert (summary.shape, summary.dtype) == ((3, 3), np.float32)
    # Two blinks in 14 frames at 10 Hz. A blink that starts in an empty slot is missed.
    minimum = aspect_ratio(0.9) / aspect_ratio(0)
    expected = [minimum, 2 / (14 / 10 / 60), 4 / 14]
    np.testing.assert_allclose(summary[0], expected, atol=0.03)
    np.testing.assert_allclose(summary[1], [1, 0, 0], atol=1e-6)
    assert summary[2].tolist() == [0, 0, 0]


def test_bursts_and_people_are_counted_each_by_itself(eyes: BlinkFeaturizer) -> None:
    # Eyes that are closed at the start of a burst do not count as a blink.
    first, second = video(0, 0, 0, 0.9, 0, 0), video(0, 0.9, 0, 0, 0.9, 0)
    faces = np.stack([first, second], axis=1).reshape(1, 12, *first.shape[1:])
    summary = BlinkFeaturizer(
        eyes.landmarks,
        burst=3,
        max_faces=2,
        output="summary",
        margin=MARGIN / SIDE,
        frame_rate=6,
    ).transform(faces)
    minimum = aspect_ratio(0.9) / aspect_ratio(0)
    expected = [minimum, 0, 1 / 6, minimum, 2 * 60, 2 / 6]
    np.testing.assert_allclose(summary[0], expected, atol=0.03)


def test_summary_feeds_a_classifier(eyes: BlinkFeaturizer) -> None:
    faces = np.stack([video(0, c, 0, 0) for c in (0.9, 0.0, 0.8, 0.0)])
    summary = BlinkFeaturizer(eyes.landmarks, output="summary", margin=MARGIN / SIDE)
    classifier = make_pipeline(summary, LogisticRegression(C=100))
    y = [0, 1, 0, 1]
    assert classifier.fit(faces, y).predict(faces).tolist() == y


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read: No such file"), (b"no", "is not a dlib shape predictor")],
)
def test_bad_model_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "model.dat"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"landmarks='.*model\.dat' {message}"):
        BlinkFeaturizer(path).transform(video(0)[np.newaxis])


def test_real_model_sees_the_lids() -> None:
    path = os.environ.get("SKDEEPFAKE_LANDMARKS")
    if not path:
        pytest.skip("SKDEEPFAKE_LANDMARKS names no file of dlib's landmarks")
    faces = video(0, 0.25, 0.5, 0.8)[np.newaxis]
    ratios = BlinkFeaturizer(path, margin=MARGIN / SIDE).transform(faces)[0].mean(1)
    assert ratios[0] == pytest.approx(0.34, abs=0.04)
    assert (np.diff(ratios) < -0.04).all()
    assert ratios[3] < 0.12
