"""The same H.264 encoding and the same length for every video."""

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
from numbers import Integral, Real
from typing import Any

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

# Raise it whenever the copies change, so that old ones are not taken for new ones.
ALGORITHM_VERSION = 1

PRESETS = {
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow", "placebo"),
}

_FULL_DISK = {
    "No space left on device": errno.ENOSPC,
    "Disk quota exceeded": errno.EDQUOT,
}


@dataclass(repr=False, eq=False)
class VideoTranscoder(StatelessTransformer):
    """Re-encode videos as H.264 and keep their first seconds.

    It keeps a detector from learning the encoder. Use it for all videos or for none.

    Each copy is an mp4 file with one H.264 stream (4:2:0, limited range) and nothing
    else. Frames keep their times, counted from the first; rotation is applied;
    interlaced frames become progressive; an odd width or height loses its last line.

    Parameters
    ----------
    cache_dir : str or os.PathLike
        The folder of the copies, made if missing. Copies are never deleted.
    duration : float or None, default=10.0
        Seconds to keep, from the beginning; None keeps all. 10 is the paper's.
    crf : int, default=23
        Constant rate factor of x264, from 0 (lossless) to 51; the paper's is 23.
    preset : str, default="medium"
        Speed of x264, "ultrafast" to "placebo". "medium" is the paper's.
    on_error : {"raise", "skip"}, default="raise"
        ``"skip"`` warns of a video that cannot be copied by a
        :class:`~skdeepfake.exceptions.VideoReadWarning` and gives a path that leads to
        no video; give the :class:`VideoFrameSampler` the same ``on_error``.
    max_pixels : int or None, default=35389440
        Largest frame in pixels, give or take a quarter. None: no limit, here and below.
    max_bytes : int or None, default=17179869184
        Largest file, in bytes.
    timeout : float or None, default=3600.0
        Seconds that the copy of a video may take.
    n_jobs : int or None, default=None
        Videos encoded at once; None is 1 unless in a `joblib.parallel_config`.
    verbose : int, default=0
        1 or more shows a progress bar.

    See Also
    --------
    VideoFrameSampler : The next step, from paths to clips.

    Notes
    -----
    A copy is made once per content, path and parameters, whose hash is in its name.
    Several processes may share a folder. The same ffmpeg gives the same bytes.

    MP4/MOV/3GP, Matroska, WebM, AVI, MPEG-TS, MPEG-PS, FLV, ASF/WMV and Ogg are read,
    whatever the name. Playlists and scripts, which open other files, are refused.

    References
    ----------
    The paper's section 4.2, step 1 (``-preset medium -crf 23``) and 3 (10 seconds).

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

    _parameter_constraints = {  # noqa: RUF012, the name and the form are sklearn's
        "cache_dir": [str, os.PathLike],
        "duration": [Interval(Real, 0, None, closed="neither"), None],
        "crf": [Interval(Integral, 0, 51, closed="both")],
        "preset": [StrOptions(PRESETS)],
        "on_error": [StrOptions({"raise", "skip"})],
        "max_pixels": [Interval(Integral, 1, None, closed="left"), None],
        "max_bytes": [Interval(Integral, 1, None, closed="left"), None],
        "timeout": [Interval(Real, 0, None, closed="neither"), None],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def transform(self, X: Any) -> np.ndarray:
        """Make the copies that are missing, and give the paths of all.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 1)
            The videos, str or os.PathLike; also a DataFrame of one column.

        Returns
        -------
        ndarray of shape (n_samples,), dtype object
            The absolute path of the copy of each video; for skipped ones, of no video.

        Raises
        ------
        VideoReadError
            If a file is missing, not a video within the limits, or cannot be decoded,
            and ``on_error="raise"``. Finished copies are kept for the next call.
        OSError
            If `cache_dir` cannot be written, or its disk is full; a
            :class:`~skdeepfake.exceptions.FFmpegError` if ffmpeg cannot be used.
        ValueError, TypeError
            If `X` is not one-dimensional, or holds anything but paths.

        Warns
        -----
        UserWarning
            If a video is damaged and was copied only in part.
        VideoReadWarning
            For each video that raises an error with ``on_error="raise"``.
        """
        self._validate_params()
        paths = check_absolute_paths(X, caller=type(self).__name__)
        folder = os.path.abspath(os.fspath(self.cache_dir))
        encoding = Encoding(
            None if self.duration is None else f"{max(self.duration, 1e-6):.6f}",
            str(int(self.crf)),
            str(self.preset),
        )
        # Before anything is encoded: a missing file should show at once.
        copies = [self._copy(path, folder, encoding) for path in paths]
        missing = {
            copy: path
            for copy, path in zip(copies, paths, strict=True)
            if copy != path and not _is_usable(copy)
        }
        if missing:
            _make_folder(folder)
            self._make_copies(missing, encoding)
        return as_objects(copies)

    def _copy(self, path: str, folder: str, encoding: Encoding) -> str:
        """Name the copy of a video: the video itself if it is none."""
        try:
            return os.path.join(folder, _copy_name(path, encoding, self.max_bytes))
        except VideoReadError as error:
            if self.on_error == "raise":
                raise
            warnings.warn(VideoReadWarning(*error.args), stacklevel=5)
            return path

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
            # An interrupt, or the first error: the other workers are at work still.
            processes.stop()
            raise
        for path, complaint in zip(missing.values(), complaints, strict=True):
            if isinstance(complaint, VideoReadError):
                warnings.warn(VideoReadWarning(*complaint.args), stacklevel=3)
            elif complaint:
                warnings.warn(
                    f"{path!r} is damaged, its copy may lack frames. "
                    f"ffmpeg says: {complaint}",
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
    """Encode one video; None, or what ffmpeg found wrong in a damaged one."""
    copy, path = item
    max_pixels, timeout = transcoder.max_pixels, transcoder.timeout
    folder = os.path.dirname(copy)
    stderr, problem = "", None
    with processes.job():
        try:
            # ffmpeg does not say which file: so `atomic_path` makes the copy first.
            with _cache_errors(folder), atomic_path(copy) as part:
                command = command_line(
                    executable, path, part, encoding, threads, max_pixels
                )
                status, stderr = processes.run(command, timeout)
                if status != 0:
                    raise _error(path, folder, status, stderr, max_pixels)
        except PermissionError:
            # Windows, where another worker made the same copy and a reader holds it.
            if not _is_usable(copy):
                raise
        except subprocess.TimeoutExpired:
            problem = VideoReadError(
                path,
                f"takes longer than timeout={timeout:g} seconds to copy; give the "
                "VideoTranscoder more, or a shorter duration",
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
    # A crash of the machine can leave a file that has its name but no content.
    return os.path.isfile(copy) and os.path.getsize(copy) > 0


@contextlib.contextmanager
def _cache_errors(folder: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.filename and os.path.dirname(error.filename) != folder:
            raise  # not of a copy: ffmpeg cannot be started, or has said it already
        raise _cache_error(folder, error.errno) from error


def _cache_error(folder: str, number: int | None) -> OSError:
    number = errno.EIO if number is None else number
    return OSError(
        number,
        f"VideoTranscoder cannot write its copies ({os.strerror(number)}); free space "
        "or give a `cache_dir` that can be written. Finished copies are kept",
        folder,
    )


def _make_folder(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise _cache_error(folder, error.errno) from error


def _error(
    path: str, folder: str, status: int, stderr: str, max_pixels: int | None
) -> Exception:
    for text, number in _FULL_DISK.items():
        if text in stderr:
            return _cache_error(folder, number)
    if "matches no streams" in stderr:
        reason = "it holds no video stream."
    elif "exceeds specified max pixel count" in stderr:
        reason = (
            f"it has frames of more than max_pixels={max_pixels}; give the "
            "VideoTranscoder a larger one if you trust the file"
        )
    elif "Format not on whitelist" in stderr:
        reason = f"it is not a video in one of the containers {CONTAINERS}."
    else:
        words = last_words(stderr) or "nothing"
        reason = f"ffmpeg cannot read it as a video (exit status {status}): {words}"
    return VideoReadError(path, reason)
