"""Columns of identities and other facts, aligned with the videos, and folds of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._missing import is_pandas_na

# Intervals and verdicts that rest on fewer groups of a class are unreliable.
MIN_GROUPS = 20


def count_groups(labels: NDArray, groups: NDArray) -> list[int]:
    """Count the groups of each class, in the order of the sorted classes."""
    return [len(set(groups[labels == each].tolist())) for each in np.unique(labels)]


def format_examples(items: Sequence[Any], limit: int = 5) -> str:
    """Write the first few of many."""
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return f"{', '.join(map(repr, items[:limit]))}{more}"


def count_is(items: Sequence[Any], noun: str) -> str:
    """Write how many there are, as the subject of a sentence."""
    return f"1 {noun} is" if len(items) == 1 else f"{len(items)} {noun}s are"


def check_two_classes(labels: NDArray, name: str) -> None:
    """Raise if there are not two classes."""
    classes = list(dict.fromkeys(labels.tolist()))
    if len(classes) != 2:
        raise ValueError(
            f"{name} must hold two classes, real and fake, but holds "
            f"{format_examples(classes)}"
        )


def check_column(values: ArrayLike, name: str, *, optional: bool = False) -> NDArray:
    """Convert a column of names to an array of objects.

    None, NaN and pandas' NA become None with `optional`, and are an error without.
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
        raise ValueError(f"{name} has no value for videos {format_examples(missing)}")
    return found


def is_missing(value: Any) -> bool:
    """Return whether a value is missing: None, NaN or pandas' NA."""
    return value is None or is_pandas_na(value) or bool(value != value)


def encode_groups(groups: ArrayLike) -> NDArray[np.intp]:
    """Encode the group of each sample as a number; groups may be any hashable values.

    A missing group is an error, since it would hide what belongs together.
    """
    names = np.asarray(column_or_1d(groups)).tolist()
    missing = [i for i, name in enumerate(names) if is_missing(name)]
    if missing:
        raise ValueError(
            f"groups contains NaN or None for samples {format_examples(missing)}: "
            "give each video of unknown identity a group of its own"
        )
    return encode(names)


def encode(values: Sequence[Hashable]) -> NDArray[np.intp]:
    """Encode values as numbers in the order of their first appearance."""
    numbers: dict[Hashable, int] = {}
    return np.array(
        [numbers.setdefault(value, len(numbers)) for value in values], np.intp
    )


def connected_groups(identities: Sequence[Sequence[str]]) -> NDArray[np.intp]:
    """Group videos so that no identity is in two groups.

    A fake shows two people, the target and the source, and so ties their videos
    together. Groups are the connected components of the graph of videos and
    identities; grouping by the target alone leaves the source in other groups.
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
    # SciPy does not promise an order of its numbers.
    return encode(components[:n_videos].tolist())


def contained_names(
    paths: Sequence[str], groups: NDArray[np.intp]
) -> list[tuple[str, str]]:
    """Find videos whose whole name is a part of that of a video of another group.

    183 is a part of 183_253, and equal names are parts of each other. Parts are
    separated by anything but letters and digits.
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
        for start in range(len(name)):
            for stop in range(start + 1, len(name) + 1):
                other = first.get(name[start:stop], i)
                if groups[other] != groups[i]:
                    found.append((paths[other], paths[i]))
    return found


def check_indices(side: ArrayLike, n_samples: int) -> NDArray[np.intp]:
    """Convert indices or a mask to indices; one out of range is an IndexError."""
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
    """Assign groups to folds with about the same share of each kind of video in all.

    `called` names a kind in messages; `otherwise` is further advice if groups are few.
    """
    coded = encode(kinds)
    for number, kind in enumerate(dict.fromkeys(kinds)):
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
        # As StratifiedGroupKFold would: of groups that are alike, those with the lower
        # number come first. Up to scikit-learn 1.7, its own shuffling mixes groups up.
        groups = check_random_state(random_state).permutation(groups.max() + 1)[groups]
    folds = np.empty(len(groups), dtype=np.intp)
    splits = StratifiedGroupKFold(n_splits).split(coded, coded, groups)
    for fold, (_, test) in enumerate(splits):
        folds[test] = fold
    for number, kind in enumerate(dict.fromkeys(kinds)):
        empty = set(range(n_splits)).difference(folds[coded == number].tolist())
        if empty:
            raise ValueError(
                f"n_splits={n_splits}, but the groups of {called(kind)} are of so "
                f"different sizes that fold {min(empty)} holds none of them: pass "
                "fewer, or another random_state to shuffle by"
            )
    return folds
