"""The check that a training and a test set have nothing in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import column_or_1d

from .._groups import check_indices, encode_groups, format_examples
from ..exceptions import LeakageError


def check_no_leakage(train: ArrayLike, test: ArrayLike, groups: ArrayLike) -> None:
    """Raise if a video, or a group of videos, is on both sides of a split.

    Frames of one video, a fake and its original, and videos of one face resemble each
    other, so that a score for them says nothing about unknown people.

    Parameters
    ----------
    train, test : array-like of int or of bool
        Numbers of the videos on each side, as the splitters of scikit-learn give
        them, or masks.
    groups : array-like of shape (n_videos,)
        Identity of each video of the whole data set, or whatever else must not be on
        both sides.

    Raises
    ------
    LeakageError
        If a group or a video is on both sides; it names the first few.
    ValueError
        If the group of a video is missing (None or NaN), which would hide a leak.
    IndexError
        If a number or a mask does not fit to `groups`.

    See Also
    --------
    sklearn.model_selection.StratifiedGroupKFold : Splits that keep groups together.
    OfficialSplit : The split that the makers of a data set have published.

    Examples
    --------
    >>> from sklearn.model_selection import GroupKFold, KFold
    >>> from skdeepfake.model_selection import check_no_leakage
    >>> videos = ["000.mp4", "000_003.mp4", "003.mp4", "003_000.mp4", "7.mp4", "8.mp4"]
    >>> groups = [0, 0, 0, 0, 7, 8]
    >>> for train, test in GroupKFold(3).split(videos, groups=groups):
    ...     check_no_leakage(train, test, groups)
    >>> train, test = next(KFold(3).split(videos))
    >>> check_no_leakage(train, test, groups)
    Traceback (most recent call last):
        ...
    skdeepfake.exceptions.LeakageError: 1 of 3 groups is in the training set and in ...
    """
    encode_groups(groups)  # no group may be missing
    groups = np.asarray(column_or_1d(groups))
    ours, theirs = (check_indices(side, len(groups)) for side in (train, test))
    both = np.intersect1d(ours, theirs).tolist()
    if both:
        raise LeakageError(
            f"{_count(len(both), 'sample')} in the training set and in the test set: "
            f"{format_examples(both)}"
        )
    tested = set(groups[theirs].tolist())
    # In the order of the samples: groups of several kinds cannot be sorted.
    shared = [g for g in dict.fromkeys(groups[ours].tolist()) if g in tested]
    if shared:
        of = f"{len(shared)} of {len(set(groups.tolist()))} groups"
        raise LeakageError(
            f"{of} {'is' if len(shared) == 1 else 'are'} in the training set and in "
            f"the test set: {format_examples(shared)}; split by group, with "
            "GroupKFold or StratifiedGroupKFold"
        )


def _count(n: int, noun: str) -> str:
    return f"{n} {noun} is" if n == 1 else f"{n} {noun}s are"
