"""The steps form a pipeline, and process videos in parallel."""

from __future__ import annotations

import os
from concurrent.futures.process import BrokenProcessPool

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.pipeline import Pipeline, make_pipeline

from skdeepfake._parallel import map_videos
from skdeepfake.exceptions import WorkerDiedError
from skdeepfake.preprocessing import (
    DlibFaceCropper,
    Resizer,
    VideoFrameSampler,
)


def test_three_steps_make_a_pipeline_from_paths_to_arrays(rendered_videos):
    pipeline = make_pipeline(
        VideoFrameSampler(n_frames=1), DlibFaceCropper(), Resizer(size=(32, 24))
    )
    paths = rendered_videos.data[:3]
    # The pipeline works without `fit`.
    faces = pipeline.transform(paths)

    assert faces.shape == (3, 1, 32, 24, 3)
    assert faces.dtype == np.uint8
    assert faces.any(axis=(2, 3, 4)).all()
    crops = DlibFaceCropper().transform(VideoFrameSampler(n_frames=1).transform(paths))
    expected = Resizer(size=(32, 24)).transform(crops)
    np.testing.assert_array_equal(faces, expected)
    np.testing.assert_array_equal(pipeline.fit_transform(paths.tolist()), expected)
    np.testing.assert_array_equal(clone(pipeline).transform(paths[1:]), expected[1:])
    with sklearn.config_context(transform_output="pandas"):
        np.testing.assert_array_equal(pipeline.fit_transform(paths), expected)


def test_parameters_of_the_steps_are_reached_through_the_pipeline(rendered_videos):
    pipeline = Pipeline([("sample", VideoFrameSampler()), ("crop", DlibFaceCropper())])
    pipeline.set_params(sample__n_frames=1, crop__margin=0.1)
    (crop,) = pipeline.transform(rendered_videos.data[:1])[0]
    pipeline.set_params(crop__margin=0.0)
    (narrow,) = pipeline.transform(rendered_videos.data[:1])[0]
    assert crop.shape[0] == pytest.approx(1.2 * narrow.shape[0], rel=0.02)


def test_cached_pipeline_gives_the_same(rendered_videos, tmp_path):
    steps = (VideoFrameSampler(n_frames=1), DlibFaceCropper(), Resizer(size=(8, 8)))
    paths = rendered_videos.data[:2]
    expected = make_pipeline(*steps).fit_transform(paths)
    cached = make_pipeline(*steps, memory=str(tmp_path))
    for _ in range(2):
        np.testing.assert_array_equal(cached.fit_transform(paths), expected)


def square(number):
    return number**2


@pytest.mark.parametrize("n_jobs", [None, 1, 2, -1])
def test_map_keeps_the_order(n_jobs):
    items = list(range(50, 0, -1))
    found = list(map_videos(square, items, n_jobs=n_jobs, verbose=0, desc="squaring"))
    assert found == [item**2 for item in items]


def test_map_stays_in_this_process_unless_told_otherwise():
    found = map_videos(
        lambda _: os.getpid(), range(4), n_jobs=2, verbose=0, desc="asking"
    )
    assert set(found) == {os.getpid()}


def test_map_shows_progress_on_standard_error_only_if_asked(capsys, every_step):
    list(map_videos(square, [1, 2], n_jobs=None, verbose=0, desc="squaring"))
    assert capsys.readouterr() == ("", "")
    list(map_videos(square, [1, 2], n_jobs=None, verbose=1, desc="squaring"))
    out, err = capsys.readouterr()
    assert out == ""
    assert "squaring" in err
    assert "2/2" in err


def die_at_three(item):
    if item == 3:
        os._exit(1)
    return item


def test_death_of_a_worker_process_is_told_with_what_it_was_at():
    with (
        joblib.parallel_config(backend="loky", n_jobs=2),
        pytest.raises(WorkerDiedError, match=r"died while counting, at [0-3] or") as e,
    ):
        list(map_videos(die_at_three, range(9), n_jobs=2, verbose=0, desc="counting"))
    assert isinstance(e.value.__cause__, BrokenProcessPool)
