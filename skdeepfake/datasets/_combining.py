"""Combination of several data sets."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch, check_consistent_length

from .._groups import check_column, connected_groups, format_examples
from ..exceptions import DatasetWarning


def combine_datasets(datasets: Mapping[str, Bunch]) -> Bunch:
    """Combine several data sets, with groups that hold for all of them.

    Groups are numbered anew, so that two sets share none unless they share a file, as
    DeeperForensics and FaceForensics++ do. A shared file is kept once per set.

    Parameters
    ----------
    datasets : mapping of str to :class:`~sklearn.utils.Bunch`
        What loaders give, by the name of each data set.

    Returns
    -------
    :class:`~sklearn.utils.Bunch`
        The data set, with these attributes:

        data : ndarray of str, shape (n_videos,)
            Paths, one set after the other, each in its own order.
        target : ndarray of int, shape (n_videos,)
            0 for real, 1 for fake.
        target_names : list of str
            Those that all sets have.
        groups : ndarray of int, shape (n_videos,)
            Number of each video's group among all sets.
        split : ndarray of object, shape (n_videos,), or None
            Name of the video's list within its set, or None. None if no set has lists.
        details : :class:`~sklearn.utils.Bunch` of ndarray, or pandas.DataFrame
            All columns that any of the sets has, None where a set does not have it,
            and one more, `dataset`: the name of the set. A DataFrame if that of any
            set is one. Of a set without details, `path` and `label` are known.

    Raises
    ------
    TypeError
        If `datasets` is no mapping of names.
    ValueError
        If there is no set, or one is incomplete, combined, or of other `target_names`.

    Warns
    -----
    DatasetWarning
        If a file is real in one set and fake in another.

    See Also
    --------
    skdeepfake.model_selection.CrossDatasetSplit : Train on one set, test on another.

    Notes
    -----
    Files are compared by path and inode; :mod:`~skdeepfake.leakage` finds copies.

    ``details["target"]`` is the identity within its own set. Prefix it with the name of
    the set to use :class:`~skdeepfake.model_selection.IdentityKFold` on several sets.

    Examples
    --------
    >>> from sklearn.utils import Bunch
    >>> from skdeepfake.datasets import combine_datasets
    >>> names, classes = ["ff/0.mp4", "ff/1.mp4", "ff/0_3.mp4"], ["real", "fake"]
    >>> ff = Bunch(data=names, target=[0, 0, 1], target_names=classes, groups=[0, 1, 0])
    >>> names = ["ff/0.mp4", "df/0_M101.mp4", "df/7_W002.mp4"]
    >>> df = Bunch(data=names, target=[0, 1, 1], target_names=classes, groups=[0, 0, 1])
    >>> both = combine_datasets({"ff": ff, "deeper": df})
    >>> both.groups
    array([0, 1, 0, 0, 0, 2])
    >>> both.details["dataset"].tolist()
    ['ff', 'ff', 'ff', 'deeper', 'deeper', 'deeper']
    """
    _check(datasets)
    bunches = list(datasets.values())
    names = np.array(
        [name for name, bunch in datasets.items() for _ in bunch["data"]], dtype=object
    )
    paths = [os.fspath(path) for bunch in bunches for path in bunch["data"]]
    target = np.concatenate([bunch["target"] for bunch in bunches])
    theirs = _joined(datasets, [bunch["groups"] for bunch in bunches])
    # Equal numbers of two sets are no equal people, but equal files are.
    groups = connected_groups(
        [
            [f"group {group!r} of {name}", *_file(path)]
            for name, path, group in zip(names, paths, theirs, strict=True)
        ]
    )
    _warn_of_contradictions(paths, target, names)
    details = _details(datasets, paths, target)
    details["dataset"] = names
    split = _joined(datasets, [bunch.get("split") for bunch in bunches])
    has_splits = any(bunch.get("split") is not None for bunch in bunches)
    return Bunch(
        data=np.array(paths),
        target=target,
        target_names=list(bunches[0]["target_names"]),
        groups=groups,
        split=check_column(split, "split", optional=True) if has_splits else None,
        details=_like_theirs(details, datasets),
    )


def _check(datasets: Mapping[str, Bunch]) -> None:
    if not isinstance(datasets, Mapping) or not all(
        isinstance(name, str) for name in datasets
    ):
        raise TypeError(
            "datasets must be a dict of names and what loaders give, such as "
            f"{{'ff': load_faceforensics(...)}}, got {type(datasets).__name__}"
        )
    if not datasets:
        raise ValueError("datasets holds no data set")
    names_of_first = None
    for name, bunch in datasets.items():
        missing = [
            key
            for key in ("data", "target", "target_names", "groups")
            if not isinstance(bunch, Mapping) or bunch.get(key) is None
        ]
        if missing:
            raise ValueError(
                f"datasets[{name!r}] has no {format_examples(missing)}: pass what a "
                "loader gives"
            )
        check_consistent_length(bunch["data"], bunch["target"], bunch["groups"])
        if "dataset" in _columns_of(bunch):
            raise ValueError(
                f"datasets[{name!r}] was combined already, of several sets: combine "
                "all of them at once"
            )
        names_of_first = names_of_first or list(bunch["target_names"])
        if list(bunch["target_names"]) != names_of_first:
            raise ValueError(
                f"datasets[{name!r}] has the target_names "
                f"{list(bunch['target_names'])}, the first one {names_of_first}: bring "
                "their labels into one order"
            )


def _joined(
    datasets: Mapping[str, Bunch], columns: Iterable[ArrayLike | None]
) -> list[Any]:
    """Join a column of each set, None for all videos of a set that has none."""
    joined: list[Any] = []
    for bunch, values in zip(datasets.values(), columns, strict=True):
        if values is None:
            joined += [None] * len(bunch["data"])
        else:
            joined += np.asarray(values, dtype=object).tolist()
    return joined


def _file(path: str) -> list[str]:
    """Tell a file from others, by where its path leads and by what is there."""
    keys = [f"path {os.path.normcase(os.path.realpath(path))}"]
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # a list may be combined where its videos are not
        return keys
    if found.st_ino:  # some file systems number nothing
        keys.append(f"file {found.st_dev} {found.st_ino}")
    return keys


def _warn_of_contradictions(
    paths: list[str], target: NDArray, names: NDArray[np.object_]
) -> None:
    labels: dict[str, tuple[int, str]] = {}
    odd = []
    for path, label, name in zip(paths, target.tolist(), names, strict=True):
        other = labels.setdefault(_file(path)[-1], (label, name))
        if other[0] != label:
            odd.append(f"{path} in {other[1]} and {name}")
    if odd:
        warnings.warn(
            f"videos that have other labels in another set ({len(odd)}): "
            f"{format_examples(odd)}",
            DatasetWarning,
            stacklevel=3,
        )


def _columns_of(bunch: Bunch) -> list[str]:
    details = bunch.get("details")
    return [] if details is None else list(details)


def _details(
    datasets: Mapping[str, Bunch], paths: list[str], target: NDArray
) -> dict[str, NDArray]:
    columns = [name for bunch in datasets.values() for name in _columns_of(bunch)]
    details: dict[str, NDArray] = {"path": np.array(paths), "label": target}
    for name in dict.fromkeys(columns):
        if name not in details:
            theirs = [
                bunch["details"][name] if name in _columns_of(bunch) else None
                for bunch in datasets.values()
            ]
            details[name] = check_column(_joined(datasets, theirs), name, optional=True)
    return details


def _like_theirs(details: dict[str, NDArray], datasets: Mapping[str, Bunch]) -> Any:
    frames = [
        type(bunch["details"])
        for bunch in datasets.values()
        if hasattr(bunch.get("details"), "iloc")
    ]
    # pandas is there, or none of them would be a DataFrame.
    return frames[0](details) if frames else Bunch(**details)
