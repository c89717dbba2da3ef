"""Order of slots with several people and bursts, from clip to array, and YuNet."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skdeepfake.exceptions import CrowdWarning, NoFaceWarning
from skdeepfake.preprocessing import (
    Clip,
    DlibFaceCropper,
    Resizer,
    VideoFrameSampler,
    YuNetFaceCropper,
    _cropping,
    _crops,
)
from skdeepfake.preprocessing._faces import Face

COLORS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]


def frame_of(*places: int | None) -> np.ndarray:
    """Draw a square of each person's color where the person is."""
    frame = np.full((48, 320, 3), 90, np.uint8)
    for number, x in enumerate(places):
        if x is not None:
            frame[10:30, x : x + 20] = COLORS[number]
    return frame


class ByColor:
    """Find the squares by their color, in alternating order."""

    sure = 0.3
    n_searches = 0

    def __init__(self, *arguments: Any) -> None:
        self.forward = True

    def searches(self, frame: np.ndarray, missing: Any) -> Any:
        type(self).n_searches += 1
        faces = []
        for number, color in enumerate(COLORS):
            is_near = np.abs(frame.astype(int) - color).sum(axis=-1) < 120
            # Ignore edges of other squares, which compression blurs.
            columns = np.flatnonzero(is_near.sum(axis=0) > 10)
            if len(columns):
                faces.append(
                    Face(
                        int(columns[0]), 10, int(columns[-1]) + 1, 30, 1.0 - number / 10
                    )
                )
        self.forward = not self.forward
        yield faces if self.forward else faces[::-1]


@pytest.fixture(autouse=True)
def by_color(monkeypatch: pytest.MonkeyPatch) -> type[ByColor]:
    monkeypatch.setitem(_crops.FINDERS, "dlib", ByColor)
    ByColor.n_searches = 0
    return ByColor


def people_in(slots: Any) -> list[int | None]:
    """Return the number of the person in each slot, from the color of its center."""
    found: list[int | None] = []
    for crop in slots:
        if crop is None or not np.any(crop):
            found.append(None)
            continue
        face = np.asarray(crop)
        middle = face[face.shape[0] // 2, face.shape[1] // 2].astype(int)
        found.append(int(np.abs(np.array(COLORS) - middle).sum(axis=1).argmin()))
    return found


@pytest.fixture
def moving(write_clip: Any) -> Path:
    """Write a video: person 0 leaves after two frames, 1 stays, and 2 comes last."""
    return write_clip(
        [
            frame_of(10, 150),
            frame_of(12, 152),
            frame_of(None, 154),
            frame_of(None, 156, 290),
        ]
    )


def crop(path: Path, *, n_frames: int = 4, burst: int = 1, **params: Any) -> Any:
    clips = VideoFrameSampler(n_frames, None, burst=burst).transform([path])
    return DlibFaceCropper(**params).transform(clips)[0]


def test_people_vary_fastest_and_keep_their_place(moving: Path) -> None:
    expected = [0, 1, None, 0, 1, None, None, 1, None, None, 1, 2]
    assert people_in(crop(moving, max_faces=3)) == expected
    assert people_in(crop(moving, max_faces=1)) == [0, 0, None, None]


def test_layout_reaches_the_array_and_the_cache(moving: Path, tmp_path: Path) -> None:
    steps = make_pipeline(
        VideoFrameSampler(4, None),
        DlibFaceCropper(max_faces=3, memory=tmp_path / "cache"),
        Resizer((8, 8)),
    )
    first = steps.fit_transform([moving])
    assert first.shape == (1, 12, 8, 8, 3)
    assert people_in(first[0]) == [0, 1, None, 0, 1, None, None, 1, None, None, 1, 2]
    n_searches = ByColor.n_searches
    again = pickle.loads(pickle.dumps(clone(steps))).fit_transform([moving])
    np.testing.assert_array_equal(again, first)
    assert ByColor.n_searches == n_searches  # read from the cache


def test_none_has_a_bound_and_warns_where_it_cuts(
    moving: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(crop(moving, max_faces=None)) == 4 * 10
    monkeypatch.setattr(_cropping, "MAX_PEOPLE", 1)
    for _ in range(2):  # without and with a cache hit
        with pytest.warns(CrowdWarning, match=r"more than 1 people.*max_faces"):
            found = crop(moving, max_faces=None, memory=tmp_path / "cache")
        assert people_in(found) == [0, 0, None, None]


def test_crowd_takes_no_more_memory_than_its_places(write_clip: Any) -> None:
    path = write_clip([frame_of(10, 40, 70, 100)] * 3)
    found = crop(path, n_frames=3, max_faces=2)
    assert people_in(found) == [0, 1] * 3
    assert all(each.base is None for each in found)


# -- bursts ------------------------------------------------------------------------


def test_bursts_are_consecutive_frames_from_even_moments(
    write_clip: Any, numbered_frames: Any, number_of: Any
) -> None:
    path = write_clip(numbered_frames(30))
    clip = Clip(path, n_frames=3, burst=4, duration=None)
    assert len(clip) == 12
    expected = [0, 1, 2, 3, 13, 14, 15, 16, 26, 27, 28, 29]
    assert clip.indices.tolist() == expected
    assert [number_of(frame) for frame in clip] == expected
    assert np.diff(clip.timestamps)[:3] == pytest.approx(0.1)
    assert repr(clip).endswith("n_frames=3, burst=4)")


@pytest.mark.parametrize(
    ("n_existing", "expected"),
    [
        (12, list(range(12))),
        (11, [0, 1, 2, 3, 7, 8, 9, 10]),  # two complete bursts
        (7, [0, 1, 2, 3]),
        (3, [0, 1, 2]),
    ],
)
def test_short_video_has_fewer_bursts(
    write_clip: Any,
    numbered_frames: Any,
    number_of: Any,
    n_existing: int,
    expected: list[int],
) -> None:
    clip = Clip(write_clip(numbered_frames(n_existing)), n_frames=3, burst=4)
    assert [number_of(f) for f in clip if f is not None] == expected
    assert clip.indices.tolist() == expected + [-1] * (12 - len(expected))


def test_moments_then_frames_then_people(write_clip: Any) -> None:
    frames = (
        [frame_of(10, 150)] * 2
        + [frame_of(None, 150)] * 6
        + [frame_of(None, 150, 290)] * 2
    )
    found = crop(write_clip(frames), n_frames=2, burst=2, max_faces=3)
    assert people_in(found) == [0, 1, None, 0, 1, None, None, 1, 2, None, 1, 2]


def test_box_of_a_burst_is_searched_once_and_holds(write_clip: Any) -> None:
    frames = [frame_of(10 + 3 * i) for i in range(6)]
    path = write_clip(frames)
    moving = crop(path, n_frames=2, burst=3)
    assert ByColor.n_searches == 6
    ByColor.n_searches = 0
    still = crop(path, n_frames=2, burst=3, box="burst")
    assert ByColor.n_searches == 2
    # In each frame, the square has moved within a fixed box.
    for k, (followed, kept) in enumerate(zip(moving, still, strict=True)):
        assert np.abs(followed[10, 1].astype(int) - COLORS[0]).sum() < 150
        shift = 3 * (k % 3)
        near = np.abs(kept[10].astype(int) - COLORS[0]).sum(axis=-1) < 150
        assert np.flatnonzero(near)[0] == pytest.approx(shift, abs=1)


def test_clips_of_another_burst_are_refused(
    write_clip: Any, numbered_frames: Any
) -> None:
    path = write_clip(numbered_frames(6))
    X = np.array(
        [Clip(path, n_frames=2), Clip(path, n_frames=2, burst=2)], dtype=object
    )
    with pytest.raises(ValueError, match=r"X\[1\] has burst=2, but X\[0\] has burst=1"):
        DlibFaceCropper().transform(X)


@pytest.mark.parametrize("changed", [{"burst": 2}, {"spacing": "paper"}])
def test_sampling_is_part_of_the_identity(
    write_clip: Any, numbered_frames: Any, changed: dict
) -> None:
    path = write_clip(numbered_frames(6))
    assert Clip(path, **changed).identity != Clip(path).identity


@pytest.mark.parametrize(
    "changed",
    [
        {"max_faces": 2},
        {"margin": 0.1},
        {"region": "mouth"},
        {"box": "burst"},
        {"jpeg_quality": 95},
        {"search": "exhaustive"},
        {"min_size": 30},
        {"score_threshold": 0.5},
    ],
)
def test_parameters_of_the_crops_are_in_the_key(
    write_clip: Any, tmp_path: Path, changed: dict
) -> None:
    path, memory = write_clip([frame_of(10)]), tmp_path / "cache"
    crop(path, n_frames=1, memory=memory)
    n_searches = ByColor.n_searches
    crop(path, n_frames=1, memory=memory)
    assert ByColor.n_searches == n_searches
    crop(path, n_frames=1, memory=memory, **changed)
    assert ByColor.n_searches == n_searches + 1


# -- YuNet -------------------------------------------------------------------------


class StandIn:
    """Replacement of cv2.FaceDetectorYN that finds colors in a BGR frame."""

    def setInputSize(self, size: tuple[int, int]) -> None:
        self.size = size

    def detect(self, frame: np.ndarray) -> tuple[int, np.ndarray | None]:
        assert frame.shape[1::-1] == self.size
        rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        (faces,) = ByColor().searches(rgb, None)
        if not faces:
            return 0, None
        rows = [
            [
                f.left - 0.4,
                f.top + 0.3,
                f.right - f.left,
                f.bottom - f.top,
                *[0] * 10,
                f.score,
            ]
            for f in faces
        ]
        return len(rows), np.array(rows, np.float32)


@pytest.fixture
def yunet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    asked = []

    def create(model: str, config: str, size: tuple, score: float) -> StandIn:
        asked.append((model, score))
        return StandIn()

    monkeypatch.setattr(cv2.FaceDetectorYN, "create", create)
    path = tmp_path / "yunet.onnx"
    path.write_bytes(b"a network")
    return path


def test_yunet_shares_following_regions_and_cache(
    moving: Path, yunet: Path, tmp_path: Path
) -> None:
    clips = VideoFrameSampler(4, None).transform([moving])
    cropper = YuNetFaceCropper(yunet, max_faces=3, memory=tmp_path / "cache")
    found = cropper.transform(clips)[0]
    assert people_in(found) == [0, 1, None, 0, 1, None, None, 1, None, None, 1, 2]
    assert np.asarray(found[0]).shape == (20, 20, 3)
    n_searches = ByColor.n_searches
    cropper.transform(VideoFrameSampler(4, None).transform([moving]))
    assert ByColor.n_searches == n_searches
    yunet.write_bytes(b"another network")  # another key
    cropper.transform(VideoFrameSampler(4, None).transform([moving]))
    assert ByColor.n_searches == n_searches + 4


def test_small_faces_are_left_out(moving: Path, yunet: Path) -> None:
    clips = VideoFrameSampler(4, None).transform([moving])
    with pytest.warns(NoFaceWarning):
        found = YuNetFaceCropper(yunet, min_size=21).transform(clips)
    assert people_in(found[0]) == [None] * 4


def test_missing_network_says_where_it_comes_from(moving: Path, tmp_path: Path) -> None:
    clips = VideoFrameSampler(1).transform([moving])
    cropper = YuNetFaceCropper(tmp_path / "none.onnx")
    with pytest.raises(ValueError, match=r"none\.onnx' is not a file.*OpenCV's model"):
        cropper.transform(clips)


def test_file_that_is_no_network_is_named(moving: Path, tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no network")
    clips = VideoFrameSampler(1).transform([moving])
    with pytest.raises(ValueError, match=r"broken\.onnx' is not a network"):
        YuNetFaceCropper(path).transform(clips)


def test_real_network_finds_the_portrait(write_clip: Any) -> None:
    model = os.environ.get("SKDEEPFAKE_YUNET")
    if not model:
        pytest.skip("SKDEEPFAKE_YUNET names no file of YuNet")
    astronaut = pytest.importorskip("skimage.data").astronaut()
    clips = VideoFrameSampler(1).transform([write_clip([astronaut])])
    crop = YuNetFaceCropper(model).transform(clips)[0, 0]
    assert max(crop.shape[:2]) == pytest.approx(110, rel=0.3)
