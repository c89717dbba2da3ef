"""Detection of mirrored videos, which OpenCV treats as rotated."""

from __future__ import annotations

import contextlib
import os
import re
import struct
from collections.abc import Iterator
from typing import BinaryIO

# Offset of the transformation matrix in a box, for versions 0 and 1 of the box.
_OFFSETS = {b"mvhd": (36, 48), b"tkhd": (40, 52)}

# In Matroska, mirrored tracks have a yaw of 180 degrees.
_YAW = re.compile(rb"\x76\x73(?:\x84(.{4})|\x88(.{8}))", re.DOTALL)
_HEAD = 2**18


def is_mirrored(path: str) -> bool:
    """Return whether a video (mp4, mov, Matroska or WebM) is displayed mirrored."""
    with contextlib.suppress(OSError, struct.error), open(path, "rb") as file:
        head = file.read(_HEAD)
        if head[:4] == b"\x1a\x45\xdf\xa3":
            yaws = (
                struct.unpack(">f" if short else ">d", short or long)[0]
                for short, long in _YAW.findall(head)
            )
            return any(abs(yaw) == 180 for yaw in yaws)
        end = file.seek(0, os.SEEK_END)
        return any(
            _mirrors(file, name, start)
            for movie, start, stop in _boxes(file, 0, end)
            if movie == b"moov"
            for name, start, _ in _headers(file, start, stop)
        )
    return False


def _headers(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the headers of a movie and its tracks."""
    for name, first, last in _boxes(file, start, end):
        if name == b"trak":
            yield from _headers(file, first, last)
        elif name in _OFFSETS:
            yield name, first, last


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name of each box, with the start and end of its content."""
    while start + 8 <= end:
        file.seek(start)
        size, name = struct.unpack(">I4s", file.read(8))
        content = start + 8
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
            content += 8
        stop = start + size if size else end
        if not content <= stop <= end:
            stop = end  # truncated or damaged
        yield name, content, stop
        start = stop


def _mirrors(file: BinaryIO, name: bytes, start: int) -> bool:
    file.seek(start)
    version = file.read(1) == b"\1"
    file.seek(start + _OFFSETS[name][version])
    a, b, _, c, d = struct.unpack(">5i", file.read(20))
    return a * d < b * c
