"""Tests of trivial_features."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import portraits
import pytest
from sklearn.base import BaseEstimator, TransformerMixin

from skdeepfake.exceptions import NoFaceWarning, VideoReadError, VideoReadWarning
from skdeepfake.leakage import trivial_features
from skdeepfake.preprocessing import Clip, VideoFrameSampler

NUMBERS = ["file_size", "bit_rate", "frame_rate", "duration", "width", "height"]
NAMES = [*NUMBERS, "codec", "face_size"]


class CropsOf(TransformerMixin, BaseEstimator):
    """Return crops of the given heights (None for no face) for readable clips."""

    def __init__(self, heights: tuple[int | None, ...]) -> None:
        self.heights = heights

    def fit(self, X: Any, y: Any = None) -> CropsOf:
        return self

    def transform(self, X: Any) -> np.ndarray:
        crops = np.empty((len(X), len(self.heights)), dtype=object)
        for clip, row in zip(X, crops, strict=True):
            assert isinstance(clip, Clip)
            row[:] = [
                None if h is None or clip.error else np.zeros((h, 7, 3), np.uint8)
                for h in self.heights
            ]
        return crops


@pytest.fixture
def clips(
    write_clip: Callable[..., Path], numbered_frames: Callable[..., list]
) -> list[str]:
    """Return an MPEG-4 clip, and an H.264 clip that is larger and twice as long."""
    return [
        str(write_clip(numbered_frames(5), "a.avi", "-c:v", "mpeg4", fps=5)),
        str(write_clip(numbered_frames(20, height=96, width=128), "b.mp4", fps=10)),
    ]


def test_all_features_have_a_value_a_video(clips: list[str]) -> None:
    found = trivial_features(clips, cropper=CropsOf((10, 30, None, 20, 90)))
    assert list(found) == NAMES
    sizes = [float(Path(path).stat().st_size) for path in clips]
    assert found.file_size.tolist() == sizes
    assert found.bit_rate.tolist() == [8 * sizes[0] / 1.0, 8 * sizes[1] / 2.0]
    assert found.frame_rate.tolist() == [5, 10]
    assert found.duration.tolist() == [1, 2]
    assert found.width.tolist() == [64, 128]
    assert found.height.tolist() == [48, 96]
    assert found.codec.tolist() == ["mpeg4", "h264"]
    assert found.face_size.tolist() == [25, 25]  # median of the detected faces
    assert found.codec.dtype == object
    assert all(found[name].dtype == float for name in [*NUMBERS, "face_size"])


def test_features_come_in_their_order_and_no_others(
    clips: list[str], asked: list[tuple[str, str]]
) -> None:
    assert list(trivial_features(clips, features=("codec", "duration"))) == [
        "duration",
        "codec",
    ]
    assert list(trivial_features(clips, features="width")) == ["width"]
    assert asked == []  # no frame was decoded


def test_face_size_alone_asks_no_container(
    clips: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skdeepfake.leakage._trivial_features.container_metadata", None)
    found = trivial_features(clips, features=["face_size"], cropper=CropsOf((3,)))
    assert found == {"face_size": pytest.approx([3, 3])}


def test_faces_are_looked_for_with_what_the_pipelines_use(
    write_clip: Callable[..., Path],
) -> None:
    astronaut = pytest.importorskip("skimage.data").astronaut()
    gray = portraits.canvas(240, 320)
    face = portraits.paste(gray, portraits.portrait(astronaut), (160, 120))
    paths = [
        write_clip([face, np.roll(face, 2, 0), np.roll(face, 4, 0)], "a.mp4"),
        write_clip([gray, gray // 2], "b.mp4"),
    ]
    with pytest.warns(NoFaceWarning, match=r"b\.mp4"):
        found = trivial_features(paths, features=["face_size"])
    assert found.face_size[0] == pytest.approx(portraits.FACE_SIZE, abs=10)
    assert math.isnan(found.face_size[1])


def test_video_that_cannot_be_read_is_told_of_once(
    clips: list[str], tmp_path: Path
) -> None:
    paths = [clips[0], str(tmp_path / "no.mp4"), clips[1]]
    with pytest.warns(VideoReadWarning, match=r"no\.mp4': cannot be found") as told:
        found = trivial_features(paths, cropper=CropsOf((8,)))
    assert len(told) == 1
    assert told[0].filename == __file__
    assert found.codec.tolist() == ["mpeg4", None, "h264"]
    for name in [*NUMBERS, "face_size"]:
        assert np.isnan(found[name]).tolist() == [False, True, False], name


def test_sampler_says_what_becomes_of_it(clips: list[str], tmp_path: Path) -> None:
    paths = [clips[0], str(tmp_path / "no.mp4")]
    for features in (["width"], ["face_size"]):
        with pytest.raises(VideoReadError, match="cannot be found"):
            trivial_features(paths, features=features, sampler=VideoFrameSampler())
    limited = VideoFrameSampler(max_bytes=10, on_error="skip")
    with pytest.warns(VideoReadWarning, match="max_bytes=10"):
        found = trivial_features(clips[:1], features="width", sampler=limited)
    assert math.isnan(found.width[0])


def test_unknown_feature_is_refused() -> None:
    expected = r"features=\['color'\] must be 'all' or some of 'file_size', 'bit_rate'"
    with pytest.raises(ValueError, match=expected):
        trivial_features(["a.mp4"], features=["width", "color"])
    with pytest.raises(TypeError, match="sampler must be a VideoFrameSampler; got Cr"):
        trivial_features(["a.mp4"], sampler=CropsOf((3,)))
    with pytest.raises(ValueError, match="trivial_features expects a one-dim"):
        trivial_features("a.mp4")
