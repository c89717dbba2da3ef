"""Splitters that test on an unseen dataset or manipulation."""

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
    """Train on one dataset and test on another, for all pairs of datasets.

    Videos of the same dataset share manipulations, encoders and cameras, so scores
    within a dataset do not apply to other datasets [1]_.

    With ``n_splits=None``, each test set is a whole dataset, and training videos whose
    group is in the test set are left out. If datasets share many people, as
    DeeperForensics and FaceForensics++ do, set `n_splits`. Groups are then assigned to
    folds that extend over all datasets. Each test set contains the videos of one fold
    in the test dataset, and the training set contains the videos of all other folds in
    the training datasets.

    Parameters
    ----------
    dataset : array-like of shape (n_videos,)
        Dataset of each video, such as ``details["dataset"]`` from
        :func:`~skdeepfake.datasets.combine_datasets`.
    train : {"each", "rest"}, default="each"
        Training set for each test dataset. If "each", train on every other dataset
        separately. If "rest", train on all other datasets together.
    n_splits : int or None, default=None
        Number of folds, at least 2. A group is in one fold only, and each fold of a
        dataset contains both classes. None uses whole datasets.
    shuffle : bool, default=False
        If True, shuffle the groups before assigning them to folds.
    random_state : int, RandomState instance or None, default=None
        Controls the shuffling. Pass an int for reproducible folds.

    See Also
    --------
    LeaveOneManipulationOut : Test on an unseen manipulation.
    skdeepfake.datasets.combine_datasets : Combine several datasets.

    Notes
    -----
    Pass the splitter as ``cv`` to `cross_validate` or `GridSearchCV`, together with
    ``groups``. It can only split all videos that `dataset` describes, not a subset. The
    inner search of nested cross-validation therefore needs another splitter, such as
    `StratifiedGroupKFold`. After a search with `CrossDatasetSplit`, test generalization
    on a dataset that was not part of the search.

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
        """Return the names of the splits.

        Returns
        -------
        list of (train, test) or (train, test, fold)
            Training dataset and test dataset of each split and, if `n_splits` is set,
            the index of the test fold. ``"rest"`` stands for all datasets except the
            test dataset.
        """
        self._check_parameters()
        sets = list(dict.fromkeys(check_column(self.dataset, "dataset").tolist()))
        if len(sets) < 2:
            raise ValueError(
                "dataset must contain at least two datasets; got "
                f"{format_examples(sets)}."
            )
        if self.train == REST:
            pairs: list[tuple[Any, ...]] = [(REST, there) for there in sets]
        else:
            pairs = [(here, there) for here in sets for there in sets if here != there]
        if self.n_splits is None:
            return pairs
        return [(*pair, fold) for pair in pairs for fold in range(self.n_splits)]

    def _splits(self, y: ArrayLike | None, groups: ArrayLike | None) -> Iterator[Split]:
        sets, labels = check_column(self.dataset, "dataset"), self._check_labels(y)
        names, numbers = self.split_names(), self._encode_groups(groups)
        if self.n_splits is not None:
            folds = assign_folds(
                list(zip(sets.tolist(), labels.tolist(), strict=True)),
                numbers,
                self.n_splits,
                shuffle=self.shuffle,
                random_state=self.random_state,
                called=lambda kind: f"the videos of {kind[0]!r} of class {kind[1]!r}",
                otherwise="n_splits=None if the datasets share no people",
            )
        for here, there, *fold in names:
            is_test = np.array([name == there for name in sets])
            is_train = ~is_test
            if self.train != REST:
                is_train = np.array([name == here for name in sets])
            if fold:
                is_train &= folds != fold[0]
                is_test &= folds == fold[0]
                advice = "reduce n_splits"
            else:
                is_train &= ~np.isin(numbers, numbers[is_test])
                advice = (
                    "both datasets need real and fake videos, and training videos of "
                    "people in the test set were left out. Pass n_splits=5, for "
                    "example, to split both datasets by identity"
                )
            name = f"The split to train on {here!r} and test on {there!r}"
            yield check_sides(is_train, is_test, labels, name, advice)


@dataclass(repr=False, eq=False)
class LeaveOneManipulationOut(_MetadataSplitter):
    """Test on an unseen manipulation and on unseen people.

    Detectors often fail on manipulations that are not in the training set [1]_. Groups
    are assigned to folds, and there is one split for each pair of a manipulation and a
    fold:

    - the test set contains, from this fold, the real videos and the fakes of this
      manipulation;
    - the training set contains, from all other folds, the real videos and the fakes of
      all other manipulations.

    Parameters
    ----------
    manipulation : array-like of shape (n_videos,)
        Manipulation of each video, such as ``details["method"]`` from a loader. None
        marks real videos.
    n_splits : int, default=5
        Number of folds, at least 2. Each fold must contain real videos and fakes of
        every manipulation.
    shuffle : bool, default=False
        If True, shuffle the groups before assigning them to folds.
    random_state : int, RandomState instance or None, default=None
        Controls the shuffling. Pass an int for reproducible folds.

    See Also
    --------
    CrossDatasetSplit : Test on another dataset.
    sklearn.model_selection.StratifiedGroupKFold : Splitter that assigns the groups to
        folds, with manipulations as classes.

    Notes
    -----
    Pass the splitter as ``cv`` to `cross_validate` or `GridSearchCV`, together with
    ``groups``. It can only split all videos that `manipulation` describes, not a
    subset. The inner search of nested cross-validation therefore needs another
    splitter, such as `StratifiedGroupKFold`. `cross_validate` returns `n_splits` scores
    per manipulation, in the order of :meth:`split_names`.

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
        """Return the names of the splits.

        Returns
        -------
        list of (manipulation, fold), of length n_manipulations * n_splits
            Manipulation and fold of each split. Manipulations are in the order of their
            first appearance.
        """
        self._check_parameters()
        named = check_column(self.manipulation, "manipulation", optional=True)
        methods = [name for name in dict.fromkeys(named.tolist()) if name is not None]
        if len(methods) < 2:
            raise ValueError(
                "manipulation must contain at least two manipulations; got "
                f"{format_examples(methods) or 'none'}. Pass the manipulation of each "
                "fake, and None for real videos."
            )
        return [(method, fold) for method in methods for fold in range(self.n_splits)]

    def _splits(self, y: ArrayLike | None, groups: ArrayLike | None) -> Iterator[Split]:
        named = check_column(self.manipulation, "manipulation", optional=True)
        is_real = np.array([name is None for name in named])
        if not is_real.any():
            raise ValueError(
                "manipulation has a value for every video: pass None for real videos."
            )
        if y is not None:
            _check_agreement(is_real, y)
        names = self.split_names()
        folds = assign_folds(
            named.tolist(),
            self._encode_groups(groups),
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
                f"The split of manipulation {method!r} and fold {fold}",
                "reduce n_splits",
            )


def _check_agreement(is_real: np.ndarray, y: ArrayLike) -> None:
    """Raise a ValueError if a label contradicts the manipulation."""
    labels = np.asarray(column_or_1d(y))
    real = set(labels[is_real].tolist())
    odd = [i for i in np.flatnonzero(~is_real).tolist() if labels[i] in real]
    if odd or len(real) > 1:
        found = (
            f"videos {format_examples(odd)} have a manipulation but are labeled as real"
        )
        if len(real) > 1:
            found = (
                "videos without a manipulation have the labels "
                f"{format_examples(sorted(real))}"
            )
        raise ValueError(
            f"y and manipulation contradict each other: {found}. Pass the manipulation "
            "of each fake, and None for real videos."
        )
