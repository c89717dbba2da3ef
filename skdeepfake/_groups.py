"""Groups of videos that share identities, and folds of these groups."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Hashable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._missing import is_pandas_na

# Intervals based on fewer groups per class are unreliable.
MIN_GROUPS = 20


def count_groups(labels: NDArray, groups: NDArray) -> list[int]:
    """Count the groups of each class, in the order of the sorted classes."""
    return [len(set(groups[labels == each].tolist())) for each in np.unique(labels)]


def format_examples(items: Sequence[Any], limit: int = 5) -> str:
    """Format the first few items of a sequence."""
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return f"{', '.join(map(repr, items[:limit]))}{more}"


def count_is(items: Sequence[Any], noun: str) -> str:
    """Format a count as the subject of a sentence: "1 video is", "2 videos are"."""
    return f"1 {noun} is" if len(items) == 1 else f"{len(items)} {noun}s are"


def check_two_classes(labels: NDArray, name: str) -> None:
    """Raise a ValueError unless there are exactly two classes."""
    classes = list(dict.fromkeys(labels.tolist()))
    if len(classes) != 2:
        raise ValueError(
            f"{name} must contain two classes, real and fake; got "
            f"{format_examples(classes)}."
        )


def check_column(values: ArrayLike, name: str, *, optional: bool = False) -> NDArray:
    """Convert a column of names to an array of dtype object.

    With `optional`, None, NaN and pandas' NA become None; otherwise, they are errors.
    """
    # Without dtype=object, NumPy converts ["A", nan] to ["A", "nan"].
    listed = np.asarray(values, dtype=object)
    if listed.ndim != 1:
        raise ValueError(
            f"{name} must be one-dimensional, with one value per video; got shape "
            f"{listed.shape}."
        )
    found = np.empty(len(listed), dtype=object)
    found[:] = [None if is_missing(value) else value for value in listed.tolist()]
    missing = [number for number, value in enumerate(found) if value is None]
    if missing and not optional:
        raise ValueError(
            f"{name} has missing values at indices {format_examples(missing)}."
        )
    return found


def is_missing(value: Any) -> bool:
    """Return True for None, NaN and pandas' NA."""
    return value is None or is_pandas_na(value) or bool(value != value)


def encode_groups(groups: ArrayLike) -> NDArray[np.intp]:
    """Encode the group of each sample as an integer. Groups are any hashable values.

    A missing group raises a ValueError, since it could hide leakage.
    """
    names = np.asarray(column_or_1d(groups)).tolist()
    missing = [i for i, name in enumerate(names) if is_missing(name)]
    if missing:
        raise ValueError(
            f"groups contains NaN or None for samples {format_examples(missing)}: "
            "assign each video of unknown identity to its own group."
        )
    return encode(names)


def encode(values: Sequence[Hashable]) -> NDArray[np.intp]:
    """Encode values as integers in the order of their first appearance."""
    numbers: dict[Hashable, int] = {}
    return np.array(
        [numbers.setdefault(value, len(numbers)) for value in values], np.intp
    )


def connected_groups(identities: Sequence[Sequence[str]]) -> NDArray[np.intp]:
    """Group videos so that no identity is in two groups.

    A fake shows two people, the target and the source, and therefore connects the
    videos of both. Groups are the connected components of the graph of videos and
    identities.
    """
    n_videos = len(identities)
    nodes: dict[str, int] = {}
    edges = [
        (video, n_videos + nodes.setdefault(identity, len(nodes)))
        for video, shown in enumerate(identities)
        for identity in shown
    ]
    n_nodes = n_videos + len(nodes)
    graph = coo_array(
        (np.ones(len(edges), np.int8), np.transpose(edges)), shape=(n_nodes, n_nodes)
    )
    _, components = connected_components(graph, directed=False)
    # SciPy does not guarantee the order of its labels.
    return encode(components[:n_videos].tolist())


def contained_names(
    paths: Sequence[str], groups: NDArray[np.intp]
) -> list[tuple[str, str]]:
    """Find videos whose name is part of the name of a video in another group.

    183 is part of 183_253, and equal names are parts of each other. Parts are separated
    by any characters other than letters and digits.
    """
    parts = [
        tuple(re.split(r"[\W_]+", os.path.splitext(os.path.basename(path))[0]))
        for path in paths
    ]
    first: dict[tuple[str, ...], int] = {}
    for i, name in enumerate(parts):
        first.setdefault(name, i)
    found = []
    for i, name in enumerate(parts):
        ends = combinations(range(len(name) + 1), 2)
        others = dict.fromkeys(first.get(name[slice(*pair)], i) for pair in ends)
        found += [(paths[j], paths[i]) for j in others if groups[j] != groups[i]]
    return found


def check_indices(side: ArrayLike, n_samples: int) -> NDArray[np.intp]:
    """Convert indices or a mask to indices; raise an IndexError if any is invalid."""
    index = np.asarray(column_or_1d(side))
    return np.arange(n_samples)[index if len(index) else []]


def assign_folds(
    kinds: Sequence[Hashable],
    groups: NDArray[np.intp],
    n_splits: int,
    *,
    shuffle: bool,
    random_state: Any,
    called: Callable[[Any], str] = str,
    otherwise: str = "",
) -> NDArray[np.intp]:
    """Assign groups to folds, with about the same proportion of each kind in each fold.

    `called` formats a kind for error messages. `otherwise` is added to the advice if
    there are too few groups.
    """
    coded = encode(kinds)
    for number, kind in enumerate(dict.fromkeys(kinds)):
        n_groups = len(set(groups[coded == number].tolist()))
        if n_groups < n_splits:
            fewer = f"n_splits={n_groups} or fewer" if n_groups > 1 else ""
            advice = ", or ".join(filter(None, [fewer, otherwise]))
            raise ValueError(
                f"n_splits={n_splits} exceeds the number of groups ({n_groups}) of "
                f"{called(kind)}{advice and ': pass '}{advice}."
            )
    if shuffle:
        # StratifiedGroupKFold breaks ties by group number. Up to scikit-learn 1.7, its
        # parameter `shuffle` breaks the stratification.
        groups = check_random_state(random_state).permutation(groups.max() + 1)[groups]
    folds = np.empty(len(groups), dtype=np.intp)
    splits = StratifiedGroupKFold(n_splits).split(coded, coded, groups)
    for fold, (_, test) in enumerate(splits):
        folds[test] = fold
    for number, kind in enumerate(dict.fromkeys(kinds)):
        empty = set(range(n_splits)).difference(folds[coded == number].tolist())
        if empty:
            raise ValueError(
                f"With n_splits={n_splits}, fold {min(empty)} contains no group of "
                f"{called(kind)}, because group sizes differ too much: pass fewer "
                "splits, or shuffle with another random_state."
            )
    return folds
