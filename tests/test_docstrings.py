"""Docstrings of public names are complete and true, and their examples run.

numpydoc reads them as they are at run time, with the parts that several of them share.
pytest runs the examples where they stand (``--doctest-modules``).
"""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import inspect
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import pytest
from numpydoc.docscrape import FunctionDoc, NumpyDocString
from numpydoc.validate import validate

import skdeepfake

NOT_CHECKED = {
    "ES01",  # no extended summary: where one sentence says it all, there is no more
    "EX01",  # no examples: a test below asks for more, that one of them runs
    "GL02",  # closing quotes: ruff sees to them, and shared parts have none
    "RT02",  # a name for a single result: `self : object`, as scikit-learn has it
}
NOT_CHECKED_OF_METHODS = {
    "SA01",  # no See Also: the class has one
}
NOT_CHECKED_OF_EXCEPTIONS = {
    "SA01",  # no See Also: whatever raises one names it
}
NOT_CHECKED_OF_RECORDS = {
    "PR01",  # no Parameters: fields are read, not passed, and so are Attributes
}

DATA_SET = "lists a data set that its authors hand out, in folders of its own"
FACE = "takes videos with a face, and seconds to make and search one"
TRAINED = "takes a trained network, and what is shown goes into a file"
WITHOUT_EXAMPLE = {
    "skdeepfake.datasets.load_celeb_df": DATA_SET,
    "skdeepfake.datasets.load_deeperforensics": DATA_SET,
    "skdeepfake.datasets.load_dfd": DATA_SET,
    "skdeepfake.datasets.load_faceforensics": DATA_SET,
    "skdeepfake.evaluation.robustness_curve": FACE,
    "skdeepfake.persistence.keep_optimizer": TRAINED,
    "skdeepfake.perturbations.VideoPerturber": FACE,
    "skdeepfake.preprocessing.DlibFaceCropper": FACE,
    "skdeepfake.streams.BlinkFeaturizer": "takes a file that no package brings",
}


def public_names() -> Iterator[tuple[str, Any]]:
    """Give each public class and function under the path that users import."""
    for room in skdeepfake._MODULES:
        module = importlib.import_module(f"skdeepfake.{room}")
        for name in module.__all__:
            if callable(thing := getattr(module, name)):
                yield f"skdeepfake.{room}.{name}", thing


def public_methods() -> Iterator[tuple[str, Any]]:
    """Give the public methods and properties that skdeepfake defines, each once.

    scikit-learn's own are left out, and `set_fit_request` and its like, which it makes
    and documents; the fields of named tuples, which are attributes; and methods that
    inherit their docstring.
    """
    classes = {cls: path for path, cls in NAMES.items() if inspect.isclass(cls)}
    seen = set()
    for cls, path in classes.items():
        for name in filter(lambda name: not name.startswith("_"), dir(cls)):
            owner = next((c for c in cls.__mro__ if name in vars(c)), object)
            if (
                owner.__module__.startswith("skdeepfake.")
                and isinstance(vars(owner)[name], METHOD_TYPES)
                and (owner is cls or owner not in classes)
                and not inherits_docstring(owner, name)
                and (owner, name) not in seen
            ):
                seen.add((owner, name))
                yield f"{path}.{name}", getattr(cls, name)


def inherits_docstring(owner: type, name: str) -> bool:
    """Tell whether a method says nothing of its own, and a base documents it."""
    bases = (vars(base).get(name) for base in owner.__mro__[1:])
    return not vars(owner)[name].__doc__ and any(m and m.__doc__ for m in bases)


METHOD_TYPES = (FunctionType, classmethod, staticmethod, property)
NAMES = dict(public_names())
METHODS = dict(public_methods())
CALLABLES = {
    path: thing
    for path, thing in {**NAMES, **METHODS}.items()
    if not isinstance(thing, property)
}


def is_record(thing: Any) -> bool:
    parameters = getattr(thing, "__dataclass_params__", None)
    return hasattr(thing, "_fields") or (parameters is not None and parameters.frozen)


RECORDS = {path: cls for path, cls in NAMES.items() if is_record(cls)}


def runs(docstring: str | None) -> bool:
    """Tell whether an example says what comes out, and is not skipped."""
    examples = doctest.DocTestParser().get_examples(docstring or "")
    return any(e.want and not e.options.get(doctest.SKIP) for e in examples)


def not_checked(path: str) -> set[str]:
    if path in METHODS:
        return NOT_CHECKED | NOT_CHECKED_OF_METHODS
    if inspect.isclass(NAMES[path]) and issubclass(NAMES[path], BaseException):
        return NOT_CHECKED | NOT_CHECKED_OF_EXCEPTIONS
    return NOT_CHECKED | (NOT_CHECKED_OF_RECORDS if path in RECORDS else set())


def test_names_of_every_room_are_found():
    assert {path.split(".")[1] for path in NAMES} == set(skdeepfake._MODULES)
    assert "skdeepfake.metrics.coverage" in NAMES
    # Of a class itself, of a private base of it, and a property.
    assert {
        "skdeepfake.detectors.GANDetector.generate",
        "skdeepfake.detectors.BaseDetector.predict_proba",
        "skdeepfake.preprocessing.Clip.timestamps",
    } <= set(METHODS)
    # scikit-learn's own.
    assert "skdeepfake.detectors.CNNDetector.set_fit_request" not in METHODS


@pytest.mark.parametrize("path", [*NAMES, *METHODS])
def test_docstring_is_complete(path):
    found = validate(path)
    errors = [
        f"{code}: {message}"
        for code, message in found["errors"]
        if code not in not_checked(path)
    ]
    if "{{" in found["docstring"]:
        errors.append("a shared part is not filled in")
    if errors:
        pytest.fail("\n".join([path, *errors]), pytrace=False)


@pytest.mark.parametrize("path", CALLABLES)
def test_documented_defaults_are_those_of_the_signature(path):
    wrong = [
        f"{name} = {default!r}, documented as {documented}"
        for name, default, documented in documented_defaults(CALLABLES[path])
        if eval(documented, {"__builtins__": {}}) != default
    ]
    if wrong:
        pytest.fail("\n".join([path, *wrong]), pytrace=False)


def documented_defaults(thing: Callable) -> Iterator[tuple[str, Any, str]]:
    """Give name, default and documented default of the parameters that have both."""
    try:
        signature = inspect.signature(thing)
    except ValueError:  # an exception that takes what all of them take
        return
    for parameter in NumpyDocString(inspect.getdoc(thing))["Parameters"]:
        _, found, documented = parameter.type.rpartition("default=")
        for name in parameter.name.split(", ") if found else ():
            if name in signature.parameters:  # numpydoc finds those that are not
                yield name, signature.parameters[name].default, documented


@pytest.mark.parametrize("path", RECORDS)
def test_fields_of_a_record_are_its_attributes(path):
    cls = RECORDS[path]
    fields = getattr(cls, "_fields", None) or [f.name for f in dataclasses.fields(cls)]
    documented = [
        name
        for attribute in FunctionDoc(cls)["Attributes"]
        for name in attribute.name.split(", ")
    ]
    assert documented == list(fields)


def needs_example(path: str) -> bool:
    """Tell what must show what it does: neither errors nor what a function returns."""
    is_error = inspect.isclass(NAMES[path]) and issubclass(NAMES[path], BaseException)
    return not (is_error or path in RECORDS or path in WITHOUT_EXAMPLE)


@pytest.mark.parametrize("path", filter(needs_example, NAMES))
def test_an_example_runs(path):
    if not runs(inspect.getdoc(NAMES[path])):
        pytest.fail(
            f"{path} has no example that says what comes out: write one, or say in "
            "WITHOUT_EXAMPLE why there is none",
            pytrace=False,
        )


@pytest.mark.parametrize("path", WITHOUT_EXAMPLE)
def test_what_is_excused_from_an_example_has_none(path):
    assert path in NAMES
    if runs(inspect.getdoc(NAMES[path])):
        pytest.fail(f"{path} has an example after all", pytrace=False)
