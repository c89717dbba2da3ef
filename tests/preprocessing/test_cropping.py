"""The cropper crops the followed face in each frame of each clip."""

from __future__ import annotations

import warnings

import cv2
import joblib
import numpy as np
import pytest

from skdeepfake.exceptions import NoFaceWarning, VideoReadError, VideoReadWarning
from skdeepfake.preprocessing import (
    Clip,
    DlibFaceCropper,
    VideoFrameSampler,
    _crops,
)
from skdeepfake.preprocessing._faces import Face


def gray(height=48, width=64):
    return np.full((height, width, 3), 127, np.uint8)


def textured(n, height=48, width=64):
    """Return frames with a different texture everywhere."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (n, height // 8, width // 8, 3), dtype=np.uint8)
    return [cv2.resize(frame, (width, height)) for frame in coarse]


def sample(paths, n_frames=3):
    return VideoFrameSampler(n_frames=n_frames).transform(paths)


def assert_same_crops(crops, expected):
    assert crops.shape == expected.shape
    for crop, other in zip(crops.ravel(), expected.ravel(), strict=True):
        if other is None:
            assert crop is None
        else:
            np.testing.assert_array_equal(crop, other)


@pytest.fixture
def find(monkeypatch):
    """Replace dlib's search with boxes (left, top, right, bottom) or None."""

    def install(*boxes):
        started = []

        class Follower:
            left_out = False

            def __init__(self, finder, max_faces):
                started.append(finder)
                self.boxes = iter(boxes)

            def find(self, frame):
                box = next(self.boxes)
                return [box and Face(*box, score=1.0)]

        monkeypatch.setattr(_crops, "FaceFollower", Follower)
        return started

    return install


@pytest.fixture(scope="module")
def faces(rendered_videos):
    """Return three clips of faces and their crops."""
    clips = sample(rendered_videos.data[[0, 7, 3]])
    return clips, DlibFaceCropper().transform(clips)


# -- cropped regions ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("box", "margin", "rows", "columns"),
    [
        ((10, 20, 30, 40), 0.0, (20, 40), (10, 30)),
        ((10, 20, 30, 40), 0.25, (15, 45), (5, 35)),
        ((10, 20, 30, 30), 0.1, (19, 31), (8, 32)),  # a fraction of each side
        ((0, 0, 20, 20), 0.25, (0, 25), (0, 25)),  # top left
        ((44, 28, 64, 48), 0.25, (23, 48), (39, 64)),  # bottom right
        ((2, 2, 22, 22), 0.5, (0, 32), (0, 32)),  # no negative indices
        ((10, 20, 30, 40), 9.0, (0, 48), (0, 64)),
        ((10, 20, 11, 21), 0.0, (20, 21), (10, 11)),
        ((63, 47, 64, 48), 3, (44, 48), (60, 64)),
    ],
)
def test_crop_is_the_box_widened_by_the_margin_and_clamped(
    write_clip, find, box, margin, rows, columns
):
    find(box)
    (clip,) = clips = sample([write_clip(textured(1))], n_frames=1)
    crops = DlibFaceCropper(margin=margin).transform(clips)

    (frame,) = clip
    expected = frame[slice(*rows), slice(*columns)]
    assert crops.shape == (1, 1)
    assert crops[0, 0].dtype == np.uint8
    np.testing.assert_array_equal(crops[0, 0], expected)


def test_each_slot_has_the_crop_of_its_frame_or_none(write_clip, find):
    find((0, 0, 20, 20), None, (30, 10, 60, 40))
    path = write_clip(textured(3))
    clips = sample([path], n_frames=5)
    crops = DlibFaceCropper().transform(clips)

    frames = list(clips[0])
    assert crops.dtype == object
    assert crops.shape == (1, 5)
    assert [crop is None for crop in crops[0]] == [False, True, False, True, True]
    np.testing.assert_array_equal(crops[0, 0], frames[0][:20, :20])
    np.testing.assert_array_equal(crops[0, 2], frames[2][10:40, 30:60])


@pytest.mark.parametrize("n_frames", [1, 2, 3])
@pytest.mark.parametrize("n_clips", [1, 2, 3])
def test_crops_of_equal_shape_still_have_a_cell_each(
    write_clip, find, n_clips, n_frames
):
    find(*[(0, 0, 3, 3)] * n_frames)
    clips = sample([write_clip(textured(3))] * n_clips, n_frames)
    crops = DlibFaceCropper().transform(clips)

    assert crops.shape == (n_clips, n_frames)
    assert {crop.shape for crop in crops.ravel()} == {(3, 3, 3)}


def test_crops_do_not_keep_the_frames_in_memory(faces):
    _, crops = faces
    for crop in crops.ravel():
        assert crop.base is None
        assert crop.flags.owndata
        assert crop.flags.c_contiguous


def test_parameters_reach_the_search_which_starts_anew_for_each_clip(write_clip, find):
    started = find((0, 0, 9, 9), (0, 0, 9, 9))
    path = write_clip(textured(2))
    cropper = DlibFaceCropper(min_size=33, score_threshold=0.5)
    cropper.transform(sample([path, path], n_frames=2))

    assert [finder.min_size for finder in started] == [33, 33]
    assert [finder.score_threshold for finder in started] == [0.5, 0.5]


def test_search_starts_anew_where_a_container_broke_its_promise(
    write_clip, numbered_frames, find, ffmpeg
):
    source = write_clip(numbered_frames(60), "uncut.mp4", fps=25)
    whole, cut = source.with_name("whole.mp4"), source.with_name("cut.mp4")
    ffmpeg("-i", source, "-c", "copy", "-movflags", "+faststart", whole)
    n_kept = whole.stat().st_size * 2 // 3
    cut.write_bytes(whole.read_bytes()[:n_kept].ljust(whole.stat().st_size, b"\0"))
    started = find((0, 0, 9, 9), (9, 9, 18, 18), (18, 18, 27, 27))

    clips = sample([cut], n_frames=3)
    with pytest.warns(VideoReadWarning, match=r"cut\.mp4'.* cut off"):
        crops = DlibFaceCropper().transform(clips)
    assert len(started) == 2
    for k, (crop, frame) in enumerate(zip(crops[0], clips[0], strict=True)):
        np.testing.assert_array_equal(crop, frame[9 * k :][:9, 9 * k :][:, :9])


# -- searches with dlib ------------------------------------------------------------


def test_faces_of_rendered_clips_are_found_where_they_are(faces):
    clips, crops = faces
    for clip, row in zip(clips, crops, strict=True):
        for frame, crop in zip(clip, row, strict=True):
            height, width = crop.shape[:2]
            assert crop.dtype == np.uint8
            assert 80 < height < 200
            assert height == pytest.approx(width, abs=3)
            # The crop is a part of the frame, in the same colors.
            found = cv2.matchTemplate(frame, crop, cv2.TM_SQDIFF)
            left, top = cv2.minMaxLoc(found)[2]
            np.testing.assert_array_equal(
                frame[top : top + height, left : left + width], crop
            )


def test_margin_widens_real_crops(faces):
    clips, crops = faces
    wide = DlibFaceCropper(margin=0.2).transform(clips)
    for crop, wider in zip(crops.ravel(), wide.ravel(), strict=True):
        assert wider.shape[0] == pytest.approx(1.4 * crop.shape[0], abs=2)
        assert wider.shape[1] == pytest.approx(1.4 * crop.shape[1], abs=2)


@pytest.mark.parametrize("margin", [0.0, 0.3])
@pytest.mark.parametrize("corner", ["top left", "bottom right"])
def test_face_in_a_corner_gives_a_whole_crop(write_clip, corner, margin):
    skimage_data = pytest.importorskip("skimage.data")
    portrait = skimage_data.astronaut()[70:220, 165:320]  # cropped at brow and temple
    frame = gray(200, 300)
    if corner == "top left":
        frame[:150, :155] = portrait
    else:
        frame[-150:, -155:] = portrait[:, ::-1]
        frame[-150:, -155:] = skimage_data.astronaut()[20:170, 120:275]
    crops = DlibFaceCropper(margin=margin).transform(sample([write_clip([frame] * 2)]))

    for crop in crops[0, :2]:
        assert min(crop.shape[:2]) > 60
        assert crop.std() > 20  # not the uniform background


def test_min_size_leaves_out_smaller_faces(faces):
    clips, _ = faces
    with pytest.warns(NoFaceWarning):
        crops = DlibFaceCropper(min_size=220).transform(clips[:1])
    assert crops.tolist() == [[None] * 3]


def test_score_threshold_leaves_out_doubtful_faces(faces):
    clips, _ = faces
    with pytest.warns(NoFaceWarning):
        crops = DlibFaceCropper(score_threshold=9.0).transform(clips[:1])
    assert crops.tolist() == [[None] * 3]


@pytest.mark.nightly
def test_all_real_clips_show_a_face_in_each_frame(real_videos):
    # Clips without a face are in another folder. No NoFaceWarning is issued.
    crops = DlibFaceCropper(n_jobs=2).fit_transform(sample(real_videos.data, 10))

    assert crops.shape == (len(real_videos.data), 10)
    missing = {
        path: [slot for slot, crop in enumerate(row) if crop is None]
        for path, row in zip(real_videos.data, crops, strict=True)
    }
    assert {path: slots for path, slots in missing.items() if slots} == {}
    assert min(min(crop.shape[:2]) for crop in crops.ravel()) >= 40


def test_part_with_a_face_and_part_without_are_told_apart(shared_data):
    path = shared_data / "videos" / "unlabelled" / "face_noface.mov"
    crops = DlibFaceCropper(n_jobs=2).transform(sample([path], 5))
    assert [crop is not None for crop in crops[0]] == [True, True, False, False, False]


def test_clip_without_a_face_is_warned_of_by_its_path_and_no_other(
    shared_data, rendered_videos
):
    faceless = str(shared_data / "videos" / "unlabelled" / "no_face.mp4")
    clips = sample([rendered_videos.data[0], faceless, rendered_videos.data[6]], 2)
    with pytest.warns(NoFaceWarning) as caught:
        crops = DlibFaceCropper().transform(clips)

    assert [crop is None for crop in crops.ravel()] == [False] * 2 + [True] * 2 + [
        False
    ] * 2
    assert len(caught) == 1
    assert repr(faceless) in str(caught[0].message)
    assert "2 frames" in str(caught[0].message)


# -- many videos at once -----------------------------------------------------------


def test_threads_give_what_one_thread_gives_in_the_same_order(faces):
    clips, crops = faces
    for n_jobs in (2, -1):
        assert_same_crops(DlibFaceCropper(n_jobs=n_jobs).transform(clips), crops)
    with joblib.parallel_config(backend="threading", n_jobs=2):
        assert_same_crops(DlibFaceCropper().transform(clips[::-1]), crops[::-1])


def test_processes_give_what_one_thread_gives_in_the_same_order(faces, hollow):
    clips, crops = faces
    with joblib.parallel_config(backend="loky", n_jobs=2):
        assert_same_crops(DlibFaceCropper().transform(clips[::-1]), crops[::-1])
        with pytest.raises(VideoReadError, match=r"hollow\.mp4") as caught:
            DlibFaceCropper().transform(np.array([clips[0], hollow], dtype=object))
    assert caught.value.path == hollow.path


@pytest.fixture
def hollow(faces, tmp_path):
    """Return a clip of a file that begins like a video but is not a video."""
    path = tmp_path / "hollow.mp4"
    path.write_bytes(b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + b"junk" * 99)
    return Clip(path, n_frames=faces[0][0].n_frames)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_error_of_one_file_among_several_names_it(faces, hollow, n_jobs):
    clips, _ = faces
    X = np.array([clips[0], clips[1], hollow, clips[2]], dtype=object)
    with pytest.raises(VideoReadError, match=r"hollow\.mp4") as caught:
        DlibFaceCropper(n_jobs=n_jobs).transform(X)
    assert caught.value.path == hollow.path


@pytest.mark.parametrize(("n_jobs", "n_threads"), [(None, 4), (2, 2), (3, 1), (8, 1)])
def test_decoders_of_all_jobs_together_take_the_cores_once(
    write_clip, find, monkeypatch, n_jobs, n_threads
):
    find((0, 0, 9, 9))
    clips = sample([write_clip(textured(1))] * 4, n_frames=1)
    asked = []
    original = Clip.map

    def recording_map(self, make_function, *, n_threads=None):
        asked.append(n_threads)
        return original(self, make_function, n_threads=n_threads)

    monkeypatch.setattr(Clip, "map", recording_map)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 4)
    DlibFaceCropper(n_jobs=n_jobs).transform(clips)
    assert asked == [n_threads] * 4


@pytest.mark.parametrize("verbose", [0, 1])
def test_progress_is_shown_if_asked_for(write_clip, find, capsys, every_step, verbose):
    find((0, 0, 9, 9))
    clips = sample([write_clip(textured(1))] * 3, n_frames=1)
    DlibFaceCropper(verbose=verbose).fit_transform(clips)

    out, err = capsys.readouterr()
    assert out == ""
    if verbose:
        assert "cropping faces" in err
        assert "3/3" in err
    else:
        assert err == ""


# -- invalid input -----------------------------------------------------------------


@pytest.mark.parametrize("make", [list, tuple, lambda clips: clips])
def test_clips_come_as_a_list_or_an_array(write_clip, find, make):
    find((0, 0, 9, 9), (0, 0, 8, 8))
    clips = sample([write_clip(textured(2))] * 2, n_frames=2)
    crops = DlibFaceCropper().transform(make(clips))
    assert crops.shape == (2, 2)
    assert [crop.shape for crop in crops[1]] == [(9, 9, 3), (8, 8, 3)]


def test_paths_are_refused_with_a_hint(rendered_videos):
    for X in (rendered_videos.data, rendered_videos.data.tolist()):
        with pytest.raises(ValueError, match=r"X\[0\] is str.*VideoFrameSampler"):
            DlibFaceCropper().fit_transform(X)


def test_what_is_no_clip_is_named_by_its_position(faces):
    clips, _ = faces
    X = np.array([clips[0], None, clips[1]], dtype=object)
    with pytest.raises(ValueError, match=r"X\[1\] is NoneType"):
        DlibFaceCropper().transform(X)


def test_clips_of_different_lengths_are_refused(faces):
    clips, _ = faces
    X = np.array([clips[0], Clip(clips[1].path, n_frames=4)], dtype=object)
    with pytest.raises(
        ValueError, match=r"X\[1\] has n_frames=4, but X\[0\] has n_frames=3"
    ):
        DlibFaceCropper().transform(X)


def test_array_of_another_shape_is_refused(faces):
    clips, _ = faces
    with pytest.raises(ValueError, match=r"one-dimensional .*shape \(3, 1\)"):
        DlibFaceCropper().transform(clips.reshape(3, 1))
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        DlibFaceCropper().transform([])
    with pytest.raises(ValueError, match=r"shape \(\)|X\[0\]"):
        DlibFaceCropper().transform(clips[0])


@pytest.mark.parametrize(
    "parameters",
    [
        {"margin": -1},
        {"margin": -0.01},
        {"margin": float("nan")},
        {"margin": float("inf")},
        {"margin": "wide"},
        {"min_size": 0},
        {"min_size": 40.5},
        {"score_threshold": None},
        {"score_threshold": float("nan")},
        {"n_jobs": 1.5},
        {"verbose": "yes"},
    ],
    ids=str,
)
def test_bad_parameter_is_named_by_fit_and_by_transform(faces, parameters):
    clips, _ = faces
    ((name, value),) = parameters.items()
    cropper = DlibFaceCropper(**parameters)
    for method in (cropper.fit, cropper.transform):
        with pytest.raises(ValueError, match=f"'{name}' parameter.*Got {value!r}"):
            method(clips[:1])


def test_nothing_is_warned_of_where_some_frames_have_a_face(write_clip, find):
    find(None, (0, 0, 9, 9), None)
    clips = sample([write_clip(textured(3))])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        crops = DlibFaceCropper().transform(clips)
    assert [crop is None for crop in crops[0]] == [True, False, True]
