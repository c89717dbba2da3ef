"""TensorFlow takes a worker's share of the cores, and all of them elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import joblib
import pytest
from joblib.externals.loky import get_reusable_executor

from skdeepfake._keras._threads import quietly, share_cores

VARIABLES = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


@pytest.mark.parametrize(
    ("environ", "is_worker", "expected"),
    [
        ({"OMP_NUM_THREADS": "3"}, True, ("3", "3")),
        ({"OMP_NUM_THREADS": "3"}, False, (None, None)),
        ({"OMP_NUM_THREADS": "3", VARIABLES[0]: "7"}, True, ("7", "3")),
        ({"OMP_NUM_THREADS": "2,1"}, True, (None, None)),
        ({}, True, (None, None)),
    ],
)
def test_share_is_what_the_other_libraries_are_told(
    environ: dict[str, str], is_worker: bool, expected: tuple[Any, Any]
) -> None:
    environ = dict(environ)
    share_cores(environ, is_worker=is_worker)
    assert tuple(environ.get(variable) for variable in VARIABLES) == expected


@pytest.mark.parametrize(
    "module", ["detectors", pytest.param("features", marks=pytest.mark.nightly)]
)
def test_workers_of_joblib_share_the_cores_before_keras_is_there(module: str) -> None:
    def look() -> tuple[str | None, ...]:
        import contextlib
        import importlib
        import sys

        sys.modules["keras"] = None  # type: ignore[assignment]  # importing it raises
        with contextlib.suppress(ImportError):
            importlib.import_module(f"skdeepfake.{module}")
        names = ("OMP_NUM_THREADS", *VARIABLES)
        return tuple(os.environ.get(name) for name in names)

    get_reusable_executor().shutdown()  # workers that another test has set up
    (told, *taken), _ = joblib.Parallel(n_jobs=2)(joblib.delayed(look)() for _ in "ab")
    get_reusable_executor().shutdown()  # these are of no use to another test
    assert told is not None
    assert taken == [told, told]


def test_process_of_the_user_is_left_alone() -> None:
    script = (
        "import os; before = dict(os.environ); import skdeepfake._keras._threads; "
        "assert os.environ == before"
    )
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", script], check=True, env=environ)


@pytest.mark.parametrize(
    ("level", "loaded", "shown"),
    [(None, False, False), ("3", False, False), ("2", False, True), (None, True, True)],
)
def test_messages_of_the_start_are_hidden_unless_asked_for(
    level: str | None, loaded: bool, shown: bool, capfd: Any, monkeypatch: Any
) -> None:
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    if level is not None:
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
    modules = {"tensorflow": None} if loaded else {}
    monkeypatch.setattr(sys, "modules", modules)
    with quietly():
        os.write(2, b"no GPU")
    os.write(2, b"later")
    monkeypatch.undo()
    assert capfd.readouterr().err == ("no GPU" if shown else "") + "later"
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3"  # set by the tests


def test_a_process_without_stderr_imports_too(monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "modules", {})
    monkeypatch.setattr(sys, "stderr", None)
    with quietly():
        done = True
    monkeypatch.undo()
    assert done
