"""Docstrings of public names are complete and true, and their examples run.

numpydoc reads the docstrings at run time, with their shared texts. pytest runs the
examples (``--doctest-modules``).
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
    "ES01",  # no extended summary, since one sentence may be sufficient
    "EX01",  # no examples, since a test below is stricter
    "GL02",  # closing quotes, since ruff checks them, and shared texts have none
    "RT02",  # a name for a single result, such as `self : object` in scikit-learn
}
NOT_CHECKED_OF_METHODS = {
    "SA01",  # no See Also, since the class has one
}
NOT_CHECKED_OF_EXCEPTIONS = {
    "SA01",  # no See Also, since functions document the errors that they raise
}
NOT_CHECKED_OF_RECORDS = {
    "PR01",  # no Parameters, since fields are documented as Attributes
}

DATA_SET = "needs a dataset that only its authors distribute"
FACE = "needs videos with a face, which take seconds to render and process"
TRAINED = "needs a trained network, and writes to a file"
WITHOUT_EXAMPLE = {
    "skdeepfake.datasets.load_celeb_df": DATA_SET,
    "skdeepfake.datasets.load_deeperforensics": DATA_SET,
    "skdeepfake.datasets.load_dfd": DATA_SET,
    "skdeepfake.datasets.load_faceforensics": DATA_SET,
    "skdeepfake.evaluation.robustness_curve": FACE,
    "skdeepfake.persistence.keep_optimizer": TRAINED,
    "skdeepfake.preprocessing.DlibFaceCropper": FACE,
    "skdeepfake.streams.BlinkFeaturizer": "needs a file that is in no package",
}


def public_names() -> Iterator[tuple[str, Any]]:
    """Yield each public class and function with the path that users import."""
    for room in skdeepfake._MODULES:
        module = importlib.import_module(f"skdeepfake.{room}")
        for name in module.__all__:
            if callable(thing := getattr(module, name)):
                yield f"skdeepfake.{room}.{name}", thing


def public_methods() -> Iterator[tuple[str, Any]]:
    """Yield each public method and property that skdeepfake defines once.

    Methods of scikit-learn, methods that it generates, such as `set_fit_request`,
    fields of named tuples, and methods that inherit their docstring are excluded.
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
    """Return True if a method has no docstring, but a base class documents it."""
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
    """Return True if an example has output and is not skipped."""
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
    # Methods of a class and of a private base class, and a property.
    assert {
        "skdeepfake.detectors.GANDetector.generate",
        "skdeepfake.detectors.BaseDetector.predict_proba",
        "skdeepfake.preprocessing.Clip.timestamps",
    } <= set(METHODS)
    # A method that scikit-learn generates.
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
        errors.append("a shared text is not filled in")
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
    """Yield the name, default and documented default of parameters with both."""
    try:
        signature = inspect.signature(thing)
    except ValueError:  # an exception with the constructor of its base class
        return
    for parameter in NumpyDocString(inspect.getdoc(thing))["Parameters"]:
        _, found, documented = parameter.type.rpartition("default=")
        for name in parameter.name.split(", ") if found else ():
            if name in signature.parameters:  # numpydoc reports unknown parameters
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
    """Return True unless a name is an error, a record or in WITHOUT_EXAMPLE."""
    is_error = inspect.isclass(NAMES[path]) and issubclass(NAMES[path], BaseException)
    return not (is_error or path in RECORDS or path in WITHOUT_EXAMPLE)


@pytest.mark.parametrize("path", filter(needs_example, NAMES))
def test_an_example_runs(path):
    if not runs(inspect.getdoc(NAMES[path])):
        pytest.fail(
            f"{path} has no example with output. Write one, or add the reason to "
            "WITHOUT_EXAMPLE.",
            pytrace=False,
        )


@pytest.mark.parametrize("path", WITHOUT_EXAMPLE)
def test_what_is_excused_from_an_example_has_none(path):
    assert path in NAMES
    if runs(inspect.getdoc(NAMES[path])):
        pytest.fail(f"{path} has an example: edit WITHOUT_EXAMPLE", pytrace=False)
