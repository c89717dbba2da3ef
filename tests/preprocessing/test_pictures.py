"""A picture is a video of one frame, decoded in another process."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from skdeepfake.exceptions import VideoReadError
from skdeepfake.preprocessing import Clip, VideoFrameSampler

_EXIF = b"\xff\xe1\x00\x22Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03"
# Rotated by 90 degrees, as written by phones.
_TURNED = _EXIF + b"\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"


@pytest.fixture
def picture() -> np.ndarray:
    ramp = np.linspace(0, 255, 64, dtype=np.uint8)
    rows = np.tile(ramp, (32, 1))
    return np.stack([rows, np.full_like(rows, 40), rows // 2], axis=-1)


@pytest.mark.parametrize(
    ("name", "tolerance"), [("a.png", 0), ("a.jpg", 12), ("a.webp", 12), ("no_name", 0)]
)
def test_picture_is_one_frame(tmp_path, picture, name, tolerance) -> None:
    path = tmp_path / name
    _, content = cv2.imencode(path.suffix or ".png", picture[..., ::-1])
    path.write_bytes(content.tobytes())
    (clip,) = VideoFrameSampler(n_frames=3).transform([path])
    first, *others = clip
    assert others == [None, None]
    assert np.abs(first.astype(int) - picture).max() <= tolerance
    assert clip.indices.tolist() == [0, -1, -1]
    assert clip.timestamps[0] == 0.0
    assert clip.missing == 0.0


def test_picture_is_turned_as_it_says(tmp_path, picture) -> None:
    _, content = cv2.imencode(".jpg", picture)
    path = tmp_path / "turned.jpg"
    path.write_bytes(content[:2].tobytes() + _TURNED + content[2:].tobytes())
    assert next(iter(Clip(path, n_frames=1))).shape == (64, 32, 3)


def test_picture_has_the_limits_of_a_video(tmp_path, picture) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.zeros((400, 400), np.uint8))
    with pytest.raises(VideoReadError, match="more than max_pixels=1000"):
        list(Clip(path, n_frames=1, max_pixels=1000))


def test_damaged_picture_is_an_error(tmp_path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00")
    with pytest.raises(VideoReadError, match="contains no frame that can be decoded"):
        list(Clip(path, n_frames=1))
