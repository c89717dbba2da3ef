"""Tracking of people through the frames of a clip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._faces import Face, Finder, step

# Number of frames after which the index of an absent person can be reused.
_PATIENCE = 2

# Minimum intersection over union of two boxes of the same face.
_SAME_FACE = 0.3


class _Person(NamedTuple):
    last: Face
    missed: int = 0  # number of frames since the last face

    @property
    def is_here(self) -> bool:
        return self.missed < _PATIENCE


class FaceFollower:
    """Track the faces of up to `max_faces` people through the frames of one clip.

    Each person keeps one index. A face is assigned to the person with the nearest last
    face, if the movement is plausible. The other faces are new people, highest score
    first. A new person gets an unused index or, if there is none, the index of a person
    who has been absent for at least two frames. Use one object per clip and thread.
    """

    def __init__(self, finder: Finder, max_faces: int = 1) -> None:
        self.finder = finder
        self.max_faces = max_faces
        self.left_out = False  # True if a frame showed more people
        self._people: list[_Person | None] = [None] * max_faces

    def find(self, frame: NDArray[np.uint8]) -> list[Face | None]:
        """Return the face of each person in the next frame, or None."""
        here = {i: p for i, p in enumerate(self._people) if p is not None and p.is_here}
        n_free = self.max_faces - len(here)
        found: dict[int, Face] = {}
        others: list[Face] = []

        def missing() -> Sequence[Face]:
            # Include absent people, who often return to the same position.
            people = enumerate(self._people)
            return [p.last for i, p in people if p is not None and i not in found]

        for faces in self.finder.searches(frame, missing):
            others += _assign(faces, here, found)
            sure = sum(face.score >= self.finder.sure for face in _distinct(others, []))
            if len(found) == len(here) and sure >= n_free:
                break
        newcomers = _distinct(others, list(found.values()))
        self.left_out |= len(newcomers) > n_free and len(found) == len(here)
        for face in newcomers[:n_free]:
            found[self._index_for(face, found)] = face
        for i, person in enumerate(self._people):
            if i in found:
                self._people[i] = _Person(found[i])
            elif person is not None:
                self._people[i] = person._replace(missed=person.missed + 1)
        return [found.get(i) for i in range(self.max_faces)]

    def _index_for(self, face: Face, found: dict[int, Face]) -> int:
        """Return the index of a returning person, or an unused or freed index."""
        away = {
            i: person
            for i, person in enumerate(self._people)
            if i not in found and person is not None and not person.is_here
        }
        if away:
            i = min(away, key=lambda i: step(away[i].last, face))
            if step(away[i].last, face) <= 1:
                return i
        for i, person in enumerate(self._people):
            if person is None and i not in found:
                return i
        return max(away, key=lambda i: away[i].missed)


def _assign(
    faces: list[Face], here: dict[int, _Person], found: dict[int, Face]
) -> list[Face]:
    """Add the faces of people who are present to `found`; return the other faces."""
    pairs = sorted(
        (step(person.last, face), i, number)
        for i, person in here.items()
        if i not in found
        for number, face in enumerate(faces)
        if step(person.last, face) <= 1 + person.missed
    )
    taken = set()
    for _, i, number in pairs:
        if i not in found and number not in taken:
            found[i] = faces[number]
            taken.add(number)
    return [face for number, face in enumerate(faces) if number not in taken]


def _distinct(faces: list[Face], known: list[Face]) -> list[Face]:
    """Return the distinct faces that are not in `known`, highest score first."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(_overlap(face, other) < _SAME_FACE for other in (*known, *kept)):
            kept.append(face)
    return kept


def _overlap(a: Face, b: Face) -> float:
    """Return the intersection over union of two boxes."""
    width = min(a.right, b.right) - max(a.left, b.left)
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    both = max(0, width) * max(0, height)
    areas = sum(math.prod((f.right - f.left, f.bottom - f.top)) for f in (a, b))
    return both / (areas - both)
