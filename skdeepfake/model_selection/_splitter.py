"""What splitters share: identities, labels, and the check for leakage."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils._param_validation import validate_parameter_constraints

from .._groups import (
    check_indices,
    check_two_classes,
    count_is,
    encode_groups,
    format_examples,
)
from ..exceptions import LeakageError

Split = tuple[NDArray[np.intp], NDArray[np.intp]]


class _MetadataSplitter(BaseCrossValidator):
    """A splitter that was given a column of facts, aligned with the videos.

    Subclasses declare `_parameter_constraints` and `_columns`, and write `_splits`.
    """

    # With metadata routing on, groups reach `split`, as they do that of `GroupKFold`.
    __metadata_request__split: ClassVar[dict[str, bool]] = {"groups": True}

    _parameter_constraints: ClassVar[dict[str, Any]]
    _columns: ClassVar[tuple[str, ...]]

    def split(
        self, X: Any, y: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Iterator[Split]:
        """Give the numbers of the videos on both sides, split after split.

        Parameters
        ----------
        X : array-like of shape (n_videos, ...)
            The videos, or what was made of them: only their number matters.
        y : array-like of shape (n_videos,)
            Label of each video.
        groups : array-like of shape (n_videos,)
            Identity of each video, where the splitter deals by groups.

        Yields
        ------
        train, test : ndarray of int
            Numbers of the videos, increasing.

        Raises
        ------
        ValueError
            If a parameter is wrong, something is missing or of another length, or a
            side would lack real videos or fakes. It comes before the first split.
        """
        self._check_parameters()
        for name in self._columns:
            if _length(X) != len(getattr(self, name)):
                raise ValueError(
                    f"{name} has {len(getattr(self, name))} values for {_length(X)} "
                    f"videos: {type(self).__name__} splits all of the videos that it "
                    "was made for and no part of them, such as the training side of "
                    "another split"
                )
        check_consistent_length(X, y, groups)
        # All of them now: a missing class should show before hours of training.
        yield from list(self._splits(y, groups))

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return len(self.split_names())

    @abstractmethod
    def split_names(self) -> list[Any]:
        """Give the names of the splits, in their order."""

    @abstractmethod
    def _splits(self, y: ArrayLike | None, groups: ArrayLike | None) -> Iterator[Split]:
        """Give the splits of videos that have been counted."""

    def _check_parameters(self) -> None:
        names = self._parameter_constraints
        validate_parameter_constraints(
            self._parameter_constraints,
            {name: getattr(self, name) for name in names},
            caller_name=type(self).__name__,
        )
        shuffle = getattr(self, "shuffle", True)
        if not shuffle and getattr(self, "random_state", None) is not None:
            raise ValueError(
                f"random_state={self.random_state!r} changes nothing with "
                "shuffle=False: leave it None, or pass shuffle=True"
            )

    def _numbers_of(self, groups: ArrayLike | None) -> NDArray[np.intp]:
        """Give each video the number of its group; groups must be there."""
        if groups is None:
            raise ValueError(
                f"{type(self).__name__} needs groups, or the same people would be on "
                "both sides: pass those of the loader as groups, which cross_validate "
                "and GridSearchCV hand on. Where fakes tie all people into one group, "
                "IdentityKFold splits by the people themselves"
            )
        return encode_groups(groups)

    def _labels_of(self, y: ArrayLike | None) -> NDArray:
        if y is None:
            raise ValueError(
                f"{type(self).__name__} needs y, since each side must hold real videos "
                "and fakes"
            )
        labels = np.asarray(column_or_1d(y))
        check_two_classes(labels, "y")
        return labels


def check_sides(
    train: NDArray[np.bool_],
    test: NDArray[np.bool_],
    labels: NDArray,
    name: str,
    advice: str,
) -> Split:
    """Convert masks to indices; a side that lacks a class is a ValueError."""
    for side, mask in (("training", train), ("test", test)):
        held = set(labels[mask].tolist())
        for label in dict.fromkeys(labels.tolist()):
            if label not in held:
                raise ValueError(
                    f"{name} has no video of class {label!r} in its {side} set: "
                    f"{advice}"
                )
    return np.flatnonzero(train), np.flatnonzero(test)


def _length(X: Any) -> int:
    shape = getattr(X, "shape", None)
    return int(shape[0]) if shape else len(X)


def check_no_leakage(train: ArrayLike, test: ArrayLike, groups: ArrayLike) -> None:
    """Raise if a video, or a group of videos, is on both sides of a split.

    Frames of one video, a fake and its original, and videos of one face resemble each
    other, so that a score for them says nothing about unknown people.

    Parameters
    ----------
    train, test : array-like of int or of bool
        Numbers of the videos on each side, as splitters return them, or masks.
    groups : array-like of shape (n_videos,)
        Identity of each video, or anything else that must not be on both sides.

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
            f"{count_is(both, 'sample')} in the training set and in the test set: "
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
