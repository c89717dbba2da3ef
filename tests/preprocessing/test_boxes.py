"""Cropping sets the boxes of a clip."""

from __future__ import annotations

import numpy as np
import pytest

from skdeepfake.exceptions import NoFaceWarning
from skdeepfake.preprocessing import DlibFaceCropper, VideoFrameSampler


def test_crops_are_cut_at_the_boxes(rendered_videos) -> None:
    clips = VideoFrameSampler(n_frames=3).transform(rendered_videos.data[:1])
    assert clips[0].boxes is None
    crops = DlibFaceCropper().transform(clips)
    for frame, crop, box in zip(clips[0], crops[0], clips[0].boxes, strict=True):
        left, top, right, bottom = box
        np.testing.assert_array_equal(frame[top:bottom, left:right], crop)


def test_slots_without_a_face_have_no_box(rendered_videos, write_clip) -> None:
    gray = write_clip([np.full((60, 80, 3), 90 + k, np.uint8) for k in range(2)])
    clips = VideoFrameSampler(n_frames=3).transform([rendered_videos.data[0], gray])
    with pytest.warns(NoFaceWarning):
        crops = DlibFaceCropper(max_faces=2).transform(clips)
    for clip, row in zip(clips, crops, strict=True):
        found = [box is not None for box in clip.boxes]
        assert found == [crop is not None for crop in row]
    assert clips[0].boxes[1] is None  # the second person


def test_margin_is_no_part_of_a_box_and_the_cache_keeps_boxes(
    rendered_videos, tmp_path
) -> None:
    found = []
    for margin in (0.0, 0.2, 0.2):
        clips = VideoFrameSampler(n_frames=2).transform(rendered_videos.data[:1])
        DlibFaceCropper(margin=margin, memory=tmp_path).transform(clips)
        found.append(clips[0].boxes)
    assert found[0] == found[1] == found[2]
    assert all(isinstance(side, int) for side in found[2][0])
    assert isinstance(found[2][0], tuple)


def test_whole_frames_have_no_boxes(rendered_videos) -> None:
    clips = VideoFrameSampler(n_frames=2).transform(rendered_videos.data[:1])
    DlibFaceCropper(region="frame").transform(clips)
    assert clips[0].boxes == [None, None]
