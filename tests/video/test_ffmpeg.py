"""Commands of the bundled ffmpeg, and parsing of their output."""

from __future__ import annotations

import io
import os
import re

import imageio_ffmpeg
import pytest

from skdeepfake._ffmpeg_executable import ffmpeg_executable
from skdeepfake._video import _ffmpeg
from skdeepfake.exceptions import (
    FFmpegError,
    NoFaceWarning,
    VideoReadError,
    VideoReadWarning,
)
from skdeepfake.preprocessing import Clip, DlibFaceCropper, VideoFrameSampler

HEAD = b"#software: Lavf63.1.102\n#tb 0: 1/50\n#media_type 0: video\n"


def line(pts):
    return b"0, %10d, %10d,        1,      424, 0xa8c60a30\n" % (pts, pts)


@pytest.mark.parametrize(
    ("pts", "times"),
    [
        ((0, 1, 4), [0, 0.02, 0.08]),
        ((70, 71, 74), [0, 0.02, 0.08]),
        ((-5, 0), [0, 0.1]),
        # In a damaged file, times still increase.
        ((0, 10, 10, 5, 11), [0, 0.2, 0.201, 0.202, 0.22]),
        ((), []),
    ],
    ids=["from zero", "from later", "from before", "twice the same", "none"],
)
def test_times_are_seconds_from_the_first_frame_and_increase(pts, times):
    output = io.BytesIO(HEAD + b"".join(map(line, pts)))
    assert [*_ffmpeg.read_times(output)] == pytest.approx(times)


def test_neighboring_frames_are_asked_for_as_one():
    command = _ffmpeg.decode("x", [0, 1, 2, 7, 9, 10], None)
    wanted = r"between(n\,0\,2)+between(n\,7\,7)+between(n\,9\,10)"
    assert f"select='{wanted}'" in command[command.index("-vf") + 1]
    assert command[command.index("-frames:v") + 1] == "6"


@pytest.mark.parametrize(
    ("output", "n_frames"),
    [
        (b"P6\n2 1\n255\n" + bytes(6), 1),
        ((b"P6\n2 1\n255\n" + bytes(6)) * 2, 2),
        (b"P6\n2 1\n255\n" + bytes(5), 0),
        (b"P6\n2 1\n65535\n" + bytes(12), 0),
        (b"P6\n2\n255\n" + bytes(6), 0),
        (b"[mov @ 0x5] broken\n", 0),
    ],
    ids=["one", "two", "half", "16 bits", "no size", "a complaint"],
)
def test_whole_frames_are_read(output, n_frames):
    frames = [*_ffmpeg.read_frames(io.BytesIO(output))]
    assert [frame.shape for frame in frames] == [(1, 2, 3)] * n_frames


def test_name_and_title_are_not_taken_for_the_stream(tmp_path):
    path = str(tmp_path / "Video: mpeg2video (top first)\n  Stream #0:0: Video: x.ts")
    told = f"Input #0, mpegts, from 'file:{path}':\n    title : Video: (top first)\n"
    for fields, expected in (("", False), (", top first", True)):
        stream = f"  Stream #0:0[0x100](eng): Video: h264, yuv420p(tv{fields}), 64x48\n"
        output = io.BytesIO(os.fsencode(told + stream))
        (found,) = _ffmpeg.read_streams(output, path)
        assert _ffmpeg.is_interlaced(found) is expected


@pytest.mark.parametrize(
    ("max_pixels", "told"),
    [
        (None, []),
        (10**6, ["-max_pixels:v", "1315536"]),
        (2**62, ["-max_pixels:v", "2147483647"]),
    ],
    ids=["none", "a million", "more than ffmpeg takes"],
)
def test_limit_of_pixels_leaves_room_for_edges(max_pixels, told):
    assert _ffmpeg.pixel_limit(max_pixels) == told


OLD = """#!/bin/sh
[ "$1" = -version ] && echo "ffmpeg version 4.2.2-static" && exit
echo "Unrecognized option 'fps_mode'." >&2
exit 1
"""


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (None, "does not run"),
        (OLD, "version 4.2.2-static: Unrecognized option 'fps_mode'. Set IMAGEIO"),
        ("#!/bin/sh\n", "decodes no frame"),
    ],
    ids=["missing", "old", "silent"],
)
@pytest.mark.skipif(os.name != "posix", reason="the stand-in is a sh script")
def test_ffmpeg_that_cannot_be_used_is_named_and_the_batch_goes_on(
    write_clip, numbered_frames, tmp_path, monkeypatch, script, reason
):
    apart = ("-vf", "select='not(between(n,5,24))'", "-fps_mode", "vfr")
    plain = write_clip(numbered_frames(30), "plain.mp4", "-c:v", "libx264", *apart)
    av1 = write_clip(numbered_frames(3), "av1.mp4", "-c:v", "libsvtav1", "-preset", 12)
    executable = tmp_path / "ffmpeg"
    if script:
        executable.write_text(script)
        executable.chmod(0o755)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(executable))
    clips = VideoFrameSampler(3, on_error="skip").transform([av1, plain])
    with (
        pytest.warns(NoFaceWarning),
        pytest.warns(VideoReadWarning, match=re.escape(reason)) as warned,
    ):
        DlibFaceCropper().transform(clips)
    found = [w.message for w in warned if isinstance(w.message, VideoReadWarning)]
    assert [(each.path, str(executable) in each.reason) for each in found] == [
        (str(av1), True)
    ]
    assert clips[1].error is None


def test_ffmpeg_that_is_not_found_is_an_error_that_says_so(monkeypatch):
    def not_found():
        raise RuntimeError("No ffmpeg exe could be found")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", not_found)
    with pytest.raises(FFmpegError, match="ffmpeg was not found: No ffmpeg exe could"):
        ffmpeg_executable()


def test_ffmpeg_that_does_not_start_is_an_error_of_the_video(
    write_clip, numbered_frames, monkeypatch
):
    path = write_clip(numbered_frames(3), "av1.mp4", "-c:v", "libsvtav1")
    monkeypatch.setattr(_ffmpeg, "ffmpeg_executable", lambda: "/no/such/ffmpeg")
    with pytest.raises(VideoReadError, match=r"av1.mp4.*ffmpeg could not be started"):
        list(Clip(path))
