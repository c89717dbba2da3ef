"""Files appear whole or not at all, and what killed processes left is deleted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from skdeepfake._atomic import atomic_path, remove_abandoned, write_atomically

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the path of a file, in a folder that holds nothing else."""
    return tmp_path / "[a] model.zip"


def parts(path: Path) -> list[Path]:
    return sorted(path.parent.glob(".*.part"))


def test_content_replaces_the_old_one_and_any_may_read_it(path: Path) -> None:
    path.write_bytes(b"old")
    path.chmod(0o600)
    umask = os.umask(0o022)
    try:
        write_atomically(path, lambda file: file.write(b"new"))
    finally:
        os.umask(umask)
    assert path.read_bytes() == b"new"
    assert [*path.parent.iterdir()] == [path]
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_failure_leaves_the_old_content_and_nothing_else(
    path: Path, error: type[BaseException]
) -> None:
    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise error

    path.write_bytes(b"old")
    with pytest.raises(error):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert [*path.parent.iterdir()] == [path]


def test_file_is_not_there_before_it_is_whole(path: Path) -> None:
    with atomic_path(path) as part:
        assert not path.exists()
        assert Path(part).parent == path.parent
        Path(part).write_bytes(b"whole")
    assert path.read_bytes() == b"whole"


def test_two_writers_leave_the_content_of_the_later_one(path: Path) -> None:
    with atomic_path(path) as part:
        write_atomically(path, lambda file: file.write(b"first"))
        assert path.read_bytes() == b"first"
        Path(part).write_bytes(b"second")
    assert path.read_bytes() == b"second"
    assert parts(path) == []


def test_what_a_killed_process_left_is_deleted_when_it_is_old(path: Path) -> None:
    code = """
import os, sys
from skdeepfake._atomic import write_atomically
write_atomically(sys.argv[1], lambda file: os._exit(9))
"""
    for name in (path, path.with_name("other.zip")):
        killed = subprocess.run(
            [sys.executable, "-c", code, name],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
        )
        assert killed.returncode == 9
    assert not path.exists()
    other, ours = parts(path)
    if ".other" not in other.name:
        other, ours = ours, other
    users = path.with_name(".other.zip.mine.part")
    users.touch()

    # Young, they may belong to processes that are writing.
    write_atomically(path, lambda file: file.write(b"whole"))
    remove_abandoned(path.parent)
    assert {ours, other} < set(parts(path))
    for part in parts(path):
        os.utime(part, (0, 0))
    write_atomically(path, lambda file: file.write(b"whole"))
    assert set(parts(path)) == {other, users}
    remove_abandoned(path.parent)
    assert parts(path) == [users]
    assert path.read_bytes() == b"whole"


def test_folder_that_is_missing_is_an_error(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(path / "in" / "it", lambda file: None)
    remove_abandoned(path / "in")
