"""Content Credentials of a file (C2PA), as part of the record of an analysis."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
from typing import Any

from .._python import python_command

_PROGRAM = "from skdeepfake._c2pa import main; main()"
# The boxes at the start of each manifest, and the link to one stored elsewhere.
_MARK = re.compile(rb"jumb.{4}jumd|dcterms:provenance", re.DOTALL)
_CHUNK, _OVERLAP = 2**20, 64

_MESSAGES = {
    "not read": "{reason}",
    "none": "The file has no Content Credentials. Most files have none, so this says "
    "nothing about the video.",
    "unreadable": "The Content Credentials cannot be read: {reason}.",
    "invalid": "The Content Credentials do not match the file, or their signature is "
    "not valid. The file was changed after it was signed, or the credentials belong to "
    "another file.",
    "valid": "The signature matches the file. The signer is not on a list of trusted "
    "certificates, and anyone can sign under any name.",
    "trusted": "The signature matches the file, and the signer is on the list of "
    "trusted certificates.",
}
_HOW = "Reading them needs c2pa-python: pip install 'skdeepfake[c2pa]'"


def read_credentials(path: str, timeout: float | None) -> dict[str, Any]:
    """Return the Content Credentials of a file, with the same keys for every file."""
    marked = _has_mark(path)
    if importlib.util.find_spec("c2pa") is None:
        found = "The file has Content Credentials that were" if marked else "They were"
        reason = f"{found} not read. {_HOW}"
        return _credentials({"status": "not read", "reason": reason})
    if not marked:
        return _credentials({"status": "none"})
    command = python_command(_PROGRAM, path)
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout)
        return _credentials(json.loads(done.stdout))
    except subprocess.TimeoutExpired:
        reason = f"reading takes longer than timeout={timeout:g} seconds"
    except (ValueError, LookupError, TypeError):  # it has crashed
        reason = f"the reader ended with exit status {done.returncode}"
    return _credentials({"status": "unreadable", "reason": reason})


def _credentials(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "status": found["status"],
        "message": _MESSAGES[found["status"]].format(reason=found.get("reason")),
        "generator": found.get("generator"),
        "issuer": found.get("issuer"),
        "signed_at": found.get("signed_at"),
        "actions": found.get("actions", []),
        "problems": found.get("problems", []),
    }


def _has_mark(path: str) -> bool:
    """Return whether a file may have credentials, without parsing it."""
    block = b""
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            block = block[-_OVERLAP:] + chunk
            if _MARK.search(block):
                return True
    return False
