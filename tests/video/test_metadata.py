"""Metadata comes from ffmpeg's description, not from text in the file."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skdeepfake._video._encoder import Processes
from skdeepfake._video._ffmpeg import pixel_limit
from skdeepfake._video._metadata import (
    ContainerMetadata,
    container_metadata,
    read_description,
)
from skdeepfake._video._reader import Limits
from skdeepfake.exceptions import VideoReadError

HEAD = "Input #0, mov,mp4, from 'file:/x.mp4':\n  Metadata:\n    title : x\n"
DURATION = "  Duration: 01:02:03.45, start: 0.000000, bitrate: 28 kb/s\n"
STREAM = (
    "  Stream #0:{}: Video: h264 (High) (avc1 / 0x31637661), yuv420p(tv, bt709), "
    "640x480 [SAR 1:1 DAR 4:3], 812 kb/s, 29.97 fps, 30k tbr, 90k tbn (default)\n"
)


def read(told: str, path: str = "/x.mp4") -> tuple:
    facts = read_description(told, path)
    assert facts is not None
    return tuple(facts[1:6])


def test_stream_and_duration_are_read() -> None:
    told = HEAD + DURATION + STREAM.format("0[0x1](und)")
    assert read(told) == (3723.45, 29.97, 640, 480, "h264")
    assert read_description(told, "/x.mp4").container == "mov,mp4"


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        ("apng, rgb24(pc, gbr), 64x48, 25 fps, 25 tbr", (25, 64, 48, "apng")),
        ("h264, yuv420p, 64x48 [SAR 1:1], 1k fps, 1k tbr", (1000, 64, 48, "h264")),
        ("vp9, gbrp, 1920x1080, SAR 1:1, 0.1250 fps", (0.125, 1920, 1080, "vp9")),
        ("none (abcd / 0x64636261), 64x48, 25 tbr", (math.nan, 64, 48, None)),
        ("mpeg2video (Main) ([2][0][0][0] / 0x0002)", (*[math.nan] * 3, "mpeg2video")),
    ],
)
def test_what_is_not_said_is_not_known(stream: str, expected: tuple) -> None:
    told = f"{HEAD}  Duration: N/A, bitrate: N/A\n  Stream #0:0: Video: {stream}\n"
    found = read(told)
    assert found[-1] == expected[-1]
    np.testing.assert_equal(found[:-1], (math.nan, *expected[:-1]))


def test_cover_picture_and_sound_are_passed_over() -> None:
    sound = "  Stream #0:0: Audio: aac (LC), 44100 Hz, mono\n"
    cover = "  Stream #0:1: Video: mjpeg, yuvj420p, 10x10, 90k tbr (attached pic)\n"
    assert read(HEAD + sound + cover + STREAM.format(2))[1:3] == (29.97, 640)
    assert read_description(HEAD + DURATION + sound + cover, "/x.mp4") is None


def test_name_and_title_are_not_taken_for_the_stream() -> None:
    path = os.path.abspath("a\n  Stream #0:0: Video: evil, 1x1\n  Duration: 00:00:09.0")
    title = "    title : x\n          :   Stream #0:0: Video: evil, 1x1, 5 fps\n"
    title += "          :   Duration: 00:00:09.00\n"
    told = f"Input #0, mov, from 'file:{path}':\n{title}{DURATION}{STREAM.format(0)}"
    assert read(told, path) == (3723.45, 29.97, 640, 480, "h264")


@pytest.mark.parametrize(
    ("duration", "expected"), [(2.0, 400), (0.0, math.nan), (math.nan, math.nan)]
)
def test_bit_rate_is_of_the_whole_file(duration: float, expected: float) -> None:
    facts = ContainerMetadata(file_size=100.0, duration=duration)
    np.testing.assert_equal(facts.bit_rate, expected)


def test_one_file_after_the_other_is_asked(
    write_clip: Callable[..., Path],
    numbered_frames: Callable[..., list],
    tmp_path: Path,
) -> None:
    clip = write_clip(numbered_frames(5), "a b.avi", "-c:v", "mpeg4", fps=5)
    playlist, broken = tmp_path / "list.mp4", tmp_path / "broken.mp4"
    playlist.write_text("ffconcat version 1.0\nfile a.avi\n")
    broken.write_bytes(b"\0\0\0\x08ftypisom" + bytes(99))
    paths = [str(playlist), str(clip), str(broken), str(tmp_path / "no.mp4")]
    refused, facts, undescribed, missing = container_metadata(paths, Limits())
    size = float(clip.stat().st_size)
    assert facts == ContainerMetadata(size, 1.0, 5.0, 64.0, 48.0, "mpeg4", "avi")
    for error, path, reason in (
        (refused, playlist, "is not a video. Supported formats: mp4"),
        (undescribed, broken, "contains no video stream that ffmpeg can read: "),
        (missing, tmp_path / "no.mp4", "cannot be found"),
    ):
        assert isinstance(error, VideoReadError)
        assert error.path == str(path)
        assert error.reason.startswith(reason)
        assert not error.reason.endswith(": ")


def test_limits_hold(
    write_clip: Callable[..., Path], numbered_frames: Callable[..., list]
) -> None:
    clip = str(write_clip(numbered_frames(2)))
    for limits, expected in (
        (Limits(max_bytes=10), "more than max_bytes=10"),
        (Limits(timeout=1e-3), "takes longer than timeout=0.001 seconds to read"),
    ):
        (error,) = container_metadata([clip], limits)
        assert isinstance(error, VideoReadError)
        assert expected in error.reason


def test_limit_of_pixels_reaches_ffmpeg(
    write_clip: Callable[..., Path],
    numbered_frames: Callable[..., list],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commands = []
    run = Processes.run

    def spy(self: Processes, command: list[str], timeout: float | None) -> Any:
        commands.append(command)
        return run(self, command, timeout)

    monkeypatch.setattr(Processes, "run", spy)
    clip = write_clip(numbered_frames(2))
    container_metadata([str(clip)], Limits(max_pixels=10**6))
    ((*before, source),) = commands
    assert before[-1] == "-i"
    assert source == f"file:{clip}"
    option = before.index("-max_pixels:v")
    assert before[option : option + 2] == pixel_limit(10**6)
