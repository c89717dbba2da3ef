"""Errors and warnings of skdeepfake, one hierarchy each."""

from __future__ import annotations

import contextlib
import os

from sklearn.exceptions import InconsistentVersionWarning

__all__ = [
    "AdversarialImbalanceWarning",
    "CacheError",
    "CacheWarning",
    "DatasetError",
    "DatasetWarning",
    "FFmpegError",
    "LeakageError",
    "MissingVideosWarning",
    "ModelFileError",
    "ModelVersionWarning",
    "NoFaceError",
    "NoFaceWarning",
    "SkdeepfakeError",
    "TrainingDivergedError",
    "UnresolvedRateWarning",
    "UntrustedModelError",
    "VideoReadError",
    "VideoReadWarning",
    "WeightsError",
    "WorkerDiedError",
]


class SkdeepfakeError(Exception):
    """Base of every error that skdeepfake raises of its own."""


class _AboutVideo(Exception):
    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        # Both go to `args`, so that they survive pickling by a worker process.
        super().__init__(os.fspath(path), reason)
        self.path = os.fspath(path)
        self.reason = reason

    def __str__(self) -> str:
        path = self.path
        with contextlib.suppress(OSError):  # a working folder that was removed
            path = path.removeprefix(os.path.join(os.getcwd(), ""))
        return f"{path!r}: {self.reason}"


class VideoReadError(_AboutVideo, SkdeepfakeError, ValueError):
    """A video cannot be read.

    Parameters
    ----------
    path : str or os.PathLike
        The absolute path of the video.
    reason : str
        What was found, and what to do about it.

    Examples
    --------
    >>> from skdeepfake.exceptions import VideoReadError
    >>> from skdeepfake.preprocessing import Clip
    >>> try:
    ...     Clip("gone.mp4")
    ... except VideoReadError as error:
    ...     print(error)
    'gone.mp4': cannot be found: No such file or directory
    """


class NoFaceError(SkdeepfakeError, ValueError):
    """No face was found where one is needed."""


class WorkerDiedError(SkdeepfakeError, RuntimeError):
    """A process that worked on videos was killed or has crashed."""


class FFmpegError(SkdeepfakeError, OSError):
    """The ffmpeg executable is missing, does not run, or lacks what is needed."""


class TrainingDivergedError(SkdeepfakeError, ArithmeticError):
    """The loss of a network became infinite or NaN while it was trained."""


class WeightsError(SkdeepfakeError, OSError):
    """The weights of a network cannot be had: no network, no such file, a wrong one."""


class DatasetError(SkdeepfakeError, ValueError):
    """A folder does not hold the data set that was asked for."""


class ModelFileError(SkdeepfakeError, OSError):
    """A file does not hold a whole model: missing, damaged, or of another kind."""


class UntrustedModelError(SkdeepfakeError, ValueError):
    """A model holds what could run code or reach for other files when it is loaded."""


class LeakageError(SkdeepfakeError, ValueError):
    """A video, or an identity, is in the training set and in the test set."""


class CacheError(SkdeepfakeError, OSError):
    """A cache cannot be read or written."""


class CacheWarning(UserWarning):
    """An entry of a cache is damaged, and what it held is computed again."""


class DatasetWarning(UserWarning):
    """The names and lists of a data set contradict each other."""


class MissingVideosWarning(DatasetWarning):
    """Some of the videos that a list of a data set names are not there."""


class NoFaceWarning(UserWarning):
    """No face was found in any frame of a video."""


class CrowdWarning(UserWarning):
    """A video shows more people at once than are followed."""


class VideoReadWarning(_AboutVideo, UserWarning):
    """A video cannot be read, as a whole (it has no faces then) or in part.

    Parameters
    ----------
    path : str or os.PathLike
        The video.
    reason : str
        What was found, and what to do about it.
    """


class ModelVersionWarning(InconsistentVersionWarning):
    """A model was written by other versions than those that load it.

    Filters for scikit-learn's own warning of this kind apply to it, too.

    Parameters
    ----------
    message : str
        What differs.
    """

    def __init__(self, message: str) -> None:
        # Past scikit-learn's, which words the message for its own version.
        UserWarning.__init__(self, message)

    __str__ = UserWarning.__str__


class AdversarialImbalanceWarning(UserWarning):
    """One of two networks trained against each other has won, and both stand still."""


class UnresolvedRateWarning(UserWarning):
    """A rate of errors was asked for that is finer than the number of samples."""
