"""Transcoding of videos to the same H.264 encoding and length."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import subprocess
import warnings
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from functools import partial
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from joblib import cpu_count, effective_n_jobs
from sklearn.utils._param_validation import Interval, StrOptions

from .._atomic import atomic_path
from .._ffmpeg_executable import ffmpeg_executable
from .._parallel import map_videos
from .._stateless import StatelessTransformer, as_objects
from .._video._checks import (
    check_absolute_paths,
    check_no_picture,
    check_regular_file,
    file_identity,
)
from .._video._encoder import CONTAINERS, Encoding, Processes, command_line, last_words
from .._video._reader import Limits
from ..exceptions import VideoReadError, VideoReadWarning
from ._sampling import READING

# Increase this number with each change of the copies, so that old copies are not used.
ALGORITHM_VERSION = 1

PRESETS = {
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow", "placebo"),
}

# Suffix of the paths of files that are never copied.
_REJECTED = ".rejected"

_FULL_DISK = {
    "No space left on device": errno.ENOSPC,
    "Disk quota exceeded": errno.EDQUOT,
}


@dataclass(repr=False, eq=False)
class VideoTranscoder(StatelessTransformer):
    """Re-encode videos as H.264 and keep their first seconds.

    Transcoding prevents a detector from learning traces of the encoder. Use it for all
    videos of a dataset or for none.

    Each copy is an mp4 file with a single H.264 stream (4:2:0, limited range). Frame
    times are kept, relative to the first frame. Rotation is applied, and interlaced
    frames are deinterlaced. An odd width or height is reduced by one pixel.

    Parameters
    ----------
    cache_dir : str or os.PathLike
        Folder of the copies, created if missing. Copies are never deleted.
    duration : float or None, default=10.0
        Number of seconds to keep, from the beginning. None keeps the whole video. The
        default is from the paper by Volisetty, Sen and Savala (2023).
    crf : int, default=23
        Constant rate factor of x264, from 0 (lossless) to 51. The default is from the
        paper.
    preset : str, default="medium"
        Speed preset of x264, from "ultrafast" to "placebo". The default is from the
        paper.
    on_error : {"raise", "skip"}, default="raise"
        Handling of videos that cannot be transcoded. "skip" issues a
        :class:`~skdeepfake.exceptions.VideoReadWarning` and returns a path that
        :class:`VideoFrameSampler` cannot read. Set ``on_error="skip"`` there, too.
    max_pixels : int or None, default=35389440
        Maximum number of pixels per frame. Frames up to 25% larger may be accepted.
        None means no limit.
    max_bytes : int or None, default=17179869184
        Maximum size of a file in bytes. None means no limit.
    timeout : float or None, default=3600.0
        Maximum time per video in seconds. None means no limit.
    n_jobs : int or None, default=None
        Number of videos encoded in parallel. None means 1 unless in a
        `joblib.parallel_config` context.
    verbose : int, default=0
        If positive, show a progress bar.

    See Also
    --------
    VideoFrameSampler : Next step of a pipeline.

    Notes
    -----
    The name of each copy contains a hash of the path, the content and the parameters.
    Several processes can share a folder. The same version of ffmpeg always makes
    identical copies.

    MP4/MOV/3GP, Matroska, WebM, AVI, MPEG-TS, MPEG-PS, FLV, ASF/WMV and Ogg are
    supported. The format is detected from the content. Playlists and scripts, which
    can open other files, are rejected.

    References
    ----------
    Volisetty, Sen and Savala, "Deepfake detection", 2023, section 4.2, steps 1
    (``-preset medium -crf 23``) and 3 (10 seconds).

    Examples
    --------
    >>> import tempfile
    >>> import imageio_ffmpeg
    >>> from skdeepfake.datasets import make_videos
    >>> from skdeepfake.preprocessing import VideoTranscoder
    >>> folder = tempfile.TemporaryDirectory()
    >>> videos = make_videos(folder.name, n_real=1, n_fake=1, duration=2, fps=10)
    >>> transcoder = VideoTranscoder(f"{folder.name}/copies", duration=1.0)
    >>> copies = transcoder.transform(videos.data)
    >>> copies.shape
    (2,)
    >>> imageio_ffmpeg.count_frames_and_secs(copies[0])
    (10, 1.0)
    >>> folder.cleanup()
    """

    cache_dir: str | os.PathLike[str]
    _: KW_ONLY
    duration: float | None = 10.0
    crf: int = 23
    preset: str = "medium"
    on_error: str = "raise"
    max_pixels: int | None = Limits().max_pixels
    max_bytes: int | None = Limits().max_bytes
    timeout: float | None = 3600.0
    n_jobs: int | None = None
    verbose: int = 0

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **READING,
        "cache_dir": [str, os.PathLike],
        "crf": [Interval(Integral, 0, 51, closed="both")],
        "preset": [StrOptions(PRESETS)],
    }

    def transform(self, X: Any) -> np.ndarray:
        """Make the copies that do not exist yet, and return the paths of all copies.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 1)
            Paths of videos, as str or os.PathLike, or a DataFrame with one column.

        Returns
        -------
        ndarray of shape (n_samples,), dtype object
            Absolute path of the copy of each video.

        Raises
        ------
        VideoReadError
            If a file is missing, exceeds a limit or cannot be decoded, and
            ``on_error="raise"``. Finished copies are kept for the next call.
        OSError
            If `cache_dir` cannot be written to or its disk is full. If ffmpeg cannot be
            used, the error is an :class:`~skdeepfake.exceptions.FFmpegError`.
        ValueError, TypeError
            If `X` is not one-dimensional, or contains anything but paths.

        Warns
        -----
        UserWarning
            For each video in which ffmpeg finds damage. Its copy may lack frames.
        VideoReadWarning
            For each video that cannot be transcoded, if ``on_error="skip"``.
        """
        self._validate_params()
        paths = check_absolute_paths(X, caller=type(self).__name__)
        folder = os.path.abspath(os.fspath(self.cache_dir))
        encoding = Encoding(
            None if self.duration is None else f"{max(self.duration, 1e-6):.6f}",
            str(int(self.crf)),
            str(self.preset),
        )
        # Check all files first, so that a missing file is reported at once.
        copies = [self._copy(path, folder, encoding) for path in paths]
        missing = {
            copy: path
            for copy, path in zip(copies, paths, strict=True)
            if not copy.endswith(_REJECTED) and not _is_usable(copy)
        }
        if missing:
            try:
                os.makedirs(folder, exist_ok=True)
            except OSError as error:
                raise _cache_error(folder, error.errno) from error
            self._make_copies(missing, encoding)
        return as_objects(copies)

    def _copy(self, path: str, folder: str, encoding: Encoding) -> str:
        """Return the path of the copy, which is never made if the file is rejected."""
        try:
            return os.path.join(folder, _copy_name(path, encoding, self.max_bytes))
        except VideoReadError as error:
            if self.on_error == "raise":
                raise
            warnings.warn(VideoReadWarning(*error.args), stacklevel=5)
            # The next step may accept the file itself, for example a larger one.
            return os.path.join(folder, f"{os.path.basename(path)}{_REJECTED}")

    def _make_copies(self, missing: dict[str, str], encoding: Encoding) -> None:
        n_jobs = min(effective_n_jobs(self.n_jobs), len(missing))
        processes = Processes()
        make_copy = partial(
            _make_copy,
            encoding=encoding,
            executable=ffmpeg_executable("libx264"),
            threads=max(1, cpu_count() // n_jobs),
            processes=processes,
            transcoder=self,
        )
        try:
            complaints = list(
                map_videos(
                    make_copy,
                    list(missing.items()),
                    n_jobs=self.n_jobs,
                    verbose=self.verbose,
                    desc="transcoding",
                )
            )
        except BaseException:
            # After an interrupt or an error, other workers are still running.
            processes.stop()
            raise
        for path, complaint in zip(missing.values(), complaints, strict=True):
            if isinstance(complaint, VideoReadError):
                warnings.warn(VideoReadWarning(*complaint.args), stacklevel=3)
            elif complaint:
                warnings.warn(
                    f"{path!r} is damaged, and its copy may lack frames. "
                    f"ffmpeg reports: {complaint}",
                    UserWarning,
                    stacklevel=3,
                )


def _make_copy(
    item: tuple[str, str],
    *,
    encoding: Encoding,
    executable: str,
    threads: int,
    processes: Processes,
    transcoder: VideoTranscoder,
) -> str | VideoReadError | None:
    """Encode one video. Return its error, ffmpeg's report of damage, or None."""
    copy, path = item
    max_pixels, timeout = transcoder.max_pixels, transcoder.timeout
    folder = os.path.dirname(copy)
    stderr, problem = "", None
    with processes.job():
        try:
            with _cache_errors(folder), atomic_path(copy) as part:
                command = command_line(
                    executable, path, part, encoding, threads, max_pixels
                )
                status, stderr = processes.run(command, timeout)
                if status != 0:
                    raise _error(path, folder, status, stderr, max_pixels)
        except PermissionError:
            # On Windows, a copy cannot be replaced while another worker reads it.
            if not _is_usable(copy):
                raise
        except subprocess.TimeoutExpired:
            problem = VideoReadError(
                path,
                f"takes longer than timeout={timeout:g} seconds to transcode. Increase "
                "timeout or reduce duration of the VideoTranscoder",
            )
        except VideoReadError as error:
            problem = error
    if problem is not None and transcoder.on_error == "raise":
        raise problem
    return problem or last_words(stderr) or None


def _copy_name(path: str, encoding: Encoding, max_bytes: int | None) -> str:
    found = check_regular_file(path, max_bytes)
    check_no_picture(path)
    real = os.path.realpath(path)
    identity = (os.fsencode(real), *file_identity(path, found))
    key = repr((*identity, *encoding, ALGORITHM_VERSION)).encode()
    stem = os.path.splitext(os.path.basename(path))[0]
    readable = re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-")[:40] or "video"
    return f"{readable}-{hashlib.blake2b(key, digest_size=16).hexdigest()}.mp4"


def _is_usable(copy: str) -> bool:
    # A system crash can leave an empty file.
    return os.path.isfile(copy) and os.path.getsize(copy) > 0


@contextlib.contextmanager
def _cache_errors(folder: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.filename and os.path.dirname(error.filename) != folder:
            raise  # not about a copy
        raise _cache_error(folder, error.errno) from error


def _cache_error(folder: str, number: int | None) -> OSError:
    number = errno.EIO if number is None else number
    return OSError(
        number,
        f"VideoTranscoder cannot write its copies ({os.strerror(number)}). Free disk "
        "space or use a writable `cache_dir`. Finished copies are kept.",
        folder,
    )


def _error(
    path: str, folder: str, status: int, stderr: str, max_pixels: int | None
) -> Exception:
    for text, number in _FULL_DISK.items():
        if text in stderr:
            return _cache_error(folder, number)
    if "matches no streams" in stderr:
        reason = "contains no video stream"
    elif "exceeds specified max pixel count" in stderr:
        reason = (
            f"has frames with more than max_pixels={max_pixels} pixels. Increase "
            "max_pixels of the VideoTranscoder if you trust the file"
        )
    elif "Format not on whitelist" in stderr:
        reason = f"is not a video in one of the containers {CONTAINERS}"
    else:
        words = last_words(stderr) or "it reports no reason"
        reason = f"cannot be read by ffmpeg (exit status {status}): {words}"
    return VideoReadError(path, reason)
