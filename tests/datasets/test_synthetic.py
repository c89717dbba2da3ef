from __future__ import annotations

import sys

import cv2
import dlib
import imageio_ffmpeg
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from skdeepfake.datasets import _synthetic, load_videos
from skdeepfake.datasets._manipulations import (
    MANIPULATIONS,
    Flicker,
    FrozenEyes,
    LipSync,
    SelfBlend,
    Splice,
)
from skdeepfake.datasets._recording import Recording, load_portrait
from skdeepfake.datasets._synthetic import make_videos
from skdeepfake.exceptions import DatasetError, FFmpegError

TINY = {"n_real": 1, "n_fake": 1, "duration": 0.2, "fps": 10, "size": (96, 128)}


def decode(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        found, frame = capture.read()
        if not found:
            return np.stack(frames)[..., ::-1]
        frames.append(frame)


def files_under(root):
    return sorted(
        path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()
    )


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    root = tmp_path_factory.mktemp("synthetic")
    return make_videos(root, n_real=3, n_fake=3, duration=0.8, random_state=0)


@pytest.fixture(scope="module")
def clips(videos):
    return [decode(path) for path in videos.data]


def test_clips_have_the_frames_the_size_and_the_rate_asked_for(tmp_path):
    videos = make_videos(
        tmp_path, n_real=1, n_fake=1, duration=0.5, fps=12, size=(98, 130)
    )
    for path in videos.data:
        assert decode(path).shape == (6, 98, 130, 3)
        assert cv2.VideoCapture(path).get(cv2.CAP_PROP_FPS) == 12


def test_the_result_is_that_of_loading_the_folder(videos, tmp_path_factory):
    root = tmp_path_factory.getbasetemp() / "synthetic0"
    assert files_under(root) == [
        *(f"fake/{k:03d}_fake.mp4" for k in range(3)),
        *(f"real/{k:03d}.mp4" for k in range(3)),
    ]
    loaded = load_videos(root, group=r"\d{3}")
    np.testing.assert_array_equal(videos.data, loaded.data)
    np.testing.assert_array_equal(videos.target, loaded.target)
    np.testing.assert_array_equal(videos.groups, loaded.groups)
    assert videos.target_names == loaded.target_names == ["real", "fake"]
    np.testing.assert_array_equal(videos.target, [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(videos.groups, [0, 1, 2, 0, 1, 2])


def test_recordings_are_used_again_where_there_are_more_fakes(tmp_path):
    videos = make_videos(tmp_path, **{**TINY, "n_real": 2, "n_fake": 3}, random_state=3)
    reals, fakes = videos.groups[:2], videos.groups[2:]
    np.testing.assert_array_equal(reals, [0, 1])
    assert sorted(np.bincount(fakes)) == [1, 2]
    twice = int(np.bincount(fakes).argmax())
    files = files_under(tmp_path / "fake")
    assert files == sorted(
        [f"{twice:03d}_0.mp4", f"{twice:03d}_1.mp4", f"{1 - twice:03d}_fake.mp4"]
    )
    # The two fakes of a recording differ.
    first, second = (decode(tmp_path / "fake" / f"{twice:03d}_{k}.mp4") for k in (0, 1))
    assert not np.array_equal(first, second)


def test_fewer_fakes_come_from_different_recordings(tmp_path):
    videos = make_videos(tmp_path, **{**TINY, "n_real": 4, "n_fake": 2})
    assert len(set(videos.groups[4:])) == 2
    assert set(videos.groups[4:]) <= set(range(4))


@pytest.mark.parametrize("kind", [int, np.random.RandomState])
def test_a_seed_gives_the_same_frames(kind, tmp_path):
    first, again, other = (
        make_videos(tmp_path / name, **TINY, random_state=kind(seed))
        for name, seed in (("first", 5), ("again", 5), ("other", 6))
    )
    for one, same, different in zip(first.data, again.data, other.data, strict=True):
        np.testing.assert_array_equal(decode(one), decode(same))
        assert np.abs(decode(one).astype(int) - decode(different)).mean() > 5


def test_recordings_differ_from_one_another_and_move(clips):
    real = [clip.astype(int) for clip in clips[:3]]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(real[one] - real[other]).mean() > 10
    for clip in real:
        assert np.abs(clip[0] - clip[-1]).mean() > 1


def test_dlib_finds_the_face_in_every_clip(clips):
    detector = dlib.get_frontal_face_detector()
    n_found = n_frames = 0
    for clip in clips:
        for frame in clip[::3]:
            boxes = detector(np.ascontiguousarray(frame), 0)
            n_found += len(boxes) == 1 and boxes[0].width() >= 90
            n_frames += 1
    assert n_frames == 24
    assert n_found >= 0.95 * n_frames


def test_a_fake_differs_from_its_recording_in_the_face_alone(clips):
    detector = dlib.get_frontal_face_detector()
    for real, fake in zip(clips[:3], clips[3:], strict=True):
        for k in (0, 6, 11):
            frame = np.ascontiguousarray(real[k])
            box = detector(frame, 0)[0]
            center = box.center()
            y, x = np.mgrid[: frame.shape[0], : frame.shape[1]]
            distance = np.hypot(y - center.y, x - center.x) / box.width()
            difference = np.abs(frame.astype(int) - fake[k]).mean(axis=2)
            inside = difference[distance < 0.4].mean()
            outside = difference[distance > 0.9].mean()
            assert inside > 5
            # Only the encoder changes pixels outside the face.
            assert outside < min(2.5, inside / 4)


def test_sharpness_does_not_tell_fakes(tmp_path):
    options = {"duration": 0.1, "fps": 10, "size": (160, 200), "random_state": 0}
    videos = make_videos(tmp_path, n_real=16, n_fake=16, **options)
    detail = []
    for path in videos.data:
        frame = cv2.VideoCapture(path).read()[1][50:110, 70:130]
        gray = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        detail.append(cv2.Laplacian(gray, cv2.CV_64F).var())
    assert 0.3 < roc_auc_score(videos.target, detail) < 0.7
    assert max(detail) > 2 * min(detail)


def test_a_face_is_blended_into_itself_where_it_goes():
    recording = Recording(0, load_portrait(), 12, 2, (240, 320))
    # The face crosses the frame and rotates slightly.
    recording.path[:, 0] += np.linspace(-30, 30, 12)
    real = np.stack(list(recording.render())).astype(int)
    fake = np.stack(list(recording.render(SelfBlend(1, recording))))
    changed = np.abs(fake - real).max(axis=3)
    places = []
    for k in (0, 6, 11):
        y, x = np.nonzero(changed[k])
        # Only the face changes. Its bounding box is about 120 pixels wide.
        assert np.abs(x - recording.path[k, 0]).max() < 75
        assert np.abs(y - recording.path[k, 1]).max() < 100
        assert changed[k].max() > 10
        places.append((x.mean(), y.mean()))
    moves = np.diff(places, axis=0)
    expected = np.diff(recording.path[[0, 6, 11]], axis=0)
    np.testing.assert_allclose(moves, expected, atol=2)
    # All frames use the same random parameters, so color shifts are equal.
    shifts = [(fake[k] - real[k])[changed[k] > 0].mean(axis=0) for k in (0, 6, 11)]
    assert np.abs(shifts[0]).max() > 5
    np.testing.assert_allclose(shifts, shifts[:1] * 3, atol=1)


def test_self_blended_fakes_are_of_the_same_recordings(tmp_path):
    swapped, blended, again = (
        make_videos(tmp_path / name, **TINY, manipulation=manipulation, random_state=0)
        for name, manipulation in (
            ("swap", "swap"),
            ("blend", "self_blended"),
            ("again", "self_blended"),
        )
    )
    real, other_real = (decode(videos.data[0]) for videos in (swapped, blended))
    np.testing.assert_array_equal(real, other_real)
    swap, blend, same = (decode(v.data[1]) for v in (swapped, blended, again))
    np.testing.assert_array_equal(blend, same)
    assert np.abs(blend.astype(int) - swap).max() > 20
    assert np.abs(blend.astype(int) - real).max() > 20


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"n_real": 0}, ValueError, "n_real == 0, must be >= 1"),
        ({"n_real": 1001}, ValueError, "n_real == 1001, must be <= 1000"),
        ({"n_fake": -1}, ValueError, "n_fake == -1, must be >= 1"),
        ({"n_real": 2.5}, TypeError, "n_real must be an instance of int"),
        ({"duration": 0}, ValueError, "duration == 0, must be > 0"),
        ({"fps": float("nan")}, ValueError, "fps must be finite"),
        ({"size": (95, 128)}, ValueError, "height == 95, must be >= 96"),
        ({"size": (96, 129)}, ValueError, r"a width of 129\. Use 128"),
        ({"size": 240}, ValueError, "size must be a tuple of height and width"),
        (
            {"manipulation": "blend"},
            ValueError,
            "must be one of 'swap', 'self_blended'",
        ),
        ({"manipulation": ["swap", "blend"]}, ValueError, "'blend' must be one of"),
        ({"manipulation": []}, ValueError, "manipulation='' must be one of"),
        ({"size": (96.0, 128)}, TypeError, "the height must be an instance of int"),
    ],
)
def test_bad_parameters_are_named_before_anything_is_made(
    params, error, message, tmp_path
):
    with pytest.raises(error, match=message):
        make_videos(tmp_path / "new", **{**TINY, **params})
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("folder", ["real", "fake"])
def test_nothing_is_written_into_a_folder_in_use(folder, tmp_path):
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "mine.mp4").write_bytes(b"mine")
    with pytest.raises(DatasetError, match=f"{folder}' already contains files"):
        make_videos(tmp_path, **TINY)
    assert files_under(tmp_path) == [f"{folder}/mine.mp4"]


@pytest.mark.parametrize("name", ["root", "root/real"])
def test_a_file_in_the_place_of_a_folder_is_refused(name, tmp_path):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("a file")
    with pytest.raises(DatasetError, match=r"is a file; expected a folder"):
        make_videos(tmp_path / "root", **TINY)


def test_ffmpeg_that_is_missing_is_named_before_anything_is_made(monkeypatch, tmp_path):
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: "/no/such/ffmpeg")
    with pytest.raises(FFmpegError, match="'/no/such/ffmpeg' cannot be used"):
        make_videos(tmp_path / "videos")
    assert not (tmp_path / "videos").exists()


def test_no_clip_is_left_when_the_writer_fails(monkeypatch, tmp_path):
    write_frames = _synthetic.imageio_ffmpeg.write_frames
    names = []

    def failing(path, *args, **kwargs):
        names.append(path)
        writer = write_frames(path, *args, **kwargs)
        writer.send(None)
        try:
            frame = yield
            writer.send(frame)
            if len(names) == 2:
                raise OSError("no space left on device")
            while True:
                writer.send((yield))
        finally:
            writer.close()

    monkeypatch.setattr(_synthetic.imageio_ffmpeg, "write_frames", failing)
    with pytest.raises(OSError, match="no space left"):
        make_videos(tmp_path, **TINY)
    # The first clip was complete and the second one was started.
    assert len(names) == 2
    assert all(name.endswith(".part") for name in names)
    assert files_under(tmp_path) == []


def test_a_clip_that_lacks_frames_is_not_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(
        _synthetic.imageio_ffmpeg, "count_frames_and_secs", lambda path: (1, 0.1)
    )
    with pytest.raises(OSError, match="ffmpeg wrote 1 of 2 frames"):
        make_videos(tmp_path, **TINY)
    assert files_under(tmp_path) == []


def test_without_scikit_image_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "skimage.data", None)
    with pytest.raises(ImportError, match=r'pip install "skdeepfake\[demo\]"'):
        make_videos(tmp_path / "new", **TINY)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("verbose", [0, 1])
def test_progress_is_shown_on_request(verbose, tmp_path, capsys):
    make_videos(tmp_path, **TINY, verbose=verbose)
    assert ("rendering: " in capsys.readouterr().err) == bool(verbose)


# -- temporal manipulations ----------------------------------------------------------

EYE, MOUTH, NOSE = (203, 101), (222, 147), (222, 125)


@pytest.fixture(scope="module")
def recording():
    """Return two seconds of a blinking face."""
    return Recording(1, load_portrait(), 30, 15, (160, 200), blinks=True)


@pytest.fixture(scope="module")
def real(recording):
    return list(recording.render())


def patches(recording, frames, place, half=(14, 8)):
    """Crop the region around a point of the portrait from each frame."""
    found = []
    for k, frame in enumerate(frames):
        upright = cv2.warpAffine(
            frame, recording.pose(k), (512, 512), flags=cv2.WARP_INVERSE_MAP
        )
        (x, y), (w, h) = place, half
        found.append(upright[y - h : y + h, x - w : x + w].astype(float))
    return np.array(found)


def test_flicker_changes_the_light_of_the_face_alone(recording, real):
    fake = list(recording.render(Flicker(0, recording)))
    jumps = []
    for frames in (real, fake):
        light = patches(recording, frames, NOSE).mean(axis=(1, 2, 3))
        jumps.append(np.abs(np.diff(light)).mean() / light.mean())
    assert jumps[0] < 0.01
    assert jumps[1] > 0.03
    corner = [np.array(frames)[:, :40, :40].astype(int) for frames in (real, fake)]
    assert np.abs(corner[0] - corner[1]).max() == 0


def test_faces_blink_and_frozen_eyes_do_not(recording, real):
    fake = list(recording.render(FrozenEyes(0, recording)))
    closed = recording.closed == 1
    assert 2 <= closed.sum() <= 12
    for frames, is_frozen in ((real, False), (fake, True)):
        eyes = patches(recording, frames, EYE, (10, 5))
        # A closed lid hides the contrast between the iris and the white of the eye.
        contrast = eyes.std(axis=(1, 2)).mean(axis=1)
        loss = contrast[closed].max() / contrast[recording.closed == 0].min()
        assert (loss > 0.8) == is_frozen
    mouths = [patches(recording, frames, MOUTH) for frames in (real, fake)]
    assert np.abs(mouths[0] - mouths[1]).mean() < 0.1


def test_nobody_blinks_without_frozen_eyes():
    assert not Recording(1, load_portrait(), 30, 15, (96, 96)).closed.any()


def test_a_late_mouth_shows_an_earlier_frame(recording, real):
    manipulation = LipSync(0, recording)
    assert 3 <= manipulation.lag <= 6
    fake = patches(recording, recording.render(manipulation), MOUTH, (20, 10))
    mouth = patches(recording, real, MOUTH, (20, 10))
    # Find the lag at which the mouth of the recording matches that of the fake.
    lags = range(10)
    distance = [np.abs(fake[10:] - mouth[10 - lag : 30 - lag]).mean() for lag in lags]
    assert np.argmin(distance) == manipulation.lag
    assert distance[manipulation.lag] < 0.9 * distance[0]
    eyes = [patches(recording, f, EYE) for f in (real, recording.render(manipulation))]
    np.testing.assert_array_equal(*eyes)


def test_a_splice_jumps_into_and_out_of_another_time(recording, real):
    fake = list(recording.render(Splice(3, recording)))
    shown = [
        int(np.argmin([np.abs(frame - other.astype(int)).sum() for other in real]))
        for frame in fake
    ]
    jumps = np.flatnonzero(np.diff(shown) != 1)
    assert len(jumps) == 2
    assert jumps[1] - jumps[0] == 10
    assert all(np.abs(np.diff(shown)[jumps]) >= 14)


def test_manipulations_take_turns_on_each_recording(tmp_path):
    kinds = ["flicker", "splice", "lip_sync"]
    params = {**TINY, "n_real": 2, "n_fake": 7}
    videos = make_videos(tmp_path, **params, manipulation=kinds, random_state=0)
    found = sorted(zip(videos.groups[2:], videos.manipulations[2:], strict=True))
    each = sorted((group, kind) for group in (0, 1) for kind in kinds)
    twice = [pair for pair in each if found.count(pair) == 2]
    assert len(twice) == 1
    assert found == sorted(each + twice)
    assert videos.manipulations[:2].tolist() == ["none", "none"]
    assert videos.target.tolist() == [0, 0] + [1] * 7
    (group, kind), *_ = twice
    names = files_under(tmp_path / "fake")
    expected = [f"{g:03d}_{k}.mp4" for g, k in each if (g, k) != (group, kind)]
    expected += [f"{group:03d}_{kind}_{k}.mp4" for k in (0, 1)]
    assert names == sorted(expected)
    assert [
        path[-len(name) :] for path, name in zip(videos.data[2:], names, strict=True)
    ] == names


@pytest.mark.parametrize("manipulation", MANIPULATIONS)
def test_every_manipulation_works_on_a_single_frame(manipulation, tmp_path):
    params = {**TINY, "duration": 0.1, "manipulation": manipulation}
    videos = make_videos(tmp_path, **params, random_state=0)
    assert decode(videos.data[1]).shape == (1, 96, 128, 3)
    assert videos.manipulations.tolist() == ["none", manipulation]
    assert videos.data[1].endswith("000_fake.mp4")
