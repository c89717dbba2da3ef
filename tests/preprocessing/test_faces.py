"""The follower finds the same person in each frame."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import portraits
import pytest
from portraits import FACE_SIZE, canvas, paste

from skdeepfake.preprocessing import _faces
from skdeepfake.preprocessing._faces import DlibFinder, Face
from skdeepfake.preprocessing._following import FaceFollower

skimage_data = pytest.importorskip("skimage.data")


class OneFollowed:
    """Follow one person, using dlib."""

    def __init__(self, **parameters: Any) -> None:
        self.follower = FaceFollower(DlibFinder(**parameters))

    def find(self, frame: np.ndarray) -> Face | None:
        (face,) = self.follower.find(frame)
        return face


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return skimage_data.astronaut()


@pytest.fixture(scope="module")
def portrait(astronaut: np.ndarray) -> np.ndarray:
    return portraits.portrait(astronaut)


def veiled(portrait: np.ndarray, strength: float = 0.35) -> np.ndarray:
    """Reduce contrast and sharpness to lower the score of the face."""
    blurred = cv2.GaussianBlur(portrait, (0, 0), 2.0)
    return (127 + (blurred.astype(float) - 127) * strength).astype(np.uint8)


def center_of(face: Face) -> tuple[float, float]:
    return (face.left + face.right) / 2, (face.top + face.bottom) / 2


def size_of(face: Face) -> int:
    return max(face.right - face.left, face.bottom - face.top)


def assert_lies_at(face: Face | None, center: tuple[float, float], size: float) -> None:
    assert face is not None
    # dlib's box sizes differ by factors of 1.2, and positions by a tenth of the size.
    assert center_of(face) == pytest.approx(center, abs=0.15 * size)
    assert size_of(face) == pytest.approx(size, rel=0.25)


@pytest.mark.parametrize(
    ("height", "width", "scale"),
    [
        (240, 320, 0.6),  # a small frame, only searched when enlarged
        (360, 640, 0.45),  # a face of about min_size
        (360, 640, 1.0),
        (720, 1280, 0.5),
        (720, 1280, 2.0),
        (1080, 1920, 0.6),
        (1080, 1920, 3.5),
        (2160, 3840, 1.2),
        (640, 360, 1.0),  # portrait format
    ],
)
def test_box_lies_where_the_face_was_pasted(portrait, height, width, scale):
    follower = OneFollowed()
    first, second = (width // 3, height // 2), (width // 3 + 9, height // 2 - 7)
    size = FACE_SIZE * scale

    found = follower.find(paste(canvas(height, width), portrait, first, scale))
    assert_lies_at(found, first, size)
    # In the second frame, the search near the last face is used.
    found = follower.find(paste(canvas(height, width), portrait, second, scale))
    assert_lies_at(found, second, size)


@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_face_that_moved_within_reach_is_found(portrait, scale):
    follower = OneFollowed()
    size = FACE_SIZE * scale
    for x in (150, round(150 + 1.6 * size)):
        assert_lies_at(
            follower.find(paste(canvas(), portrait, (x, 180), scale)), (x, 180), size
        )


def test_still_face_keeps_its_place(portrait):
    follower = OneFollowed()
    frame = paste(canvas(), portrait, (300, 180))
    first, *others = (follower.find(frame) for _ in range(5))
    assert_lies_at(first, (300, 180), FACE_SIZE)
    for face in others[1:]:
        assert face[:4] == pytest.approx(others[0][:4], abs=4)


@pytest.mark.parametrize("corner", ["top left", "bottom right"])
def test_box_at_the_edge_is_clamped_into_the_frame(portrait, corner):
    frame = canvas(200, 300)
    if corner == "top left":
        frame = paste(frame, portrait, (40, 42))
    else:
        frame = paste(frame, portrait, (260, 152))
    follower = OneFollowed()
    for _ in range(2):
        face = follower.find(frame)
        assert face is not None
        assert 0 <= face.left < face.right <= 300
        assert 0 <= face.top < face.bottom <= 200
        if corner == "top left":
            assert 0 in (face.left, face.top)
        else:
            assert face.right == 300 or face.bottom == 200


@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (16, 400), (79, 30)])
def test_tiny_frame_gives_none(shape):
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert OneFollowed().find(frame) is None


def test_no_face_gives_none():
    assert OneFollowed().find(canvas()) is None
    assert OneFollowed().find(skimage_data.coffee()) is None


def test_first_face_is_the_best_scoring(portrait):
    frame = paste(canvas(), veiled(portrait), (150, 180))
    frame = paste(frame, portrait[:, ::-1], (480, 180))
    assert_lies_at(OneFollowed().find(frame), (480, 180), FACE_SIZE)


def test_person_is_followed_past_a_bystander_who_scores_higher(portrait):
    person, bystander = veiled(portrait), portrait[:, ::-1]
    follower = OneFollowed()
    assert_lies_at(
        follower.find(paste(canvas(), person, (150, 180))),
        (150, 180),
        FACE_SIZE,
    )
    for x in (165, 180, 170):
        frame = paste(paste(canvas(), person, (x, 180)), bystander, (480, 180))
        assert_lies_at(follower.find(frame), (x, 180), FACE_SIZE)


def test_bystander_is_not_taken_while_the_person_is_missed_for_a_frame(portrait):
    bystander = paste(canvas(), portrait[:, ::-1], (520, 180))
    person = veiled(portrait)
    follower = OneFollowed()
    assert follower.find(paste(canvas(), person, (110, 180))) is not None
    assert follower.find(bystander) is None
    # The person is still followed, although the bystander has a higher score.
    both = paste(bystander, person, (110, 180))
    assert_lies_at(OneFollowed().find(both), (520, 180), FACE_SIZE)
    assert_lies_at(follower.find(both), (110, 180), FACE_SIZE)


def test_bystander_of_another_size_is_not_taken(portrait):
    follower = OneFollowed()
    assert follower.find(paste(canvas(), portrait, (300, 180), 0.5)) is not None
    assert follower.find(paste(canvas(), portrait, (300, 180), 1.6)) is None


def test_another_face_is_taken_after_the_person_has_left(portrait):
    # The other face is too far away to be the person, who is absent for long enough.
    other = paste(canvas(), portrait[:, ::-1], (540, 180), 0.5)
    follower = OneFollowed()
    assert follower.find(paste(canvas(), portrait, (100, 180), 0.5)) is not None
    found = [follower.find(other) for _ in range(4)]
    assert found[0] is None
    for face in found[2:]:
        assert_lies_at(face, (540, 180), 0.5 * FACE_SIZE)


def test_faces_under_min_size_are_left_out(portrait):
    frame = paste(canvas(), portrait, (300, 180), 0.7)
    face = OneFollowed(min_size=60).find(frame)
    assert face is not None
    assert size_of(face) < 90
    assert OneFollowed(min_size=100).find(frame) is None


def test_min_size_makes_smaller_faces_visible(portrait):
    frame = paste(canvas(), portrait, (300, 180), 0.27)
    assert OneFollowed().find(frame) is None
    face = OneFollowed(min_size=20).find(frame)
    assert_lies_at(face, (300, 180), 0.27 * FACE_SIZE)


def test_score_threshold_is_honoured(portrait):
    frame = paste(canvas(), portrait, (300, 180))
    face = OneFollowed().find(frame)
    assert face is not None
    assert face.score > 0
    assert OneFollowed(score_threshold=5.0).find(frame) is None
    # The threshold also applies to the followed face.
    follower = OneFollowed(score_threshold=0.9)
    assert follower.find(frame) is not None
    assert follower.find(paste(canvas(), veiled(portrait), (300, 180))) is None


def test_mirrored_view_is_accepted(portrait):
    frame = paste(canvas(), portrait, (200, 180))
    assert_lies_at(OneFollowed().find(frame[:, ::-1]), (440, 180), FACE_SIZE)


def test_threads_find_what_one_thread_finds(portrait):
    frames = [paste(canvas(), portrait, (150 + 20 * i, 180)) for i in range(4)]

    def follow(_: int) -> list[Face | None]:
        follower = OneFollowed()
        return [follower.find(frame) for frame in frames]

    alone = follow(0)
    assert None not in alone
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(follow, range(4))) == [alone] * 4


def test_each_thread_has_its_own_detector():
    with ThreadPoolExecutor(1) as pool:
        theirs = pool.submit(_faces._detector).result()
    assert theirs is not _faces._detector()
    assert _faces._detector() is _faces._detector()


class RecordingDetector:
    """Record the images passed to a detector, if any, and return its results."""

    def __init__(self, behind: Any = None) -> None:
        self.behind = behind
        self.calls: list[tuple[np.ndarray, int]] = []

    def run(self, image, upsample, threshold):
        self.calls.append((image, upsample))
        if self.behind is None:
            return [], [], []
        return self.behind.run(image, upsample, threshold)


def test_followed_face_costs_one_small_search(monkeypatch, portrait):
    detector = RecordingDetector(_faces._detector())
    monkeypatch.setattr(_faces, "_detector", lambda: detector)
    frame = paste(canvas(1080, 1920), portrait, (900, 500), 3.0)
    follower = OneFollowed()
    assert follower.find(frame) is not None
    detector.calls.clear()
    assert follower.find(frame) is not None
    ((image, upsample),) = detector.calls
    assert image.size * 4**upsample < 250 * 250


def test_last_search_is_the_papers_setting(monkeypatch):
    detector = RecordingDetector()
    monkeypatch.setattr(_faces, "_detector", lambda: detector)
    frame = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), dtype=np.uint8)
    assert OneFollowed().find(frame) is None
    image, upsample = detector.calls[-1]
    np.testing.assert_array_equal(image, frame)
    assert upsample == 1


@pytest.mark.parametrize("shape", [(4320, 7680), (360, 640), (8, 20000)])
def test_cost_of_any_frame_is_bounded(monkeypatch, shape):
    detector = RecordingDetector()
    monkeypatch.setattr(_faces, "_detector", lambda: detector)
    OneFollowed(min_size=2).find(np.zeros((*shape, 3), np.uint8))
    pixels = [
        image.shape[0] * image.shape[1] * 4**upsample
        for image, upsample in detector.calls
    ]
    assert pixels == sorted(pixels)
    assert pixels[-1] <= 1.01 * 3840 * 2160


def read_rgb(path: Path, n_frames: int) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(path))
    frames = []
    while capture.grab():
        frames.append(capture.retrieve()[1])
    capture.release()
    chosen = np.linspace(0, len(frames) - 1, n_frames).astype(int)
    return [cv2.cvtColor(frames[i], cv2.COLOR_BGR2RGB) for i in chosen]


def overlap(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(0, width) * max(0, height)
    return both / (sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)) - both)


def paper_boxes(frame: np.ndarray) -> list[tuple[int, int, int, int]]:
    boxes, _, _ = _faces._detector().run(frame, 1, 0.0)
    return [(b.left(), b.top(), b.right() + 1, b.bottom() + 1) for b in boxes]


@pytest.mark.parametrize(
    "clip", ["real/pyfeat_wolfgang.mp4", "real/liveportrait_d20.mp4"]
)
def test_no_face_fewer_than_the_papers_setting(shared_data, clip):
    follower = OneFollowed()
    for frame in read_rgb(shared_data / "videos" / clip, 3):
        expected = paper_boxes(frame)
        assert expected
        face = follower.find(frame)
        assert face is not None
        assert overlap(face[:4], expected[0]) > 0.5


def test_face_is_found_in_its_part_of_the_clip_only(shared_data):
    follower = OneFollowed()
    frames = read_rgb(shared_data / "videos/unlabelled/face_noface.mov", 3)
    found = [follower.find(frame) is not None for frame in frames]
    assert found == [True, False, False]


def test_one_of_several_faces_is_followed(shared_data):
    image = cv2.imread(str(shared_data / "multi_face.jpg"))
    image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    assert len(paper_boxes(image)) == 4
    follower = OneFollowed()
    first = follower.find(image)
    assert max(overlap(first[:4], box) for box in paper_boxes(image)) > 0.5
    for shift in (10, 25, 35):
        face = follower.find(np.roll(image, shift, axis=1))
        moved = (first.left + shift, first.top, first.right + shift, first.bottom)
        assert overlap(face[:4], moved) > 0.5
