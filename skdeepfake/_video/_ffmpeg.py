"""The bundled ffmpeg, for what OpenCV cannot decode: interlaced video, and AV1.

It decodes twice, to count the frames and to fetch some of them, and starts anew each
time; OpenCV's process is quicker. This module has its commands and reads their output.
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

# Frames of two fields become whole ones, as many as before; others stay as they are.
_WHOLE = "bwdif=mode=send_frame:deint=interlaced"

# Pixels become square as in `_opencv`, which loses none.
_ASPECT = r"if(between(sar\,1/4\,4)\,sar\,1)"
_SQUARE = rf"scale='trunc(iw*max(1\,{_ASPECT})+0.5)':'trunc(ih/min(1\,{_ASPECT})+0.5)'"

# Seconds between two frames, at the least.
_SHORTEST = 1e-3

# Seconds. ffmpeg takes no number that is much larger.
_FOR_EVER = 1e9


def count(path: str, duration: float | None, max_pixels: int | None) -> list[str]:
    """Give the command that writes the times of the frames of some seconds, or all."""
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
    """Give the command that writes some frames; their numbers increase."""
    wanted = "+".join(rf"between(n\,{a}\,{b})" for a, b in _runs(numbers))
    return [
        *_source(path, max_pixels),
        *("-map", "0:V:0"),
        *("-vf", f"{_WHOLE},select='{wanted}',{_SQUARE},format=rgb24"),
        *("-fps_mode", "passthrough", "-frames:v", str(len(numbers))),
        *("-c:v", "ppm", "-f", "image2pipe", "-"),
    ]


def describe(path: str, max_pixels: int | None = None) -> list[str]:
    """Give the command that describes streams; it fails, for want of an output."""
    command = _source(path, max_pixels)
    command[command.index("-loglevel") + 1] = "info"
    return command


def check(path: str) -> list[str]:
    """Return the command that reads a video without decoding it, for its errors."""
    command = _source(path, None)
    command[command.index("-loglevel") + 1] = "warning"
    return [*command, "-map", "0:V:0", "-c", "copy", "-f", "null", "-"]


def read_is_damaged(output: BinaryIO) -> bool:
    """Read from what `check` writes whether the file is damaged or cut off.

    "invalid, non monotonically increasing dts" are only equal times.
    """
    words = rb"(?i)corrupt|premature|partial|invalid(?!,)|error|exceeds|unknown-sized"
    return re.search(words, output.read()) is not None


def pixel_limit(max_pixels: int | None) -> list[str]:
    """Give the options that limit the frames of an input.

    The limit is a little larger, since ffmpeg counts the edges that a decoder adds.
    """
    if max_pixels is None:
        return []
    return ["-max_pixels:v", str(min(max_pixels * 5 // 4 + 2**16, 2**31 - 1))]


def _source(path: str, max_pixels: int | None) -> list[str]:
    try:
        executable = ffmpeg_executable()
    except FFmpegError as error:
        raise VideoReadError(path, f"needs ffmpeg to be decoded: {error}") from error
    still = still_format(path)
    return [
        *(executable, "-nostdin", "-hide_banner"),
        *("-loglevel", "quiet"),
        # Nothing in a file can make it open another one, or an address; and with
        # "file:" and an absolute path no name is an option, an address or a pipe.
        *("-protocol_whitelist", "file", "-format_whitelist", still or FORMATS),
        *(("-f", still) if still else ()),
        *pixel_limit(max_pixels),
        *("-i", f"file:{path}"),
    ]


def _runs(numbers: Sequence[int]) -> list[list[int]]:
    """Join neighbors to runs, first and last, which makes for a short command."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return runs


def read_times(output: BinaryIO) -> Sequence[float]:
    """Read what `count` writes: seconds from the first frame on, increasing."""
    time_base = first = 0.0
    times = array.array("d")  # there may be many
    for line in output:
        if found := re.match(rb"#tb 0: (\d+)/(\d+)$", line):
            time_base = int(found[1]) / int(found[2])
        elif found := re.match(rb"0, *-?\d+, *(-?\d+),", line):
            seconds = int(found[1]) * time_base
            first = first if times else seconds
            # A damaged file may give two frames one time.
            earliest = times[-1] + _SHORTEST if times else 0.0
            times.append(max(seconds - first, earliest))
    return times


def read_frames(output: BinaryIO) -> Iterator[NDArray[np.uint8]]:
    """Read what `decode` writes: RGB frames, up to the first that is not whole."""
    while output.readline() == b"P6\n":
        size = re.match(rb"(\d+) (\d+)\n$", output.readline())
        if size is None or output.readline() != b"255\n":
            return
        frame = np.empty((int(size[2]), int(size[1]), 3), np.uint8)
        # A buffered reader: it fills the whole, unless the other side is gone.
        if output.readinto(frame.data.cast("B")) < frame.nbytes:  # type: ignore[attr-defined]
            return
        yield frame


def read_streams(output: BinaryIO, path: str) -> list[bytes]:
    """Read from what `describe` writes the lines on streams of video but for covers.

    The path is in the output, too, whatever it may look like.
    """
    text = output.read().replace(os.fsencode(path), b"")
    lines = re.findall(rb"^  Stream #0:\d+\S*: Video: .*$", text, re.MULTILINE)
    return [line for line in lines if b"(attached pic)" not in line]


def is_interlaced(stream: bytes) -> bool:
    """Tell whether frames of a stream consist of two fields each."""
    return re.search(rb"\b(top|bottom) (first|coded first)", stream) is not None
