"""Splits that keep a method of manipulation for the test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval

from .._groups import assign_folds, check_column, format_examples
from ._splitter import Split, _MetadataSplitter, check_sides


@dataclass(repr=False, eq=False)
class LeaveOneManipulationOut(_MetadataSplitter):
    """Test on fakes of a method that was not trained on, and on people not met.

    For each method, and within it for each fold of the people:

    - the test set is the fold's real videos and its fakes by that method;
    - the training set is all other folds' real videos and their fakes by all other
      methods.

    So neither the method nor anybody in the test set was seen in training. All methods
    are tested on the same people.

    Parameters
    ----------
    manipulation : array-like of shape (n_videos,)
        Name of the method of each fake, None or NaN for real videos:
        ``videos.details["method"]`` of what a loader gives. There must be two methods
        at least.
    n_splits : int, default=5
        Number of folds, 2 at least. Each must hold real videos and fakes by each
        method.
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
        raise ValueError(
            "y and manipulation contradict each other: "
            + (
                f"videos {format_examples(odd)} have a method, and the label of videos "
                "without one"
                if len(real) == 1
                else "videos without a method have the labels "
                f"{format_examples(sorted(real))}"
            )
            + "; pass the method of each fake, and None for real videos"
        )
