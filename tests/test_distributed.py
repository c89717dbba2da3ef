"""The pipeline from paths to faces is the same on each backend of joblib."""

from __future__ import annotations

import contextlib
import functools
import os
import re

import joblib
import numpy as np
import pytest
from joblib._parallel_backends import ThreadingBackend
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdeepfake.exceptions import VideoReadError
from skdeepfake.preprocessing import (
    Clip,
    CropCache,
    DlibFaceCropper,
    Resizer,
    StoredCrop,
    VideoFrameSampler,
    write_shards,
)

SIZE = (48, 48)
N_FRAMES = 2


class LikeRay(ThreadingBackend):
    """Backend without generators of results, like that of Ray."""

    supports_return_generator = False


def pipeline(**parameters):
    sampler = VideoFrameSampler(n_frames=N_FRAMES)
    return make_pipeline(sampler, DlibFaceCropper(**parameters), Resizer(size=SIZE))


@pytest.fixture(scope="module")
def paths(rendered_videos):
    return rendered_videos.data[:4]


@pytest.fixture(scope="module")
def faces(paths):
    """Faces computed by one thread."""
    faces = pipeline().fit_transform(paths)
    assert faces.any(axis=(1, 2, 3, 4)).all()
    return faces


@pytest.fixture
def broken(paths, tmp_path):
    """Path of a file that begins like a video, but is not one."""
    path = tmp_path / "broken.mp4"
    with open(paths[0], "rb") as file:
        path.write_bytes(file.read(64) + bytes(1000))
    return str(path)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Dask cluster of two processes that is only reachable from this machine."""
    distributed = pytest.importorskip("distributed")
    import dask

    with (
        # On a busy machine, starting a worker takes longer than the default timeout.
        dask.config.set({"distributed.deploy.lost-worker-timeout": "10 minutes"}),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # a free port
            local_directory=tmp_path_factory.mktemp("dask"),
        ) as cluster,
    ):
        yield cluster


@pytest.fixture
def client(cluster):
    distributed = pytest.importorskip("distributed")
    with distributed.Client(cluster) as client:
        client.wait_for_workers(2)
        yield client


@pytest.fixture(
    params=[
        "threading",
        pytest.param("loky", marks=pytest.mark.nightly),
        pytest.param("dask", marks=pytest.mark.nightly),
        "like ray",
    ]
)
def backend(request):
    """Value of the argument `backend` of `joblib.parallel_config`."""
    if request.param == "dask":
        request.getfixturevalue("client")
    return LikeRay() if request.param == "like ray" else request.param


def test_faces_are_the_same_to_the_last_bit(paths, faces, backend, capfd, every_step):
    with joblib.parallel_config(backend=backend, n_jobs=2):
        found = pipeline(verbose=1).fit_transform(paths)
    np.testing.assert_array_equal(found, faces, strict=True)
    assert f"{len(paths)}/{len(paths)}" in capfd.readouterr().err


def test_backend_of_the_user_does_the_work(paths, backend, asked):
    clips = VideoFrameSampler(n_frames=N_FRAMES).transform(paths)
    with joblib.parallel_config(backend=backend, n_jobs=2):
        DlibFaceCropper().transform(clips)
    elsewhere = backend in ("loky", "dask")
    here = sorted(path for do, path in asked if do == "decode")
    assert here == ([] if elsewhere else sorted(paths))
    asked.clear()
    # Timestamps from other processes are available in this process.
    timestamps = [clip.timestamps for clip in clips]
    assert not asked
    expected = [Clip(path, n_frames=N_FRAMES).timestamps for path in paths]
    np.testing.assert_array_equal(timestamps, expected)


def test_shared_cache_sends_names_instead_of_crops(paths, faces, backend, tmp_path):
    clips = VideoFrameSampler(n_frames=N_FRAMES).transform(paths)
    with joblib.parallel_config(backend=backend, n_jobs=2):
        crops = DlibFaceCropper(memory=tmp_path).transform(clips)
    assert {type(crop) for crop in crops.flat} <= {StoredCrop, type(None)}
    assert len(CropCache(tmp_path)) == len(paths)
    np.testing.assert_array_equal(Resizer(size=SIZE).transform(crops), faces)


def test_error_in_one_file_names_it(paths, faces, broken, backend):
    with joblib.parallel_config(backend=backend, n_jobs=2):
        with pytest.raises(VideoReadError, match=re.escape(broken)) as error:
            pipeline().fit_transform([*paths[:2], broken, *paths[2:]])
        assert error.value.path == broken
        # The next call works.
        np.testing.assert_array_equal(pipeline().fit_transform(paths[:1]), faces[:1])


@pytest.mark.nightly
def test_grid_search_on_a_cluster(rendered_videos, client, tmp_path):
    chosen = [0, 1, 2, 6, 7, 8]
    X, y = rendered_videos.data[chosen], rendered_videos.target[chosen]
    search = GridSearchCV(
        make_pipeline(
            pipeline(memory=tmp_path),
            FunctionTransformer(lambda faces: faces.mean(axis=(1, 2, 3))),
            LogisticRegression(),
        ),
        {"logisticregression__C": [1e-4, 1e-3]},
        cv=3,
        error_score="raise",
    )
    # Tasks are nested, since each fold crops its videos on the cluster.
    with joblib.parallel_config(backend="dask"):
        found = search.fit(X, y).cv_results_["mean_test_score"]
    assert len(CropCache(tmp_path)) == len(X)
    expected = search.fit(X, y).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.nightly
def test_work_of_a_killed_worker_is_done_by_another(paths, faces, client, tmp_path):
    marker = tmp_path / "killed"

    def arm(marker):
        from skdeepfake.preprocessing import _crops

        work = _crops._decode_and_crop

        def die_once(clip, search, n_threads):
            with contextlib.suppress(FileExistsError), open(marker, "x"):
                os._exit(9)
            return work(clip, search, n_threads)

        _crops._decode_and_crop = die_once

    before = client.run(os.getpid)
    client.run(functools.partial(arm, str(marker)))
    with joblib.parallel_config(backend="dask"):
        found = pipeline().fit_transform(paths)
    assert marker.exists()
    np.testing.assert_array_equal(found, faces, strict=True)
    client.wait_for_workers(2)
    assert set(client.run(os.getpid).values()) != set(before.values())


@pytest.mark.nightly
@pytest.mark.parametrize("when", ["before", "after"])
def test_shards_survive_a_killed_worker(paths, faces, client, tmp_path, when):
    """The worker dies before it writes a shard, or before it reports the shard."""
    marker, log = tmp_path / "killed", tmp_path / "log"

    def arm(marker, log, when):
        from skdeepfake import _shards

        write = _shards.write_atomically

        def write_and_note(path, *args):
            write(path, *args)
            with open(log, "a") as file:
                file.write(path + "\n")

        def die_once(path, *args):
            if when == "after":
                write_and_note(path, *args)
            with contextlib.suppress(FileExistsError), open(marker, "x"):
                os._exit(9)
            if when == "before":
                write_and_note(path, *args)

        _shards.write_atomically = die_once

    client.run(functools.partial(arm, str(marker), str(log), when))
    with joblib.parallel_config(backend="dask"):
        found = write_shards(pipeline(), paths, tmp_path / "shards", shard_size=1)
    assert marker.exists()
    np.testing.assert_array_equal(found, faces, strict=True)
    written = log.read_text().splitlines()
    assert len(written) >= 1
    assert len(set(written)) == len(written)  # the new worker does not log
    client.wait_for_workers(2)


def test_like_ray_is_like_ray():
    """`LikeRay` raises the same error as the backend of Ray."""
    with (
        joblib.parallel_config(backend=LikeRay(), n_jobs=2),
        pytest.raises(ValueError, match="does not support return_as"),
    ):
        joblib.Parallel(return_as="generator")
