"""What splitters share that know more of a video than its label: folds by identity."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator, StratifiedGroupKFold
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils._param_validation import validate_parameter_constraints

from ..metrics._bootstrap import numbered
from ..metrics._validation import is_missing
from ._leakage import some

Split = tuple[NDArray[np.intp], NDArray[np.intp]]


class KnowingSplitter(BaseCrossValidator):
    """A splitter that was given a column of facts, aligned with the videos.

    A constructor only stores. Subclasses declare `_parameter_constraints`, name their
    columns in `_columns`, and write `_splits`.
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
        # All of them now: a side that lacks a class should show before hours of
        # training on those that do not.
        yield from list(self._splits(y, groups))

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
        return numbered(groups)

    def _labels_of(self, y: ArrayLike | None) -> NDArray:
        if y is None:
            raise ValueError(
                f"{type(self).__name__} needs y, since each side must hold real videos "
                "and fakes"
            )
        labels = np.asarray(column_or_1d(y))
        if len(set(labels.tolist())) != 2:
            raise ValueError(
                f"y must hold two classes, real and fake, but holds "
                f"{some(list(dict.fromkeys(labels.tolist())))}"
            )
        return labels


def column(values: ArrayLike, name: str, *, optional: bool = False) -> NDArray:
    """Give a column of names as an array of objects, None where there is none.

    Parameters
    ----------
    values : array-like of shape (n_videos,)
        The names, of any hashable kind.
    name : str
        What messages call it: the parameter that it was given as.
    optional : bool, default=False
        Whether names may be missing: None, NaN or pandas' NA.

    Returns
    -------
    ndarray of object, shape (n_videos,)

    Raises
    ------
    ValueError
        If a name is missing that may not be, or there is more than one dimension.
    """
    # Of objects from the start: of ["A", nan], NumPy would make the name "nan".
    listed = np.asarray(values, dtype=object)
    if listed.ndim != 1:
        raise ValueError(
            f"{name} must be one-dimensional, a value for each video, but has the "
            f"shape {listed.shape}"
        )
    found = np.empty(len(listed), dtype=object)
    found[:] = [None if is_missing(value) else value for value in listed.tolist()]
    missing = [number for number, value in enumerate(found) if value is None]
    if missing and not optional:
        raise ValueError(f"{name} has no value for videos {some(missing)}")
    return found


def deal(
    kinds: Sequence[Hashable],
    groups: NDArray[np.intp],
    n_splits: int,
    *,
    shuffle: bool,
    random_state: Any,
    called: Callable[[Any], str] = str,
    otherwise: str = "",
) -> NDArray[np.intp]:
    """Deal groups to folds, so that each kind of video is in each fold.

    Parameters
    ----------
    kinds : sequence of hashable, of length n_videos
        What each video is; the share of each kind is about the same in all folds.
    groups : ndarray of int, shape (n_videos,)
        Number of each video's group.
    n_splits : int
        Number of folds.
    shuffle : bool
        Whether groups that are alike are dealt in another order.
    random_state : int, RandomState or None
        Chooses the order.
    called : callable
        Says in words, for messages, which videos are of a kind.
    otherwise : str, default=""
        What else to do where there are too few groups, for messages.

    Returns
    -------
    ndarray of int, shape (n_videos,)
        The fold of each video.

    Raises
    ------
    ValueError
        If a kind is in fewer groups than there are folds, or missing in a fold.
    """
    numbers: dict[Hashable, int] = {}
    coded = np.array([numbers.setdefault(kind, len(numbers)) for kind in kinds])
    for kind, number in numbers.items():
        n_groups = len(set(groups[coded == number].tolist()))
        if n_groups < n_splits:
            fewer = f"pass n_splits={n_groups} or fewer" if n_groups > 1 else ""
            advice = ", or ".join(filter(None, [fewer, otherwise]))
            raise ValueError(
                f"n_splits={n_splits}, but {called(kind)} are in {n_groups} "
                f"group{'s' if n_groups > 1 else ''} only"
                + (f": {advice}" if advice else "")
            )
    if shuffle:
        # What StratifiedGroupKFold would do itself: of groups that are alike, those
        # with the lower number come first. Up to scikit-learn 1.7, its own shuffling
        # takes groups for others.
        groups = check_random_state(random_state).permutation(groups.max() + 1)[groups]
    folds = np.empty(len(groups), dtype=np.intp)
    dealer = StratifiedGroupKFold(n_splits)
    for fold, (_, test) in enumerate(dealer.split(coded, coded, groups)):
        folds[test] = fold
    for kind, number in numbers.items():
        empty = set(range(n_splits)).difference(folds[coded == number].tolist())
        if empty:
            raise ValueError(
                f"n_splits={n_splits}, but the groups of {called(kind)} are of so "
                f"different sizes that fold {min(empty)} holds none of them: pass "
                "fewer, or another random_state to shuffle by"
            )
    return folds


def check_sides(
    train: NDArray[np.bool_],
    test: NDArray[np.bool_],
    labels: NDArray,
    name: str,
    advice: str,
) -> Split:
    """Turn masks into numbers, and raise where a side lacks a class.

    Parameters
    ----------
    train, test : ndarray of bool, shape (n_videos,)
        The sides.
    labels : ndarray of shape (n_videos,)
        Of all videos.
    name : str
        What messages call the split.
    advice : str
        What to do, for messages.

    Returns
    -------
    train, test : ndarray of int
    """
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
