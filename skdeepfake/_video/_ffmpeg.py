"""Commands of ffmpeg and parsers of their output, for videos OpenCV cannot decode.

Examples are interlaced videos, mirrored videos and AV1. Still pictures are also read
with ffmpeg. Reading takes two passes, one to find the frame times and one to decode the
frames.
"""

from __future__ import annotations

import array
import os
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from .._ffmpeg_executable import ffmpeg_executable
from ..exceptions import FFmpegError, VideoReadError
from ._checks import still_format
from ._process import FORMATS

# Deinterlace each pair of fields to one frame. Progressive frames are not changed.
_WHOLE = "bwdif=mode=send_frame:deint=interlaced"

# Stretch frames to square pixels, as in `_opencv`.
_ASPECT = r"if(between(sar\,1/4\,4)\,sar\,1)"
_SQUARE = rf"scale='trunc(iw*max(1\,{_ASPECT})+0.5)':'trunc(ih/min(1\,{_ASPECT})+0.5)'"

# Minimum time between two frames in seconds.
_SHORTEST = 1e-3

# Longest duration in seconds that is passed to ffmpeg.
_FOR_EVER = 1e9


def count(path: str, duration: float | None, max_pixels: int | None) -> list[str]:
    """Return the command that writes the frame times, up to `duration` unless None."""
    trim = []
    if duration is not None and duration < _FOR_EVER:
        trim = ["-t", f"{max(duration, 1e-6):.6f}"]
    return [
        *_source(path, max_pixels),
        *("-map", "0:V:0", "-vf", f"{_WHOLE},setpts=PTS-STARTPTS", *trim),
        *("-fps_mode", "passthrough"),
        *("-enc_time_base", "filter", "-c:v", "wrapped_avframe", "-f", "framecrc", "-"),
    ]


def decode(path: str, numbers: Sequence[int], max_pixels: int | None) -> list[str]:
    """Return the command that writes the frames with these increasing indices."""
    wanted = "+".join(rf"between(n\,{a}\,{b})" for a, b in _runs(numbers))
    return [
        *_source(path, max_pixels),
        *("-map", "0:V:0"),
        *("-vf", f"{_WHOLE},select='{wanted}',{_SQUARE},format=rgb24"),
        *("-fps_mode", "passthrough", "-frames:v", str(len(numbers))),
        *("-c:v", "ppm", "-f", "image2pipe", "-"),
    ]


def describe(path: str, max_pixels: int | None = None) -> list[str]:
    """Return the command that describes the streams. Its exit status is never 0."""
    command = _source(path, max_pixels)
    command[command.index("-loglevel") + 1] = "info"
    return command


def check(path: str) -> list[str]:
    """Return the command that reports errors of a video without decoding it."""
    command = _source(path, None)
    command[command.index("-loglevel") + 1] = "warning"
    return [*command, "-map", "0:V:0", "-c", "copy", "-f", "null", "-"]


def read_is_damaged(output: BinaryIO) -> bool:
    """Return whether the output of `check` reports a damaged or truncated file.

    The message "invalid, non monotonically increasing dts" is ignored, since it only
    reports equal times.
    """
    words = rb"(?i)corrupt|premature|partial|invalid(?!,)|error|exceeds|unknown-sized"
    return re.search(words, output.read()) is not None


def pixel_limit(max_pixels: int | None) -> list[str]:
    """Return the options that limit the frame size of an input.

    ffmpeg counts the padding of the decoder, so its limit is 25% larger.
    """
    if max_pixels is None:
        return []
    return ["-max_pixels:v", str(min(max_pixels * 5 // 4 + 2**16, 2**31 - 1))]


def _source(path: str, max_pixels: int | None) -> list[str]:
    try:
        executable = ffmpeg_executable()
    except FFmpegError as error:
        raise VideoReadError(path, f"can only be read with ffmpeg. {error}") from error
    still = still_format(path)
    return [
        *(executable, "-nostdin", "-hide_banner"),
        *("-loglevel", "quiet"),
        # Prevent a file from making ffmpeg open other files or network addresses. With
        # "file:" and an absolute path, ffmpeg cannot mistake a file name for an option,
        # an address or a pipe.
        *("-protocol_whitelist", "file", "-format_whitelist", still or FORMATS),
        *(("-f", still) if still else ()),
        *pixel_limit(max_pixels),
        *("-i", f"file:{path}"),
    ]


def _runs(numbers: Sequence[int]) -> list[list[int]]:
    """Return the first and last index of each run of consecutive indices."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return runs


def read_times(output: BinaryIO) -> Sequence[float]:
    """Read the output of `count`: increasing times in seconds, from 0."""
    time_base = first = 0.0
    times = array.array("d")  # smaller than a list
    for line in output:
        if found := re.match(rb"#tb 0: (\d+)/(\d+)$", line):
            time_base = int(found[1]) / int(found[2])
        elif found := re.match(rb"0, *-?\d+, *(-?\d+),", line):
            seconds = int(found[1]) * time_base
            first = first if times else seconds
            # In damaged files, two frames may have the same time.
            earliest = times[-1] + _SHORTEST if times else 0.0
            times.append(max(seconds - first, earliest))
    return times


def read_frames(output: BinaryIO) -> Iterator[NDArray[np.uint8]]:
    """Read the output of `decode`: RGB frames, up to the first incomplete one."""
    while output.readline() == b"P6\n":
        size = re.match(rb"(\d+) (\d+)\n$", output.readline())
        if size is None or output.readline() != b"255\n":
            return
        frame = np.empty((int(size[2]), int(size[1]), 3), np.uint8)
        # A buffered reader fills the array unless ffmpeg has ended.
        if output.readinto(frame.data.cast("B")) < frame.nbytes:  # type: ignore[attr-defined]
            return
        yield frame


def read_streams(output: BinaryIO, path: str) -> list[bytes]:
    """Return the lines about video streams in the output of `describe`.

    Cover pictures are left out. The path is removed from the output first, since it may
    look like such a line.
    """
    text = output.read().replace(os.fsencode(path), b"")
    lines = re.findall(rb"^  Stream #0:\d+\S*: Video: .*$", text, re.MULTILINE)
    return [line for line in lines if b"(attached pic)" not in line]


def is_interlaced(stream: bytes) -> bool:
    """Return whether a stream is interlaced."""
    return re.search(rb"\b(top|bottom) (first|coded first)", stream) is not None
