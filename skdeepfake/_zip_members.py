"""Read untrusted zip archives with limits on memory and time."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

from .exceptions import UntrustedModelError

_MAX_MEMBERS = 10_000

# Largest total size of the members: the size of the archive times a factor, plus a
# constant in bytes.
_EXPANSION, _SLACK = 4, 2**24


def read_members(content: bytes) -> dict[str, bytes]:
    """Return the members of an archive by name.

    Memory and time are at most proportional to the size of the archive.
    """
    # Count entries by their signature, since opening an archive reads all of them.
    if content.count(b"PK\1\2") > _MAX_MEMBERS:
        raise UntrustedModelError(f"it has more than {_MAX_MEMBERS} members")
    members: dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        _check_size(archive.infolist(), len(content))
        for member in archive.infolist():
            name = member.filename
            if name.startswith(".") or any(sign in name for sign in "/\\:"):
                raise UntrustedModelError(
                    f"its member {name!r} would be extracted to another folder"
                )
            if name in members:
                raise UntrustedModelError(f"its member {name!r} is duplicated")
            # Other methods may need gigabytes of memory to unpack a few bytes.
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise UntrustedModelError(
                    f"its member {name!r} is neither stored nor deflated"
                )
            with archive.open(member) as file:
                # The size limits the number of unpacked bytes.
                members[name] = file.read(member.file_size)
    return members


def write_members(members: Mapping[str, bytes]) -> bytes:
    """Return an archive of uncompressed members."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return content.getvalue()


def _check_size(members: list[zipfile.ZipInfo], size: int) -> None:
    if sum(member.file_size for member in members) > _SLACK + _EXPANSION * size:
        largest = max(members, key=lambda member: member.file_size)
        raise UntrustedModelError(
            f"its member {largest.filename!r} of {largest.compress_size} bytes unpacks "
            f"to {largest.file_size} bytes, which is too large"
        )
