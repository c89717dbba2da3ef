"""Imports are fast, and every public name exists."""

from __future__ import annotations

import ast
import copy
import copyreg
import functools
import importlib
import json
import pickle
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import skdeepfake
from skdeepfake import exceptions, preprocessing
from skdeepfake.exceptions import (
    NoFaceWarning,
    SkdeepfakeError,
    TrainingDivergedError,
    VideoReadError,
    VideoReadWarning,
)

HEAVY = ["tensorflow", "keras", "scikeras", "torch", "jax", "matplotlib", "skops"]
LIGHT_MODULES = [
    "skdeepfake",
    "skdeepfake.exceptions",
    "skdeepfake._atomic",
    "skdeepfake._cache",
    "skdeepfake._docs",
    "skdeepfake._drawing",
    "skdeepfake._groups",
    "skdeepfake._json",
    "skdeepfake._keras._trust",
    "skdeepfake._pandas",
    "skdeepfake._predictions",
    "skdeepfake._random",
    "skdeepfake._face_mask",
    "skdeepfake._landmarks",
    "skdeepfake._parallel",
    "skdeepfake._scores",
    "skdeepfake._stateless",
    "skdeepfake._validation",
    "skdeepfake._html",
    "skdeepfake._inputs",
    "skdeepfake._models",
    "skdeepfake.analysis",
    "skdeepfake.preprocessing",
    *(
        f"skdeepfake.preprocessing.{module.name}"
        for module in pkgutil.iter_modules(preprocessing.__path__)
    ),
    "skdeepfake.datasets",
    "skdeepfake.evaluation",
    "skdeepfake.inspection",
    "skdeepfake.leakage",
    "skdeepfake.metrics",
    "skdeepfake.model_selection",
    "skdeepfake.persistence",
    "skdeepfake.perturbations",
    "skdeepfake.plotting",
    "skdeepfake.pipeline",
    "skdeepfake.streams",
    "skdeepfake.synthesis",
    "skdeepfake.cli",
]


def loaded_after(code):
    """Return the top-level modules that a new interpreter loads for some code."""
    report = "import json, sys; print(json.dumps(sorted({m.split('.')[0] for m in sys"
    script = f"{code}\n{report}.modules}})))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_package_alone_loads_nothing_at_all():
    lines = [
        "import skdeepfake; dir(skdeepfake); skdeepfake.__version__",
        "from skdeepfake import cli, _arguments",
        "text = _arguments.make_parser().format_help()  # what --help prints",
        "assert 'predict' in text",
    ]
    loaded = loaded_after("\n".join(lines))
    assert "skdeepfake" in loaded
    assert set(loaded).isdisjoint([*HEAVY, "numpy", "sklearn", "cv2", "dlib"])


def test_splitting_and_metrics_load_no_video_library_either():
    loaded = loaded_after("import skdeepfake.model_selection, skdeepfake.metrics")
    assert "sklearn" in loaded
    assert set(loaded).isdisjoint([*HEAVY, "cv2", "dlib"])


def test_everything_before_the_detectors_loads_no_framework():
    # Importing names and creating steps also loads no framework.
    lines = [f"import {name}" for name in LIGHT_MODULES]
    lines += [
        "from skdeepfake import Clip, DlibFaceCropper, Resizer, VideoFrameSampler",
        "from skdeepfake import VideoTranscoder, load_videos, make_videos",
        "from skdeepfake import make_detector_pipeline",
        "from skdeepfake.inspection import overlay",
        "VideoFrameSampler(), DlibFaceCropper(), Resizer(), VideoTranscoder('x')",
    ]
    loaded = loaded_after("\n".join(lines))
    assert "cv2" in loaded
    assert set(loaded).isdisjoint(HEAVY)


@pytest.mark.parametrize("name", skdeepfake.__all__)
def test_public_name_resolves(name):
    assert getattr(skdeepfake, name) is not None
    namespace = {}
    exec(f"from skdeepfake import {name}", namespace)
    assert namespace[name] is getattr(skdeepfake, name)


@pytest.mark.parametrize(
    "module",
    [
        *("datasets", "detectors", "exceptions", "features", "metrics"),
        *("model_selection", "persistence", "pipeline", "preprocessing"),
    ],
)
def test_public_names_of_the_modules_resolve(module):
    found = importlib.import_module(f"skdeepfake.{module}")
    assert found is getattr(skdeepfake, module)
    assert sorted(set(found.__all__)) == sorted(found.__all__)
    for name in found.__all__:
        assert getattr(found, name).__name__ == name


def test_star_import_gives_the_public_names():
    namespace = {}
    exec("from skdeepfake import *", namespace)
    assert set(skdeepfake.__all__) <= set(namespace)


def test_dir_lists_the_public_names_once_and_sorted():
    assert dir(skdeepfake) == sorted(skdeepfake.__all__)
    assert len(set(skdeepfake.__all__)) == len(skdeepfake.__all__)
    assert {"VideoFrameSampler", "CNNDetector", "preprocessing"} <= set(dir(skdeepfake))


def test_unknown_attribute_is_an_attribute_error_that_names_it():
    with pytest.raises(AttributeError, match=r"'skdeepfake'.*'VideoSampler'"):
        skdeepfake.VideoSampler  # noqa: B018
    assert not hasattr(skdeepfake, "_nothing")
    with pytest.raises(ImportError, match="VideoSampler"):
        exec("from skdeepfake import VideoSampler")


# -- imports between packages --------------------------------------------------------

PRIVATE_IMPORTS = {
    ("datasets._manipulations", "synthesis._recipe"),
    ("detectors._images", "augmentation._applying"),
}
ROOT = Path(skdeepfake.__file__).parent


@functools.cache
def imports() -> list[tuple[str, str]]:
    """Return pairs of a module of skdeepfake and a module that it imports."""
    found = []
    for path in ROOT.rglob("*.py"):
        module = path.relative_to(ROOT).with_suffix("").parts
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = module[: len(module) - node.level]
                named = (node.module or "").split(".") if node.module else []
                for alias in node.names:
                    target = [*base, *named] if named else [*base, alias.name]
                    found.append((".".join(module), ".".join(target)))
    return found


def test_packages_import_no_private_module_of_another():
    found = {
        (module, target)
        for module, target in imports()
        if "._" in target and target.split(".")[0] != module.split(".")[0]
        # All packages may import private top-level packages.
        if not target.startswith("_")
    }
    assert found == PRIVATE_IMPORTS


def test_packages_import_each_other_in_one_direction():
    packages = {path.stem for path in ROOT.iterdir() if path.stem.strip("_")}
    needs = {
        package: {
            target.split(".")[0]
            for module, target in imports()
            if module.split(".")[0] == package
        }
        & packages - {package}
        for package in packages
    }
    assert "_groups" in needs["metrics"]
    while free := {package for package in needs if not needs[package] & needs.keys()}:
        for package in free:
            del needs[package]
    assert needs == {}


# -- errors --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [VideoReadError, VideoReadWarning])
@pytest.mark.parametrize("travel", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))])
def test_read_error_keeps_path_and_reason_through_pickling(
    tmp_path, monkeypatch, travel, kind
):
    # Remove what TensorFlow registers for exceptions, since workers may not import it.
    monkeypatch.delitem(copyreg.dispatch_table, kind, raising=False)
    error = kind(tmp_path / "a.mp4", "is damaged")
    again = travel(error)

    assert type(again) is kind
    assert again.path == error.path == str(tmp_path / "a.mp4")
    assert again.reason == error.reason == "is damaged"
    assert str(again) == str(error) == f"{error.path!r}: is damaged"


@pytest.mark.parametrize(
    "name", [name for name in exceptions.__all__ if not name.startswith("VideoRead")]
)
def test_other_errors_and_warnings_keep_their_message_through_pickling(
    monkeypatch, name
):
    monkeypatch.delitem(
        copyreg.dispatch_table, getattr(exceptions, name), raising=False
    )
    error = getattr(exceptions, name)("what was found")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == "what was found"


def test_errors_share_a_base_and_are_what_python_users_expect():
    errors = [
        found
        for found in map(exceptions.__dict__.get, exceptions.__all__)
        if not issubclass(found, Warning)
    ]
    assert all(issubclass(error, SkdeepfakeError) for error in errors)
    assert issubclass(VideoReadError, ValueError)
    assert issubclass(TrainingDivergedError, ArithmeticError)
    assert issubclass(NoFaceWarning, UserWarning)
