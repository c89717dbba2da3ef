"""Many videos are analyzed like single videos, listed in a table, and resumable."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil

import numpy as np
import pytest

from skdeepfake import analyze_video, analyze_videos
from skdeepfake.exceptions import VideoReadError

FEW = {"verbose": 0}


@pytest.fixture
def broken(tmp_path):
    path = tmp_path / "broken.mp4"
    path.write_text("not a video")
    return str(path)


def test_each_is_what_a_single_analysis_gives(rendered_videos, small) -> None:
    paths = rendered_videos.data[[7, 0]]
    found = analyze_videos(paths, small, n_jobs=2, **FEW)
    assert [each.path for each in found] == paths.tolist()
    for path, each in zip(paths, found, strict=True):
        single = analyze_video(path, small, heatmaps=False)
        assert each.probability == single.probability
        assert each.to_dict()["frames"] == single.to_dict()["frames"]
    assert [each.path for each in found[1:]] == [paths[1]]
    assert len(found) == 2


def test_unreadable_video_is_an_error_unless_skipped(clip, broken, small) -> None:
    with pytest.raises(VideoReadError, match="is not a video"):
        analyze_videos([clip, broken], small, **FEW)
    found = analyze_videos([broken, clip], small, on_error="skip", **FEW)
    assert found[0].verdict == "unreadable"
    assert found[0].error.startswith("is not a video")
    assert found[0].record is None
    assert np.isnan([found[0].probability, found[0].coverage]).all()
    assert found[1].verdict in ("real", "fake")
    assert found[0].to_dict().keys() == found[1].to_dict().keys()


def test_table_has_a_row_per_video(clip, broken, small) -> None:
    found = analyze_videos([clip, broken], small, on_error="skip", **FEW)
    table = found.to_frame()
    assert table.path.tolist() == [clip, broken]
    assert table.frames_with_face.tolist() == [3, 0]
    assert table.coverage[0] == 1.0
    assert table.codec.tolist()[0] == "h264"
    assert table.sha256[0] == found[0].record["file"]["sha256"]
    assert table.probability[0] == found[0].probability
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert [row["path"] for row in rows] == [clip, broken]
    assert rows[1]["error"] == found[1].error
    assert float(rows[0]["probability"]) == found[0].probability
    assert json.loads(found.to_json())[1]["verdict"] == "unreadable"
    assert "of 2 videos: " in repr(found)
    assert "1 unreadable" in repr(found)
    assert found._repr_html_().count("<tr>") == 3


def test_pages_have_an_index(clip, broken, small, tmp_path) -> None:
    again = tmp_path / "again" / os.path.basename(clip)
    again.parent.mkdir()
    shutil.copy(clip, again)
    found = analyze_videos([clip, broken, again], small, on_error="skip", **FEW)
    index = found.to_html(tmp_path / "pages")
    name = os.path.basename(clip)
    pages = {f"{name}.html", "broken.mp4.html", f"{name}-2.html", "index.html"}
    assert set(os.listdir(tmp_path / "pages")) == pages
    with open(index, encoding="utf-8") as file:
        text = file.read()
    for link in pages - {"index.html"}:
        assert f'href="{link}"' in text


def test_finished_analyses_are_not_repeated(
    clip, small, tmp_path, asked, rendered_videos
) -> None:
    folder = tmp_path / "kept"
    first = analyze_videos([clip], small, heatmaps=True, resume=folder, **FEW)
    n_asked = len(asked)
    assert n_asked > 0
    copied = tmp_path / "copy.mp4"
    shutil.copy(clip, copied)
    again = analyze_videos([copied], small, heatmaps=True, resume=folder, **FEW)
    assert len(asked) == n_asked
    assert again[0].path == str(copied)
    assert again[0].record["file"]["name"] == "copy.mp4"
    assert again[0].probability == first[0].probability
    assert again[0].record["analyzed_at"] == first[0].record["analyzed_at"]
    html = first[0].to_html().count("data:image/jpeg")
    assert again[0].to_html().count("data:image/jpeg") == html == 9
    # Other videos and other parameters are not stored yet, so they are analyzed.
    n_first = len(asked)
    other = [rendered_videos.data[1], copied]
    found = analyze_videos(other, small, heatmaps=True, resume=folder, **FEW)
    assert {path for _, path in asked[n_asked:]} == {rendered_videos.data[1]}
    assert found[1].probability == first[0].probability
    # An analysis stored with heatmaps is reused without them, but not vice versa.
    n_asked = len(asked)
    analyze_videos([other[0]], small, resume=tmp_path / "plain", **FEW)
    analyze_videos([other[0]], small, resume=folder, **FEW)
    assert len(asked) - n_asked == n_asked - n_first
    (found_again,) = analyze_videos(
        [other[0]], small, heatmaps=True, resume=tmp_path / "plain", **FEW
    )
    assert found_again.pictures.heatmaps
    n_asked = len(asked)
    found = analyze_videos([copied], small, thresholds=1.0, resume=folder, **FEW)
    assert len(asked) > n_asked
    assert found[0].verdict == "real"


def test_interrupted_run_keeps_what_was_finished(
    clip, broken, small, tmp_path, asked
) -> None:
    with pytest.raises(VideoReadError):
        analyze_videos([clip, broken], small, resume=tmp_path / "kept", **FEW)
    n_asked = len(asked)
    analyze_videos([clip], small, resume=tmp_path / "kept", **FEW)
    assert len(asked) == n_asked


def test_progress_is_shown_and_goes_away(broken, small, capsys) -> None:
    analyze_videos([broken], small, on_error="skip")
    err = capsys.readouterr().err
    assert "analyzing: " in err
    assert err.rsplit("\r", 2)[-2:] == [" " * len(err.rsplit("\r", 2)[-2]), ""]


def test_paths_are_a_list(clip) -> None:
    with pytest.raises(ValueError, match="Put it in a list"):
        analyze_videos(clip)
