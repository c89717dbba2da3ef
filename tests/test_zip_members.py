"""Archives that unpack to more data than they claim, or have too many members."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zipfile

import pytest

from skdeepfake._zip_members import read_members, write_members
from skdeepfake.exceptions import UntrustedModelError


def archive_of(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return content.getvalue()


def test_members_are_read_and_written_as_they_are() -> None:
    members = {"a": b"x" * 1000, "b": b""}
    assert read_members(archive_of(members)) == members
    assert read_members(write_members(members)) == members
    assert len(write_members(members)) > 1000


def test_many_members_are_refused_at_once() -> None:
    content = archive_of({str(n): b"" for n in range(20_000)}, zipfile.ZIP_STORED)
    started = time.process_time()
    with pytest.raises(UntrustedModelError, match="more than 10000 members"):
        read_members(content)
    assert time.process_time() - started < 0.1
    assert len(read_members(archive_of({str(n): b"" for n in range(2000)}))) == 2000


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(method: int) -> None:
    with pytest.raises(UntrustedModelError, match="'a' is neither stored nor deflated"):
        read_members(archive_of({"a": b"x"}, method))


def test_size_that_is_a_lie_takes_no_memory() -> None:
    content = bytearray(archive_of({"a": bytes(2**25)}))
    struct.pack_into("<L", content, content.rindex(b"PK\1\2") + 24, 10)
    tracemalloc.start()
    with pytest.raises(zipfile.BadZipFile, match="Bad CRC-32"):
        read_members(bytes(content))
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
