"""Parameter validation shared by several packages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from sklearn.utils._param_validation import validate_params

Function = TypeVar("Function", bound=Callable[..., Any])


def validated(**constraints: list[Any]) -> Callable[[Function], Function]:
    """Validate the parameters of a function without hiding its type signature."""
    return validate_params(constraints, prefer_skip_nested_validation=True)


def select_names(
    value: str | Iterable[str],
    known: Sequence[str],
    name: str,
    *,
    allow_none: bool = False,
    allow_all: bool = True,
) -> list[str]:
    """Return the names in `value`, in the order of `known`.

    With `allow_all`, "all" stands for all names.
    """
    if isinstance(value, str):
        value = known if value == "all" and allow_all else [value]
    wanted = set(value)
    unknown = sorted(wanted.difference(known), key=str)
    if unknown or not (wanted or allow_none):
        expected = "'all' or some of" if allow_all else "some of"
        raise ValueError(
            f"{name}={unknown!r} must be {expected} {', '.join(map(repr, known))}"
        )
    return [each for each in known if each in wanted]


def check_choice(value: str, known: Sequence[str], name: str) -> None:
    """Raise a ValueError if a value is not among the known ones."""
    if value not in known:
        raise ValueError(
            f"{name}={value!r} must be one of {', '.join(map(repr, known))}"
        )
