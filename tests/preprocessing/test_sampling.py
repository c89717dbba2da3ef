"""The sampler makes clips from paths and rejects files that are not videos."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from skdeepfake.exceptions import SkdeepfakeError, VideoReadError
from skdeepfake.preprocessing import Clip, VideoFrameSampler


@pytest.fixture
def video(write_clip, numbered_frames):
    """Return a video of 21 numbered frames at 10 frames per second."""
    return write_clip(numbered_frames(21))


@pytest.fixture
def sample(video, number_of):
    """Return a function that samples the video and returns numbers and times."""

    def numbers_and_times(**parameters):
        (clip,) = VideoFrameSampler(**parameters).transform([video])
        frames = list(clip)
        assert len(frames) == len(clip) == parameters.get("n_frames", 10)
        numbers = [None if frame is None else number_of(frame) for frame in frames]
        return numbers, clip.timestamps

    return numbers_and_times


def test_frames_are_even_and_the_first_and_the_last_are_among_them(sample):
    numbers, times = sample(n_frames=5)
    assert numbers == [0, 5, 10, 15, 20]
    np.testing.assert_allclose(times, [0, 0.5, 1, 1.5, 2], atol=1e-3)


def test_defaults_are_ten_frames_of_ten_seconds(write_clip, numbered_frames, number_of):
    # 13 seconds at 10 frames per second. Frame 100, at 10 s, is not sampled.
    (clip,) = VideoFrameSampler().transform([write_clip(numbered_frames(130))])
    assert [number_of(frame) for frame in clip] == list(range(0, 100, 11))
    np.testing.assert_allclose(clip.timestamps, np.arange(0, 10, 1.1), atol=1e-3)


@pytest.mark.parametrize(
    ("duration", "last"),
    [(0.05, 0), (0.1, 0), (0.11, 1), (1, 9), (1.0, 9), (1.05, 10), (2.0, 19)],
)
def test_frames_at_the_end_of_the_duration_and_past_it_are_out(sample, duration, last):
    numbers, _ = sample(n_frames=25, duration=duration)
    assert numbers == [*range(last + 1), *[None] * (24 - last)]


@pytest.mark.parametrize("duration", [None, 2.1, 10.0, 1e9])
def test_all_frames_count_without_a_shorter_duration(sample, duration):
    numbers, _ = sample(n_frames=3, duration=duration)
    assert numbers == [0, 10, 20]


def test_one_frame_is_the_first(sample):
    numbers, times = sample(n_frames=1)
    assert numbers == [0]
    np.testing.assert_array_equal(times, [0.0])


def test_two_frames_are_the_first_and_the_last(sample):
    numbers, _ = sample(n_frames=2)
    assert numbers == [0, 20]


def test_too_short_a_video_gives_each_frame_once_and_empty_slots(video, sample):
    numbers, times = sample(n_frames=23)
    assert numbers == [*range(21), None, None]
    np.testing.assert_allclose(times[:21], np.arange(21) / 10, atol=1e-3)
    assert np.isnan(times[21:]).all()
    (clip,) = VideoFrameSampler(n_frames=23).transform([video])
    assert clip.indices.tolist() == [*range(21), -1, -1]


@pytest.mark.parametrize("fps", [1, 12.5, 29.97, 60, 240])
def test_seconds_are_those_of_the_frame_rate(
    write_clip, numbered_frames, number_of, fps
):
    path = write_clip(numbered_frames(21), fps=fps)
    (clip,) = VideoFrameSampler(n_frames=5, duration=None).transform([path])
    assert [number_of(frame) for frame in clip] == [0, 5, 10, 15, 20]
    np.testing.assert_allclose(clip.timestamps, np.arange(0, 21, 5) / fps, atol=1e-3)


@pytest.mark.parametrize(
    "make",
    [list, tuple, np.array, lambda paths: np.array(paths, dtype=object)],
    ids=["list", "tuple", "str array", "object array"],
)
def test_any_array_like_of_paths_gives_one_clip_a_path_in_order(
    write_clip, numbered_frames, make
):
    paths = [str(write_clip(numbered_frames(n), f"{n}.mp4")) for n in (3, 1, 2)]
    clips = VideoFrameSampler(n_frames=4).fit_transform(make([*paths, paths[0]]))

    assert clips.shape == (4,)
    assert clips.dtype == object
    assert [type(clip) for clip in clips] == [Clip] * 4
    assert [clip.path for clip in clips] == [*paths, paths[0]]
    assert [(clip.indices >= 0).sum() for clip in clips] == [3, 1, 2, 3]


def test_paths_may_be_path_objects(video):
    (clip,) = VideoFrameSampler().transform([Path(video)])
    assert clip.path == str(video)


def test_paths_may_be_a_series_whatever_its_index(video):
    pd = pytest.importorskip("pandas")
    (clip,) = VideoFrameSampler().transform(pd.Series([str(video)], index=[7]))
    assert clip.path == str(video)


def test_sampling_opens_no_decoder(video, asked):
    clips = VideoFrameSampler().fit_transform([video] * 1000)

    assert clips.shape == (1000,)
    assert not asked
    list(clips[0])
    assert asked


# -- invalid input -----------------------------------------------------------------


def text(path):
    path.write_text("not a video\n")


def script(path):
    path.write_text("ffconcat version 1.0\nfile clip.mp4\n")


def picture(path):
    path.write_bytes(cv2.imencode(".bmp", np.zeros((8, 8, 3), np.uint8))[1].tobytes())


def broken_link(path):
    path.symlink_to(path.with_name("gone"))


UNUSABLE = {
    "text": (text, "is not a video"),
    "script": (script, "is not a video"),
    "picture": (picture, "is not a video"),
    "empty": (Path.touch, "is empty"),
    "folder": (Path.mkdir, "is a folder"),
    "missing": (lambda path: None, "cannot be found"),
    "broken link": (broken_link, "cannot be found"),
    "pipe": (getattr(os, "mkfifo", None), "is not a regular file"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_path_that_leads_to_no_video_is_an_error_that_names_it(video, kind):
    make, reason = UNUSABLE[kind]
    if make is None:
        pytest.skip("no FIFOs here")
    path = video.with_name("x.mp4")
    make(path)

    with pytest.raises(VideoReadError, match=reason) as caught:
        VideoFrameSampler().fit_transform([video, path, video])
    assert isinstance(caught.value, (SkdeepfakeError, ValueError))
    assert caught.value.path == str(path)
    assert repr(str(path)) in str(caught.value)


def test_link_to_a_video_is_sampled(video, number_of):
    link = video.with_name("link")
    link.symlink_to(video)
    (clip,) = VideoFrameSampler(n_frames=2).transform([link])
    assert [number_of(frame) for frame in clip] == [0, 20]


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ("a.mp4", ValueError, r"single path 'a\.mp4'.*\['a\.mp4'\]"),
        (Path("a.mp4"), ValueError, r"single path .*a\.mp4"),
        ([], ValueError, r"0 sample\(s\).*VideoFrameSampler"),
        (np.array([["a.mp4", "b.mp4"]]), ValueError, r"shape \(1, 2\)"),
        ([["a.mp4"]], TypeError, r"position 0 is \['a\.mp4'\]"),
        (["a.mp4", 3], TypeError, r"position 1 is 3"),
        (["a.mp4", None], TypeError, r"position 1 is None"),
        (["a.mp4", b"b.mp4"], TypeError, r"position 1 is b'b\.mp4'"),
        ([np.nan], TypeError, r"position 0 is nan"),
        ([""], ValueError, r"position 0 is an empty string"),
        (7, TypeError, r"VideoFrameSampler.*got int"),
        (None, TypeError, r"VideoFrameSampler.*got NoneType"),
        ({"a.mp4"}, TypeError, r"VideoFrameSampler.*got set"),
    ],
)
def test_what_is_not_a_row_of_paths_is_refused_with_what_was_found(X, error, message):
    with pytest.raises(error, match=message):
        VideoFrameSampler().fit_transform(X)


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_frames": 0},
        {"n_frames": -3},
        {"n_frames": 2.5},
        {"n_frames": "10"},
        {"n_frames": None},
        {"duration": 0},
        {"duration": -1},
        {"duration": float("nan")},
        {"duration": "all"},
    ],
    ids=str,
)
def test_bad_parameter_is_named_by_fit_and_by_transform(video, parameters):
    ((name, value),) = parameters.items()
    sampler = VideoFrameSampler(**parameters)
    for method in (sampler.fit, sampler.transform):
        with pytest.raises(ValueError, match=f"'{name}' parameter.*Got {value!r}"):
            method([video])
