"""Analyses as JSON, HTML pages and figures."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import numpy as np
import pytest

from skdeepfake import analyze_videos
from skdeepfake.analysis import VideoAnalysis, json_schema

_TYPES = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


def problems(value: Any, schema: dict, where: str = "it") -> list[str]:
    """Return the violations of a schema that uses a subset of JSON Schema."""
    known = {
        *("$schema", "title", "description", "format", "const", "enum", "type"),
        *("minimum", "maximum", "pattern", "required", "properties"),
        *("additionalProperties", "items", "minItems", "maxItems"),
    }
    assert schema.keys() <= known
    found = []
    if "const" in schema and value != schema["const"]:
        found.append(f"{where} is not {schema['const']}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where} is none of {schema['enum']}")
    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        kinds = tuple(kind for name in names for kind in _TYPES[name])
        if not isinstance(value, kinds) or isinstance(value, bool):
            return [f"{where} is {type(value).__name__}, not {names}"]
    low, high = schema.get("minimum", value), schema.get("maximum", value)
    if isinstance(value, (int, float)) and not low <= value <= high:
        found.append(f"{where} is out of range")
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        found.append(f"{where} does not match")
    if isinstance(value, list):
        n = len(value)
        if not schema.get("minItems", n) <= n <= schema.get("maxItems", n):
            found.append(f"{where} has {n} items")
        for k, item in enumerate(value):
            found += problems(item, schema.get("items", {}), f"{where}[{k}]")
    if isinstance(value, dict):
        own = schema.get("properties", {})
        missing = set(schema.get("required", ())) - value.keys()
        found += [f"{where} lacks {name}" for name in sorted(missing)]
        if schema.get("additionalProperties") is False:
            found += [f"{where} has {name}" for name in sorted(value.keys() - own)]
        for name in value.keys() & own.keys():
            found += problems(value[name], own[name], f"{where}.{name}")
    return found


@pytest.fixture(scope="session")
def several(clip, tmp_path_factory) -> list[VideoAnalysis]:
    """Return the analyses of a rendered clip and of a file that is not a video."""
    path = tmp_path_factory.mktemp("bad") / "a <b>&.mp4"
    path.write_text("not a video")
    return analyze_videos([clip, path], on_error="skip", verbose=0)


def test_every_analysis_follows_the_schema(analysis, several) -> None:
    schema = json_schema()
    for each in (analysis, *several):
        content = json.loads(each.to_json())
        assert problems(content, schema) == []
        assert content == each.to_dict()
        assert list(content) == schema["required"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"verdict": "maybe"}, "it.verdict is none of"),
        ({"probability": 1.5}, "it.probability is out of range"),
        ({"probability": "0.5"}, "it.probability is str"),
        ({"other": 1}, "it has other"),
        ({"frames": [{"time": 0.0}]}, r"it.frames[0] lacks box"),
    ],
)
def test_schema_refuses_other_content(analysis, change, problem) -> None:
    found = problems({**analysis.to_dict(), **change}, json_schema())
    assert problem in found[0]


def test_json_is_written_to_a_file(analysis, tmp_path) -> None:
    path = tmp_path / "a.json"
    assert analysis.to_json(path) == path.read_text()
    assert json.loads(path.read_text())["verdict"] == analysis.verdict


def test_content_that_is_returned_is_a_copy(analysis) -> None:
    analysis.to_dict()["frames"].clear()
    analysis.record["file"].clear()
    assert analysis.to_dict()["frames"]
    assert analysis.record["file"]


def test_page_is_whole_and_shows_what_was_found(analysis, tmp_path) -> None:
    path = tmp_path / "page.html"
    assert analysis.to_html(path) is None
    page = path.read_text()
    assert page == analysis.to_html()
    assert page.startswith("<!DOCTYPE html>")
    # The page loads nothing from other files or servers.
    sources = re.findall(r'(?:src|href)="(.{0,16})', page)
    assert sources
    assert all(source.startswith("data:") for source in sources)
    assert "url(" not in page
    text = html.unescape(re.sub(r"<[^>]+>", " ", page))
    record = analysis.record
    for fact in (
        f"{analysis.probability:.3f}",
        record["file"]["sha256"],
        record["detector"]["weights_sha256"],
        record["analyzed_at"],
        "Fakes without blending.",
        "in which 15% of the videos are fake",
        "A face was found in 15 of 15 frames",
    ):
        assert fact in text
    assert f"<h1>{analysis.verdict}</h1>" in page
    n_faces = len(analysis.frames)
    assert page.count("data:image/jpeg") == n_faces + 2 * 3
    assert page.count('title="') == n_faces  # dots of the curve


def test_dots_lie_at_time_and_probability(analysis) -> None:
    page, table = analysis.to_html(), analysis.frames
    dots = re.findall(r"left:([\d.e-]+)%;bottom:([\d.e-]+)%\" title", page)
    found = np.array(dots, dtype=float) / 100
    seconds = table.time - table.time.iloc[0]
    np.testing.assert_allclose(found[:, 0], seconds / seconds.iloc[-1], atol=1e-3)
    np.testing.assert_allclose(found[:, 1], table.probability, atol=1e-3)


def test_most_suspicious_faces_come_first(analysis) -> None:
    scores = analysis.frames.probability
    expected = scores.sort_values(ascending=False).index[:3].tolist()
    assert list(analysis.pictures.suspicious) == expected
    assert list(analysis.pictures.heatmaps) == expected


def test_page_of_a_detector_of_ones_own_says_that_its_errors_are_unknown(
    clip, small
) -> None:
    (found,) = analyze_videos([clip], small, verbose=0)
    page = found.to_html()
    assert "whose error rate is unknown" in page
    assert "22%" not in page
    assert page.count("data:image/jpeg") == 3 + 3  # without heatmaps


def test_name_of_a_file_is_no_part_of_the_page(several) -> None:
    page = several[1].to_html()
    assert "a &lt;b&gt;&amp;.mp4" in page
    assert "<b>&" not in page
    assert "is not a video" in page
    assert "<h1>unreadable</h1>" in page


def test_notebook_shows_a_part_of_the_page(analysis) -> None:
    part = analysis._repr_html_()
    assert "<html" not in part
    assert f"<h1>{analysis.verdict}</h1>" in part


def test_repr_says_what_came_out(analysis, several) -> None:
    assert repr(analysis) == (
        f"<VideoAnalysis of {analysis.path!r}: {analysis.verdict}, probability "
        f"{analysis.probability:.3f}, a face in 15 of 15 frames>"
    )
    assert "unreadable (is not a video" in repr(several[1])


def test_figure_has_the_curve_the_faces_and_the_band(analysis, several) -> None:
    display = analysis.plot(max_faces=5)
    (curve,) = (line for line in display.ax_.lines if line.get_label() == "frame")
    np.testing.assert_allclose(curve.get_ydata(), analysis.frames.probability)
    faces = [ax for ax in display.ax_.child_axes if ax.images]
    assert len(faces) == 5
    (band,) = display.ax_.patches
    assert band.get_y() == 0.1
    assert band.get_height() == pytest.approx(0.4)
    with pytest.raises(ValueError, match="cannot be plotted"):
        several[1].plot()
