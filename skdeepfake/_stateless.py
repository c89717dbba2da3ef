"""Base classes for estimators that store versions or are stateless."""

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
    """Mixin that sets parameters missing in older pickles to their defaults.

    List it before the base class with ``__setstate__``.
    """

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        state = dict(state)
        for name, parameter in inspect.signature(type(self)).parameters.items():
            if parameter.default is not parameter.empty:
                state.setdefault(name, parameter.default)
        super().__setstate__(state)  # type: ignore[misc]


class Versioned(Growing):
    """Mixin that stores package versions in pickles and compares them on loading.

    List it before the base class with ``__getstate__`` and ``__setstate__``.
    """

    # Packages that the fitted state depends on.
    _written_by: ClassVar[tuple[str, ...]] = ("skdeepfake",)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()  # type: ignore[misc]
        return {**state, _KEY: _versions(self._written_by)}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        state = dict(state)
        written, now = state.pop(_KEY, None), _versions(self._written_by)
        if written != now:
            warnings.warn(
                f"{type(self).__name__} was saved with {_listing(written)} and is "
                f"loaded with {_listing(now)}. It may fail or return other results. "
                "Load it with the original versions or train it again.",
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
    """Base class for transformers that learn nothing from data.

    Subclasses implement ``transform``, which works without ``fit``. If a subclass
    defines ``_parameter_constraints``, its ``transform`` should begin with a call to
    ``self._validate_params()``.

    See Also
    --------
    Resizer : Example of a stateless transformer.

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
        """Check the parameters.

        Parameters
        ----------
        X : array-like of shape (n_samples,)
            Ignored.
        y : None
            Ignored, present for API consistency.

        Returns
        -------
        self : object
            The transformer itself.

        Raises
        ------
        ValueError
            If a parameter is invalid.
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
    """Return a one-dimensional array of objects, even if the items are arrays."""
    array = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        array[i] = item
    return array
