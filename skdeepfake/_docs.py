"""Parts of docstrings that several classes share, written once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T", bound=type)


def shared_docs(texts: Mapping[str, str]) -> Callable[[T], T]:
    """Make a decorator that puts texts into the docstrings of classes.

    Parameters
    ----------
    texts : mapping of str to str
        What stands for a line that says ``{{name}}``, indented as a class docstring
        is.

    Returns
    -------
    callable
        It changes the class that it is given, and returns it.
    """

    def decorate(cls: T) -> T:
        if cls.__doc__ is not None:  # as it is under `python -OO`
            for name, text in texts.items():
                cls.__doc__ = cls.__doc__.replace(f"    {{{{{name}}}}}\n", text)
        return cls

    return decorate
