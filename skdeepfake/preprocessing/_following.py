"""Following people through the frames of a clip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._faces import Face, Finder, step

# Frames without a person, who has left, after which the place is free for another.
_PATIENCE = 2

# Share of two boxes that both cover, from which they are the same face.
_SAME_FACE = 0.3


class _Person(NamedTuple):
    last: Face
    missed: int = 0  # frames since

    @property
    def is_here(self) -> bool:
        return self.missed < _PATIENCE


class FaceFollower:
    """Find the faces of up to `max_faces` people in the frames of one clip, in order.

    Each person keeps one index. A face belongs to the person whose last face is nearest
    and from which one could have got there. Others are new people, the best-scoring
    first; they get an index that nobody has had, or else that of somebody who has been
    away for two frames. An object serves one clip and one thread at a time.
    """

    def __init__(self, finder: Finder, max_faces: int = 1) -> None:
        self.finder = finder
        self.max_faces = max_faces
        self.left_out = False  # whether there were more people in some frame
        self._people: list[_Person | None] = [None] * max_faces

    def find(self, frame: NDArray[np.uint8]) -> list[Face | None]:
        """Find the face of each person in the next frame, None where it is not."""
        here = {i: p for i, p in enumerate(self._people) if p is not None and p.is_here}
        room = self.max_faces - len(here)
        found: dict[int, Face] = {}
        others: list[Face] = []

        def missing() -> Sequence[Face]:
            # Those who have left, too: they mostly come back where they were.
            people = enumerate(self._people)
            return [p.last for i, p in people if p is not None and i not in found]

        for faces in self.finder.searches(frame, missing):
            others += _assign(faces, here, found)
            sure = sum(face.score >= self.finder.sure for face in _distinct(others, []))
            if len(found) == len(here) and sure >= room:
                break
        newcomers = _distinct(others, list(found.values()))
        self.left_out |= len(newcomers) > room and len(found) == len(here)
        for face in newcomers[:room]:
            found[self._index_for(face, found)] = face
        for i, person in enumerate(self._people):
            if i in found:
                self._people[i] = _Person(found[i])
            elif person is not None:
                self._people[i] = person._replace(missed=person.missed + 1)
        return [found.get(i) for i in range(self.max_faces)]

    def _index_for(self, face: Face, found: dict[int, Face]) -> int:
        """Choose the index of a new face: that of who is back, a fresh one, or any."""
        away = {
            i: person
            for i, person in enumerate(self._people)
            if i not in found and person is not None and not person.is_here
        }
        if away:
            i = min(away, key=lambda i: step(away[i].last, face))
            if step(away[i].last, face) <= 1:
                return i
        if None in self._people:
            fresh = [i for i, p in enumerate(self._people) if p is None]
            if free := [i for i in fresh if i not in found]:
                return free[0]
        return max(away, key=lambda i: away[i].missed)


def _assign(
    faces: list[Face], here: dict[int, _Person], found: dict[int, Face]
) -> list[Face]:
    """Add to `found` the faces of people who are here; return the other faces."""
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
    """Return the faces that are not known, best first, each once."""
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
