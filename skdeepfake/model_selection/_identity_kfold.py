"""Splitter for datasets whose fakes connect all people."""

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
    """Split by person and leave out fakes that combine training and test people.

    In datasets such as Celeb-DF and DeepFakeDetection, fakes connect nearly all videos
    into one group. This splitter assigns each person to one fold. For each fold, the
    test set contains the videos that show only people from this fold, and the training
    set contains the videos that show none of them. All other fakes are left out. With k
    folds and fakes of all pairs of people, each split leaves out a share of
    ``2 (k - 1) / k**2`` of the fakes.

    Parameters
    ----------
    target : array-like of shape (n_videos,)
        Identity of the person in the original video, such as
        ``videos.details["target"]`` from a loader.
    source : array-like of shape (n_videos,)
        Identity of the inserted face, such as ``videos.details["source"]`` from a
        loader. None or NaN for real videos.
    n_splits : int, default=5
        Number of folds, at least 2.
    shuffle : bool, default=True
        If True, shuffle people with similar numbers of videos before assigning them to
        folds.
    random_state : int, RandomState instance or None, default=None
        Controls the shuffling. Pass an int for reproducible folds.

    See Also
    --------
    sklearn.model_selection.StratifiedGroupKFold : Split by group without leaving
        out any videos.
    skdeepfake.datasets.load_celeb_df : Loader that returns targets and sources.

    Notes
    -----
    People are assigned to folds one by one, roughly in descending order of their number
    of videos, as in streaming graph partitioning [1]_. For each fold, the fakes that
    combine the person with a member of the fold are counted, and the number expected by
    chance is subtracted. The person is assigned to the fold with the largest result.
    Full folds, which contain about ``1 / n_splits`` of the videos, are skipped. If all
    folds are full, the smallest fold is used.

    `groups` is not used. The splitter can only split all videos that `target`
    describes, not a subset.

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
        """Return the names of the splits.

        Returns
        -------
        list of int, of length n_splits
            Index of the test fold of each split.
        """
        return list(range(self.n_splits))

    def left_out(self) -> list[NDArray[np.intp]]:
        """Return the videos in neither the training set nor the test set.

        Returns
        -------
        list of ndarray of int, of length n_splits
            Indices of the videos, for each split.

        Raises
        ------
        ValueError
            If a parameter is invalid, or if `shuffle` is True and `random_state` is not
            an int.
        """
        self._check_parameters()
        if self.shuffle and not isinstance(self.random_state, Integral):
            raise ValueError(
                f"With random_state={self.random_state!r}, every call makes new folds: "
                "pass an int as random_state, or shuffle=False."
            )
        return [np.flatnonzero(~(train | test)) for train, test in self._sides()]

    def _splits(self, y: ArrayLike | None, groups: ArrayLike | None) -> Iterator[Split]:
        labels = self._check_labels(y)
        for fold, (train, test) in enumerate(self._sides()):
            yield check_sides(
                train,
                test,
                labels,
                f"Split {fold}, with {(~(train | test)).sum()} videos in neither set,",
                "reduce n_splits, or use another random_state",
            )

    def _sides(self) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
        of_target, of_source = self._folds()
        for fold in range(self.n_splits):
            first, second = of_target == fold, of_source == fold
            yield ~first & ~second, first & second

    def _folds(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the folds of the target and the source of each video."""
        target = check_column(self.target, "target")
        source = check_column(self.source, "source", optional=True)
        if len(target) != len(source):
            raise ValueError(
                f"target has {len(target)} values and source {len(source)}: pass one "
                "value per video, with None as the source of real videos."
            )
        # The only person in a real video is both target and source.
        shown = np.where([name is None for name in source], target, source)
        a, b = np.split(encode([*target, *shown]), 2)
        n_people = int(max(a.max(), b.max())) + 1
        if n_people < 2:
            raise ValueError("All videos show the same person; expected at least two.")
        if n_people < self.n_splits:
            raise ValueError(
                f"n_splits={self.n_splits} exceeds the number of people: pass "
                f"n_splits={n_people} or fewer."
            )
        alone = np.bincount(a[a == b], minlength=n_people)
        # Count the fakes of each pair in both directions.
        x, z = a[a != b], b[a != b]
        ends = np.concatenate([x, z]), np.concatenate([z, x])
        pairs = coo_array((np.ones(len(ends[0])), ends), shape=(n_people, n_people))
        fold_of = self._assign(alone, pairs.tocsr())
        return fold_of[a], fold_of[b]

    def _assign(self, alone: NDArray[np.intp], pairs: Any) -> NDArray[np.intp]:
        """Assign people to folds by their numbers of videos and of fakes per pair."""
        n_people, n_splits = len(alone), self.n_splits
        ties = np.asarray(pairs.sum(axis=1)).ravel()
        weight = alone + ties / 2
        order = np.arange(n_people)
        if self.shuffle:
            order = check_random_state(self.random_state).permutation(n_people)
        # Sort by weights rounded to powers of two, so that shuffling has an effect.
        order = order[np.argsort(-np.frexp(weight)[1][order], kind="stable")]
        capacity = weight.sum() / n_splits
        load, tied = np.zeros(n_splits), np.zeros(n_splits)
        fold_of = np.full(n_people, -1)
        for person in order:
            row = slice(pairs.indptr[person], pairs.indptr[person + 1])
            folds, counts = fold_of[pairs.indices[row]], pairs.data[row]
            known = folds >= 0
            kept = np.bincount(folds[known], counts[known], minlength=n_splits)
            # Subtract the fakes expected by chance, which favor large folds.
            gain = np.maximum(0, kept - ties[person] * tied / max(1, ties.sum()))
            fits = load + weight[person] / 2 <= capacity
            if not fits.any():
                fits = load == load.min()
            fold = np.lexsort((load, -gain, ~fits))[0]  # the last key is primary
            fold_of[person] = fold
            load[fold] += weight[person]
            tied[fold] += ties[person]
        return fold_of
