"""Groups and identical files shared by training and test sets."""

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

# Names of official lists, in their usual order.
_PARTS = ("train", "val", "test")
_CHUNK = 2**20


@dataclass(frozen=True)
class SplitLeakage:
    """Groups and files shared by the training and the test set of a split."""

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
    """Compare the training and the test set of each split."""
    paths = np.asarray(bunch["data"])
    found = []
    for name, *sides in _sides(split, bunch, groups):
        train, test = (check_indices(side, len(groups)) for side in sides)
        found.append(_compare(name, train, test, paths, groups, contents))
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
    # Report only the first copy in the training set.
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
            "split must be a splitter, a pair (train, test) of indices or masks, a "
            f"list of pairs, or None; got {split!r}."
        )
    else:
        folds = list(split)
        if _is_pair(folds):
            folds = [tuple(folds)]
    for fold in folds:
        if not _is_pair(fold):
            raise ValueError(
                "split must contain pairs (train, test) of indices or masks; got "
                f"{fold!r}."
            )
    return [(f"split {number}", *fold) for number, fold in enumerate(folds)]


def _folds_of(split: Any, bunch: Bunch, groups: NDArray) -> list[Any]:
    with warnings.catch_warnings():
        # The report shows whether groups are shared.
        warnings.filterwarnings("ignore", "The groups parameter is ignored")
        try:
            return list(split.split(bunch["data"], bunch["target"], groups))
        except LeakageError:
            # OfficialSplit only uses groups for this error. The report has details.
            return list(split.split(bunch["data"], bunch["target"]))


def _is_pair(fold: Any) -> bool:
    """Return True for a pair of indices or masks, False for a list of such pairs."""
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
    """Return the same number for identical files. Only read files of equal size."""
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
    """Find identical files in different groups."""
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
    except VideoReadError:  # reported when videos are read
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
