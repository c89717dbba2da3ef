"""The cache returns the features of the network and computes them once."""

from __future__ import annotations

import errno
import os
import re
import shutil
import zipfile
from pathlib import Path

import h5py
import joblib
import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdeepfake.exceptions import CacheError, CacheWarning
from skdeepfake.features import (
    FeatureCache,
    KerasFeaturizer,
    VGG16Featurizer,
    _keras_featurizer,
    _network,
)
from skdeepfake.features._network import FeatureNetwork

# A small network is enough to test the cache.
pytestmark = pytest.mark.usefixtures("thin_vgg16")

not_as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)


def entries(folder):
    return sorted(Path(folder).rglob("*.zip"))


def parts(folder):
    return sorted(Path(folder).rglob("*.part"))


def assert_close(features, expected):
    """Compare features of different batches, which differ by rounding errors."""
    assert features.shape == expected.shape
    np.testing.assert_allclose(
        features, expected, rtol=0, atol=1e-5 * np.abs(expected).max()
    )


def computes(seen, featurizer, X):
    """Return the number of images of X that the network computes."""
    before = sum(map(len, seen))
    featurizer.transform(X)
    return sum(map(len, seen)) - before


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def featurizer(folder):
    return VGG16Featurizer(weights=None, memory=folder)


@pytest.fixture(scope="module")
def expected(gappy):
    return VGG16Featurizer(weights=None).transform(gappy.X)


# -- hits --------------------------------------------------------------------


def test_second_transform_runs_no_network_and_gives_the_same_bits(
    gappy, featurizer, expected, seen
):
    np.testing.assert_array_equal(featurizer.transform(gappy.X), expected)
    assert sum(map(len, seen)) == gappy.filled.sum() == 7
    seen.clear()
    features = featurizer.transform(gappy.X)
    np.testing.assert_array_equal(features, expected, strict=True)
    assert seen == []


def test_network_is_not_even_built_where_all_is_known(gappy, featurizer, built):
    featurizer.transform(gappy.X)
    assert len(built) == 1
    built.clear()
    _network._shared.clear()
    featurizer.transform(gappy.X)
    assert built == []


@pytest.mark.parametrize(
    "parameters",
    [{"dtype": "float16"}, {"pooling": "avg"}, {"frame_pooling": "avg"}],
    ids=str,
)
def test_features_of_every_form_come_back_as_they_were(
    gappy, featurizer, parameters, seen
):
    featurizer.set_params(**parameters)
    fresh = clone(featurizer).set_params(memory=None).transform(gappy.X)
    seen.clear()
    for n_images in (7, 0):
        features = featurizer.transform(gappy.X)
        np.testing.assert_array_equal(features, fresh, strict=True)
        assert sum(map(len, seen)) == n_images
        seen.clear()


def test_images_are_cached_each_alone(gappy, featurizer, seen):
    images = gappy.X[:, 1]
    fresh = clone(featurizer).set_params(memory=None).transform(images)
    np.testing.assert_array_equal(featurizer.transform(images), fresh)
    assert len(FeatureCache(featurizer.memory)) == 3
    assert computes(seen, featurizer, images) == 0
    np.testing.assert_array_equal(featurizer.transform(images[::-1]), fresh[::-1])


def test_video_without_a_face_is_no_entry(gappy, featurizer, seen):
    assert not featurizer.transform(gappy.X[2:3]).any()
    assert len(FeatureCache(featurizer.memory)) == 0


@pytest.mark.parametrize(
    "make",
    [str, Path, lambda folder: joblib.Memory(folder, verbose=0)],
    ids=["str", "Path", "joblib.Memory"],
)
def test_memory_names_a_folder(gappy, featurizer, expected, make, seen):
    folder = featurizer.memory
    other = clone(featurizer).set_params(memory=make(folder))
    np.testing.assert_array_equal(other.transform(gappy.X), expected)
    assert len(FeatureCache(make(folder))) == 3
    assert computes(seen, featurizer, gappy.X) == 0


@pytest.mark.parametrize("memory", [None, joblib.Memory(None)])
def test_without_a_location_nothing_is_kept(
    gappy, featurizer, memory, seen, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    featurizer.set_params(memory=memory)
    assert [computes(seen, featurizer, gappy.X) for _ in range(2)] == [7, 7]
    assert list(tmp_path.iterdir()) == []


# -- keys --------------------------------------------------------------------


def test_same_pixels_hit_wherever_they_come_from(gappy, featurizer, seen, tmp_path):
    featurizer.transform(gappy.X)
    np.save(tmp_path / "X.npy", gappy.X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    strided = np.ascontiguousarray(gappy.X[:, :, :, ::-1])[:, :, :, ::-1]
    for X in (gappy.X.copy(), mapped, strided):
        assert computes(seen, featurizer, X) == 0


def test_one_changed_pixel_computes_its_video_alone(gappy, featurizer, seen):
    before = featurizer.transform(gappy.X)
    X = gappy.X.copy()
    X[3, 2, 5, 7, 1] ^= 1
    seen.clear()
    after = featurizer.transform(X)
    np.testing.assert_array_equal(np.concatenate(seen), X[3])
    np.testing.assert_array_equal(after[:3], before[:3])
    np.testing.assert_array_equal(after[3, :2], before[3, :2])
    assert not np.array_equal(after[3, 2], before[3, 2])


def test_only_new_videos_are_computed(gappy, featurizer, expected, seen):
    featurizer.transform(gappy.X[1:2])
    seen.clear()
    assert_close(featurizer.transform(gappy.X), expected)
    np.testing.assert_array_equal(
        np.concatenate(seen), gappy.X[[0, 3]].reshape(6, 32, 32, 3)
    )


def test_the_same_faces_in_other_slots_hit(gappy, featurizer, expected, seen):
    featurizer.transform(gappy.X)
    moved = gappy.X[1:2, [1, 0]]
    seen.clear()
    features = featurizer.transform(moved)
    assert seen == []
    np.testing.assert_array_equal(features[0, 0], expected[1, 1])
    assert not features[0, 1].any()


@pytest.mark.nightly
def test_faces_of_another_shape_with_the_same_bytes_miss(noise, featurizer, seen):
    X = noise(1, 1, 32, 64)
    featurizer.transform(X)
    turned = X.reshape(1, 1, 64, 32, 3)
    seen.clear()
    assert featurizer.transform(turned).shape == (1, 1, 2, 512)
    assert len(seen) == 1


@pytest.mark.parametrize(
    "parameter",
    [
        {"random_state": 1},
        {"preprocess": False},
        {"preprocess": "bgr"},
        {"preprocess": keras.ops.negative},
        {"dtype": "float16"},
    ],
    ids=lambda parameter: next(iter(parameter)),
)
def test_other_features_are_other_entries(gappy, featurizer, parameter, seen):
    X = gappy.X[:1, :1]
    featurizer.transform(X)
    other = clone(featurizer).set_params(**parameter)
    assert computes(seen, other, X) == 1
    assert computes(seen, other, X) == 0
    assert computes(seen, featurizer, X) == 0
    assert len(FeatureCache(featurizer.memory)) == 2


@pytest.mark.parametrize(
    "parameter",
    [
        {"batch_size": 1},
        {"verbose": 1},
        {"pooling": "avg"},
        {"pooling": "max"},
        {"frame_pooling": "avg"},
        {"random_state": np.int64(0)},
        {"preprocess": np.True_},
        {"dtype": np.str_("float32")},
        {"engine": np.str_("keras")},
    ],
    ids=str,
)
def test_how_the_work_is_done_and_types_of_parameters_do_not_matter(
    gappy, featurizer, parameter, seen
):
    featurizer.transform(gappy.X)
    other = clone(featurizer).set_params(**parameter)
    assert computes(seen, other, gappy.X) == 0


def test_vgg16_is_known_by_whichever_class_and_type_of_name(gappy, featurizer, seen):
    featurizer.set_params(pooling="max").transform(gappy.X)
    for name, pooling in (("vgg16", "max"), (np.str_("vgg16"), np.str_("max"))):
        other = KerasFeaturizer(
            name, weights=None, pooling=pooling, memory=featurizer.memory
        )
        assert computes(seen, other, gappy.X) == 0


def test_other_backbone_is_another_entry(gappy, featurizer, seen):
    X = gappy.X[:1, :1]
    featurizer.transform(X)
    other = KerasFeaturizer("vgg19", weights=None, memory=featurizer.memory)
    assert computes(seen, other, X) == 1


def test_models_are_known_by_what_they_compute(gappy, folder, seen):
    def model(kernel):
        layers = [keras.Input((32, 32, 3)), keras.layers.Conv2D(2, 9, strides=9)]
        model = keras.Sequential(layers)
        model.set_weights([np.full((9, 9, 3, 2), kernel), np.zeros(2)])
        return model

    def featurizer(backbone):
        return KerasFeaturizer(backbone, memory=folder)

    assert computes(seen, featurizer(model(0.1)), gappy.X) == 7
    assert computes(seen, featurizer(model(0.1)), gappy.X) == 0
    assert computes(seen, clone(featurizer(model(0.1))), gappy.X) == 0
    assert computes(seen, featurizer(lambda: model(0.1)), gappy.X) == 0
    assert computes(seen, featurizer(model(0.2)), gappy.X) == 7


def test_weights_are_known_by_the_content_of_their_file(
    plain, gappy, featurizer, seen, tmp_path
):
    X = gappy.X[:1, :1]
    path = tmp_path / "network.weights.h5"
    shutil.copy(plain("VGG16").path, path)
    featurizer.set_params(weights=path)
    assert computes(seen, featurizer, X) == 1
    assert computes(seen, clone(featurizer).set_params(random_state=1), X) == 0
    other = clone(featurizer).set_params(weights=plain("VGG16").path)
    assert computes(seen, other, X) == 0
    before = featurizer.transform(X)

    with h5py.File(path, "r+") as file:
        file["layers/conv2d_4/vars/1"][...] += 1
    os.utime(path, ns=(0, 1))
    assert computes(seen, featurizer, X) == 1
    assert not np.array_equal(featurizer.transform(X), before)
    np.testing.assert_array_equal(other.transform(X), before)


@pytest.mark.parametrize("version", ["algorithm", "format"])
def test_other_version_is_another_entry(gappy, featurizer, version, monkeypatch, seen):
    featurizer.transform(gappy.X)
    if version == "algorithm":
        monkeypatch.setattr(_keras_featurizer, "_ALGORITHM_VERSION", 1000)
    else:
        monkeypatch.setattr(FeatureCache, "_format", FeatureCache._format + 1)
    assert computes(seen, featurizer, gappy.X) == 7


# -- several processes and interrupted runs ----------------------------------


@pytest.mark.nightly
def test_processes_share_a_cache(gappy, featurizer, seen):
    batches = [gappy.X[[0, 1]], gappy.X[[0, 3]]]
    fresh = clone(featurizer).set_params(memory=None)
    work = [(each, batch) for each in (featurizer, fresh) for batch in batches]
    results = joblib.Parallel(n_jobs=2, backend="loky")(
        joblib.delayed(each.transform)(batch) for each, batch in work
    )
    assert len(FeatureCache(featurizer.memory)) == 3
    assert parts(featurizer.memory) == []
    for stored, computed in zip(results[:2], results[2:], strict=True):
        assert_close(stored, computed)
    assert computes(seen, featurizer, gappy.X) == 0
    cached = featurizer.transform(gappy.X)
    np.testing.assert_array_equal(cached[1], results[0][1])
    np.testing.assert_array_equal(cached[3], results[1][1])


@pytest.mark.parametrize("batch_size", [2, 3, 5])
def test_interrupted_run_keeps_the_videos_that_were_done(
    gappy, featurizer, expected, seen, monkeypatch, batch_size
):
    # Faces 0 to 2 belong to video 0, face 3 to video 1, faces 4 to 6 to video 3.
    run = FeatureNetwork.__call__

    def interrupt(network, images):
        if images[-1].tobytes() == gappy.X[3, 2].tobytes():
            raise KeyboardInterrupt
        return run(network, images)

    monkeypatch.setattr(FeatureNetwork, "__call__", interrupt)
    featurizer.set_params(batch_size=batch_size)
    with pytest.raises(KeyboardInterrupt):
        featurizer.transform(gappy.X)
    assert len(FeatureCache(featurizer.memory)) == 2
    assert parts(featurizer.memory) == []
    monkeypatch.setattr(FeatureNetwork, "__call__", run)
    features = featurizer.transform(gappy.X)
    assert_close(features, expected)


def test_features_that_are_not_finite_are_not_stored(gappy, folder):
    def model():
        layers = [keras.Input((32, 32, 3)), keras.layers.Conv2D(2, 32)]
        model = keras.Sequential(layers)
        model.set_weights([np.full((32, 32, 3, 2), np.nan), np.zeros(2)])
        return model

    with pytest.raises(ValueError, match="not finite"):
        KerasFeaturizer(model, memory=folder).transform(gappy.X)
    assert len(FeatureCache(folder)) == 0


# -- damage ------------------------------------------------------------------


def without_features(entry):
    with zipfile.ZipFile(entry) as archive:
        about = archive.read("about.json")
    with zipfile.ZipFile(entry, "w") as archive:
        archive.writestr("about.json", about)


def flipped(*, mark, offset, bit):
    """Flip a bit at an offset from the last occurrence of `mark`."""

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
    "without features": without_features,
    "bit in the features": flipped(mark=b"NUMPY", offset=500, bit=0),
    "encrypted": flipped(mark=b"PK\x01\x02", offset=8, bit=0),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_entry_is_made_again(gappy, featurizer, expected, damage, seen):
    featurizer.transform(gappy.X[:1])
    [entry] = entries(featurizer.memory)
    featurizer.transform(gappy.X)
    whole = entry.read_bytes()
    DAMAGE[damage](entry)
    assert entry.read_bytes() != whole
    seen.clear()
    with pytest.warns(CacheWarning, match=re.escape(repr(str(entry)))) as caught:
        features = featurizer.transform(gappy.X)
    assert len(caught) == 1
    assert "computed again" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert sum(map(len, seen)) == 3
    assert_close(features, expected)
    assert computes(seen, featurizer, gappy.X) == 0
    assert entry.stat().st_size == len(whole)


class Bomb:
    """Object that creates a folder when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def test_entry_is_neither_pickled_nor_unpickled(gappy, featurizer, tmp_path):
    marker = tmp_path / "unpickled"
    bombs = np.array([Bomb(str(marker))])
    with pytest.raises(ValueError, match="allow_pickle"):
        FeatureCache(tmp_path)._store("key", bombs)
    featurizer.transform(gappy.X[:1])
    [entry] = entries(featurizer.memory)
    without_features(entry)
    with (
        zipfile.ZipFile(entry, "a") as archive,
        archive.open("features.npy", "w") as file,
    ):
        np.save(file, bombs, allow_pickle=True)
    with pytest.warns(CacheWarning, match="computed again"):
        featurizer.transform(gappy.X[:1])
    assert not marker.exists()


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_flipped_bits_give_no_other_features(folder, dtype):
    features = np.array([[1.5, -2], [0, 3e4]], dtype=dtype)
    cache = FeatureCache(folder)
    cache._store("key", features)
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
            np.testing.assert_array_equal(found, features, strict=True)
    # The other bytes are dates, versions and the description, which are not read.
    assert refused > len(whole) / 3


# -- full or read-only disks -------------------------------------------------


def test_full_disk_keeps_what_was_written_before(
    gappy, featurizer, expected, full_disk, monkeypatch, seen
):
    full_disk(1)
    with pytest.raises(CacheError) as error:
        featurizer.transform(gappy.X)
    for words in (
        str(featurizer.memory),
        "No space left",
        "FeatureCache.prune",
        "another folder",
    ):
        assert words in str(error.value)
    assert parts(featurizer.memory) == []
    assert len(FeatureCache(featurizer.memory)) == 1

    seen.clear()
    np.testing.assert_array_equal(featurizer.transform(gappy.X[:1]), expected[:1])
    assert seen == []
    monkeypatch.undo()
    assert_close(featurizer.transform(gappy.X), expected)


@pytest.mark.parametrize("in_the_way", [".", "skdeepfake-features"])
def test_file_in_the_way_is_an_error_that_names_it(gappy, featurizer, in_the_way):
    path = featurizer.memory / in_the_way
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("mine")
    with pytest.raises(CacheError, match=f"{re.escape(str(path))}.*another folder"):
        featurizer.transform(gappy.X)
    assert path.read_text() == "mine"


@not_as_root
def test_folder_without_permission_is_an_error_that_names_it(gappy, featurizer):
    featurizer.memory.mkdir()
    featurizer.memory.chmod(0o500)
    with pytest.raises(
        CacheError, match=f"{re.escape(str(featurizer.memory))}.*ermission"
    ):
        featurizer.transform(gappy.X)


def test_cache_that_may_only_be_read_is_used(
    gappy, featurizer, expected, monkeypatch, seen
):
    featurizer.transform(gappy.X)

    def refuse(*args, **kwargs):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for name in ("utime", "replace", "makedirs", "mkdir"):
        monkeypatch.setattr(os, name, refuse)
    seen.clear()
    np.testing.assert_array_equal(featurizer.transform(gappy.X), expected)
    assert seen == []
    with pytest.raises(CacheError, match="Read-only"):
        featurizer.transform(gappy.X[:1, :2])


# -- size and pruning --------------------------------------------------------


def test_size_counts_whole_entries(gappy, featurizer):
    cache = FeatureCache(featurizer.memory)
    assert (len(cache), cache.nbytes, cache.prune()) == (0, 0, 0)
    assert not featurizer.memory.exists()
    featurizer.transform(gappy.X)
    (entries(featurizer.memory)[0].parent / "written.part").write_bytes(b"x" * 1000)
    assert len(cache) == 3
    sizes = [path.stat().st_size for path in entries(featurizer.memory)]
    assert cache.nbytes == sum(sizes)
    overhead = cache.nbytes - 7 * 512 * 4
    assert 0 < overhead < 3 * 2000


def test_prune_deletes_what_was_not_used_for_longest(gappy, featurizer, seen):
    used = {}
    for seconds, video in enumerate([0, 1, 3], start=1):
        featurizer.transform(gappy.X[[video]])
        [used[video]] = set(entries(featurizer.memory)) - set(used.values())
        os.utime(used[video], (seconds, seconds))
    featurizer.transform(gappy.X[:1])  # the oldest entry becomes the most recently used
    cache = FeatureCache(featurizer.memory)

    assert cache.prune(cache.nbytes) == 0
    assert cache.prune(cache.nbytes - 1) == 1
    assert not used[1].exists()
    assert cache.prune(used[0].stat().st_size) == 1
    assert entries(featurizer.memory) == [used[0]]
    assert computes(seen, featurizer, gappy.X[:1]) == 0
    assert computes(seen, featurizer, gappy.X[1:2]) == 1
    assert cache.prune() == 2
    assert (len(cache), cache.nbytes) == (0, 0)


def test_prune_touches_nothing_but_its_own(gappy, featurizer):
    featurizer.transform(gappy.X)
    strangers = [
        featurizer.memory / "notes.zip",
        featurizer.memory / "skdeepfake-crops" / "ab" / "crops.zip",
    ]
    for stranger in strangers:
        stranger.parent.mkdir(parents=True, exist_ok=True)
        stranger.write_text("mine")
    assert FeatureCache(featurizer.memory).prune() == 3
    assert entries(featurizer.memory) == sorted(strangers)


# -- grid search -------------------------------------------------------------


@pytest.mark.parametrize(
    "cached", [True, pytest.param(False, marks=pytest.mark.nightly)]
)
def test_grid_search_computes_each_face_once(noise, folder, cached, seen):
    X, y = noise(6, 2, 32, 32), [0, 1, 0, 1, 0, 1]
    pipeline = make_pipeline(
        VGG16Featurizer(
            weights=None,
            pooling="avg",
            frame_pooling="avg",
            memory=folder if cached else None,
        ),
        StandardScaler(),
        LogisticRegression(),
    )
    grid = {"logisticregression__C": [1e-4, 1e-3]}
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    images = [image.tobytes() for image in np.concatenate(seen)]
    counts = [images.count(face.tobytes()) for face in X.reshape(12, 32, 32, 3)]
    # Three folds and two candidates use each video six times, and the refit once.
    assert counts == [1 if cached else 7] * 12
