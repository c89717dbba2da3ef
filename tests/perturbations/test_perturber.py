"""VideoPerturber distorts the frames of clips in a pipeline."""

from __future__ import annotations

import pickle
import shutil
import tempfile

import imageio_ffmpeg
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from skdeepfake._video._deadline import Deadline
from skdeepfake.exceptions import VideoReadError, VideoReadWarning
from skdeepfake.perturbations import VideoPerturber, distort
from skdeepfake.preprocessing import (
    Clip,
    CropCache,
    DlibFaceCropper,
    VideoFrameSampler,
    VideoTranscoder,
    _crops,
)
from skdeepfake.preprocessing._faces import Face

FPS = 10
# Lossless and in RGB, which supports an odd width.
FFV1 = ("-c:v", "ffv1", "-pix_fmt", "bgr0")


@pytest.fixture(scope="module")
def film(tmp_path_factory, ffmpeg):
    """Write a video of eight different frames of 65 x 48 pixels."""
    path = tmp_path_factory.mktemp("films") / "film.mkv"
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (8, 6, 13, 3), dtype=np.uint8)
    frames = coarse.repeat(8, axis=1).repeat(5, axis=2)
    ffmpeg(*FFV1, f"file:{path}", frames=frames, fps=FPS)
    return path


@pytest.fixture
def own_temporary_folder(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def sample(*paths, n_frames=3, **parameters):
    return VideoFrameSampler(n_frames, **parameters).transform(paths)


def perturb(clips, *parameters, **keywords):
    return VideoPerturber(*parameters, **{"random_state": 0, **keywords}).transform(
        clips
    )


def assert_same_frames(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def differ(found, expected):
    return [
        bool((one != other).any()) for one, other in zip(found, expected, strict=True)
    ]


def likeness(one, one_before, other, other_before):
    """Return the correlation of the noise of two frames, without clipped pixels."""
    befores = np.array([one_before, other_before])
    inside = ((befores > 60) & (befores < 195)).all(axis=0)
    added = [one - one_before.astype(int), other - other_before.astype(int)]
    return np.corrcoef(*(each[inside] for each in added))[0, 1]


# -- frames ------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["corrected", "faithful"])
def test_each_frame_is_distorted(film, mode):
    clips = sample(film, n_frames=2)
    (clip,) = perturb(clips, "GB", 4, mode=mode)
    assert_same_frames(clip, [distort(frame, "GB", 4, mode=mode) for frame in clips[0]])
    (clip,) = perturb(clips, "CC", 4, mode=mode)
    assert_same_frames(clip, [distort(frame, "CC", 4, mode=mode) for frame in clips[0]])


def test_clip_stays_one_of_the_same_frames(film):
    (source,) = sample(film, n_frames=10)
    (clip,) = perturb([source], "CS", 1)
    assert isinstance(clip, Clip)
    assert (clip.path, clip.n_frames, len(clip)) == (str(film), 10, 10)
    assert repr(clip) == f"PerturbedClip({str(film)!r}, n_frames=10, CS:1)"
    frames = list(clip)
    assert [frame is None for frame in frames] == [False] * 8 + [True] * 2
    assert clip.indices.tolist() == [*range(8), -1, -1]
    np.testing.assert_allclose(clip.timestamps[:8], np.arange(8) / FPS, atol=1e-3)
    # The source has the frame plan found by decoding.
    assert source.plan.proven
    mapped = clip.map(lambda: np.copy)
    assert_same_frames(mapped[:8], frames[:8])
    assert mapped[8:] == [None, None]


def test_video_is_decoded_in_one_pass_and_not_before(film, asked):
    (clip,) = perturb(sample(film), "GNC", 1)
    assert asked == []
    clip.map(lambda: np.copy)
    assert [do for do, _ in asked] == ["promise", "decode"]


def test_clip_pickles_small_and_gives_the_same_frames(film):
    (clip,) = perturb(sample(film, n_frames=2), "BW", 5)
    frames = list(clip)
    written = pickle.dumps(clip)
    assert len(written) < 1500
    assert_same_frames(pickle.loads(written), frames)
    assert pickle.loads(written).identity == clip.identity


# -- randomness --------------------------------------------------------------------


def test_noise_depends_on_nothing_but_seed_file_and_frame(film, tmp_path):
    other = shutil.copy(film, tmp_path / "other.mkv")
    clips = sample(film, other)
    one, copied = perturb(clips, "GNC", 2)
    frames = list(one)
    # Noise does not depend on the path, the order of clips or how they are read.
    assert_same_frames(copied, frames)
    assert_same_frames(perturb(clips[::-1], "GNC", 2)[1], frames)
    assert_same_frames(one.map(lambda: np.copy), frames)
    # Each frame has its own noise, which does not depend on the other frames.
    clean = list(clips[0])
    assert abs(likeness(frames[0], clean[0], frames[1], clean[1])) < 0.1
    more = list(perturb(sample(film, n_frames=8), "GNC", 2)[0])
    assert_same_frames([more[0], more[7]], [frames[0], frames[2]])
    # Another seed or another file size changes the noise.
    assert all(differ(perturb(clips, "GNC", 2, random_state=1)[0], frames))
    with open(other, "ab") as file:
        file.write(b"\0")
    assert all(differ(perturb(sample(other), "GNC", 2)[0], frames))


def test_generator_goes_on_and_a_seed_does_not(film):
    clips = sample(film)

    def seeds(random_state):
        perturber = VideoPerturber("BW", 1, random_state=random_state)
        return [perturber.transform(clips)[0].perturbation.seed for _ in range(2)]

    assert len({*seeds(5)}) == 1
    assert len({*seeds(np.random.RandomState(5))}) == 2
    assert seeds(np.random.RandomState(5))[0] == seeds(5)[0]


def test_two_steps_of_a_chain_draw_other_noise(film):
    clips = sample(film, n_frames=1)
    (frame,) = clips[0]
    once = next(iter(perturb(clips, "GNC", 1)[0]))
    twice = next(iter(perturb(perturb(clips, "GNC", 1), "GNC", 1)[0]))
    assert abs(likeness(once, frame, twice, once)) < 0.1


# -- identity ----------------------------------------------------------------------


def test_identity_names_all_that_frames_and_faces_depend_on(film):
    clips = sample(film)

    def identity(*parameters, of=clips, **keywords):
        return perturb(of, *parameters, **keywords)[0].identity

    blurred = perturb(clips, "GB", 1)
    different = [
        clips[0].identity,
        identity("GB", 1),
        identity("GB", 2),
        identity("JPEG", 1),
        identity("GB", 1, mode="faithful"),
        identity("GB", 1, boxes="clean"),
        identity("GNC", 1),
        identity("GNC", 1, random_state=1),
        identity("CC", 1, of=blurred),
        identity("GB", 1, of=perturb(clips, "CC", 1)),
    ]
    assert len(set(different)) == len(different)
    assert identity("GB", 1) == identity("GB", 1, cache_dir="elsewhere")
    # The seed of a deterministic distortion is not part of the identity.
    assert identity("GB", 1, random_state=None) == identity("GB", 1)
    assert identity("GB", np.int64(1)) == identity("GB", 1)
    assert repr(identity("GB", np.int64(1))) == repr(identity("GB", 1))


def test_level_zero_gives_the_clips_themselves(film):
    clips = sample(film, film)
    found = perturb(clips, "VC", 0)
    assert found is not clips
    assert found.tolist() == clips.tolist()


# -- faces -------------------------------------------------------------------------


@pytest.fixture
def searched(monkeypatch):
    """Detect a face at the same position in each frame; return the searched frames."""
    frames = []

    class Follower:
        left_out = False

        def __init__(self, finder, max_faces):
            pass

        def find(self, frame):
            frames.append(frame.copy())
            return [Face(10, 20, 30, 40, score=1.0)]

    monkeypatch.setattr(_crops, "FaceFollower", Follower)
    return frames


def cut(frames):
    return [frame[20:40, 10:30] for frame in frames]


def crop(clips, **parameters):
    return DlibFaceCropper(**parameters).transform(clips)[0]


@pytest.mark.parametrize("code", ["GNC", "VC"])
def test_faces_are_searched_where_boxes_says_and_cut_from_distorted_frames(
    film, searched, code
):
    clips = sample(film, n_frames=2)
    clean = [frame[:, :64] for frame in clips[0]]  # the width of a compressed frame
    (clip,) = perturb(clips, code, 5)
    distorted = list(clip)
    assert differ([frame[:, :64] for frame in distorted], clean) == [True, True]

    assert_same_frames(crop([clip]), cut(distorted))
    assert_same_frames(searched, distorted)
    searched.clear()
    assert_same_frames(crop(perturb(clips, code, 5, boxes="clean")), cut(distorted))
    assert_same_frames([frame[:, :64] for frame in searched], clean)
    assert {frame.shape for frame in searched} == {frame.shape for frame in distorted}


@pytest.mark.parametrize("first", ["perturbed", "clean"])
def test_last_step_of_a_chain_decides_where_faces_are_searched(film, searched, first):
    clips = sample(film, n_frames=2)
    blurred = perturb(clips, "GB", 5, boxes=first)
    expected = [
        distort(distort(frame, "GB", 5), "CC", 5, mode="faithful") for frame in clips[0]
    ]
    for boxes, frames in (("clean", list(clips[0])), ("perturbed", expected)):
        searched.clear()
        chain = perturb(blurred, "CC", 5, mode="faithful", boxes=boxes)
        assert_same_frames(crop(chain), cut(expected))
        assert_same_frames(searched, frames)


def test_cache_of_crops_tells_them_apart(film, searched, tmp_path, asked):
    clips = sample(film, n_frames=2)
    kinds = [clips, perturb(clips, "CC", 5), perturb(clips, "CC", 5, boxes="clean")]
    kinds += [perturb(clips, "CC", 5, mode="faithful"), perturb(clips, "GNC", 5)]
    crops = [[np.asarray(c) for c in crop(k, memory=tmp_path)] for k in kinds]
    assert len(CropCache(tmp_path)) == len(kinds)
    assert_same_frames(crops[1], crops[2])  # the face has the same position
    assert all(differ(crops[0], crops[1]) + differ(crops[1], crops[3]))
    asked.clear()
    again = perturb(clips, "GNC", 5)
    assert_same_frames([np.asarray(c) for c in crop(again, memory=tmp_path)], crops[4])
    assert asked == []


# -- video compression -------------------------------------------------------------


def test_compressed_frames_are_those_of_x264_at_the_levels_rate(film, tmp_path):
    (clip,) = perturb(sample(film), "VC", 4, cache_dir=tmp_path / "ours")
    copies = VideoTranscoder(tmp_path / "theirs", crf=38, preset="medium").transform(
        [film]
    )
    frames = list(clip)
    assert_same_frames(frames, sample(copies[0])[0])
    assert {frame.shape for frame in frames} == {(48, 64, 3)}
    np.testing.assert_array_equal(clip.indices, sample(film)[0].indices)
    # Frames differ at another level.
    assert all(differ(perturb(sample(film), "VC", 1)[0], frames))


@pytest.mark.parametrize(("mode", "n_frames"), [("corrected", 4), ("faithful", 8)])
def test_corrected_mode_compresses_what_is_sampled_and_faithful_all(
    film, tmp_path, mode, n_frames
):
    clips = sample(film, n_frames=9, duration=0.4)
    (clip,) = perturb(clips, "VC", 1, mode=mode, cache_dir=tmp_path)
    assert [frame is None for frame in clip] == [False] * 4 + [True] * 5
    (copy,) = tmp_path.iterdir()
    assert imageio_ffmpeg.count_frames_and_secs(str(copy))[0] == n_frames


def test_copies_are_kept_where_asked_and_gone_otherwise(
    film, tmp_path, own_temporary_folder
):
    kept = tmp_path / "kept"
    clips = perturb(sample(film), "VC", 5, cache_dir=kept)
    assert not kept.exists()  # created when first needed
    frames = clips[0].map(lambda: np.copy)
    (copy,) = kept.iterdir()
    written = copy.stat().st_mtime_ns
    assert_same_frames(perturb(sample(film), "VC", 5, cache_dir=kept)[0], frames)
    assert [each.stat().st_mtime_ns for each in kept.iterdir()] == [written]

    (clip,) = perturb(sample(film), "VC", 5)
    there = [[*own_temporary_folder.rglob("*.mp4")] for _ in clip]
    assert [len(each) for each in there] == [1, 1, 1]
    assert_same_frames(clip.map(lambda: np.copy), frames)
    assert [*own_temporary_folder.iterdir()] == []


def test_neither_video_nor_copy_has_its_time_run_while_somebody_else_works(
    film, monkeypatch
):
    running = set()
    for name, change in (("__enter__", running.add), ("__exit__", running.discard)):
        original = getattr(Deadline, name)

        def spy(self, *error, original=original, change=change):
            change(self)
            return original(self, *error)

        monkeypatch.setattr(Deadline, name, spy)
    (clip,) = perturb(sample(film), "VC", 1)
    assert [len(running) for _ in clip] == [0, 0, 0]
    assert clip.map(lambda: lambda frame: len(running)) == [2, 2, 2]
    assert running == set()


def test_compression_comes_first(film):
    clips = sample(film, n_frames=1)
    message = r"'VC' compresses the original.*film\.mkv.*GB:1.*Put 'VC' directly"
    with pytest.raises(ValueError, match=message):
        perturb(perturb(clips, "GB", 1), "VC", 1)
    compressed = perturb(clips, "VC", 1)
    (frame,) = compressed[0]
    assert_same_frames(perturb(compressed, "GB", 1)[0], [distort(frame, "GB", 1)])


def test_video_that_begins_late_is_compressed_in_step(film, tmp_path, ffmpeg):
    path = tmp_path / "late.avi"
    ffmpeg("-i", film, "-c:v", "mpeg4", "-q:v", 2, "-bf", 2, path)
    clips = sample(path)
    assert clips[0].timestamps[0] == 0
    # Frames consist of random blocks, so that different frames differ much more.
    for frame, original in zip(perturb(clips, "VC", 1)[0], clips[0], strict=True):
        assert np.abs(frame - original[:, :64].astype(float)).mean() < 15


@pytest.fixture
def short(film, tmp_path, ffmpeg):
    """Write a file that declares more frames than it has."""
    whole = tmp_path / "whole.avi"
    ffmpeg("-i", film, "-c:v", "mjpeg", "-q:v", 3, whole)
    path = tmp_path / "short.avi"
    path.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.6)])
    return path


def test_broken_promise_is_kept_with_both_videos_in_step(short):
    n_there = int(np.sum(sample(short, n_frames=9)[0].indices >= 0))
    assert 2 < n_there < 8
    (clip,) = perturb(sample(short, n_frames=9), "VC", 1, boxes="clean")
    with pytest.warns(UserWarning, match=r"short\.avi.*is damaged") as caught:
        pairs = clip._map_faces(lambda: lambda *frames: np.array(frames, float))
    assert [pair is None for pair in pairs] == [False] * n_there + [True] * (
        9 - n_there
    )
    assert len(caught) == 1  # compressed once for both passes
    # Each frame is paired with its own copy.
    for pair in pairs[: n_there - 1]:
        assert np.abs(pair[0] - pair[1]).mean() < 15


# -- broken videos -----------------------------------------------------------------


@pytest.fixture
def hollow(tmp_path):
    """Write a file that starts like a video, but is not one."""
    path = tmp_path / "hollow.mp4"
    path.write_bytes(b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + b"junk" * 99)
    return path


@pytest.mark.parametrize("code", ["GB", "VC"])
def test_broken_video_is_named_or_skipped_as_without_distortions(hollow, code):
    (clip,) = perturb(sample(hollow), code, 1)
    for read in (list, lambda clip: crop([clip])):
        with pytest.raises(VideoReadError) as caught:
            read(clip)
        assert caught.value.path == str(hollow)
    skipped = perturb(sample(hollow, on_error="skip"), code, 1)
    with pytest.warns(VideoReadWarning, match=r"hollow\.mp4"):
        assert crop(skipped).tolist() == [None] * 3
    assert skipped[0].error.path == str(hollow)
    assert list(skipped[0]) == [None] * 3


def test_video_that_the_sampler_gave_up_stays_given_up(tmp_path):
    with pytest.warns(VideoReadWarning):
        clips = sample(tmp_path / "missing.mp4", on_error="skip")
    (clip,) = perturb(clips, "GNC", 1)
    assert clip.error is clips[0].error
    assert crop([clip]).tolist() == [None] * 3


def test_video_that_cannot_be_compressed_can_still_be_blurred(
    film, tmp_path, ffmpeg, searched
):
    path = tmp_path / "moving.gif"  # not supported by the transcoder
    ffmpeg("-i", film, path)
    clips = sample(path, on_error="skip")
    (clip,) = perturb(clips, "VC", 1)
    with pytest.warns(VideoReadWarning, match=r"moving\.gif.*cannot be compressed"):
        assert crop([clip]).tolist() == [None] * 3
    assert clip.indices.tolist() == [-1] * 3
    assert clips[0].error is None
    assert all(cell is not None for cell in crop(perturb(clips, "GB", 1)))


def test_limits_of_the_sampler_hold_for_the_compression_too(film, tmp_path):
    clips = sample(film, timeout=1e-6)
    with pytest.raises(VideoReadError, match=r"timeout=1e-06.*VideoFrameSampler"):
        perturb(clips, "VC", 1)[0]._compress(tmp_path)


def test_file_that_changes_is_noticed(film, tmp_path):
    path = shutil.copy(film, tmp_path / "changing.mkv")
    (clip,) = perturb(sample(path), "GB", 1)
    with open(path, "ab") as file:
        file.write(b"\0")
    with pytest.raises(VideoReadError, match="has changed since it was sampled"):
        list(clip)


# -- the step ----------------------------------------------------------------------


def test_step_of_a_pipeline_takes_clips_and_nothing_else(film, searched):
    steps = make_pipeline(
        VideoFrameSampler(2), VideoPerturber("GB", 5), DlibFaceCropper()
    )
    crops = steps.fit_transform([film])
    expected = [distort(frame, "GB", 5) for frame in sample(film, n_frames=2)[0]]
    assert crops.shape == (1, 2)
    assert_same_frames(crops[0], cut(expected))
    with pytest.raises(
        ValueError, match=r"VideoPerturber expects clips; X\[0\] is str"
    ):
        VideoPerturber().transform([str(film)])


@pytest.mark.parametrize(
    "parameters",
    [
        *({"distortion": "XX"}, {"level": 6}, {"level": -1}, {"level": 1.5}),
        *({"mode": "right"}, {"boxes": "both"}, {"cache_dir": 3}),
        {"random_state": "seed"},
    ],
    ids=str,
)
def test_bad_parameter_is_named_by_fit_and_by_transform(film, parameters):
    perturber = VideoPerturber(**parameters)
    (name,) = parameters
    for method in (perturber.fit, perturber.transform):
        with pytest.raises(ValueError, match=f"'{name}' parameter"):
            method(sample(film))
