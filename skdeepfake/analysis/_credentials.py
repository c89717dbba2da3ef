"""Content Credentials (C2PA) of a file for the record of an analysis."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
from typing import Any

from .._python import python_command

_PROGRAM = "from skdeepfake._c2pa import main; main()"
# Bytes at the start of an embedded manifest, or in the link to a remote manifest.
_MARK = re.compile(rb"jumb.{4}jumd|dcterms:provenance", re.DOTALL)
_CHUNK, _OVERLAP = 2**20, 64

_MESSAGES = {
    "not read": "{reason}",
    "none": "The file has no Content Credentials. Most files have none, so this is not "
    "evidence that the video is fake.",
    "unreadable": "The Content Credentials cannot be read: {reason}.",
    "invalid": "The Content Credentials do not match the file, or their signature is "
    "invalid. The file was changed after signing, or the credentials belong to another "
    "file.",
    "valid": "The signature matches the file, but the signer is not on a list of "
    "trusted certificates. Anyone can sign under any name.",
    "trusted": "The signature matches the file, and the signer is on the list of "
    "trusted certificates.",
}
_HOW = "To read them, run pip install 'skdeepfake[c2pa]'."


def read_credentials(path: str, timeout: float | None) -> dict[str, Any]:
    """Return a dict of Content Credentials, with the same keys for every file."""
    marked = _has_mark(path)
    if importlib.util.find_spec("c2pa") is None:
        found = "Content Credentials"
        if marked:
            found = "The file has Content Credentials, which"
        reason = f"{found} were not read. {_HOW}"
        return _credentials({"status": "not read", "reason": reason})
    if not marked:
        return _credentials({"status": "none"})
    command = python_command(_PROGRAM, path)
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout)
        return _credentials(json.loads(done.stdout))
    except subprocess.TimeoutExpired:
        reason = f"reading took longer than timeout={timeout:g} seconds"
    except (ValueError, LookupError, TypeError):  # the process crashed
        reason = f"the reader exited with status {done.returncode}"
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
    """Return True if a file seems to have credentials, without parsing it."""
    block = b""
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            block = block[-_OVERLAP:] + chunk
            if _MARK.search(block):
                return True
    return False
