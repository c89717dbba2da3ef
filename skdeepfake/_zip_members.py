"""Members of a zip archive that may come from a stranger, within bounds."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

from .exceptions import UntrustedModelError

_MAX_MEMBERS = 10_000

# Size of all members in bytes: that of the archive times a factor, and a constant.
_EXPANSION, _SLACK = 4, 2**24


def read_members(content: bytes) -> dict[str, bytes]:
    """Return the members of an archive by name.

    Memory and time are proportional to the size of the archive, whatever is in it.
    """
    # Each entry of the directory starts so. Opening an archive reads all of it.
    if content.count(b"PK\1\2") > _MAX_MEMBERS:
        raise UntrustedModelError(f"it has more than {_MAX_MEMBERS} members")
    members: dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        _check_size(archive.infolist(), len(content))
        for member in archive.infolist():
            name = member.filename
            if name.startswith(".") or any(sign in name for sign in "/\\:"):
                raise UntrustedModelError(
                    f"its member {name!r} would lie in another folder"
                )
            if name in members:
                raise UntrustedModelError(f"its member {name!r} is there twice")
            # Other methods may take gigabytes to unpack a few bytes.
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise UntrustedModelError(
                    f"its member {name!r} is neither stored nor deflated"
                )
            with archive.open(member) as file:
                # Without a size, all that a member unpacks to would be held.
                members[name] = file.read(member.file_size)
    return members


def write_members(members: Mapping[str, bytes]) -> bytes:
    """Return an archive of members that are not compressed."""
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
            f"to {largest.file_size}, which no model does"
        )
