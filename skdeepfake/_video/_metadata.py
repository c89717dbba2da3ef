"""Metadata of videos, read by ffmpeg without decoding."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from functools import partial
from math import nan
from typing import NamedTuple

from .._parallel import map_videos
from ..exceptions import VideoReadError
from ._checks import check_video_file
from ._encoder import Processes, last_words
from ._ffmpeg import describe
from ._reader import Limits

# ffmpeg indents the lines of duration and streams by two spaces. Other metadata in the
# file is indented by more.
_CONTAINER = re.compile(r"^Input #0, (\S+), from ", re.MULTILINE)
_DURATION = re.compile(r"^  Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)", re.MULTILINE)
_STREAM = re.compile(r"^  Stream #0:\d+\S*: Video: (.*)$", re.MULTILINE)
# A cover picture is also a video stream.
_PICTURE = "(attached pic)"
_CODEC = re.compile(r"(\w+)")
_NO_CODEC = ("none", "unknown_codec")
_SIZE = re.compile(r", (\d+)x(\d+)\b")
_RATE = re.compile(r", (\d+(?:\.\d+)?)(k?) fps\b")


class ContainerMetadata(NamedTuple):
    """Metadata of a video. Unknown values are NaN or None."""

    file_size: float = nan  # bytes
    duration: float = nan  # seconds
    frame_rate: float = nan  # frames per second, on average
    width: float = nan  # pixels, as stored
    height: float = nan
    codec: str | None = None
    container: str | None = None  # comma-separated names of formats

    @property
    def bit_rate(self) -> float:
        """Bit rate of the file in bits per second, including audio."""
        return 8 * self.file_size / self.duration if self.duration > 0 else nan


def container_metadata(
    paths: Sequence[str], limits: Limits, *, n_jobs: int | None = None, verbose: int = 0
) -> list[ContainerMetadata | VideoReadError]:
    """Return the metadata of each video, or the error if it cannot be read."""
    processes = Processes()
    ask = partial(_ask, limits=limits, processes=processes)
    try:
        return list(
            map_videos(
                ask, paths, n_jobs=n_jobs, verbose=verbose, desc="reading headers"
            )
        )
    except BaseException:  # after an interrupt, other workers are still running
        processes.stop()
        raise


def _ask(
    path: str, limits: Limits, processes: Processes
) -> ContainerMetadata | VideoReadError:
    try:
        size = check_video_file(path, limits.max_bytes).st_size
        command = describe(path, limits.max_pixels)
        _, output = processes.run(command, limits.timeout)
    except VideoReadError as error:
        return error
    except subprocess.TimeoutExpired:
        return VideoReadError(
            path,
            "has metadata that takes longer than "
            f"timeout={limits.timeout:g} seconds to read. Increase timeout of the "
            "VideoFrameSampler",
        )
    facts = read_description(output, path)
    if facts is None:
        reason = last_words(_without_path(output, path)) or "it reports no reason"
        return VideoReadError(
            path, f"contains no video stream that ffmpeg can read: {reason}"
        )
    return facts._replace(file_size=float(size))


def read_description(output: str, path: str) -> ContainerMetadata | None:
    """Return the metadata of the first video stream, or None if there is none."""
    output = _without_path(output, path)
    streams = [words for words in _STREAM.findall(output) if _PICTURE not in words]
    if not streams:
        return None
    stream = streams[0]
    codec, size, rate = (each.search(stream) for each in (_CODEC, _SIZE, _RATE))
    length, container = _DURATION.search(output), _CONTAINER.search(output)
    return ContainerMetadata(
        duration=_seconds(*length.groups()) if length else nan,
        frame_rate=_rate(*rate.groups()) if rate else nan,
        width=float(size[1]) if size else nan,
        height=float(size[2]) if size else nan,
        codec=codec[1] if codec and codec[1] not in _NO_CODEC else None,
        container=container[1] if container else None,
    )


def _without_path(output: str, path: str) -> str:
    # Decode the path in the same way as the output.
    name = os.fsencode(path).decode("utf-8", errors="replace")
    return output.replace(name, "")


def _seconds(hours: str, minutes: str, seconds: str) -> float:
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _rate(number: str, thousands: str) -> float:
    return float(number) * (1000 if thousands else 1)
