"""Clips show their first frame in a notebook."""

from __future__ import annotations

import base64
import re

import cv2
import numpy as np

from skdeepfake import VideoFrameSampler, VideoPerturber
from skdeepfake.exceptions import VideoReadError


def shown(html: str) -> np.ndarray:
    (text,) = re.findall(r"base64,([^\"]+)", html)
    content = np.frombuffer(base64.b64decode(text), np.uint8)
    return cv2.imdecode(content, cv2.IMREAD_COLOR)[..., ::-1].astype(float)


def test_clip_shows_its_first_frame(rendered_videos) -> None:
    (clip,) = VideoFrameSampler(3).transform(rendered_videos.data[:1])
    html = clip._repr_html_()
    found = shown(html)
    assert clip.plan is None  # nothing was sampled
    frame = next(iter(clip))
    small = cv2.resize(frame, found.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert found.shape == (120, 160, 3)
    assert np.abs(found - small).mean() < 6
    assert "n_frames=3" in html


def test_clip_that_cannot_be_read_says_why(rendered_videos, tmp_path) -> None:
    (clip,) = VideoFrameSampler(3).transform(rendered_videos.data[:1])
    clip.give_up(VideoReadError("a<b.mp4", "is damaged"))
    html = clip._repr_html_()
    assert "is damaged" in html
    assert "a&lt;b.mp4" in html
    assert "img" not in html


def test_perturbed_clip_shows_the_perturbed_frame(rendered_videos) -> None:
    clips = VideoFrameSampler(3).transform(rendered_videos.data[:1])
    (clip,) = VideoPerturber("CS", 5).fit_transform(clips)
    found = shown(clip._repr_html_())
    assert np.abs(found - shown(clips[0]._repr_html_())).mean() > 5
