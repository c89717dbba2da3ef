"""Match published lists of videos to video files."""

from __future__ import annotations

import csv
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePath, PurePosixPath
from typing import Any

from .exceptions import DatasetError

# Names are compared without extension, since a list may contain "000.mp4" and a folder
# the transcoded "000.mkv". `PurePath.suffix` would cut names that contain dots.
_SUFFIX = re.compile(r"\.(mp4|mov|avi|mkv|webm|m4v)$", re.IGNORECASE)
_FLAGGED = re.compile(r"[01]\s+(\S.*)")

# Parts of a path in reverse order, without the extension.
Key = tuple[str, ...]


class VideoList:
    """List of videos from a list file or from a sequence of names."""

    def __init__(self, source: Any, name: str) -> None:
        self.name = name
        if isinstance(source, (str, os.PathLike)):
            entries = _read(os.fspath(source), name)
        else:
            entries = list(source)
        self.entries: dict[Any, list[Key]] = {}
        for entry in entries:
            self._add(entry)
        if not self.entries:
            raise DatasetError(f"{name} lists no videos.")

    def _add(self, entry: Any) -> None:
        if isinstance(entry, (str, os.PathLike)):
            text = os.fspath(entry).replace("\\", "/")
            self.entries[os.fspath(entry)] = [_key(PurePosixPath(text))]
            return
        pair = tuple(entry) if isinstance(entry, Iterable) else ()
        if len(pair) != 2 or not all(isinstance(identity, str) for identity in pair):
            raise DatasetError(
                f"{self.name} has the entry {entry!r}; expected the name of a video or "
                "a pair of identities such as ['071', '054']."
            )
        # The two originals, and the two fakes made from them.
        a, b = pair
        self.entries[pair] = [(name,) for name in (a, b, f"{a}_{b}", f"{b}_{a}")]

    def find(self, paths: Sequence[str]) -> tuple[dict[int, Any], list[Any]]:
        """Map the index of each listed path to its entry, and list missing entries."""
        by_key: defaultdict[Key, list[int]] = defaultdict(list)
        lengths = {len(key) for keys in self.entries.values() for key in keys}
        for number, path in enumerate(paths):
            key = _key(PurePath(path))
            for length in lengths:
                if length <= len(key):
                    by_key[key[:length]].append(number)
        found: dict[int, Any] = {}
        missing = []
        for entry, keys in self.entries.items():
            numbers = [number for key in keys for number in by_key.get(key, ())]
            found.update(dict.fromkeys(numbers, entry))
            if not numbers:
                missing.append(entry)
        return found, missing


def _key(path: PurePath) -> Key:
    parts = path.parts[::-1]
    return (_SUFFIX.sub("", parts[0]), *parts[1:]) if parts else ("",)


def _read(path: str, name: str) -> Iterable[Any]:
    """Return the entries of a list file."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            text = file.read()
    except OSError as error:
        raise DatasetError(
            f"{name}={path!r} cannot be read: {error.strerror}. Pass the path of a "
            "list file or a list of names."
        ) from error
    suffix = os.path.splitext(path)[1].lower()
    if suffix == ".json":
        expected = "a list of names or of pairs of identities"
        return parse_json(text, f"{name}={path!r}", list, expected)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if suffix == ".csv":
        rows = csv.DictReader(lines)
        column = (rows.fieldnames or [""])[0]
        return [row[column] for row in rows]
    return [m.group(1) if (m := _FLAGGED.fullmatch(line)) else line for line in lines]


def parse_json(text: str, source: str, kind: type, expected: str) -> Any:
    """Parse JSON text; raise a DatasetError if it is invalid or not of type `kind`."""
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise DatasetError(f"{source} is not valid JSON: {error}.") from error
    if not isinstance(content, kind):
        raise DatasetError(
            f"{source} contains a {type(content).__name__}; expected {expected}."
        )
    return content
