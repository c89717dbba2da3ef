"""Parts of docstrings that several classes or functions share, written once."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T", bound=Callable[..., Any])


def shared_docs(texts: Mapping[str, str]) -> Callable[[T], T]:
    """Make a decorator that replaces lines ``{{name}}`` of a docstring by texts."""

    def decorate(thing: T) -> T:
        if thing.__doc__ is not None:  # as it is under `python -OO`
            doc = f"{inspect.cleandoc(thing.__doc__)}\n"
            for name, text in texts.items():
                doc = doc.replace(f"{{{{{name}}}}}\n", textwrap.dedent(text))
            thing.__doc__ = doc
        return thing

    return decorate
