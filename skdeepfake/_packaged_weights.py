"""Weights files in this package, verified when read."""

from __future__ import annotations

import hashlib
import os
from importlib.resources import files

from .exceptions import ModelFileError

FOLDER = files(__package__) / "weights"

# Keys are file names without extension.
SHA256 = {
    "efficientnet_lite0_imagenet": (
        "06828c48d25112278fce7c108b10c096de0fd00bcdde2b29996f23727194f8eb"
    ),
    "reference": "75de7278c48443b7a56b7e2988c9ade76d04efca21584dd4077b06b77d12b716",
}


def read_packaged(name: str) -> bytes:
    """Return the content of a weights file after verifying its hash."""
    content = (FOLDER / f"{name}.npz").read_bytes()
    check_sha256(content, SHA256[name], name)
    return content


def check_sha256(content: bytes, expected: str, name: str | os.PathLike[str]) -> None:
    """Raise a ModelFileError unless the content has the expected hash."""
    found = hashlib.sha256(content).hexdigest()
    if found != expected.lower():
        raise ModelFileError(
            f"{os.fspath(name)!r} has the SHA-256 {found}, but {expected} was "
            "expected. The file is damaged, or it is a different file."
        )
