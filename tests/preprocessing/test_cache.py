"""Cached crops equal fresh crops, and the cache handles disk errors."""

from __future__ import annotations

import errno
import os
import pickle
import re
import shutil
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdeepfake._video._reader import Plan
from skdeepfake.exceptions import (
    CacheError,
    CacheWarning,
    NoFaceWarning,
    VideoReadError,
)
from skdeepfake.preprocessing import (
    Clip,
    CropCache,
    DlibFaceCropper,
    Resizer,
    StoredCrop,
    VideoFrameSampler,
    _clip,
    _cropping,
)

N_FRAMES = 3

not_as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)


def sample(paths, n_frames=N_FRAMES, duration=10.0):
    return VideoFrameSampler(n_frames=n_frames, duration=duration).transform(paths)


def assert_same(crops, expected):
    """Check that two arrays of crops or None are equal."""
    assert crops.shape == expected.shape
    for crop, other in zip(crops.flat, expected.flat, strict=True):
        assert (crop is None) == (other is None)
        if crop is not None:
            np.testing.assert_array_equal(
                np.asarray(crop), np.asarray(other), strict=True
            )


def entries(folder):
    return sorted(Path(folder).rglob("*.zip"))


def parts(folder):
    return sorted(Path(folder).rglob("*.part"))


def n_decodes(asked, path):
    return asked.count(("decode", path)) + asked.count(("count", path))


@pytest.fixture(scope="module")
def videos(rendered_videos):
    """Return two recordings, and their crops without a cache."""
    paths = rendered_videos.data[:2]
    return paths, DlibFaceCropper().transform(sample(paths))


@pytest.fixture
def video(videos, tmp_path):
    """Return a recording that a test may change, and its crops."""
    path = tmp_path / "clip.mp4"
    shutil.copy2(videos[0][0], path)
    return path, videos[1][:1]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def cropper(folder):
    return DlibFaceCropper(memory=folder)


# -- cache hits --------------------------------------------------------------


def test_cached_crops_equal_fresh_ones_to_the_last_bit(videos, cropper):
    paths, fresh = videos
    assert sum(crop is not None for crop in fresh.flat) > 3
    for _ in range(2):
        assert_same(cropper.transform(sample(paths)), fresh)


def test_noise_survives_the_cache_in_every_shape(folder):
    rng = np.random.default_rng(0)
    shapes = [(1, 1, 3), (7, 300, 3), (131, 129, 3)]
    crops = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]
    crops += [np.full((5, 5, 3), 77, np.uint8)]  # gray, with three channels
    cache = CropCache(folder)
    cache._store("key", crops, Plan(np.arange(4), np.arange(4) / 25, proven=True))
    for stored, crop in zip(cache._load("key").crops, crops, strict=True):
        np.testing.assert_array_equal(np.asarray(stored), crop, strict=True)


def test_second_transform_opens_no_video(videos, cropper, asked):
    paths, fresh = videos
    cropper.transform(sample(paths))
    assert [n_decodes(asked, path) for path in paths] == [1, 1]
    asked.clear()
    assert_same(cropper.transform(sample(paths)), fresh)
    assert asked == []


def test_frames_are_known_after_a_hit_without_decoding(videos, cropper, asked):
    paths, _ = videos
    first = sample(paths)
    cropper.transform(first)
    second = sample(paths)
    cropper.transform(second)
    asked.clear()
    for path, one, two in zip(paths, first, second, strict=True):
        expected = Clip(path, n_frames=N_FRAMES)
        for clip in (one, two):
            assert not asked
            np.testing.assert_array_equal(clip.indices, [0, 7, 14], strict=True)
            timestamps = clip.timestamps
            assert not asked
            np.testing.assert_array_equal(timestamps, expected.timestamps, strict=True)
            asked.clear()


def test_hit_gives_frames_that_can_be_decoded(videos, cropper):
    paths, _ = videos
    cropper.transform(sample(paths))
    clips = sample(paths)
    cropper.transform(clips)
    for frame, fresh in zip(clips[0], Clip(paths[0], n_frames=N_FRAMES), strict=True):
        np.testing.assert_array_equal(frame, fresh)


def test_slots_without_frame_or_face_are_cached(videos, cropper, write_clip, asked):
    face = next(iter(Clip(videos[0][0])))
    path = write_clip([face, np.zeros_like(face), face], "short.mp4")
    fresh = DlibFaceCropper().transform(sample([path], n_frames=5))
    assert [crop is None for crop in fresh[0]] == [False, True, False, True, True]
    for n_opened in (True, False):
        asked.clear()
        clips = sample([path], n_frames=5)
        assert_same(cropper.transform(clips), fresh)
        assert clips[0].indices.tolist() == [0, 1, 2, -1, -1]
        assert np.isnan(clips[0].timestamps).tolist() == [False] * 3 + [True] * 2
        assert bool(asked) is n_opened


def test_video_without_faces_is_cached_and_warns_again(
    cropper, write_clip, numbered_frames, asked
):
    path = write_clip(numbered_frames(5), "bars.mp4")
    for n_opened in (True, False):
        asked.clear()
        with pytest.warns(NoFaceWarning, match="bars.mp4"):
            crops = cropper.transform(sample([path]))
        assert [crop is None for crop in crops.flat] == [True] * N_FRAMES
        assert bool(asked) is n_opened


def test_unicode_paths(videos, tmp_path, asked):
    path = tmp_path / "видео ü ✓.mp4"
    shutil.copy2(videos[0][0], path)
    cropper = DlibFaceCropper(memory=tmp_path / "кэш 缓存")
    cropper.transform(sample([path]))
    asked.clear()
    assert_same(cropper.transform(sample([path])), videos[1][:1])
    assert asked == []


# -- the parameter memory ----------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [str, Path, lambda folder: joblib.Memory(folder, verbose=0)],
    ids=["str", "Path", "joblib.Memory"],
)
def test_memory_names_a_folder(videos, folder, make, asked):
    paths, fresh = videos
    cropper = clone(DlibFaceCropper(memory=make(folder)))
    crops = cropper.transform(sample(paths))
    assert_same(crops, fresh)
    assert {type(crop) for crop in crops.flat} <= {StoredCrop, type(None)}
    assert len(CropCache(make(folder))) == 2
    asked.clear()
    DlibFaceCropper(memory=str(folder)).transform(sample(paths))
    assert asked == []


def test_memory_without_location_keeps_nothing(videos, asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths, fresh = videos
    cropper = DlibFaceCropper(memory=joblib.Memory(None))
    for _ in range(2):
        asked.clear()
        crops = cropper.transform(sample(paths))
        assert n_decodes(asked, paths[0]) == 1
        assert_same(crops, fresh)
        assert {type(crop) for crop in crops.flat} <= {np.ndarray, type(None)}
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="without a location"):
        CropCache(joblib.Memory(None))


# -- cache keys --------------------------------------------------------------


def decodes_again(asked, transform):
    asked.clear()
    transform()
    return bool(asked)


@pytest.mark.parametrize(
    "parameter", [{"margin": 0.1}, {"min_size": 50}, {"score_threshold": 0.5}], ids=str
)
def test_other_parameters_are_other_entries(videos, cropper, parameter, asked):
    path = videos[0][:1]
    cropper.transform(sample(path))
    other = clone(cropper).set_params(**parameter)
    assert decodes_again(asked, lambda: other.transform(sample(path)))
    assert len(CropCache(cropper.memory)) == 2
    assert not decodes_again(asked, lambda: other.transform(sample(path)))
    assert not decodes_again(asked, lambda: cropper.transform(sample(path)))


@pytest.mark.parametrize("sampling", [{"n_frames": 2}, {"duration": 0.5}], ids=str)
def test_other_sampling_is_another_entry(videos, cropper, sampling, asked):
    path = videos[0][:1]
    cropper.transform(sample(path))
    expected = DlibFaceCropper().transform(sample(path, **sampling))
    assert_same(cropper.transform(sample(path, **sampling)), expected)
    assert len(CropCache(cropper.memory)) == 2


@pytest.mark.parametrize("parameter", [{"n_jobs": 2}, {"verbose": 1}], ids=str)
def test_how_the_work_is_done_does_not_matter(videos, cropper, parameter, asked):
    paths, _ = videos
    cropper.transform(sample(paths))
    other = clone(cropper).set_params(**parameter)
    assert not decodes_again(asked, lambda: other.transform(sample(paths)))


@pytest.mark.parametrize(
    ("sampling", "cropping"),
    [
        ({}, {"margin": 0}),
        ({}, {"margin": np.float64(0)}),
        ({}, {"min_size": np.int64(40)}),
        ({}, {"score_threshold": 0}),
        ({"n_frames": np.int64(N_FRAMES)}, {}),
        ({"duration": 10}, {}),
        ({"duration": np.float64(10)}, {}),
    ],
    ids=str,
)
def test_equal_parameters_of_other_types_share_an_entry(
    videos, cropper, sampling, cropping, asked
):
    path = videos[0][:1]
    cropper.transform(sample(path))
    other = clone(cropper).set_params(**cropping)
    assert not decodes_again(asked, lambda: other.transform(sample(path, **sampling)))


def test_relative_and_absolute_paths_share_an_entry(video, cropper, monkeypatch):
    path, fresh = video
    cropper.transform(sample([path]))
    monkeypatch.chdir(path.parent)
    assert_same(cropper.transform(sample([path.name])), fresh)
    assert len(CropCache(cropper.memory)) == 1


def test_other_path_is_another_entry(video, cropper, tmp_path, asked):
    path, fresh = video
    cropper.transform(sample([path]))
    other = tmp_path / "other.mp4"
    shutil.copy2(path, other)
    asked.clear()
    assert_same(cropper.transform(sample([other])), fresh)
    assert n_decodes(asked, str(other)) == 1


@pytest.mark.parametrize("change", ["time", "size"])
def test_change_of_the_file_is_another_entry(video, cropper, change, asked):
    path, fresh = video
    cropper.transform(sample([path]))
    before = path.stat()
    if change == "size":
        with path.open("ab") as file:
            file.write(b"\0\0\0\x08free")  # an MP4 box without content
    ns = before.st_mtime_ns + (1 if change == "time" else 0)
    os.utime(path, ns=(ns, ns))
    assert decodes_again(asked, lambda: cropper.transform(sample([path])))
    assert_same(cropper.transform(sample([path])), fresh)
    assert len(CropCache(cropper.memory)) == 2


def test_changed_file_is_never_served_stale(videos, video, cropper):
    path, fresh = video
    clips = sample([path])
    assert_same(cropper.transform(clips), fresh)
    shutil.copyfile(videos[0][1], path)
    other = DlibFaceCropper().transform(sample([path]))
    assert_same(cropper.transform(sample([path])), other)
    assert not np.array_equal(np.asarray(other[0, -1]), np.asarray(fresh[0, -1]))


def test_replaced_file_of_the_same_size_and_time_is_another_entry(
    videos, tmp_path, cropper
):
    contents = [Path(path).read_bytes() for path in videos[0]]
    size = max(map(len, contents)) + 8
    path = tmp_path / "clip.mp4"
    for content, fresh in zip(contents, videos[1], strict=True):
        n_free = size - len(content)  # filled with an unused MP4 box
        path.write_bytes(content + n_free.to_bytes(4, "big") + b"free")
        os.truncate(path, size)
        os.utime(path, ns=(10**18, 10**18))
        clips = sample([path])
        assert_same(cropper.transform(clips), fresh[np.newaxis])
    path.write_bytes(path.read_bytes().replace(b"free", b"skip"))
    os.utime(path, ns=(10**18, 10**18))
    with pytest.raises(VideoReadError, match="has changed"):
        list(clips[0])


def test_file_changed_after_sampling_is_not_stored(videos, video, cropper):
    path, _ = video
    clips = sample([path])
    shutil.copyfile(videos[0][1], path)
    with pytest.raises(VideoReadError, match=r"clip\.mp4.*has changed"):
        cropper.transform(clips)
    assert len(CropCache(cropper.memory)) == 0


@pytest.mark.parametrize("version", ["cropping", "sampling", "format"])
def test_other_version_is_another_entry(videos, cropper, version, monkeypatch, asked):
    path = videos[0][:1]
    cropper.transform(sample(path))
    if version == "cropping":
        monkeypatch.setattr(
            _cropping, "ALGORITHM_VERSION", _cropping.ALGORITHM_VERSION + 1
        )
    elif version == "sampling":
        monkeypatch.setattr(_clip, "PLAN_VERSION", _clip.PLAN_VERSION + 1)
    else:
        monkeypatch.setattr(CropCache, "_format", CropCache._format + 1)
    assert decodes_again(asked, lambda: cropper.transform(sample(path)))


# -- several processes and crashes -------------------------------------------


@pytest.mark.nightly
@pytest.mark.parametrize("repeats", [1, 3], ids=["different videos", "same videos"])
def test_processes_share_a_cache(rendered_videos, cropper, repeats):
    paths = rendered_videos.data[:4]
    batches = [paths[:2], paths[2:]] if repeats == 1 else [paths[:2]] * repeats
    results = joblib.Parallel(n_jobs=2, backend="loky")(
        joblib.delayed(cropper.transform)(sample(batch)) for batch in batches
    )
    for batch, crops in zip(batches, results, strict=True):
        assert_same(crops, DlibFaceCropper().transform(sample(batch)))
    assert len(CropCache(cropper.memory)) == (4 if repeats == 1 else 2)
    assert parts(cropper.memory) == []


def test_two_writers_of_one_entry_leave_one_whole(videos, cropper, monkeypatch):
    path, fresh = videos[0][:1], videos[1][:1]
    replace = os.replace

    def overtaken(source, target):
        monkeypatch.setattr(os, "replace", replace)
        DlibFaceCropper(memory=cropper.memory).transform(sample(path))
        assert len(entries(cropper.memory)) == 1
        replace(source, target)

    monkeypatch.setattr(os, "replace", overtaken)
    assert_same(cropper.transform(sample(path)), fresh)
    assert len(entries(cropper.memory)) == 1
    assert parts(cropper.memory) == []


def test_entry_pruned_as_soon_as_written_does_no_harm(videos, cropper, monkeypatch):
    replace = os.replace

    def pruned(source, target):
        replace(source, target)
        CropCache(cropper.memory).prune()

    monkeypatch.setattr(os, "replace", pruned)
    paths, fresh = videos
    assert_same(cropper.transform(sample(paths)), fresh)


# -- damaged entries ---------------------------------------------------------


def without_description(entry):
    with zipfile.ZipFile(entry) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(entry, "w") as archive:
        for name in sorted(set(members) - {"clip.json"}):
            archive.writestr(name, members[name])


def flipped(*, mark, offset, bit):
    """Return a function that flips a bit at an offset from the last mark."""

    def damage(entry):
        content = bytearray(entry.read_bytes())
        content[content.rindex(mark) + offset] ^= 1 << bit
        entry.write_bytes(content)

    return damage


DAMAGE = {
    "truncated": lambda entry: os.truncate(entry, entry.stat().st_size // 2),
    "last byte missing": lambda entry: os.truncate(entry, entry.stat().st_size - 1),
    "empty": lambda entry: entry.write_bytes(b""),
    "not a zip": lambda entry: entry.write_bytes(b"x" * 10_000),
    "without clip.json": without_description,
    "bit in a PNG": flipped(mark=b"IDAT", offset=1000, bit=0),
    # Changes to the table of contents, named by how `zipfile` reads it.
    "from a newer zip": flipped(mark=b"PK\x01\x02", offset=6, bit=6),
    "encrypted": flipped(mark=b"PK\x01\x02", offset=8, bit=0),
    "compressed": flipped(mark=b"PK\x01\x02", offset=10, bit=3),
    "table of contents cut": flipped(mark=b"PK\x05\x06", offset=12, bit=7),
}
HARM = sorted(set(DAMAGE) - {"without clip.json"})  # crops are damaged


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_entry_is_made_again(videos, cropper, damage, asked):
    paths, fresh = videos
    cropper.transform(sample(paths[:1]))
    [entry] = entries(cropper.memory)
    cropper.transform(sample(paths))
    whole = entry.read_bytes()
    DAMAGE[damage](entry)
    assert entry.read_bytes() != whole
    with pytest.warns(CacheWarning, match=re.escape(repr(str(paths[0])))) as caught:
        crops = cropper.transform(sample(paths))
    assert "cropped again" in str(caught[0].message)
    assert len(caught) == 1
    assert_same(crops, fresh)
    asked.clear()
    assert_same(cropper.transform(sample(paths)), fresh)
    assert asked == []
    assert entry.stat().st_size == len(whole)
    with zipfile.ZipFile(entry) as archive:
        assert archive.testzip() is None


def test_flipped_bits_give_no_other_crops(folder):
    rng = np.random.default_rng(0)
    crop = rng.integers(0, 256, (2, 3, 3), dtype=np.uint8)
    plan = Plan(np.array([3]), np.array([0.12]), proven=True)
    cache = CropCache(folder)
    cache._store("key", [crop, None], plan)
    [entry] = entries(folder)
    whole = entry.read_bytes()
    refused = 0
    for position in range(len(whole)):
        content = bytearray(whole)
        content[position] ^= 1 << position % 8
        entry.write_bytes(content)
        try:
            found = cache._load("key")
        except CacheError:
            refused += 1
        else:
            np.testing.assert_array_equal(np.asarray(found.crops[0]), crop)
            assert found.crops[1:] == [None]
            np.testing.assert_array_equal(found.plan.indices, plan.indices)
            np.testing.assert_array_equal(found.plan.timestamps, plan.timestamps)
    # The other bytes are dates and versions, which are not used.
    assert refused > len(whole) / 2


# -- full or read-only disks -------------------------------------------------


def test_full_disk_keeps_what_was_written_before(
    videos, cropper, full_disk, monkeypatch, asked
):
    paths, fresh = videos
    full_disk(1)
    with pytest.raises(CacheError) as error:
        cropper.transform(sample(paths))
    for words in (
        str(cropper.memory),
        "No space left",
        "Free disk space",
        "another folder",
    ):
        assert words in str(error.value)
    assert parts(cropper.memory) == []
    assert len(CropCache(cropper.memory)) == 1

    asked.clear()
    assert_same(cropper.transform(sample(paths[:1])), fresh[:1])
    assert asked == []
    monkeypatch.undo()
    assert_same(cropper.transform(sample(paths)), fresh)


@pytest.mark.parametrize("in_the_way", [".", "skdeepfake-crops"])
def test_file_in_the_way_is_an_error_that_names_it(videos, cropper, in_the_way):
    path = cropper.memory / in_the_way
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("mine")
    # There is no CacheWarning, since nothing is damaged.
    with pytest.raises(CacheError, match=f"{re.escape(str(path))}.*another folder"):
        cropper.transform(sample(videos[0]))
    assert path.read_text() == "mine"


@not_as_root
def test_folder_without_permission_is_an_error_that_names_it(videos, cropper):
    cropper.memory.mkdir()
    cropper.memory.chmod(0o500)
    with pytest.raises(
        CacheError, match=f"{re.escape(str(cropper.memory))}.*ermission"
    ):
        cropper.transform(sample(videos[0]))


def test_cache_that_may_only_be_read_is_used(videos, cropper, monkeypatch, asked):
    paths, fresh = videos
    cropper.transform(sample(paths))

    def refuse(*args, **kwargs):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for name in ("utime", "replace", "makedirs", "mkdir"):
        monkeypatch.setattr(os, name, refuse)
    asked.clear()
    assert_same(cropper.transform(sample(paths)), fresh)
    assert asked == []


@not_as_root
def test_folder_without_write_permission_is_used(videos, cropper, asked):
    paths, fresh = videos
    cropper.transform(sample(paths))
    for path in [*cropper.memory.rglob("*"), cropper.memory]:
        path.chmod(0o500 if path.is_dir() else 0o400)
    asked.clear()
    assert_same(cropper.transform(sample(paths)), fresh)
    assert asked == []


# -- size and pruning --------------------------------------------------------


def test_size_counts_whole_entries(videos, cropper):
    cache = CropCache(cropper.memory)
    assert (len(cache), cache.nbytes, cache.prune()) == (0, 0, 0)
    assert not cropper.memory.exists()
    cropper.transform(sample(videos[0]))
    (entries(cropper.memory)[0].parent / "written.part").write_bytes(b"x" * 1000)
    assert len(cache) == 2
    assert cache.nbytes == sum(path.stat().st_size for path in entries(cropper.memory))


def test_prune_deletes_what_killed_processes_left(videos, cropper):
    cropper.transform(sample(videos[0][:1]))
    [entry] = entries(cropper.memory)
    part = entry.with_name(f".{entry.name}.{'0' * 32}.part")
    part.write_bytes(b"half")
    cache = CropCache(cropper.memory)
    # A new partial file may belong to a process that is writing it.
    assert (cache.prune(10**9), parts(cropper.memory)) == (0, [part])
    os.utime(part, (0, 0))
    assert (cache.prune(10**9), parts(cropper.memory)) == (0, [])
    assert len(cache) == 1


def test_prune_deletes_what_was_not_used_for_longest(rendered_videos, cropper, asked):
    paths = rendered_videos.data[:3]
    used = {}
    for seconds, path in enumerate(paths, start=1):
        cropper.transform(sample([path]))
        [used[path]] = set(entries(cropper.memory)) - set(used.values())
        os.utime(used[path], (seconds, seconds))
    cropper.transform(sample(paths[:1]))  # the oldest becomes the most recent
    cache = CropCache(cropper.memory)

    assert cache.prune(cache.nbytes) == 0
    assert cache.prune(cache.nbytes - 1) == 1
    assert not used[paths[1]].exists()
    assert cache.prune(used[paths[0]].stat().st_size) == 1
    assert entries(cropper.memory) == [used[paths[0]]]
    assert not decodes_again(asked, lambda: cropper.transform(sample(paths[:1])))
    assert decodes_again(asked, lambda: cropper.transform(sample(paths[1:2])))
    assert cache.prune(0) == 2
    assert (len(cache), cache.nbytes) == (0, 0)


def test_prune_touches_nothing_but_its_own(videos, cropper):
    cropper.transform(sample(videos[0]))
    strangers = [
        cropper.memory / "notes.zip",
        cropper.memory / "joblib" / "1" / "a.zip",
    ]
    for stranger in strangers:
        stranger.parent.mkdir(parents=True, exist_ok=True)
        stranger.write_text("mine")
    assert CropCache(cropper.memory).prune() == 2
    assert entries(cropper.memory) == sorted(strangers)


# -- stored crops ------------------------------------------------------------


@pytest.fixture
def stored(videos, cropper):
    """Return a crop from the cache and the same crop without a cache."""
    path, fresh = videos[0][:1], videos[1]
    slot = next(i for i, crop in enumerate(fresh[0]) if crop is not None)
    return cropper.transform(sample(path))[0, slot], fresh[0, slot]


def test_stored_crop_is_read_as_an_array(stored):
    crop, fresh = stored
    np.testing.assert_array_equal(np.asarray(crop), fresh, strict=True)
    floats = np.asarray(crop, dtype=np.float32)
    np.testing.assert_array_equal(floats, fresh.astype(np.float32), strict=True)


def test_stored_crop_is_small_and_pickles(stored):
    crop, fresh = stored
    assert repr(crop) == f"StoredCrop({crop.entry!r}, {crop.slot})"
    pickled = pickle.dumps(crop)
    assert len(pickled) < 1000 < fresh.nbytes
    np.testing.assert_array_equal(np.asarray(pickle.loads(pickled)), fresh)


def test_stored_crops_are_resized_like_fresh_ones(videos, cropper):
    paths, fresh = videos
    stored = cropper.transform(sample(paths))
    resizer = Resizer(size=(64, 48))
    np.testing.assert_array_equal(resizer.transform(stored), resizer.transform(fresh))


@pytest.mark.parametrize("harm", ["pruned", *HARM])
def test_crop_lost_between_cropper_and_resizer_says_so(videos, cropper, harm):
    crops = cropper.transform(sample(videos[0][:1]))
    [entry] = entries(cropper.memory)
    if harm == "pruned":
        CropCache(cropper.memory).prune()
    else:
        DAMAGE[harm](entry)
    words = f"{re.escape(str(entry))}.*pruned or damaged.*Run the cropper again"
    with pytest.raises(CacheError, match=words):
        Resizer().transform(crops[:, -1:])


# -- purpose of the cache ----------------------------------------------------


@pytest.mark.parametrize(
    "cached", [True, pytest.param(False, marks=pytest.mark.nightly)]
)
def test_grid_search_decodes_each_video_once(rendered_videos, folder, cached, asked):
    chosen = [0, 1, 2, 6, 7, 8]
    paths, y = rendered_videos.data[chosen], rendered_videos.target[chosen]
    pipeline = make_pipeline(
        VideoFrameSampler(n_frames=1),
        DlibFaceCropper(memory=folder if cached else None),
        Resizer(size=(8, 8)),
        FunctionTransformer(lambda faces: faces.mean(axis=1).reshape(len(faces), -1)),
        LogisticRegression(),
    )
    grid = {"logisticregression__C": [1e-4, 1e-3]}
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(paths, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    # Three folds and two candidates use each video six times. The refit uses it again.
    expected = 1 if cached else 7
    assert [n_decodes(asked, path) for path in paths] == [expected] * len(paths)


def test_stored_crop_shows_a_thumbnail(stored) -> None:
    crop, _ = stored
    assert "data:image/jpeg;base64," in crop._repr_html_()
    gone = StoredCrop("<gone>.zip", 0)._repr_html_()
    assert "&lt;gone&gt;" in gone
    assert "img" not in gone
