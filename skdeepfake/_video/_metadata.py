"""Metadata of a file of video, as ffmpeg describes it without decoding."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from .._parallel import map_videos
from ..exceptions import VideoReadError
from ._checks import check_video_file
from ._encoder import Processes, last_words
from ._ffmpeg import describe
from ._reader import Limits

# ffmpeg indents the last two by two blanks, and what a file says of itself by more.
_CONTAINER = re.compile(r"^Input #0, (\S+), from ", re.MULTILINE)
_DURATION = re.compile(r"^  Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)", re.MULTILINE)
_STREAM = re.compile(r"^  Stream #0:\d+\S*: Video: (.*)$", re.MULTILINE)
# A cover picture is a stream of video too.
_PICTURE = "(attached pic)"
_CODEC = re.compile(r"(\w+)")
_NO_CODEC = ("none", "unknown_codec")
_SIZE = re.compile(r", (\d+)x(\d+)\b")
_RATE = re.compile(r", (\d+(?:\.\d+)?)(k?) fps\b")

_NAN = float("nan")


class ContainerMetadata(NamedTuple):
    """Metadata of a file, read without decoding it; NaN or None if unknown."""

    file_size: float = _NAN  # bytes
    duration: float = _NAN  # seconds
    frame_rate: float = _NAN  # frames per second, on average
    width: float = _NAN  # pixels, as stored
    height: float = _NAN
    codec: str | None = None
    container: str | None = None  # names of formats, separated by commas

    @property
    def bit_rate(self) -> float:
        """Bits per second of the whole file, its sound included."""
        return 8 * self.file_size / self.duration if self.duration > 0 else _NAN


def container_metadata(
    paths: Sequence[str], limits: Limits, *, n_jobs: int | None = None, verbose: int = 0
) -> list[ContainerMetadata | VideoReadError]:
    """Read the metadata of videos, or why they cannot be read."""
    processes = Processes()
    ask = partial(_ask, limits=limits, processes=processes)
    try:
        return list(
            map_videos(
                ask, paths, n_jobs=n_jobs, verbose=verbose, desc="reading headers"
            )
        )
    except BaseException:  # an interrupt: the other workers are at work still
        processes.stop()
        raise


def _ask(
    path: str, limits: Limits, processes: Processes
) -> ContainerMetadata | VideoReadError:
    try:
        size = check_video_file(path, limits.max_bytes).st_size
        command = describe(path, limits.max_pixels)
        _, told = processes.run(command, limits.timeout)
    except VideoReadError as error:
        return error
    except subprocess.TimeoutExpired:
        return VideoReadError(
            path,
            f"takes longer than timeout={limits.timeout:g} seconds to describe; give "
            "the VideoFrameSampler more",
        )
    facts = read_description(told, path)
    if facts is None:
        reason = last_words(_without_path(told, path)) or "nothing"
        return VideoReadError(
            path, f"holds no stream of video that ffmpeg can describe: {reason}"
        )
    return facts._replace(file_size=float(size))


def read_description(told: str, path: str) -> ContainerMetadata | None:
    """Read the metadata of the first video stream from what ffmpeg writes, if any."""
    told = _without_path(told, path)
    streams = [words for words in _STREAM.findall(told) if _PICTURE not in words]
    if not streams:
        return None
    stream = streams[0]
    codec, size, rate = (each.search(stream) for each in (_CODEC, _SIZE, _RATE))
    length, container = _DURATION.search(told), _CONTAINER.search(told)
    return ContainerMetadata(
        duration=_seconds(*length.groups()) if length else _NAN,
        frame_rate=_rate(*rate.groups()) if rate else _NAN,
        width=float(size[1]) if size else _NAN,
        height=float(size[2]) if size else _NAN,
        codec=codec[1] if codec and codec[1] not in _NO_CODEC else None,
        container=container[1] if container else None,
    )


def _without_path(told: str, path: str) -> str:
    # As `Processes.run` has read it.
    name = os.fsencode(path).decode("utf-8", errors="replace")
    return told.replace(name, "")


def _seconds(hours: str, minutes: str, seconds: str) -> float:
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _rate(number: str, thousands: str) -> float:
    return float(number) * (1000 if thousands else 1)
