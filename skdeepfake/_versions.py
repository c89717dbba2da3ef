"""Estimators that other versions have written: which, and what they did not know."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

from .exceptions import ModelVersionWarning

_KEY = "_skdeepfake_versions"


class Versioned:
    """An estimator whose state says by which versions it was written.

    Parameters that those did not know have their defaults.

    It stands left of the base whose ``__getstate__`` and ``__setstate__`` it extends.
    """

    # The packages that what it has learnt depends on; they are imported with it.
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
        for name, parameter in inspect.signature(type(self)).parameters.items():
            if parameter.default is not parameter.empty:
                state.setdefault(name, parameter.default)
        super().__setstate__(state)  # type: ignore[misc]


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    return {name: importlib.import_module(name).__version__ for name in packages}


def _listing(versions: Any) -> str:
    if not isinstance(versions, Mapping) or not versions:
        return "an unknown version of skdeepfake"
    return " and ".join(f"{name} {version}" for name, version in versions.items())
