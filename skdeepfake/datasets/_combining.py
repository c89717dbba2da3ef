"""Combine several datasets."""

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
    """Combine several datasets and number their groups consistently.

    Groups are renumbered. Groups of different datasets are merged only if they contain
    the same file, such as an original of FaceForensics++ that DeeperForensics also
    uses. Such a file is listed once for each dataset that contains it.

    Parameters
    ----------
    datasets : mapping of str to :class:`~sklearn.utils.Bunch`
        Names of the datasets, mapped to the results of their loaders.

    Returns
    -------
    :class:`~sklearn.utils.Bunch`
        Combined dataset with the following attributes:

        data : ndarray of str, shape (n_videos,)
            Paths of all videos, in the order of `datasets`.
        target : ndarray of int, shape (n_videos,)
            0 for real, 1 for fake.
        target_names : list of str
            Class names, the same for all datasets.
        groups : ndarray of int, shape (n_videos,)
            Group of each video. Equal numbers are the same group in all datasets.
        split : ndarray of object, shape (n_videos,), or None
            Official subset of each video, or None for a video without one. The
            attribute is None if no dataset has official subsets.
        details : :class:`~sklearn.utils.Bunch` of ndarray, or pandas.DataFrame
            All columns of the `details` of the datasets, with None for missing values,
            and a column `dataset` with the name of the dataset. For a dataset without
            `details`, only `path`, `label` and `dataset` have values. The attribute is
            a DataFrame if the `details` of any dataset is a DataFrame.

    Raises
    ------
    TypeError
        If `datasets` is not a mapping of names to datasets.
    ValueError
        If `datasets` is empty, or if a dataset lacks `data`, `target`, `target_names`
        or `groups`, is already a result of this function, or does not have the
        `target_names` of the first dataset.

    Warns
    -----
    DatasetWarning
        If a file is real in one dataset and fake in another.

    See Also
    --------
    skdeepfake.model_selection.CrossDatasetSplit : Train on one dataset and test on
        another.

    Notes
    -----
    Files are compared by path and inode. Use :mod:`~skdeepfake.leakage` to find copies.

    Identities such as ``details["target"]`` are only unique within a dataset. Prefix
    them with the name of the dataset to use
    :class:`~skdeepfake.model_selection.IdentityKFold` on several datasets.

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
    own_groups = _joined(datasets, [bunch["groups"] for bunch in bunches])
    # Group numbers are only comparable within a dataset; shared files connect groups.
    groups = connected_groups(
        [
            [f"group {group!r} of {name}", *_file(path)]
            for name, path, group in zip(names, paths, own_groups, strict=True)
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
        details=_as_frame_if_any(details, datasets),
    )


def _check(datasets: Mapping[str, Bunch]) -> None:
    if not isinstance(datasets, Mapping) or not all(
        isinstance(name, str) for name in datasets
    ):
        raise TypeError(
            "datasets must be a dict that maps names to results of loaders, such as "
            f"{{'ff': load_faceforensics(...)}}; got {type(datasets).__name__}."
        )
    if not datasets:
        raise ValueError("datasets is empty; expected at least one dataset.")
    names_of_first = None
    for name, bunch in datasets.items():
        missing = [
            key
            for key in ("data", "target", "target_names", "groups")
            if not isinstance(bunch, Mapping) or bunch.get(key) is None
        ]
        if missing:
            raise ValueError(
                f"datasets[{name!r}] has no {format_examples(missing)}. Pass the "
                "result of a loader."
            )
        check_consistent_length(bunch["data"], bunch["target"], bunch["groups"])
        if "dataset" in _columns_of(bunch):
            raise ValueError(
                f"datasets[{name!r}] is already a combination of datasets. Combine all "
                "datasets in one call."
            )
        names_of_first = names_of_first or list(bunch["target_names"])
        if list(bunch["target_names"]) != names_of_first:
            raise ValueError(
                f"datasets[{name!r}] has the target_names "
                f"{list(bunch['target_names'])}, but the first dataset has "
                f"{names_of_first}. Use the same classes in the same order."
            )


def _joined(
    datasets: Mapping[str, Bunch], columns: Iterable[ArrayLike | None]
) -> list[Any]:
    """Concatenate a column of all datasets, with None for datasets without it."""
    joined: list[Any] = []
    for bunch, values in zip(datasets.values(), columns, strict=True):
        if values is None:
            joined += [None] * len(bunch["data"])
        else:
            joined += np.asarray(values, dtype=object).tolist()
    return joined


def _file(path: str) -> list[str]:
    """Return keys that identify a file: its resolved path and its inode."""
    keys = [f"path {os.path.normcase(os.path.realpath(path))}"]
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # the videos need not exist on this machine
        return keys
    if found.st_ino:  # some file systems have no inodes
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
            f"Videos with different labels in two datasets ({len(odd)}): "
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
            parts = [
                bunch["details"][name] if name in _columns_of(bunch) else None
                for bunch in datasets.values()
            ]
            details[name] = check_column(_joined(datasets, parts), name, optional=True)
    return details


def _as_frame_if_any(details: dict[str, NDArray], datasets: Mapping[str, Bunch]) -> Any:
    for bunch in datasets.values():
        if hasattr(bunch.get("details"), "iloc"):  # a DataFrame, so pandas is installed
            return type(bunch["details"])(details)
    return Bunch(**details)
