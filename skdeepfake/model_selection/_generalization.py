"""Splits that keep a data set, or a method of manipulation, for the test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions

from .._groups import assign_folds, check_column, format_examples
from ._splitter import Split, _MetadataSplitter, check_sides

REST = "rest"


@dataclass(repr=False, eq=False)
class CrossDatasetSplit(_MetadataSplitter):
    """Train on one data set and test on another, each on each.

    Fakes of one data set share generators, encoders and cameras; other sets do not.

    With ``n_splits=None`` all of one set is tested, without training videos of a group
    in the test set. For sets that share people, such as DeeperForensics and
    FaceForensics++, pass a number of folds: people are split, and a fold of one set is
    tested after training on the other folds of the other set.

    Parameters
    ----------
    dataset : array-like of shape (n_videos,)
        Name of the data set of each video: ``details["dataset"]`` of combined sets.
    train : {"each", "rest"}, default="each"
        Whether each other set is trained on by itself, or all of them together.
    n_splits : int or None, default=None
        Number of folds by identity, at least 2, each with both classes; or None.
    shuffle : bool, default=False
        Whether groups are shuffled before they are dealt.
    random_state : int, RandomState instance or None, default=None
        Shuffles them. An int gives the same folds each time.

    See Also
    --------
    LeaveOneManipulationOut : The same question about methods of one set.
    skdeepfake.datasets.combine_datasets : Makes one data set of several.

    Notes
    -----
    Pass it with ``groups`` as ``cv`` to `cross_validate` or `GridSearchCV`. It splits
    exactly the videos that it was made for; an inner search needs another one. After a
    search by it, only a further set can tell how well the result generalizes.

    References
    ----------
    .. [1] Li, Y., Yang, X., Sun, P., Qi, H. and Lyu, S. (2020). Celeb-DF: A
       large-scale challenging dataset for deepfake forensics. CVPR.

    Examples
    --------
    >>> from skdeepfake.model_selection import CrossDatasetSplit
    >>> dataset = ["ff", "ff", "ff", "ff", "ff", "dfdc", "dfdc", "dfdc", "dfdc"]
    >>> y = [0, 1, 0, 1, 0, 0, 1, 0, 1]
    >>> people = [0, 0, 1, 1, 2, 2, 2, 3, 3]
    >>> cv = CrossDatasetSplit(dataset)
    >>> splits = cv.split(dataset, y, people)
    >>> for name, (train, test) in zip(cv.split_names(), splits):
    ...     print(name, train.tolist(), test.tolist())
    ('ff', 'dfdc') [0, 1, 2, 3] [5, 6, 7, 8]
    ('dfdc', 'ff') [7, 8] [0, 1, 2, 3, 4]
    """

    dataset: ArrayLike
    _: KW_ONLY
    train: str = "each"
    n_splits: int | None = None
    shuffle: bool = False
    random_state: int | np.random.RandomState | None = None

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "dataset": ["array-like"],
        "train": [StrOptions({"each", REST})],
        "n_splits": [Interval(Integral, 2, None, closed="left"), None],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
    }
    _columns = ("dataset",)

    def split_names(self) -> list[tuple[Any, ...]]:
        """Say which split is which.

        Returns
        -------
        list of (train, test) or (train, test, fold)
            In the order of the splits, with ``"rest"`` for all others; the fold if any.
        """
        self._check_parameters()
        sets = list(dict.fromkeys(check_column(self.dataset, "dataset").tolist()))
        if len(sets) < 2:
            raise ValueError(
                f"dataset names one set only ({format_examples(sets)}), but to train "
                "here and test there takes two"
            )
        if self.train == REST:
            pairs: list[tuple[Any, ...]] = [(REST, there) for there in sets]
        else:
            pairs = [(here, there) for here in sets for there in sets if here != there]
        if self.n_splits is None:
            return pairs
        return [(*pair, fold) for pair in pairs for fold in range(self.n_splits)]

    def _splits(self, y: ArrayLike | None, groups: ArrayLike | None) -> Iterator[Split]:
        sets, labels = check_column(self.dataset, "dataset"), self._labels_of(y)
        names, numbers = self.split_names(), self._numbers_of(groups)
        if self.n_splits is not None:
            folds = assign_folds(
                list(zip(sets.tolist(), labels.tolist(), strict=True)),
                numbers,
                self.n_splits,
                shuffle=self.shuffle,
                random_state=self.random_state,
                called=lambda kind: f"the videos of {kind[0]!r} of class {kind[1]!r}",
                otherwise="n_splits=None if the sets share no people",
            )
        for here, there, *fold in names:
            is_test = np.array([name == there for name in sets])
            if self.train == REST:
                is_train = ~is_test
            else:
                is_train = np.array([name == here for name in sets])
            if fold:
                is_train &= folds != fold[0]
                is_test &= folds == fold[0]
                advice = "pass fewer n_splits"
            else:
                is_train &= ~np.isin(numbers, numbers[is_test])
                advice = (
                    "both sets need both, and what shares people with the test set was "
                    "left out of the training set; with n_splits=5, say, both sets are "
                    "split by identity"
                )
            name = f"to train on {here!r} and test on {there!r}"
            yield check_sides(is_train, is_test, labels, name, advice)


@dataclass(repr=False, eq=False)
class LeaveOneManipulationOut(_MetadataSplitter):
    """Test on fakes of a method that was not trained on, and on people not met.

    For each method, and within it for each fold of the people:

    - the test set is the fold's real videos and its fakes by that method;
    - the training set is the real videos and fakes by other methods of all other folds.

    Neither the method nor anybody in the test set was seen in training.

    Parameters
    ----------
    manipulation : array-like of shape (n_videos,)
        Method of each fake, None for real videos: ``details["method"]`` of a loader.
    n_splits : int, default=5
        Number of folds, 2 at least. Each needs real videos and fakes by each method.
    shuffle : bool, default=False
        Whether groups are shuffled before they are dealt.
    random_state : int, RandomState instance or None, default=None
        Shuffles them. An int gives the same folds each time.

    See Also
    --------
    CrossDatasetSplit : The same question about another data set.
    sklearn.model_selection.StratifiedGroupKFold : What deals the groups, each method
        for a class of its own.

    Notes
    -----
    Pass it with ``groups`` as ``cv`` to `cross_validate` or `GridSearchCV`. It splits
    exactly the videos that it was made for; an inner search on the training set needs
    another one. There are `n_splits` scores per method, named by `split_names`.

    References
    ----------
    .. [1] Cozzolino, D., Thies, J., Rössler, A., Riess, C., Nießner, M. and Verdoliva,
       L. (2018). ForensicTransfer: Weakly-supervised domain adaptation for forgery
       detection. arXiv:1812.02510.

    Examples
    --------
    >>> from skdeepfake.model_selection import LeaveOneManipulationOut
    >>> method = [None, "Deepfakes", "FaceSwap", None, "Deepfakes", "FaceSwap"]
    >>> people = [0, 0, 0, 1, 1, 1]
    >>> cv = LeaveOneManipulationOut(method, n_splits=2)
    >>> splits = cv.split(method, groups=people)
    >>> for name, (train, test) in zip(cv.split_names(), splits):
    ...     print(name, train.tolist(), test.tolist())
    ('Deepfakes', 0) [3, 5] [0, 1]
    ('Deepfakes', 1) [0, 2] [3, 4]
    ('FaceSwap', 0) [3, 4] [0, 2]
    ('FaceSwap', 1) [0, 1] [3, 5]
    """

    manipulation: ArrayLike
    _: KW_ONLY
    n_splits: int = 5
    shuffle: bool = False
    random_state: int | np.random.RandomState | None = None

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "manipulation": ["array-like"],
        "n_splits": [Interval(Integral, 2, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
    }
    _columns = ("manipulation",)

    def split_names(self) -> list[tuple[Any, int]]:
        """Say which split is which.

        Returns
        -------
        list of (method, fold), of length n_methods * n_splits
            In the order of the splits: methods as they first appear.
        """
        self._check_parameters()
        named = check_column(self.manipulation, "manipulation", optional=True)
        methods = [name for name in dict.fromkeys(named.tolist()) if name is not None]
        if len(methods) < 2:
            raise ValueError(
                f"manipulation names {len(methods)} method"
                f"{'' if len(methods) == 1 else 's'} ({format_examples(methods)}), but "
                "to leave one out takes two: pass the method of each fake, and None "
                "for real videos"
            )
        return [(method, fold) for method in methods for fold in range(self.n_splits)]

    def _splits(self, y: ArrayLike | None, groups: ArrayLike | None) -> Iterator[Split]:
        named = check_column(self.manipulation, "manipulation", optional=True)
        is_real = np.array([name is None for name in named])
        if not is_real.any():
            raise ValueError(
                "manipulation has a value for each video, but real videos have none: "
                "pass None for them"
            )
        if y is not None:
            _check_agreement(is_real, y)
        names = self.split_names()
        folds = assign_folds(
            named.tolist(),
            self._numbers_of(groups),
            self.n_splits,
            shuffle=self.shuffle,
            random_state=self.random_state,
            called=lambda kind: (
                "the real videos" if kind is None else f"fakes by {kind!r}"
            ),
        )
        for method, fold in names:
            of_method = np.array([name == method for name in named])
            yield check_sides(
                (folds != fold) & ~of_method,
                (folds == fold) & (is_real | of_method),
                np.where(is_real, "real", "fake"),
                f"fold {fold} without {method!r}",
                "pass fewer n_splits",
            )


def _check_agreement(is_real: np.ndarray, y: ArrayLike) -> None:
    """Raise where a label contradicts the method."""
    labels = np.asarray(column_or_1d(y))
    real = set(labels[is_real].tolist())
    of_fakes = np.flatnonzero(~is_real).tolist()
    odd = [number for number in of_fakes if labels[number] in real]
    if odd or len(real) > 1:
        found = (
            f"videos without a method have the labels {format_examples(sorted(real))}"
        )
        if len(real) == 1:
            found = (
                f"videos {format_examples(odd)} have a method, and a label of others"
            )
        raise ValueError(
            f"y and manipulation contradict each other: {found}; pass the method of "
            "each fake, and None for real videos"
        )
