"""Base class for splitters, and a check for leakage."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.validation import _num_samples

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
    """Base class for splitters with one or more columns of metadata per video.

    Subclasses define `_parameter_constraints`, `_columns` and `_splits`.
    """

    # Metadata routing passes groups to `split`, as for `GroupKFold`.
    __metadata_request__split: ClassVar[dict[str, bool]] = {"groups": True}

    _parameter_constraints: ClassVar[dict[str, Any]]
    _columns: ClassVar[tuple[str, ...]]

    def split(
        self, X: Any, y: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Iterator[Split]:
        """Generate indices to split videos into training and test sets.

        Parameters
        ----------
        X : array-like of shape (n_videos, ...)
            Videos or their features. Only the length is used.
        y : array-like of shape (n_videos,)
            Label of each video. Optional for :class:`LeaveOneManipulationOut`.
        groups : array-like of shape (n_videos,)
            Group of each video. Not used by :class:`IdentityKFold`.

        Yields
        ------
        train, test : ndarray of int
            Sorted indices of the training and test videos.

        Raises
        ------
        ValueError
            If a parameter is invalid, if lengths differ, if `y` or `groups` is required
            but missing, or if a training or test set lacks a class. The error is raised
            before the first split.
        """
        self._check_parameters()
        n_videos = _num_samples(X)
        for name in self._columns:
            if n_videos != len(getattr(self, name)):
                raise ValueError(
                    f"{name} has {len(getattr(self, name))} values for {n_videos} "
                    f"videos: {type(self).__name__} cannot split a subset of its "
                    "videos, such as a training set."
                )
        check_consistent_length(X, y, groups)
        # Compute all splits first, so that errors are raised before any training.
        yield from list(self._splits(y, groups))

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return len(self.split_names())

    @abstractmethod
    def split_names(self) -> list[Any]:
        """Return the names of the splits, in order."""

    @abstractmethod
    def _splits(self, y: ArrayLike | None, groups: ArrayLike | None) -> Iterator[Split]:
        """Generate the splits, after the lengths have been checked."""

    def _check_parameters(self) -> None:
        params = {name: getattr(self, name) for name in self._parameter_constraints}
        validate_parameter_constraints(
            self._parameter_constraints, params, caller_name=type(self).__name__
        )
        if not params["shuffle"] and params["random_state"] is not None:
            raise ValueError(
                f"random_state={self.random_state!r} has no effect with shuffle=False: "
                "pass random_state=None or shuffle=True."
            )

    def _encode_groups(self, groups: ArrayLike | None) -> NDArray[np.intp]:
        if groups is None:
            raise ValueError(
                f"{type(self).__name__} requires groups, so that no person is in both "
                "the training and the test set: pass the groups of the loader to "
                "cross_validate or GridSearchCV. If fakes connect all people into one "
                "group, use IdentityKFold."
            )
        return encode_groups(groups)

    def _check_labels(self, y: ArrayLike | None) -> NDArray:
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y, since both the training and the "
                "test set must contain real and fake videos."
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
    """Convert masks to indices; raise a ValueError if a set lacks a class."""
    for side, mask in (("training", train), ("test", test)):
        held = set(labels[mask].tolist())
        for label in dict.fromkeys(labels.tolist()):
            if label not in held:
                raise ValueError(
                    f"{name} has no video of class {label!r} in its {side} set: "
                    f"{advice}."
                )
    return np.flatnonzero(train), np.flatnonzero(test)


def check_no_leakage(train: ArrayLike, test: ArrayLike, groups: ArrayLike) -> None:
    """Raise an error if a training and a test set share a video or a group.

    Frames of the same video are similar, and so are a fake and its original, and videos
    of the same person. If similar samples are in different sets, the score overstates
    the performance on new people.

    Parameters
    ----------
    train, test : array-like of int or bool
        Indices of the videos of each set, as returned by splitters, or masks.
    groups : array-like of shape (n_videos,)
        Group of each video, such as the identity of the person.

    Raises
    ------
    LeakageError
        If the sets share a group or a video. The message lists the first few of them.
    ValueError
        If the group of a video is missing (None or NaN), which could hide leakage.
    IndexError
        If an index is out of range, or a mask differs in length from `groups`.

    See Also
    --------
    sklearn.model_selection.StratifiedGroupKFold : Splitter that keeps groups together.
    OfficialSplit : Split videos according to the official lists of a dataset.

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
            f"{format_examples(both)}."
        )
    tested = set(groups[theirs].tolist())
    # Keep the order of the samples, since groups of mixed types cannot be sorted.
    shared = [g for g in dict.fromkeys(groups[ours].tolist()) if g in tested]
    if shared:
        of = f"{len(shared)} of {len(set(groups.tolist()))} groups"
        raise LeakageError(
            f"{of} {'is' if len(shared) == 1 else 'are'} in the training set and in "
            f"the test set: {format_examples(shared)}. Split by group, with "
            "GroupKFold or StratifiedGroupKFold."
        )
