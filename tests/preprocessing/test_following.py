"""Each person of a clip keeps one index, and empty frames cost little."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from skdeepfake.preprocessing import _faces
from skdeepfake.preprocessing._faces import DlibFinder, Face
from skdeepfake.preprocessing._following import FaceFollower

FRAME = np.zeros((10, 10, 3), np.uint8)


def at(x: float, y: float = 100, size: int = 40, score: float = 1.0) -> Face:
    """Return a face with the given center."""
    half = size // 2
    return Face(int(x) - half, int(y) - half, int(x) + half, int(y) + half, score)


class Scripted:
    """Finder of the given faces in each frame, in one or more searches."""

    sure = 0.3

    def __init__(self, *frames: Sequence[Face] | Sequence[Sequence[Face]]) -> None:
        self.frames = iter(frames)
        self.n_searches: list[int] = []

    def searches(
        self, frame: np.ndarray, missing: Callable[[], Sequence[Face]]
    ) -> Iterator[list[Face]]:
        found = next(self.frames)
        self.n_searches.append(0)
        for faces in [found] if all(isinstance(f, Face) for f in found) else found:
            self.n_searches[-1] += 1
            yield list(faces)


def follow(max_faces: int, *frames: Sequence[Face]) -> list[list[Face | None]]:
    follower = FaceFollower(Scripted(*frames), max_faces)
    return [follower.find(FRAME) for _ in frames]


def test_people_keep_their_index_whatever_the_order_and_score() -> None:
    a, b = at(100, score=1.0), at(300, score=0.5)
    a2, b2 = at(110, score=0.5), at(310, score=2.0)
    assert follow(2, [b, a], [b2, a2], [a, b]) == [[a, b], [a2, b2], [a, b]]


def test_person_who_leaves_leaves_an_empty_place() -> None:
    a, b = at(100), at(300, score=0.5)
    found = follow(3, [a, b], [b], [b], [b], [a, b])
    assert found == [
        [a, b, None], [None, b, None], [None, b, None], [None, b, None], [a, b, None]
    ]  # fmt: skip


def test_person_who_has_left_is_still_searched_where_they_were() -> None:
    asked = []

    class Asking(Scripted):
        def searches(self, frame, missing):  # type: ignore[no-untyped-def]
            asked.append(missing())
            return super().searches(frame, missing)

    a, b = at(100), at(300, score=0.5)
    follower = FaceFollower(Asking([a, b], [b], [b], [b], [a, b], [b]), 2)
    for _ in range(6):
        follower.find(FRAME)
    assert asked == [[], [a, b], [a, b], [a, b], [a, b], [a, b]]


def test_new_person_gets_a_place_nobody_has_had() -> None:
    a, b = at(100), at(900, size=80)
    assert follow(2, [a], [], [], [b]) == [[a, None], [None] * 2, [None] * 2, [None, b]]


def test_place_is_given_to_another_only_when_all_are_taken() -> None:
    a, b, c = at(100), at(500, score=0.5), at(900, size=90)
    found = follow(2, [a, b], [b], [b], [b, c])
    assert found[-1] == [c, b]
    # The index is not reused while the person may return.
    assert follow(2, [a, b], [b], [b, c])[-1] == [None, b]


def test_best_of_more_people_than_places_are_kept_and_the_rest_is_told() -> None:
    faces = [at(100 * i, score=i / 10) for i in range(1, 6)]
    follower = FaceFollower(Scripted(faces, faces), 3)
    first = follower.find(FRAME)
    assert first == faces[:1:-1]
    assert follower.left_out
    assert follower.find(FRAME) == first

    follower = FaceFollower(Scripted(faces[:3]), 3)
    follower.find(FRAME)
    assert not follower.left_out


def test_face_found_twice_is_one_person() -> None:
    face = at(100, score=1.0)
    finder = Scripted([[face], [face._replace(left=face.left + 3, score=0.9)]])
    assert FaceFollower(finder, 2).find(FRAME) == [face, None]


def test_two_people_who_meet_are_matched_by_the_nearest_pairs() -> None:
    a, b = at(100), at(200, score=0.5)
    a2, b2 = at(140, score=0.2), at(160, score=0.9)
    assert follow(2, [a, b], [b2, a2])[-1] == [a2, b2]


def test_search_ends_when_all_are_found_and_no_place_is_free() -> None:
    a, b = at(100), at(300, score=0.5)
    finder = Scripted([[a], [b], []], [[a, b], []], [[a], [], [b]])
    follower = FaceFollower(finder, 2)
    for _ in range(3):
        assert follower.find(FRAME) == [a, b]
    assert finder.n_searches == [2, 1, 3]


def test_doubtful_first_face_is_replaced_by_a_better_one() -> None:
    doubtful, sure = at(100, score=0.1), at(300, score=0.8)
    finder = Scripted([[doubtful], [sure], []])
    assert FaceFollower(finder).find(FRAME) == [sure]
    assert finder.n_searches == [2]


# -- cost of frames without a face -------------------------------------------


class CountingDetector:
    """Find nothing and count the searched pixels."""

    def __init__(self) -> None:
        self.pixels = 0

    def run(self, image: np.ndarray, upsample: int, threshold: float) -> tuple:
        self.pixels += image.shape[0] * image.shape[1] * 4**upsample
        return [], [], []


@pytest.mark.parametrize("shape", [(720, 1280), (1080, 1920)])
def test_deep_search_is_paid_by_the_frames_before(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int]
) -> None:
    detector = CountingDetector()
    monkeypatch.setattr(_faces, "_detector", lambda: detector)
    follower = FaceFollower(DlibFinder())
    frame = np.zeros((*shape, 3), np.uint8)
    pixels = []
    for _ in range(40):
        detector.pixels = 0
        follower.find(frame)
        pixels.append(detector.pixels)
    deep = 4 * shape[0] * shape[1]
    # The first frame is searched as in the paper, and later only one of several frames.
    assert pixels[0] >= deep
    searched = [i for i, n in enumerate(pixels) if n >= deep]
    steps = np.diff(searched)
    assert (steps == -(-deep // _faces._SAVED_PIXELS)).all()
    assert np.mean(pixels) < 0.45 * deep


def test_frames_with_a_face_save_for_the_next_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    detector = CountingDetector()
    monkeypatch.setattr(_faces, "_detector", lambda: detector)
    finder = DlibFinder()
    frame = np.zeros((720, 1280, 3), np.uint8)
    deep = 4 * 720 * 1280
    list(finder.searches(frame, list))
    for _ in range(deep // _faces._SAVED_PIXELS + 1):
        next(finder.searches(frame, lambda: [at(100)]))
    detector.pixels = 0
    list(finder.searches(frame, list))
    assert detector.pixels >= deep


def test_exhaustive_search_is_the_papers_in_every_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    detector = CountingDetector()
    monkeypatch.setattr(_faces, "_detector", lambda: detector)
    follower = FaceFollower(DlibFinder(exhaustive=True))
    for _ in range(3):
        detector.pixels = 0
        follower.find(np.zeros((90, 160, 3), np.uint8))
        assert detector.pixels == 4 * 90 * 160
