"""An implementation of the paper's preprocessing in OpenCV gives the same pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np
import portraits
import pytest
from sklearn.pipeline import make_pipeline

from skdeepfake.preprocessing import DlibFaceCropper, Resizer, VideoFrameSampler

skimage_data = pytest.importorskip("skimage.data")


def papers_faces(video: Path, folder: Path, num_frames: int = 10) -> list[list[Any]]:
    """Follow the paper's appendix 7.1; return the resized BGR faces of each frame."""
    vidcap = cv2.VideoCapture(str(video))
    total_frames = int(vidcap.get(cv2.CAP_PROP_FRAME_COUNT))
    interval = total_frames / (num_frames - 1)
    frames_to_capture = [int(interval * i) for i in range(num_frames)]
    count, paths = 0, []
    success, image = vidcap.read()
    while success:
        if count in frames_to_capture:
            paths.append(str(folder / f"frame_{count}.jpg"))
            cv2.imwrite(paths[-1], image)
        success, image = vidcap.read()
        count += 1
    detector = dlib.get_frontal_face_detector()
    found: list[list[Any]] = []
    for path in paths:
        frame = cv2.imread(path)
        found.append([])
        for i, face in enumerate(detector(frame, 1)):
            x, y, w, h = face.left(), face.top(), face.width(), face.height()
            name = path.replace(".jpg", f"_{i}.jpg")
            cv2.imwrite(name, frame[y : y + h, x : x + w])
            found[-1].append(cv2.resize(cv2.imread(name), (224, 224)))
    return found


def test_preprocessing_is_the_papers_to_the_pixel(
    write_clip: Any, tmp_path: Path
) -> None:
    portrait = portraits.portrait(skimage_data.astronaut())
    frames = []
    for i in range(20):
        frame = portraits.paste(portraits.canvas(220, 420), portrait, (110 + i, 110))
        if i < 12:  # a second person leaves
            frame = portraits.paste(frame, portrait[:, ::-1], (310, 110), 0.9)
        frames.append(frame)
    video = write_clip(frames)
    expected = papers_faces(video, tmp_path)
    assert [len(faces) for faces in expected] == [2] * 6 + [1] * 3

    steps = make_pipeline(
        VideoFrameSampler(10, None, spacing="paper"),
        DlibFaceCropper(max_faces=None, search="exhaustive", jpeg_quality=95),
        Resizer((224, 224), interpolation="linear"),
    )
    (found,) = steps.fit_transform([video])[..., ::-1]
    for slots, faces in zip(found.reshape(10, 10, 224, 224, 3), expected, strict=False):
        filled = slots[slots.any(axis=(1, 2, 3))]
        assert sorted(map(bytes, filled)) == sorted(map(bytes, faces))
    assert not found[90:].any()  # the last frame does not exist


def test_frames_are_those_of_the_papers_numbers(
    write_clip: Any, numbered_frames: Any, number_of: Any
) -> None:
    path = write_clip(numbered_frames(100))
    (clip,) = VideoFrameSampler(10, None, spacing="paper").transform([path])
    assert [number_of(f) for f in clip if f is not None] == [
        0, 11, 22, 33, 44, 55, 66, 77, 88
    ]  # fmt: skip
    assert np.isnan(clip.timestamps[9])


def test_papers_spacing_has_no_bursts(write_clip: Any, numbered_frames: Any) -> None:
    path = write_clip(numbered_frames(4))
    with pytest.raises(ValueError, match=r"burst=2.*spacing='even'"):
        VideoFrameSampler(2, spacing="paper", burst=2).transform([path])
