"""Checks of paths and files before a video is opened."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..exceptions import VideoReadError


def check_paths(X: Any, *, caller: str) -> list[str]:
    """Return the paths in `X` as a list of str, without checking that files exist."""
    expected = (
        f"{caller} expects a one-dimensional array-like of paths (str or os.PathLike)"
    )
    if isinstance(X, (str, bytes, os.PathLike)):
        raise ValueError(
            f"{expected}; got the single path {X!r}. Put it in a list: [{X!r}]."
        )
    X = as_column(X)
    shape = getattr(X, "shape", None)
    if shape is not None and len(shape) != 1:
        raise ValueError(f"{expected}; got an array of shape {tuple(shape)}.")
    if shape is None and not isinstance(X, Sequence):
        raise TypeError(f"{expected}; got {type(X).__name__}.")
    if len(X) == 0:
        # Same message as in scikit-learn.
        raise ValueError(
            "Found array with 0 sample(s) (shape=(0,)) while a minimum of 1 is "
            f"required by {caller}."
        )
    return [_check_path(path, i, expected) for i, path in enumerate(X)]


def as_column(X: Any) -> Any:
    """Return the column of a table with one column of text, and any other X unchanged.

    A ColumnTransformer passes paths as a table with one column.
    """
    if np.shape(getattr(X, "shape", ())) == (2,) and X.shape[1] == 1:
        table = np.asarray(X)
        return table[:, 0] if table.dtype.kind in "OUT" else X
    return X


def _check_path(path: Any, position: int, expected: str) -> str:
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else path
    if not isinstance(text, str):
        raise TypeError(
            f"{expected}; the element at position {position} is {path!r} of type "
            f"{type(path).__name__}."
        )
    if not text:
        raise ValueError(
            f"{expected}; the element at position {position} is an empty string."
        )
    return str(text)  # NumPy's str_ becomes a plain str


def check_absolute_paths(X: Any, *, caller: str) -> list[str]:
    """Return the paths in `X` as absolute paths, which are valid in any worker."""
    return [absolute_path(path) for path in check_paths(X, caller=caller)]


def absolute_path(path: str | os.PathLike[str]) -> str:
    """Return an absolute path, independent of the working folder.

    Unlike `os.path.abspath`, keep "..", which may follow a symbolic link.
    """
    path = os.fspath(path)
    return path if os.path.isabs(path) else os.path.join(os.getcwd(), path)


# Names of the first box in ISO base media files (mp4, mov, m4v), at offset 4.
_ISO_BOXES = b"ftyp styp moov mdat free skip wide pnot uuid sidx".split()

# Brands of ISO files that contain pictures.
_PICTURES = {
    *b"mif1 mif2 msf1 miaf heic heix heim heis hevc hevx hevm hevs avif avis".split()
}
_TS_SYNC, _TS_PACKET = 0x47, 188

# Number of bytes that FFmpeg uses to detect the format.
_HEAD = 2048

# Number and size in bytes of the blocks of a file that are hashed.
_N_BLOCKS, _BLOCK = 8, 2**16

_FORMATS = (
    "mp4, mov, mkv, webm, avi, MPEG-TS, gif, apng, and pictures (JPEG, PNG, WebP)"
)

# First bytes of still pictures, by the name of ffmpeg's demuxer.
_STILL = re.compile(
    rb"(?P<jpeg_pipe>\xff\xd8\xff)|(?P<png_pipe>\x89PNG\r\n\x1a\n)"
    rb"|(?P<webp_pipe>RIFF....WEBP)",
    re.DOTALL,
)


def check_regular_file(path: str, max_bytes: int | None = None) -> os.stat_result:
    """Check that a path is a regular file that is neither empty nor too large."""
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:  # ValueError: a null character
        reason = getattr(error, "strerror", None) or str(error)
        raise VideoReadError(path, f"cannot be found: {reason}") from error
    if stat.S_ISDIR(found.st_mode):
        raise VideoReadError(
            path, "is a folder. Pass the paths of its videos, or use load_videos"
        )
    if not stat.S_ISREG(found.st_mode):
        raise VideoReadError(path, "is not a regular file")
    if found.st_size == 0:
        raise VideoReadError(path, "is empty (0 bytes)")
    if max_bytes is not None and found.st_size > max_bytes:
        raise VideoReadError(
            path,
            f"has {found.st_size} bytes, more than max_bytes={max_bytes}. Increase "
            "max_bytes if you trust the file",
        )
    return found


def _open_at_once(path: str, flags: int) -> int:
    # Do not block if the file has been replaced by a pipe since it was checked.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def file_identity(path: str, found: os.stat_result) -> tuple[int, int, str]:
    """Return the size, the modification time and a hash of parts of the file.

    The hash is of eight evenly spaced blocks, or of all bytes in files up to 512 KiB.
    Unlike the inode, these values do not change if a file is copied to another machine
    with its modification time.
    """
    digest = hashlib.blake2b(digest_size=16)
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            last = max(found.st_size - _BLOCK, 0)
            n_blocks = min(_N_BLOCKS, -(-found.st_size // _BLOCK))
            for k in range(n_blocks):
                file.seek(last * k // max(n_blocks - 1, 1))
                digest.update(file.read(_BLOCK))
    except OSError as error:
        raise VideoReadError(path, f"cannot be read: {error}") from error
    return found.st_size, found.st_mtime_ns, digest.hexdigest()


def check_video_file(path: str, max_bytes: int | None = None) -> os.stat_result:
    """Check that a path is a regular file that looks like a video or a picture.

    The check reads the first bytes and ignores the extension. It rejects playlists and
    scripts that could make the decoder open other files.
    """
    found = check_regular_file(path, max_bytes)
    head = _read_head(path)
    if not (_begins_like_a_container(head) or _still_format(head)):
        raise VideoReadError(path, f"is not a video. Supported formats: {_FORMATS}")
    return found


def still_format(path: str) -> str | None:
    """Return the name of ffmpeg's demuxer for a still picture, otherwise None."""
    try:
        head = _read_head(path)
    except VideoReadError:  # raised again when the file is opened
        return None
    return None if _begins_like_a_container(head) else _still_format(head)


def _still_format(head: bytes) -> str | None:
    found = _STILL.match(head)
    if not found or (head[12:16] == b"VP8X" and head[20] & 2):  # an animated WebP
        return None
    return found.lastgroup


def check_no_picture(path: str) -> None:
    """Check that a file is not a picture in a video container (HEIC, AVIF)."""
    _read_head(path)


def _read_head(path: str) -> bytes:
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise VideoReadError(path, f"cannot be opened: {error.strerror}") from error
    if head[4:8] == b"ftyp" and head[8:12] in _PICTURES:
        raise VideoReadError(path, "is a HEIF or AVIF picture, not a video")
    return head


def _begins_like_a_container(head: bytes) -> bool:
    if head[4:8] in _ISO_BOXES or head[:4] == b"\x1a\x45\xdf\xa3":  # EBML: Matroska
        return True
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return True
    if head[:6] == b"GIF89a" or (head[:8] == b"\x89PNG\r\n\x1a\n" and b"acTL" in head):
        return True  # animated; a still PNG has no acTL chunk
    # MPEG-TS has packets of 188 bytes, or 192 with time codes (m2ts).
    return any(
        len(head) > offset + _TS_PACKET + offset
        and head[offset] == head[_TS_PACKET + 2 * offset] == _TS_SYNC
        for offset in (0, 4)
    )
