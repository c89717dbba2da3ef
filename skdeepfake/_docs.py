"""Parts of docstrings that several classes or functions share, written once."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, TypeVar

T = TypeVar("T", bound=Callable[..., Any])


def shared_docs(texts: Mapping[str, str]) -> Callable[[T], T]:
    """Make a decorator that replaces lines ``{{name}}`` of a docstring by texts.

    For a class, those of its methods too. ``{{class}}`` is its name in the texts.
    """

    def fill(thing: Any, name: str) -> None:
        if thing.__doc__ is not None:  # as it is under `python -OO`
            doc = f"{inspect.cleandoc(thing.__doc__)}\n"
            for key, text in texts.items():
                doc = doc.replace(f"{{{{{key}}}}}\n", textwrap.dedent(text))
            thing.__doc__ = doc.replace("{{class}}", name)

    def decorate(thing: T) -> T:
        fill(thing, thing.__name__)
        for member in vars(thing).values() if isinstance(thing, type) else ():
            function = getattr(member, "__func__", member)  # of a class method
            if isinstance(function, FunctionType) and "{{" in (function.__doc__ or ""):
                fill(function, thing.__name__)
        return thing

    return decorate
