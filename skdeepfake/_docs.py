"""Docstring text shared by several classes or functions."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, TypeVar

T = TypeVar("T", bound=Callable[..., Any])


def shared_docs(texts: Mapping[str, str]) -> Callable[[T], T]:
    """Return a decorator that replaces ``{{name}}`` lines of docstrings with texts.

    The decorator of a class also fills the docstrings of its methods. ``{{class}}`` in
    a text is replaced with the name of the class.
    """

    def fill(thing: Any, name: str) -> None:
        if thing.__doc__ is not None:  # `python -OO` removes docstrings
            doc = f"{inspect.cleandoc(thing.__doc__)}\n"
            for key, text in texts.items():
                doc = doc.replace(f"{{{{{key}}}}}\n", textwrap.dedent(text))
            thing.__doc__ = doc.replace("{{class}}", name)

    def decorate(thing: T) -> T:
        fill(thing, thing.__name__)
        for member in vars(thing).values() if isinstance(thing, type) else ():
            function = getattr(member, "__func__", member)  # class methods
            if isinstance(function, FunctionType) and "{{" in (function.__doc__ or ""):
                fill(function, thing.__name__)
        return thing

    return decorate
