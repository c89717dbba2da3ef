"""Files are written completely or not at all, and abandoned files are deleted."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import BinaryIO

import pytest

from skdeepfake._atomic import (
    atomic_path,
    remove_abandoned,
    temporary_folder,
    write_atomically,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Path of a file in an empty folder."""
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


def test_umask_of_the_process_is_left_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other threads may create files at the same time."""
    changes: list[int] = []
    monkeypatch.setattr(os, "umask", lambda mask: changes.append(mask) or 0o022)
    write_atomically(path, lambda file: file.write(b"new"))
    assert changes == []


def abandoned(path: Path) -> Path:
    """Create an old file or folder like that of a killed process."""
    path.mkdir() if not path.suffix else path.write_bytes(b"half")
    os.utime(path, (0, 0))
    return path


def test_what_killed_processes_left_is_deleted_when_it_is_old(path: Path) -> None:
    old = [
        abandoned(path.with_name(f".{name}.{'0a' * 16}.part"))
        for name in (path.name, "other.zip")
    ]
    users = abandoned(path.with_name(".other.zip.mine.part"))
    with atomic_path(path) as young:
        # Another process may be writing a young file.
        write_atomically(path, lambda file: file.write(b"whole"))
        assert {*parts(path)} == {Path(young), users}
        assert path.read_bytes() == b"whole"
    assert not any(part.exists() for part in old)


def test_temporary_folders_of_killed_processes_are_deleted(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(path.parent))
    old = abandoned(path.with_name("skdeepfake-tmp-abcdefg_"))
    users = abandoned(path.with_name("skdeepfake-features"))
    (users / "model").touch()
    os.utime(users, (0, 0))
    with temporary_folder() as outer, temporary_folder() as folder:
        assert Path(folder).parent == path.parent
        (Path(folder) / "model.keras").touch()
        assert {*path.parent.iterdir()} == {users, Path(outer), Path(folder)}
    assert not old.exists()
    assert [*path.parent.iterdir()] == [users]


def test_memory_mapped_faces_of_a_running_process_are_kept(path: Path) -> None:
    ours = abandoned(path.with_name(f"skdeepfake-faces-{os.getpid()}-x.npy"))
    ended = abandoned(path.with_name("skdeepfake-faces-99999999-x.npy"))
    remove_abandoned(path.parent, "skdeepfake-faces-*.npy")
    assert ours.exists()
    assert not ended.exists()


def test_folder_that_is_missing_is_an_error(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(path / "in" / "it", lambda file: None)
    remove_abandoned(path / "in")
