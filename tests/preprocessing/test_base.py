"""All steps are transformers as scikit-learn knows them, and work as one pipeline."""

from __future__ import annotations

import os
from concurrent.futures.process import BrokenProcessPool

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from skdeepfake.exceptions import WorkerDiedError
from skdeepfake.preprocessing import (
    DlibFaceCropper,
    Resizer,
    VideoFrameSampler,
    VideoTranscoder,
)
from skdeepfake.preprocessing._base import map_videos

STEPS = {
    VideoFrameSampler: {"n_frames": 3, "duration": None},
    DlibFaceCropper: {
        "margin": 0.25,
        "min_size": 60,
        "score_threshold": 0.5,
        "n_jobs": 2,
        "verbose": 0,
    },
    Resizer: {"size": (32, 24)},
    VideoTranscoder: {
        "cache_dir": "copies",
        "duration": 2.0,
        "crf": 30,
        "preset": "ultrafast",
        "n_jobs": 2,
        "verbose": 0,
    },
}
parametrize_steps = pytest.mark.parametrize(
    ("step", "parameters"), STEPS.items(), ids=lambda x: getattr(x, "__name__", "")
)


def default(step):
    return step("copies") if step is VideoTranscoder else step()


def same(a, b):
    """Whether two results hold the same clips, crops, paths or arrays."""
    if isinstance(a, np.ndarray) and a.dtype == object:
        return a.shape == b.shape and all(map(same, a.ravel(), b.ravel()))
    if hasattr(a, "identity"):
        return a.identity == b.identity
    return np.array_equal(a, b)


@pytest.fixture(scope="module")
def stages(rendered_videos, tmp_path_factory):
    """What goes into each step."""
    paths = rendered_videos.data[:3]
    clips = VideoFrameSampler(n_frames=1).transform(paths)
    crops = DlibFaceCropper().transform(clips)
    return {
        VideoFrameSampler: paths,
        DlibFaceCropper: clips,
        Resizer: crops,
        VideoTranscoder: paths,
    }


@pytest.fixture
def ready(tmp_path, monkeypatch):
    """Steps that are quick and leave no files behind."""
    monkeypatch.chdir(tmp_path)
    return lambda step: step(**STEPS[step])


@parametrize_steps
def test_parameters_are_stored_as_given_and_read_back(step, parameters):
    built = step(**parameters)
    expected = {**default(step).get_params(), **parameters}
    assert built.get_params() == expected
    for name, value in parameters.items():
        assert getattr(built, name) is value
    changed = default(step).set_params(**parameters)
    assert changed.get_params() == expected
    assert changed.__dict__.keys() == expected.keys()
    with pytest.raises(ValueError, match="Invalid parameter 'nonsense'"):
        changed.set_params(nonsense=1)


@parametrize_steps
def test_clone_has_the_same_parameters_and_nothing_else(step, parameters):
    original = step(**parameters)
    copy = clone(original)
    assert copy is not original
    assert copy.__dict__ == original.__dict__


@parametrize_steps
def test_repr_is_short_and_names_what_was_changed(step, parameters):
    if step is not VideoTranscoder:
        assert repr(default(step)) == f"{step.__name__}()"
    name, value = next(iter(parameters.items()))
    text = repr(default(step).set_params(**{name: value}))
    assert text == f"{step.__name__}({name}={value!r})"


@parametrize_steps
def test_fit_returns_the_step_and_changes_nothing(step, parameters, stages, ready):
    built = ready(step)
    before = dict(built.__dict__)
    assert built.fit(stages[step]) is built
    assert built.fit(stages[step], [0, 1, 0]) is built
    assert built.__dict__ == before


@parametrize_steps
def test_transform_needs_no_fit(step, parameters, stages, ready):
    built = ready(step)
    check_is_fitted(built)
    assert not get_tags(built).requires_fit
    result = built.transform(stages[step])
    assert len(result) == 3
    assert same(ready(step).fit(stages[step]).transform(stages[step]), result)
    assert same(ready(step).fit_transform(stages[step], [0, 1, 0]), result)


@parametrize_steps
def test_same_input_gives_the_same_output_again(step, parameters, stages, ready):
    built = ready(step)
    assert same(built.transform(stages[step]), built.transform(stages[step]))


@parametrize_steps
def test_videos_do_not_depend_on_each_other(step, parameters, stages, ready):
    X = stages[step]
    whole = ready(step).transform(X)
    alone = [ready(step).transform(X[i : i + 1]) for i in (2, 0)]
    assert same(alone[0], whole[2:])
    assert same(alone[1], whole[:1])


@parametrize_steps
def test_input_is_not_changed(step, parameters, stages, ready):
    X = stages[step]
    kept = X.copy()
    before = joblib.hash([getattr(item, "identity", item) for item in X.ravel()])
    ready(step).fit_transform(X)
    assert all(a is b or a == b for a, b in zip(X.flat, kept.flat, strict=True))
    after = joblib.hash([getattr(item, "identity", item) for item in X.ravel()])
    assert after == before


@parametrize_steps
def test_wish_for_pandas_leaves_the_arrays_alone(step, parameters, stages, ready):
    expected = ready(step).fit_transform(stages[step])
    with sklearn.config_context(transform_output="pandas"):
        result = ready(step).fit_transform(stages[step])
    assert type(result) is np.ndarray
    assert same(result, expected)


@parametrize_steps
def test_step_pickles(step, parameters, tmp_path):
    built = step(**parameters)
    joblib.dump(built, tmp_path / "step.joblib")
    assert joblib.load(tmp_path / "step.joblib").get_params() == built.get_params()


def test_three_steps_make_a_pipeline_from_paths_to_arrays(rendered_videos, stages):
    pipeline = make_pipeline(
        VideoFrameSampler(n_frames=1), DlibFaceCropper(), Resizer(size=(32, 24))
    )
    paths = rendered_videos.data[:3]
    # No fit before.
    faces = pipeline.transform(paths)

    assert faces.shape == (3, 1, 32, 24, 3)
    assert faces.dtype == np.uint8
    assert faces.any(axis=(2, 3, 4)).all()
    expected = Resizer(size=(32, 24)).transform(stages[Resizer])
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


def test_map_shows_progress_on_standard_error_only_if_asked(capsys):
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
