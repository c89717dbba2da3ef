"""Bases of estimators: one that knows its versions, one that learns nothing."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from .exceptions import ModelVersionWarning

_KEY = "_skdeepfake_versions"


class Growing:
    """An estimator whose parameters that an older state lacks have their defaults.

    It stands left of the base whose ``__setstate__`` it extends.
    """

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        state = dict(state)
        for name, parameter in inspect.signature(type(self)).parameters.items():
            if parameter.default is not parameter.empty:
                state.setdefault(name, parameter.default)
        super().__setstate__(state)  # type: ignore[misc]


class Versioned(Growing):
    """An estimator whose state says by which versions it was written.

    It stands left of the base whose ``__getstate__`` and ``__setstate__`` it extends.
    """

    # The packages that what it has learned depends on; they are imported with it.
    _written_by: ClassVar[tuple[str, ...]] = ("skdeepfake",)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()  # type: ignore[misc]
        return {**state, _KEY: _versions(self._written_by)}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        state = dict(state)
        written, now = state.pop(_KEY, None), _versions(self._written_by)
        if written != now:
            warnings.warn(
                f"{type(self).__name__} was written by {_listing(written)} and is "
                f"loaded by {_listing(now)}: it may fail, or answer otherwise than it "
                "did. Load it with the versions that wrote it, or train it anew",
                ModelVersionWarning,
                stacklevel=2,
            )
        super().__setstate__(state)


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    return {name: importlib.import_module(name).__version__ for name in packages}


def _listing(versions: Any) -> str:
    if not isinstance(versions, Mapping) or not versions:
        return "an unknown version of skdeepfake"
    return " and ".join(f"{name} {version}" for name, version in versions.items())


class StatelessTransformer(Versioned, TransformerMixin, BaseEstimator):
    """A transformer whose `fit` only checks its parameters.

    A subclass writes ``transform``, which works without ``fit``. If it declares
    ``_parameter_constraints``, ``transform`` calls ``self._validate_params()`` first.

    See Also
    --------
    Resizer : One of them.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.preprocessing import StatelessTransformer
    >>> class Brighter(StatelessTransformer):
    ...     def __init__(self, by=10):
    ...         self.by = by
    ...
    ...     def transform(self, X):
    ...         return np.clip(X.astype(int) + self.by, 0, 255).astype(np.uint8)
    >>> Brighter(by=100).transform(np.array([[20, 200]], np.uint8)).tolist()
    [[120, 255]]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {}

    def fit(self, X: Any, y: Any = None) -> Any:
        """Check the parameters; nothing is learned from the data.

        Parameters
        ----------
        X : array-like of shape (n_samples,)
            Not used.
        y : None
            Not used, present for the API's sake.

        Returns
        -------
        self : object
            The transformer itself.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True
        return tags


def as_objects(items: Sequence[Any]) -> NDArray[np.object_]:
    """Make an array of objects, which NumPy would stack if they had one shape."""
    array = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        array[i] = item
    return array
