"""Regions are located by the box of the face or by its landmarks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np
import portraits
import pytest

from skdeepfake.preprocessing import DlibFaceCropper, VideoFrameSampler, _regions
from skdeepfake.preprocessing._faces import Face
from skdeepfake.preprocessing._regions import region_of

skimage_data = pytest.importorskip("skimage.data")


def position_frame() -> np.ndarray:
    """Return a frame whose first two channels are x and y."""
    y, x = np.mgrid[:200, :250].astype(np.uint8)
    return np.stack([x, y, np.zeros_like(x)], axis=-1)


def box_of(crop: np.ndarray) -> list[int]:
    """Return left, top, right and bottom of a crop of `position_frame`."""
    return [*crop[0, 0, :2].tolist(), *(crop[-1, -1, :2] + 1).tolist()]


FACE = Face(100, 50, 200, 150, 1.0)


@pytest.mark.parametrize(
    ("region", "margin", "expected"),
    [
        ("face", 0.0, [100, 50, 200, 150]),
        ("face", 0.1, [90, 40, 210, 160]),
        ("eyes", 0.0, [105, 60, 195, 100]),
        ("nose", 0.0, [125, 75, 175, 120]),
        ("mouth", 0.0, [115, 102, 185, 147]),
        ("mouth", 0.2, [101, 93, 199, 156]),
        ("body", 0.0, [0, 160, 250, 200]),
    ],
)
def test_regions_are_shares_of_the_box(
    region: str, margin: float, expected: list[int]
) -> None:
    crop = region_of(position_frame(), FACE, region, margin)
    assert crop is not None
    assert box_of(crop) == expected
    assert crop.base is None


def test_region_outside_of_the_frame_is_none() -> None:
    low = Face(100, 150, 150, 200, 1.0)
    assert region_of(position_frame(), low, "body", 0.0) is None


def find_stand_in(n_parts: int) -> Any:
    """Make a finder that puts landmark i at (2 * i, 100 + i)."""

    def find(frame: np.ndarray, box: Any, path: str, n_points: Any) -> np.ndarray:
        assert box == (100, 50, 200, 150)
        assert n_parts in n_points
        return np.float32([(2 * i, 100 + i) for i in range(n_parts)])

    return find


@pytest.mark.parametrize(
    ("n_parts", "region", "expected"),
    [
        # Landmarks 36 to 47: x 72 to 94, y 136 to 147; widened by 0.2 and 0.25 of 22.
        (68, "eyes", [72 - 4, 136 - 6, 94 + 4, 147 + 6]),
        # 27 to 35: x 54 to 70, y 127 to 135; widened by 0.4 and 0.1 of 16.
        (68, "nose", [54 - 6, 127 - 2, 70 + 6, 135 + 2]),
        # 48 to 67: x 96 to 134, y 148 to 167.
        (68, "mouth", [96 - 8, 148 - 8, 134 + 8, 167 + 8]),
        (5, "eyes", [0, 100 - 2, 6 + 1, 103 + 2]),
        (5, "mouth", [115, 102, 185, 147]),  # no such landmarks, so the box is used
        (68, "face", [100, 50, 200, 150]),
    ],
)
def test_eyes_and_mouth_lie_around_their_landmarks(
    monkeypatch: pytest.MonkeyPatch, n_parts: int, region: str, expected: list[int]
) -> None:
    monkeypatch.setattr(_regions, "find_landmarks", find_stand_in(n_parts))
    crop = region_of(position_frame(), FACE, region, 0.0, "model.dat")
    assert crop is not None
    assert box_of(crop) == expected


def test_real_landmarks_lie_in_the_portrait() -> None:
    model = os.environ.get("SKDEEPFAKE_LANDMARKS")
    if not model:
        pytest.skip("SKDEEPFAKE_LANDMARKS names no file of dlib's landmarks")
    frame = skimage_data.astronaut()
    (found,), *_ = dlib.get_frontal_face_detector().run(frame, 0, 0.0)
    face = Face(found.left(), found.top(), found.right() + 1, found.bottom() + 1, 1.0)
    middle = {}
    for region in ("eyes", "mouth"):
        crop = region_of(frame, face, region, 0.0, model)
        assert crop is not None
        distance = cv2.matchTemplate(frame, crop, cv2.TM_SQDIFF)
        x, y = cv2.minMaxLoc(distance)[2]
        middle[region] = (x + crop.shape[1] / 2, y + crop.shape[0] / 2)
    # Positions were measured by hand in the picture.
    assert middle["eyes"] == pytest.approx((225, 102), abs=4)
    assert middle["mouth"] == pytest.approx((222, 147), abs=4)


@pytest.mark.parametrize("content", [None, b"no model"])
def test_bad_landmarks_name_the_file(
    tmp_path: Path, write_clip: Any, numbered_frames: Any, content: bytes | None
) -> None:
    path = tmp_path / "model.dat"
    if content is not None:
        path.write_bytes(content)
    clips = VideoFrameSampler(1).transform([write_clip(numbered_frames(1))])
    expected = "cannot be read: No such" if content is None else "is not a dlib shape"
    with pytest.raises(ValueError, match=rf"landmarks='.*model\.dat' {expected}"):
        DlibFaceCropper(region="eyes", landmarks=path).transform(clips)


def test_whole_frames_are_handed_on_without_a_search(
    write_clip: Any, numbered_frames: Any, number_of: Any, monkeypatch: Any
) -> None:
    def searched(*args: Any) -> None:
        raise AssertionError("a face was searched")

    monkeypatch.setattr(
        "skdeepfake.preprocessing._following.FaceFollower.find", searched
    )
    clips = VideoFrameSampler(3).transform([write_clip(numbered_frames(5))])
    crops = DlibFaceCropper(region="frame").transform(clips)
    assert [number_of(crop) for crop in crops[0]] == [0, 2, 4]


def test_several_regions_are_slots_of_one_search(
    write_clip: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    face = Face(100, 50, 200, 150, 1.0)
    searches = []

    def find(self: Any, frame: np.ndarray) -> list[Face | None]:
        searches.append(frame.shape)
        return [face, face._replace(left=0) if len(searches) == 2 else None]

    monkeypatch.setattr("skdeepfake.preprocessing._following.FaceFollower.find", find)
    clips = VideoFrameSampler(2).transform([write_clip([position_frame()] * 2)])
    cropper = DlibFaceCropper(region=("mouth", "eyes", "face"), max_faces=2)
    crops = cropper.transform(clips)
    assert len(searches) == 2
    # Frames, then regions, then people.
    shapes = [crop if crop is None else crop.shape[:2] for crop in crops[0]]
    assert shapes == [
        *[(45, 70), None, (40, 90), None, (100, 100), None],
        *[(45, 70), (45, 140), (40, 90), (40, 180), (100, 100), (100, 200)],
    ]


def test_frame_is_there_without_a_face_beside_regions(
    write_clip: Any, numbered_frames: Any, number_of: Any
) -> None:
    clips = VideoFrameSampler(2).transform([write_clip(numbered_frames(2))])
    crops = DlibFaceCropper(region=["eyes", "frame"]).transform(clips)
    assert crops[0, ::2].tolist() == [None, None]
    assert [number_of(crop) for crop in crops[0, 1::2]] == [0, 1]


@pytest.mark.parametrize("region", [(), ("eyes", "ear"), "ear"])
def test_unknown_regions_are_refused(region: Any) -> None:
    with pytest.raises(ValueError, match="region must be one of 'face', 'frame'"):
        DlibFaceCropper(region=region)._validate_params()


@pytest.mark.parametrize("max_faces", [2, None])
def test_whole_frames_have_no_people(max_faces: int | None) -> None:
    with pytest.raises(ValueError, match=r"region='frame' .* max_faces"):
        DlibFaceCropper(region="frame", max_faces=max_faces)._validate_params()


def test_portrait_gives_its_regions(write_clip: Any) -> None:
    portrait = portraits.portrait(skimage_data.astronaut())
    frame = portraits.paste(portraits.canvas(), portrait, (320, 150))
    clips = VideoFrameSampler(1).transform([write_clip([frame])])
    crops = {
        region: DlibFaceCropper(region=region).transform(clips)[0, 0]
        for region in ("face", "eyes", "mouth", "body")
    }
    height, width = crops["face"].shape[:2]
    assert crops["eyes"].shape[:2] == pytest.approx((0.4 * height, 0.9 * width), abs=2)
    assert crops["mouth"].shape[:2] == pytest.approx(
        (0.45 * height, 0.7 * width), abs=2
    )
    # Clamped at the lower edge of the frame.
    assert crops["body"].shape[1] == pytest.approx(3 * width, abs=2)
