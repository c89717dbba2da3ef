from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from skdeepfake._video import _metadata
from skdeepfake._video._checks import check_paths
from skdeepfake.exceptions import VideoReadError
from skdeepfake.leakage import trivial_features
from skdeepfake.preprocessing import (
    Clip,
    VideoFrameSampler,
    VideoTranscoder,
    _sampling,
    _transcoding,
)


class BytesPath(os.PathLike):
    def __fspath__(self):
        return b"a.mp4"


@pytest.mark.parametrize(
    "X",
    [
        ["b.mp4", Path("a.mp4")],
        ("b.mp4", Path("a.mp4")),
        np.array(["b.mp4", "a.mp4"]),
        np.array(["b.mp4", Path("a.mp4")], dtype=object),
    ],
    ids=["list", "tuple", "str array", "object array"],
)
def test_paths_come_back_as_plain_str_in_their_order(X):
    paths = check_paths(X, caller="Step")

    assert paths == ["b.mp4", "a.mp4"]
    assert [type(path) for path in paths] == [str, str]


def test_pandas_series_is_taken_whatever_its_index():
    pd = pytest.importorskip("pandas")
    series = pd.Series(["b.mp4", Path("a.mp4")], index=[7, 3])

    assert check_paths(series, caller="Step") == ["b.mp4", "a.mp4"]


@pytest.mark.parametrize("X", ["a.mp4", Path("a.mp4"), b"a.mp4"])
def test_single_path_is_refused_with_the_hint_to_put_it_in_a_list(X):
    with pytest.raises(ValueError, match=r"Step expects.*Put it in a list: \["):
        check_paths(X, caller="Step")


@pytest.mark.parametrize(
    ("X", "shape"),
    [
        (np.array([["a.mp4", "b.mp4"]]), r"\(1, 2\)"),
        (np.array("a.mp4"), r"\(\)"),
    ],
)
def test_array_that_is_not_one_dimensional_is_refused_with_its_shape(X, shape):
    with pytest.raises(ValueError, match=f"Step expects.*shape {shape}"):
        check_paths(X, caller="Step")


@pytest.mark.parametrize("X", [[], (), np.array([], dtype=object)])
def test_no_samples_are_refused_as_scikit_learn_does(X):
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\).*Step"):
        check_paths(X, caller="Step")


@pytest.mark.parametrize("X", [None, 3, {"a.mp4": 1}, {"a.mp4"}, iter(["a.mp4"])])
def test_what_is_not_array_like_is_refused_with_its_type(X):
    with pytest.raises(TypeError, match=f"Step expects.*got {type(X).__name__}"):
        check_paths(X, caller="Step")


@pytest.mark.parametrize(
    "element", [None, 3, float("nan"), b"b.mp4", ["b.mp4"], BytesPath()]
)
def test_element_that_is_no_path_is_named_by_position_and_type(element):
    with pytest.raises(
        TypeError, match=rf"position 1 is .* type {type(element).__name__}"
    ):
        check_paths(["a.mp4", element], caller="Step")


def test_empty_string_is_not_the_working_directory():
    with pytest.raises(ValueError, match="position 1 is an empty string"):
        check_paths(["a.mp4", ""], caller="Step")


@pytest.fixture
def two_folders(write_clip, numbered_frames, tmp_path, monkeypatch):
    """Change to a folder with a clip of five frames. In `other`, it has three."""
    for folder, n in (("here", 5), ("other", 3)):
        (tmp_path / folder).mkdir()
        write_clip(numbered_frames(n), f"{folder}/clip.mp4")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def n_frames(clip):
    return sum(frame is not None for frame in clip)


@pytest.mark.parametrize("step", ["sampler", "transcoder", "leakage"])
def test_path_means_the_file_of_the_folder_in_which_it_was_given(
    two_folders, monkeypatch, step
):
    sampler = VideoFrameSampler(9)
    transcoder = VideoTranscoder(two_folders / "cache", preset="ultrafast")
    for module in (_sampling, _transcoding, _metadata):
        map_videos = module.map_videos

        def elsewhere(*args, map_videos=map_videos, **options):  # like a worker process
            os.chdir(two_folders / "other")
            return map_videos(*args, **options)

        monkeypatch.setattr(module, "map_videos", elsewhere)
    X = ["clip.mp4"]
    if step == "leakage":
        found = trivial_features(X, features=["duration"])
        assert found.duration == [0.5]  # at 10 frames per second
        return
    if step == "transcoder":
        X = transcoder.transform(X)
    (clip,) = sampler.transform(X)
    assert n_frames(clip) == 5


def test_clip_means_the_file_of_the_folder_in_which_it_was_made(two_folders):
    clip = Clip("clip.mp4", n_frames=9)
    os.chdir(two_folders / "other")
    assert n_frames(clip) == 5


@pytest.mark.skipif(os.name != "posix", reason="symbolic links of POSIX")
def test_parent_of_a_link_is_that_of_its_folder(two_folders):
    (two_folders / "here" / "link").symlink_to(two_folders / "other")
    (two_folders / "other" / "clip.mp4").rename(two_folders / "clip.mp4")
    (clip,) = VideoFrameSampler(9).transform(["link/../clip.mp4"])
    assert n_frames(clip) == 3


def test_message_names_a_file_of_the_working_folder_as_it_was_given(two_folders):
    with pytest.raises(VideoReadError) as caught:
        VideoFrameSampler().transform(["gone.mp4"])
    assert str(caught.value).startswith("'gone.mp4': cannot be found")
    assert caught.value.path == str(two_folders / "here" / "gone.mp4")


@pytest.mark.skipif(os.name != "posix", reason="a folder in use can be removed")
def test_message_is_given_where_the_working_folder_is_gone(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert str(VideoReadError("/a.mp4", "is damaged")) == "'/a.mp4': is damaged"
