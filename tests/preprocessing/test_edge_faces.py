"""Faces at the edge of the frame, at the end of the clip, and hard to detect."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from portraits import FACE_SIZE, canvas, paste, portrait

from skdeepfake.exceptions import NoFaceWarning
from skdeepfake.preprocessing import DlibFaceCropper, VideoFrameSampler

skimage_data = pytest.importorskip("skimage.data")

HEIGHT, WIDTH = canvas().shape[:2]


@pytest.fixture(scope="module")
def anna():
    return portrait(skimage_data.astronaut())


@pytest.fixture(scope="module")
def bert(anna):
    """Return another person: the portrait mirrored, with a blue face."""
    return anna[:, ::-1, ::-1]


def box_around(center, scale, frame):
    half = FACE_SIZE * scale / 2
    height, width = frame.shape[:2]
    left, top = max(0, center[0] - half), max(0, center[1] - half)
    return left, top, min(width, center[0] + half), min(height, center[1] + half)


def box_of(crop, frame):
    """Find the box of a crop in its frame."""
    left, top = cv2.minMaxLoc(cv2.matchTemplate(frame, crop, cv2.TM_SQDIFF))[2]
    height, width = crop.shape[:2]
    np.testing.assert_array_equal(frame[top : top + height, left : left + width], crop)
    return left, top, left + width, top + height


def overlap(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(0, width) * max(0, height)
    return both / (sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)) - both)


def is_bert(crop):
    red, _, blue = crop.reshape(-1, 3).mean(axis=0)
    assert abs(red - blue) > 15
    return blue > red


@pytest.fixture
def crops_of(write_clip):
    """Return a function that makes the crops of frames and their boxes, or None."""

    def crop(frames):
        path = write_clip(frames, "x.mp4", "-c:v", "libx264", "-pix_fmt", "yuv444p")
        clips = VideoFrameSampler(len(frames), duration=None).transform([path])
        crops = DlibFaceCropper().transform(clips)[0]
        boxes = [
            None if crop is None else box_of(crop, frame)
            for crop, frame in zip(crops, clips[0], strict=True)
        ]
        return list(crops), boxes

    return crop


# -- at the edge of the frame ------------------------------------------------------


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("end", ["top", "bottom"])
def test_face_in_a_corner_is_cut_out_where_it_is(crops_of, anna, side, end):
    # The face is complete up to the hair. Shoulders or forehead are outside the frame.
    inset = 50
    x = inset if side == "left" else WIDTH - inset
    y = inset if end == "top" else HEIGHT - inset
    frames = [paste(canvas(), anna, (x, y)) for _ in range(2)]

    _, boxes = crops_of(frames)
    for box in boxes:
        assert overlap(box, box_around((x, y), 1.0, frames[0])) > 0.6


@pytest.mark.parametrize("scale", [1.5, 2.0])
def test_face_larger_than_half_the_frame_is_cut_out_whole(crops_of, anna, scale):
    center = (160, 120)
    frames = [paste(canvas(240, 320), anna, center, scale) for _ in range(2)]
    assert FACE_SIZE * scale > 240 / 2

    _, boxes = crops_of(frames)
    for box in boxes:
        assert overlap(box, box_around(center, scale, frames[0])) > 0.6


def test_face_that_fills_the_frame_is_found(crops_of, anna):
    _, boxes = crops_of([paste(canvas(200, 200), anna, (100, 100), 1.8)] * 2)
    for left, top, right, bottom in boxes:
        assert (right - left) * (bottom - top) > 200 * 200 / 2


# -- several people, or none -------------------------------------------------------


@pytest.mark.parametrize("first", ["Anna in front", "Bert in front"])
def test_one_of_several_people_is_followed_through(crops_of, anna, bert, first):
    # The other face is equally large but out of focus. The faces approach each other.
    front, back = (anna, bert) if first == "Anna in front" else (bert, anna)
    blurred = cv2.GaussianBlur(back, (0, 0), 1.5)
    places = [(180 + 10 * k, 190) for k in range(5)]
    frames = [
        paste(paste(canvas(), blurred, (520 - 10 * k, 160)), front, place)
        for k, place in enumerate(places)
    ]

    crops, boxes = crops_of(frames)
    assert [is_bert(crop) for crop in crops] == [first == "Bert in front"] * 5
    for place, box in zip(places, boxes, strict=True):
        assert overlap(box, box_around(place, 1.0, frames[0])) > 0.5


def test_frames_without_a_face_give_none_and_a_warning(crops_of, anna):
    back = cv2.GaussianBlur(anna, (0, 0), 12)
    with pytest.warns(NoFaceWarning, match=r"any of the 3 frames.*x\.mp4"):
        crops, _ = crops_of([canvas(), paste(canvas(), back, (320, 180)), canvas()])
    assert crops == [None] * 3


@pytest.mark.parametrize("slot", [0, pytest.param(2, marks=pytest.mark.nightly), 4])
def test_face_in_one_frame_only_gives_one_crop(crops_of, anna, slot):
    frames = [canvas()] * 5
    frames[slot] = paste(canvas(), anna, (400, 150))

    crops, boxes = crops_of(frames)
    assert [crop is not None for crop in crops] == [k == slot for k in range(5)]
    assert overlap(boxes[slot], box_around((400, 150), 1.0, frames[0])) > 0.6


# -- people who turn away, leave or return -----------------------------------------

TURNED = {
    "back of the head": lambda portrait: cv2.GaussianBlur(portrait, (0, 0), 12),
    "lying down": lambda portrait: np.rot90(portrait),
    "covered face": lambda portrait: cv2.rectangle(
        portrait.copy(), (45, 75), (155, 155), (60, 60, 60), -1
    ),
}


@pytest.mark.parametrize("n_away", [pytest.param(1, marks=pytest.mark.nightly), 2])
@pytest.mark.parametrize("turned", TURNED)
def test_person_who_turns_away_is_followed_again(crops_of, anna, turned, n_away):
    away = TURNED[turned](anna)
    portraits = [anna, anna, *[away] * n_away, anna, anna]
    frames = [paste(canvas(), portrait, (200, 180)) for portrait in portraits]

    crops, boxes = crops_of(frames)
    seen = [True, True, *[False] * n_away, True, True]
    assert [crop is not None for crop in crops] == seen
    for box in boxes:
        if box is not None:
            assert overlap(box, box_around((200, 180), 1.0, frames[0])) > 0.6


@pytest.mark.parametrize("turned", TURNED)
def test_bystander_is_not_taken_while_a_person_turns_away(crops_of, anna, bert, turned):
    away = TURNED[turned](anna)
    alone = paste(canvas(), anna, (140, 180))
    frames = [alone] + [
        paste(paste(canvas(), bert, (480, 180)), portrait, (140, 180))
        for portrait in (anna, away, anna, anna)
    ]

    crops, _ = crops_of(frames)
    assert crops[2] is None
    assert [is_bert(crop) for crop in crops if crop is not None] == [False] * 4


def test_newcomer_is_taken_two_frames_after_the_person_has_left(crops_of, anna, bert):
    place, other = (100, 180), (560, 180)
    frames = [paste(canvas(), anna, place, 0.6) for _ in range(3)]
    frames += [paste(canvas(), bert, other, 0.6) for _ in range(4)]

    crops, boxes = crops_of(frames)
    assert [crop is not None for crop in crops] == [True] * 3 + [False] * 2 + [True] * 2
    seen = [crop for crop in crops if crop is not None]
    assert [is_bert(crop) for crop in seen] == [False] * 3 + [True] * 2
    for box in boxes[5:]:
        assert overlap(box, box_around(other, 0.6, frames[0])) > 0.5


def test_person_who_comes_back_late_is_taken_where_nobody_else_is(crops_of, anna):
    frames = [paste(canvas(), anna, (150, 180)), *[canvas()] * 4]
    frames += [paste(canvas(), anna, (500, 120), 0.7)] * 2

    crops, boxes = crops_of(frames)
    assert [crop is not None for crop in crops] == [True] + [False] * 4 + [True] * 2
    assert overlap(boxes[-1], box_around((500, 120), 0.7, frames[0])) > 0.5
