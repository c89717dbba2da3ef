"""Errors and warnings raised by skdeepfake."""

from __future__ import annotations

import contextlib
import os

from sklearn.exceptions import InconsistentVersionWarning

__all__ = [
    "AdversarialImbalanceWarning",
    "CacheError",
    "CacheWarning",
    "CrowdWarning",
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
    """Base class for all errors specific to skdeepfake."""


class _AboutVideo(Exception):
    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        # Unpickling in another process passes `args` to this method.
        super().__init__(os.fspath(path), reason)
        self.path = os.fspath(path)
        self.reason = reason

    def __str__(self) -> str:
        path = self.path
        with contextlib.suppress(OSError):  # the working directory was removed
            path = path.removeprefix(os.path.join(os.getcwd(), ""))
        return f"{path!r}: {self.reason}"


class VideoReadError(_AboutVideo, SkdeepfakeError, ValueError):
    """A video cannot be read.

    Parameters
    ----------
    path : str or os.PathLike
        Absolute path of the video. If the video is in the working directory, the
        message contains the relative path.
    reason : str
        Description of the problem and how to solve it.

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
    """No face was found, but at least one is required."""


class WorkerDiedError(SkdeepfakeError, RuntimeError):
    """A worker process could not be started, or it crashed or was killed."""


class FFmpegError(SkdeepfakeError, OSError):
    """The ffmpeg executable is missing, does not run, or lacks a required feature."""


class TrainingDivergedError(SkdeepfakeError, ArithmeticError):
    """The loss of a network became infinite or NaN during training."""


class WeightsError(SkdeepfakeError, OSError):
    """The weights of a network cannot be downloaded, found or loaded."""


class DatasetError(SkdeepfakeError, ValueError):
    """A folder does not contain the requested dataset."""


class ModelFileError(SkdeepfakeError, OSError):
    """A model file is missing or damaged, or has an unsupported format."""


class UntrustedModelError(SkdeepfakeError, ValueError):
    """A model contains types that could run code or read other files when loaded."""


class LeakageError(SkdeepfakeError, ValueError):
    """A video or an identity is in both the training set and the test set."""


class CacheError(SkdeepfakeError, OSError):
    """A cache cannot be read or written to."""


class CacheWarning(UserWarning):
    """A cache entry is damaged, so its content is recomputed."""


class DatasetWarning(UserWarning):
    """The file names, labels or official split lists of a dataset are inconsistent."""


class MissingVideosWarning(DatasetWarning):
    """Videos, folders or official split lists of a dataset are missing."""


class NoFaceWarning(UserWarning):
    """No face was found in any frame of a video."""


class CrowdWarning(UserWarning):
    """A video shows more than 10 people at once; ``max_faces=None`` follows only 10."""


class VideoReadWarning(_AboutVideo, UserWarning):
    """A video or a part of it cannot be read.

    An unreadable video is treated as a video without a face.

    Parameters
    ----------
    path : str or os.PathLike
        Absolute path of the video. If the video is in the working directory, the
        message contains the relative path.
    reason : str
        Description of the problem and how to solve it.
    """


class ModelVersionWarning(InconsistentVersionWarning):
    """A model was saved with package versions other than the installed ones.

    Filters for scikit-learn's :class:`~sklearn.exceptions.InconsistentVersionWarning`
    also apply to this warning.

    Parameters
    ----------
    message : str
        Description of the differences.
    """

    def __init__(self, message: str) -> None:
        # Skip the initializer of scikit-learn, which formats another message.
        UserWarning.__init__(self, message)

    __str__ = UserWarning.__str__


class AdversarialImbalanceWarning(UserWarning):
    """The generator or discriminator of a GAN dominates, so training stagnates."""


class UnresolvedRateWarning(UserWarning):
    """A requested error rate is too low to be estimated from the number of samples."""
