"""Folds of people, where fakes tie all of them together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from .._groups import check_column, encode
from ._splitter import Split, _MetadataSplitter, check_sides


@dataclass(repr=False, eq=False)
class IdentityKFold(_MetadataSplitter):
    """Split people, and leave out the fakes that mix two sides.

    In Celeb-DF and DeepFakeDetection, nearly all videos are one group. Here each
    identity is assigned to one fold. The test set of a fold is the videos all of whose
    people are in it, the training set those none of whose people are. Other fakes are
    left out: for k folds and fakes among all pairs, ``2 (k - 1) / k**2`` of them in
    each split.

    Parameters
    ----------
    target : array-like of shape (n_videos,)
        The identity whose video it is: ``videos.details["target"]`` of a loader.
    source : array-like of shape (n_videos,)
        Whose face was put into it: ``details["source"]``, None or NaN for real videos.
    n_splits : int, default=5
        Number of folds, 2 at least.
    shuffle : bool, default=True
        Whether to shuffle people before they are assigned.
    random_state : int, RandomState instance or None, default=None
        Controls the shuffling of people with about as many videos.

    See Also
    --------
    sklearn.model_selection.StratifiedGroupKFold : Leaves nothing out, where groups
        are many.
    skdeepfake.datasets.load_celeb_df : Says who is tied to whom there.

    Notes
    -----
    People are assigned one after the other, those with many videos first, as in
    streaming graph partitioning [1]_: each to the fold with more of their fakes than by
    chance, as long as it has room, or else to the one with the most room.

    Groups are not used. It splits exactly the videos that it was made for.

    References
    ----------
    .. [1] Stanton, I. and Kliot, G. (2012). Streaming graph partitioning for large
       distributed graphs. KDD.

    Examples
    --------
    >>> from skdeepfake.model_selection import IdentityKFold
    >>> target = ["Ann", "Bob", "Cid", "Dee", "Ann", "Bob", "Cid", "Dee", "Bob"]
    >>> source = [None, None, None, None, "Bob", "Ann", "Dee", "Cid", "Cid"]
    >>> y = [0, 0, 0, 0, 1, 1, 1, 1, 1]
    >>> cv = IdentityKFold(target, source, n_splits=2, shuffle=False)
    >>> for train, test in cv.split(target, y):
    ...     print(train.tolist(), test.tolist())
    [2, 3, 6, 7] [0, 1, 4, 5]
    [0, 1, 4, 5] [2, 3, 6, 7]
    >>> [left.tolist() for left in cv.left_out()]  # Bob with the face of Cid
    [[8], [8]]
    """

    target: ArrayLike
    source: ArrayLike
    n_splits: int = 5
    _: KW_ONLY
    shuffle: bool = True
    random_state: int | np.random.RandomState | None = None

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "target": ["array-like"],
        "source": ["array-like"],
        "n_splits": [Interval(Integral, 2, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
    }
    _columns = ("target", "source")

    def split_names(self) -> list[int]:
        """Give the names of the splits.

        Returns
        -------
        list of int, of length n_splits
            The fold that is tested.
        """
        return list(range(self.n_splits))

    def left_out(self) -> list[NDArray[np.intp]]:
        """Say which videos are on neither side.

        Returns
        -------
        list of ndarray of int, of length n_splits
            Their numbers, for each split.

        Raises
        ------
        ValueError
            If a parameter is wrong, or the people are dealt anew at each call.
        """
        self._check_parameters()
        if self.shuffle and not isinstance(self.random_state, Integral):
            raise ValueError(
                f"random_state={self.random_state!r} deals the people anew at each "
                "call, so that others would be left out: pass an int, or shuffle=False"
            )
        return [np.flatnonzero(~(train | test)) for train, test in self._sides()]

    def _splits(self, y: ArrayLike | None, groups: ArrayLike | None) -> Iterator[Split]:
        labels = self._labels_of(y)
        for fold, (train, test) in enumerate(self._sides()):
            yield check_sides(
                train,
                test,
                labels,
                f"split {fold}, with {(~(train | test)).sum()} videos on neither side,",
                "pass fewer n_splits, or another random_state",
            )

    def _sides(self) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
        of_target, of_source = self._folds()
        for fold in range(self.n_splits):
            first, second = of_target == fold, of_source == fold
            yield ~first & ~second, first & second

    def _folds(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Deal the people, and give the folds of each video's target and source."""
        target = check_column(self.target, "target")
        source = check_column(self.source, "source", optional=True)
        if len(target) != len(source):
            raise ValueError(
                f"target has {len(target)} values and source {len(source)}: pass one "
                "for each video, None as the source of real ones"
            )
        # Of a real video, the only person is both.
        shown = np.where([name is None for name in source], target, source)
        a, b = np.split(encode([*target, *shown]), 2)
        n_people = int(max(a.max(), b.max())) + 1
        if n_people < self.n_splits:
            raise ValueError(
                f"n_splits={self.n_splits}, but there are {n_people} people only: pass "
                f"n_splits={n_people} or fewer"
            )
        alone = np.bincount(a[a == b], minlength=n_people)
        # Fakes of each pair, whoever of the two is the target.
        x, z = a[a != b], b[a != b]
        ends = np.concatenate([x, z]), np.concatenate([z, x])
        pairs = coo_array((np.ones(len(ends[0])), ends), shape=(n_people, n_people))
        fold_of = self._deal(alone, pairs.tocsr())
        return fold_of[a], fold_of[b]

    def _deal(self, alone: NDArray[np.intp], pairs: Any) -> NDArray[np.intp]:
        """Give each person a fold, by videos of each alone and of each two."""
        n_people, n_splits = len(alone), self.n_splits
        ties = np.asarray(pairs.sum(axis=1)).ravel()
        weight = alone + ties / 2
        order = np.arange(n_people)
        if self.shuffle:
            order = check_random_state(self.random_state).permutation(n_people)
        # By powers of two: sorted to the last video, there would be one order only.
        order = order[np.argsort(-np.frexp(weight)[1][order], kind="stable")]
        room = weight.sum() / n_splits
        load, tied = np.zeros(n_splits), np.zeros(n_splits)
        fold_of = np.full(n_people, -1)
        for person in order:
            row = slice(pairs.indptr[person], pairs.indptr[person + 1])
            folds, counts = fold_of[pairs.indices[row]], pairs.data[row]
            dealt = folds >= 0
            kept = np.bincount(folds[dealt], counts[dealt], minlength=n_splits)
            # More than by chance: where all are tied, no fold attracts by its size.
            gain = np.maximum(0, kept - ties[person] * tied / max(1, ties.sum()))
            fits = load + weight[person] / 2 <= room
            if not fits.any():
                fits = load == load.min()
            fold = np.lexsort((load, -gain, ~fits))[0]  # by the last key first
            fold_of[person] = fold
            load[fold] += weight[person]
            tied[fold] += ties[person]
        return fold_of
