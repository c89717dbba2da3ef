"""Groups and files on both sides of a split."""

from __future__ import annotations

import hashlib
import itertools
import os
import warnings
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch

from .._groups import check_indices, encode
from .._video._checks import check_regular_file
from ..exceptions import LeakageError, VideoReadError

# The lists that data sets are published with, in the order of their use.
_PARTS = ("train", "val", "test")
_CHUNK = 2**20


@dataclass(frozen=True)
class SplitLeakage:
    """What the training set and the test set of one split have in common."""

    name: str
    n_train: int
    n_test: int
    groups: list[Any] = field(default_factory=list)
    n_affected: int = 0
    copies: list[tuple[str, str]] = field(default_factory=list)

    @property
    def share_affected(self) -> float:
        """Share of the test videos whose group is in the training set."""
        return self.n_affected / self.n_test if self.n_test else 0.0


def leakage_of_splits(
    split: Any, bunch: Bunch, groups: NDArray, contents: NDArray[np.intp]
) -> list[SplitLeakage]:
    """Compare the sides of each split."""
    paths = np.asarray(bunch["data"])
    found = []
    for name, train, test in _sides(split, bunch, groups):
        ours, theirs = (check_indices(side, len(groups)) for side in (train, test))
        found.append(_compare(name, ours, theirs, paths, groups, contents))
    return found


def _compare(
    name: str,
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    paths: NDArray,
    groups: NDArray,
    contents: NDArray[np.intp],
) -> SplitLeakage:
    tested = set(groups[test].tolist())
    trained = dict.fromkeys(groups[train].tolist())
    # The first of the copies in the training set stands for all.
    first = {contents[i]: paths[i] for i in train[::-1]}
    return SplitLeakage(
        name,
        n_train=len(train),
        n_test=len(test),
        groups=[group for group in trained if group in tested],
        n_affected=sum(group in trained for group in groups[test].tolist()),
        copies=[
            (str(first[contents[i]]), str(paths[i]))
            for i in test
            if contents[i] in first
        ],
    )


def _sides(
    split: Any, bunch: Bunch, groups: NDArray
) -> list[tuple[str, ArrayLike, ArrayLike]]:
    if split is None:
        return _sides_of_lists(bunch.get("split"))
    if hasattr(split, "split") and not isinstance(split, str):
        folds = _folds_of(split, bunch, groups)
    elif isinstance(split, (str, bytes)) or not isinstance(split, Iterable):
        raise ValueError(
            f"split={split!r} must be a splitter, a pair (train, test) of numbers or "
            "masks, a list of such pairs, or None"
        )
    else:
        folds = list(split)
        if _is_pair(folds):
            folds = [tuple(folds)]
    for fold in folds:
        if not _is_pair(fold):
            raise ValueError(
                "split must hold pairs (train, test) of numbers or masks, but holds "
                f"{fold!r}"
            )
    return [(f"split {number}", *fold) for number, fold in enumerate(folds)]


def _folds_of(split: Any, bunch: Bunch, groups: NDArray) -> list[Any]:
    with warnings.catch_warnings():
        # That is what the report is about.
        warnings.filterwarnings("ignore", "The groups parameter is ignored")
        try:
            return list(split.split(bunch["data"], bunch["target"], groups))
        except LeakageError:
            # OfficialSplit looks at groups only to raise this; the report says more.
            return list(split.split(bunch["data"], bunch["target"]))


def _is_pair(fold: Any) -> bool:
    """Tell a pair of numbers or masks from a list of such pairs."""
    return (
        isinstance(fold, (tuple, list)) and len(fold) == 2 and all(map(_is_side, fold))
    )


def _is_side(side: Any) -> bool:
    return (
        isinstance(side, Iterable)
        and not isinstance(side, str)
        and np.ndim(next(iter(side), 0)) == 0
    )


def _sides_of_lists(column: ArrayLike | None) -> list[tuple[str, ArrayLike, ArrayLike]]:
    if column is None:
        return []
    named = np.asarray(column, dtype=object)
    there = [name for name in dict.fromkeys(named.tolist()) if isinstance(name, str)]
    known = sorted(set(there) & set(_PARTS), key=_PARTS.index)
    parts = known + [name for name in there if name not in known]
    return [
        (f"{a} / {b}", np.flatnonzero(named == a), np.flatnonzero(named == b))
        for a, b in itertools.combinations(parts, 2)
    ]


def same_contents(paths: Sequence[str]) -> NDArray[np.intp]:
    """Give files of the same bytes the same number; only files of one size are read."""
    real = [os.path.realpath(path) for path in paths]
    by_size: defaultdict[int, list[str]] = defaultdict(list)
    for path in dict.fromkeys(real):
        if (size := _size(path)) is not None:
            by_size[size].append(path)
    keys: dict[str, Hashable] = {}
    for size, alike in by_size.items():
        if len(alike) > 1:
            for path in alike:
                if (digest := _digest(path)) is not None:
                    keys[path] = (size, digest)
    return encode([keys.get(path, path) for path in real])


def copies_in_other_groups(
    paths: NDArray, groups: NDArray, contents: NDArray[np.intp]
) -> list[tuple[str, str]]:
    """Find files of the same bytes that no split by group keeps together."""
    first: dict[int, int] = {}
    found = []
    for i, content in enumerate(contents.tolist()):
        other = first.setdefault(content, i)
        if groups[other] != groups[i]:
            found.append((str(paths[other]), str(paths[i])))
    return found


def _size(path: str) -> int | None:
    try:
        return check_regular_file(path).st_size
    except VideoReadError:  # told of by whoever reads videos
        return None


def _digest(path: str) -> bytes | None:
    digest = hashlib.blake2b(digest_size=16)
    try:
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return None
    return digest.digest()
