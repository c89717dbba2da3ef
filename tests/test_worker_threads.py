"""TensorFlow uses a worker's share of the cores, and starts without messages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import pytest
from joblib.externals.loky import get_reusable_executor

from skdeepfake._keras._threads import QuietImport, quietly, share_cores

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
    "module", ["detectors._cnn", pytest.param("features", marks=pytest.mark.nightly)]
)
def test_workers_of_joblib_share_the_cores_and_import_keras_quietly(
    module: str, tmp_path: Path, capfd: Any
) -> None:
    def look() -> tuple[str | None, ...]:
        import contextlib
        import importlib
        import sys

        # Replace Keras with a module that writes a message and cannot be imported.
        sys.path.insert(0, str(tmp_path))
        # Import the module of a detector like pickle, unless the worker has done so.
        if "skdeepfake._keras._threads" not in sys.modules:
            with contextlib.suppress(ImportError):
                importlib.import_module(f"skdeepfake.{module}")
        os.write(2, b"later")
        names = ("OMP_NUM_THREADS", *VARIABLES)
        return tuple(os.environ.get(name) for name in names)

    text = "import os; os.write(2, b'no GPU'); raise ImportError"
    (tmp_path / "keras.py").write_text(text)
    get_reusable_executor().shutdown()  # workers of other tests
    (told, *taken), _ = joblib.Parallel(n_jobs=2)(joblib.delayed(look)() for _ in "ab")
    get_reusable_executor().shutdown()  # other tests need other workers
    assert told is not None
    assert taken == [told, told]
    assert capfd.readouterr().err == "laterlater"


def test_process_of_the_user_is_left_alone() -> None:
    script = (
        "import os; before = dict(os.environ); import skdeepfake._keras._threads; "
        "assert os.environ == before"
    )
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", script], check=True, env=environ)


@pytest.mark.parametrize(("level", "shown"), [(None, False), ("3", False), ("2", True)])
def test_messages_of_the_start_are_hidden_unless_asked_for(
    level: str | None, shown: bool, capfd: Any, monkeypatch: Any
) -> None:
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    if level is not None:
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
    with quietly():
        os.write(2, b"no GPU")
    os.write(2, b"later")
    monkeypatch.undo()
    assert capfd.readouterr().err == ("no GPU" if shown else "") + "later"
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3"  # set by the tests


def test_libraries_that_the_user_has_imported_are_left_alone(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", sys)
    assert QuietImport().find_spec("keras") is None
    assert QuietImport().find_spec("json") is None


def test_a_process_without_stderr_imports_too(monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with quietly():
        done = True
    monkeypatch.undo()
    assert done
