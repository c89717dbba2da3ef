"""Validation split of the training videos."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.utils import check_random_state


def stratified_group_split(
    y: NDArray,
    groups: NDArray | None,
    fraction: float,
    random_state: int | np.random.RandomState | None,
) -> tuple[NDArray, NDArray]:
    """Split videos into training and validation by group, stratified by class."""
    if groups is None:
        groups = np.arange(len(y))
    classes = np.unique(y)
    groups_per_class = {c: len(np.unique(groups[y == c])) for c in classes}
    n_splits = min(round(1 / fraction), *groups_per_class.values())
    if n_splits >= 2:
        # Permute the numbers of the groups, since scikit-learn 1.7 mixes up the class
        # counts of groups if StratifiedGroupKFold shuffles.
        _, numbers = np.unique(groups, return_inverse=True)
        rng = check_random_state(random_state)
        drawn = rng.permutation(numbers.max() + 1)[numbers]
        splitter = StratifiedGroupKFold(n_splits)
        with warnings.catch_warnings():
            # A class may have fewer videos than folds, since `n_splits` counts groups.
            warnings.filterwarnings("ignore", "The least populated class", UserWarning)
            splits = list(splitter.split(y, y, drawn))
        whole = [
            (train, validation)
            for train, validation in splits
            if len(np.unique(y[train])) == len(np.unique(y[validation])) == len(classes)
        ]
        if whole:
            return min(whole, key=lambda s: abs(len(s[1]) / len(y) - fraction))
    counts = ", ".join(f"{n} of class {c:g}" for c, n in groups_per_class.items())
    raise ValueError(
        f"validation_fraction={fraction} needs a validation set with both classes that "
        f"shares no group with the training set, but the {len(y)} training samples "
        f"with a face have too few groups ({counts}). Pass more videos, or use "
        "validation_fraction=None to train without validation and early stopping."
    )
