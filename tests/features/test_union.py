"""Feature vectors of several featurizers are concatenated per frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import FeatureUnion, make_pipeline

from skdeepfake.detectors import CNNRNNDetector
from skdeepfake.features import FrameFeatureUnion


class Means(TransformerMixin, BaseEstimator):
    """Mean color of each frame, times a factor; `axis` adds an axis."""

    def __init__(self, factor: float = 1.0, axis: bool = False) -> None:
        self.factor = factor
        self.axis = axis

    def fit(self, X: np.ndarray, y: object = None) -> Means:
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        means = self.factor * X.mean(axis=(-3, -2))
        return means[:, :, np.newaxis] if self.axis else means


@pytest.fixture
def faces() -> np.ndarray:
    """Make six videos of three frames; the last video has only two faces."""
    rng = np.random.default_rng(0)
    faces = rng.integers(1, 256, (6, 3, 8, 8, 3), np.uint8)
    faces[5, 2] = 0
    return faces


def test_vectors_of_frames_are_concatenated(faces: np.ndarray) -> None:
    parts = [("a", Means()), ("b", Means(2.0)), ("c", "drop")]
    with pytest.raises(ValueError, match="expected 2 dimensions"):
        FeatureUnion(parts).fit_transform(faces)
    union = FrameFeatureUnion(parts, transformer_weights={"b": 10.0})
    means = Means().transform(faces)
    expected = np.concatenate([means, 20 * means], axis=-1)
    np.testing.assert_array_equal(union.fit_transform(faces), expected)
    np.testing.assert_array_equal(union.transform(faces), expected)
    assert not expected[5, 2].any()


@pytest.mark.parametrize("axis", [False, True])
def test_union_feeds_a_detector(faces: np.ndarray, axis: bool) -> None:
    union = FrameFeatureUnion([("a", Means(axis=axis)), ("b", Means(2.0, axis=axis))])
    detector = CNNRNNDetector(units=(2,), epochs=1, random_state=0)
    model = clone(make_pipeline(union, detector)).set_params(
        framefeatureunion__b__factor=3.0
    )
    model.fit(faces, [0, 1] * 3)
    assert model[0].transformer_list[1][1].factor == 3.0
    assert model.predict_proba(faces).shape == (6, 2)


def test_other_shapes_are_an_error_that_names_them(faces: np.ndarray) -> None:
    union = FrameFeatureUnion([("a", Means()), ("b", Means(axis=True))])
    expected = r"\{'a': \(6, 3, 3\), 'b': \(6, 3, 1, 3\)\}, .* the same pooling"
    with pytest.raises(ValueError, match=expected):
        union.fit_transform(faces)


def test_union_is_saved_and_loaded(faces: np.ndarray, tmp_path: Path) -> None:
    persistence = pytest.importorskip("skdeepfake.persistence")
    pytest.importorskip("skops")
    union = FrameFeatureUnion([("a", "passthrough")]).fit(faces)
    persistence.save(union, tmp_path / "union.skops")
    loaded = persistence.load(tmp_path / "union.skops")
    assert isinstance(loaded, FrameFeatureUnion)
