"""Errors and warnings of skdeepfake, one hierarchy each."""

from __future__ import annotations

import os

__all__ = [
    "AdversarialImbalanceWarning",
    "CacheError",
    "CacheWarning",
    "DatasetError",
    "NoFaceError",
    "NoFaceWarning",
    "SkdeepfakeError",
    "TrainingDivergedError",
    "VideoReadError",
    "WeightsError",
    "WorkerDiedError",
]


class SkdeepfakeError(Exception):
    """Base of every error that skdeepfake raises of its own."""


class VideoReadError(SkdeepfakeError, ValueError):
    """A video cannot be read.

    Parameters
    ----------
    path : str or os.PathLike
        The video.
    reason : str
        What was found, and what to do about it.

    Attributes
    ----------
    path : str
        The video.
    reason : str
        What was found, and what to do about it.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        # Both go to `args`, so that the error survives the way back from a
        # worker process, where it is pickled.
        super().__init__(os.fspath(path), reason)
        self.path = os.fspath(path)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path!r}: {self.reason}"


class NoFaceError(SkdeepfakeError, ValueError):
    """No face was found where one is needed."""


class WorkerDiedError(SkdeepfakeError, RuntimeError):
    """A process that worked on videos was killed or has crashed."""


class TrainingDivergedError(SkdeepfakeError, ArithmeticError):
    """The loss of a network became infinite or NaN while it was trained."""


class WeightsError(SkdeepfakeError, OSError):
    """The weights of a network cannot be had: no network, no such file, a wrong one."""


class DatasetError(SkdeepfakeError, ValueError):
    """A folder does not hold the data set that was asked for."""


class CacheError(SkdeepfakeError, OSError):
    """A cache cannot be read or written."""


class CacheWarning(UserWarning):
    """An entry of a cache is damaged, and what it held is computed again."""


class NoFaceWarning(UserWarning):
    """No face was found in any frame of a video."""


class AdversarialImbalanceWarning(UserWarning):
    """One of two networks trained against each other has won, and both stand still."""
