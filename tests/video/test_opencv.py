"""Functions of the decoder process, run in this process."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from skdeepfake._video import _opencv
from skdeepfake._video._opencv import ReadingError

N = 61
FPS = 25


@pytest.fixture
def grabbed(monkeypatch):
    """Record which frames are decoded."""
    numbers = []
    times = _opencv.Video.times

    def spy(self):
        for number, seconds in enumerate(times(self)):
            numbers.append(number)
            yield seconds

    monkeypatch.setattr(_opencv.Video, "times", spy)
    return numbers


@pytest.fixture
def path(write_clip, numbered_frames):
    options = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", 3, "-g", 30)
    return str(write_clip(numbered_frames(N), "clip.mp4", *options, fps=FPS))


def wanted(*numbers):
    return {number: number / FPS for number in numbers}


def test_wanted_frames_come_and_one_past_the_last_is_decoded(path, number_of, grabbed):
    frames = _opencv.decoded_frames(path, wanted(0, 12, 24), 1.0)
    assert [number_of(frame) for frame in frames] == [0, 12, 24]
    assert grabbed == [*range(26)]


def test_only_frame_is_compared_with_the_next(path, number_of, grabbed):
    (frame,) = _opencv.decoded_frames(path, wanted(5), None)
    assert number_of(frame) == 5
    assert grabbed == [*range(8)]


def test_what_is_broken_off_has_decoded_one_wanted_frame_ahead(path, grabbed):
    # The second frame shows that the first is not uninitialized memory.
    frames = _opencv.decoded_frames(path, wanted(0, 10, 20, 30), None)
    next(frames)
    assert grabbed == [*range(11)]
    frames = _opencv.decoded_frames(path, wanted(0, 10, 20), None, trusted=True)
    del grabbed[:]
    next(frames)
    assert grabbed == [0]


def test_counting_stops_where_the_duration_ends(path, grabbed):
    times, claimed = _opencv.decoded_times(path, 1.0)
    assert claimed == times[-1]
    np.testing.assert_allclose(times, np.arange(25) / FPS, atol=1e-3)
    assert grabbed == [*range(26)]


@pytest.mark.parametrize(
    ("numbers", "duration", "kind"),
    [
        ((0, 61), None, "broken"),
        ((60, 61), None, "broken"),
        ((0, 60), None, None),
        ((0, 24), 1.0, None),
        # There are more frames than listed.
        ((0, 59), None, "broken"),
        ((0, 23), 1.0, "broken"),
    ],
)
def test_promise_is_broken_by_fewer_frames_and_by_more(path, numbers, duration, kind):
    if kind is None:
        assert len(list(_opencv.decoded_frames(path, wanted(*numbers), duration))) == 2
        return
    with pytest.raises(ReadingError) as caught:
        list(_opencv.decoded_frames(path, wanted(*numbers), duration))
    assert caught.value.kind == kind


def test_frame_at_another_time_breaks_a_promise(path):
    with pytest.raises(ReadingError) as caught:
        list(_opencv.decoded_frames(path, {0: 0.0, 10: 0.401}, None))
    assert caught.value.kind == "broken"


@pytest.mark.parametrize("n_frames", [1, 5])
def test_still_picture_is_doubtful_until_it_is_trusted(write_clip, n_frames):
    frame = np.full((48, 64, 3), 99, np.uint8)
    path = str(write_clip([frame] * n_frames, fps=FPS))
    numbers = wanted(*range(n_frames))
    for read in (
        lambda **how: _opencv.decoded_times(path, None, **how)[0],
        lambda **how: list(_opencv.decoded_frames(path, numbers, None, **how)),
    ):
        with pytest.raises(ReadingError) as caught:
            read()
        assert caught.value.kind == "doubtful"
        assert len(read(trusted=True)) == n_frames


READ = {
    "promise": lambda path, *limits: _opencv.promised_times(path, None, *limits)[0],
    "count": lambda path, *limits: _opencv.decoded_times(path, None, *limits)[0],
    "decode": lambda path, *limits: [
        *_opencv.decoded_frames(path, wanted(0, 60), None, *limits)
    ],
}


@pytest.mark.parametrize("do", READ)
def test_limits_hold_to_the_last_pixel_and_second(path, do):
    longest = N / FPS
    assert len(READ[do](path, 64 * 48, longest)) in (2, N)
    with pytest.raises(ReadingError, match=r"64 x 48 pixels.*max_pixels=3071"):
        READ[do](path, 64 * 48 - 1, longest)
    with pytest.raises(ReadingError, match=r"max_duration=2\.4"):
        READ[do](path, None, longest - 0.04)


@pytest.mark.parametrize("do", READ)
def test_duration_is_limited_where_the_container_claims_none(
    ffmpeg, numbered_frames, tmp_path, do
):
    path = tmp_path / "live.mkv"
    live = ("-f", "matroska", "-live", 1)
    ffmpeg("-c:v", "mpeg4", *live, path, frames=numbered_frames(N), fps=FPS)
    assert len(READ[do](str(path), None, 2.41)) in (2, N)
    with pytest.raises(ReadingError, match=r"max_duration=1\.5"):
        READ[do](str(path), None, 1.5)


@pytest.mark.parametrize(
    ("sar", "turned", "shape"),
    [
        ("2/1", False, (48, 128)),
        ("1/2", False, (96, 64)),
        ("12/11", False, (48, 70)),
        ("2/1", True, (128, 48)),
        ("9/1", False, (48, 64)),  # invalid ratio
        ("0/1", False, (48, 64)),
    ],
)
def test_pixels_become_square_and_none_is_lost(
    write_clip, ffmpeg, numbered_frames, sar, turned, shape
):
    options = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-vf", f"setsar={sar}")
    path = write_clip(numbered_frames(3), "flat.mp4", *options, fps=FPS)
    if turned:
        source, path = path, path.with_name("turned.mp4")
        ffmpeg("-display_rotation", 90, "-i", source, "-c", "copy", path)
    frames = [*_opencv.decoded_frames(str(path), wanted(0, 2), None)]
    assert [frame.shape for frame in frames] == [(*shape, 3)] * 2


def test_stretched_frame_is_limited_too(write_clip, numbered_frames):
    options = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-vf", "setsar=2/1")
    path = str(write_clip(numbered_frames(3), "flat.mp4", *options, fps=FPS))
    with pytest.raises(ReadingError, match="128 x 48 pixels"):
        list(_opencv.decoded_frames(path, wanted(0, 2), None, 64 * 48))


def test_times_increase_where_the_container_does_not_tell(path, monkeypatch):
    times = [0.0, 0.0, 5.0, 1.0]
    monkeypatch.setattr(
        _opencv.Video, "times", lambda self: itertools.chain(times, [6.0])
    )
    video = _opencv.Video(path, None, None)
    assert list(video) == pytest.approx([0, 1 / FPS, 5, 5 + 1 / FPS, 6])
    video.close()
