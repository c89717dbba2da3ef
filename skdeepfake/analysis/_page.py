"""HTML page of an analysis."""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from .._html import data_uri, part, versions
from ..pretrained import list_detectors
from ._card import sections, to_html
from ._pictures import Pictures

# Maximum number of faces below the curve.
_MAX_FACES = 16

_VERDICTS = {
    "real": "No sign of manipulation was found in the faces. This does not prove that "
    "the video is real.",
    "fake": "Signs of manipulation were found in the faces. This does not prove that "
    "the video is fake.",
    "uncertain": "The detector cannot decide, since the probability of being fake is "
    "between {real_below:.3g} and {fake_above:.3g}.",
    "no face": "No face was found. The detector only examines faces, so it cannot "
    "assess this video.",
    "unreadable": "This file {error}.",
}
_MEANING_UNKNOWN = (
    "The probability was computed by the detector {name}, whose error rate is unknown. "
    "To measure it, run `skdeepfake evaluate` on labeled videos. The verdict is real "
    "below {real_below:.3g} and fake above {fake_above:.3g}."
)
_LIMITS_UNKNOWN = """\
- **The detector recognizes the kinds of fakes that it was trained on.** On other kinds,
  it may be no better than chance.
- **The detector only examines faces,** not voices, bodies or backgrounds.
- **A verdict is not proof.** Do not base decisions about people on it alone.
"""
# IPTC terms for the digital source type of a video or picture.
_SOURCES = {
    "algorithmicMedia": "rendered by software",
    "compositeWithTrainedAlgorithmicMedia": "edited with a generative model",
    "computationalCapture": "captured by a camera with computational processing",
    "digitalCapture": "captured by a camera",
    "trainedAlgorithmicMedia": "made by a generative model",
}


def render(content: Mapping[str, Any], pictures: Pictures | None) -> str:
    """Render an analysis as the body of a page."""
    pictures = pictures or Pictures()
    limits = content["thresholds"]
    parts = [_head(content)]
    if content["probability"] is not None:
        parts.append(_scale(content["probability"], limits))
    if content["error"] is None:
        parts.append(_coverage(content))
    if content["probability"] is not None:
        if content["coverage"]["frames"] > 1:
            parts += ["<h2>Over time</h2>", _chart(content), _faces(content, pictures)]
        elif len(content["people"]) > 1:
            parts += ["<h2>Faces</h2>", _faces(content, pictures)]
        parts += [_suspicious(content, pictures), _people(content)]
    if content["record"] is not None:
        parts += [_credentials(content), _meaning(content)]
    parts.append(_record(content))
    parts.append(f"<footer>{escape(versions())}</footer>")
    return styled("\n".join(filter(None, parts)))


def styled(body: str) -> str:
    """Return the body of a page with the CSS style of analyses."""
    return part(body, (files(__package__) / "page.css").read_text(encoding="utf-8"))


def _head(content: Mapping[str, Any]) -> str:
    name, verdict = os.path.basename(content["path"]), content["verdict"]
    sentence = _VERDICTS[verdict].format(
        error=content["error"], **content["thresholds"]
    )
    return (
        f'<div class="verdict {verdict.replace(" ", "-")}">\n<p>{escape(name)}</p>\n'
        f"<h1>{verdict}</h1>\n<p>{escape(sentence)}</p>\n</div>"
    )


def _zone(value: float | None, limits: Mapping[str, float]) -> str:
    """Return the CSS class for a probability."""
    if value is None:
        return "no-face"
    if value > limits["fake_above"]:
        return "fake"
    return "uncertain" if value >= limits["real_below"] else "real"


def _zones(limits: Mapping[str, float]) -> list[tuple[str, float, float]]:
    ends = 0.0, limits["real_below"], limits["fake_above"], 1.0
    names = "real", "uncertain", "fake"
    found = zip(names, ends[:-1], ends[1:], strict=True)
    return [(name, low, high) for name, low, high in found if high > low]


def _scale(proba: float, limits: Mapping[str, float]) -> str:
    zones = "".join(
        f'<i class="{name}" style="width:{100 * (high - low):.3g}%">{name}</i>'
        for name, low, high in _zones(limits)
    )
    ends = {0.0, *limits.values(), 1.0}
    marks = "".join(f'<span style="left:{100 * x:g}%">{x:.3g}</span>' for x in ends)
    place = f"left:{100 * proba:.3g}%"
    text = f"<b style={place!r}>{proba:.3f}</b>"
    label = f"Probability of fake: {proba:.3f}"
    return (
        f'<p>Probability of fake</p>\n<div class="scale" role="img" '
        f'aria-label="{label}">{zones}{text}{marks}</div>'
    )


def _coverage(content: Mapping[str, Any]) -> str:
    found = content["coverage"]
    when = ""
    if found["frames"] > 1:
        when = f", sampled between {found['first']:.1f} and {found['last']:.1f} seconds"
    lines = [
        f"A face was found in {found['frames_with_face']} of {found['frames']} "
        f"frame{'s' * (found['frames'] != 1)}{when}.",
        *content["notes"],
    ]
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def curves(
    rows: Sequence[Mapping[str, Any]],
) -> dict[int, dict[float, tuple[float | None, int]]]:
    """Return the probability and the row of each person's face at each time.

    If a face has several rows, one per region, their probabilities are averaged, and
    the first row is returned.
    """
    found: dict[int, dict[float, list[int]]] = {}
    for k, row in enumerate(rows):
        if row["person"]:
            own = found.setdefault(row["person"], {})
            own.setdefault(row["time"], []).append(k)

    def mean(numbers: list[int]) -> float | None:
        scores = [rows[k]["probability"] for k in numbers]
        return None if None in scores else math.fsum(scores) / len(scores)

    return {
        person: {time: (mean(own[time]), own[time][0]) for time in own}
        for person, own in found.items()
    }


def _chart(content: Mapping[str, Any]) -> str:
    """Return a chart of the probabilities over time, as wide as the page."""
    rows, limits = content["frames"], content["thresholds"]
    times = [row["time"] for row in rows]
    if len(set(times)) < 2:
        return ""
    start, length = times[0], times[-1] - times[0]

    zones = "".join(
        f'<u class="{name}" style="bottom:{100 * low:g}%;'
        f'height:{100 * (high - low):g}%"></u>'
        for name, low, high in _zones(limits)
    )
    lines, dots = "", ""
    for own in curves(rows).values():
        run: list[str] = []
        for time in [*sorted(set(times)), None]:
            proba = own[time][0] if time in own else None
            if proba is None:
                if len(run) > 1:
                    lines += f'<polyline points="{" ".join(run)}"/>'
                run = []
                continue
            x = 100 * (time - start) / length
            run.append(f"{x:.4g},{100 - 100 * proba:.4g}")
            dots += (
                f'<b class="{_zone(proba, limits)}" style="left:{x:.4g}%;'
                f'bottom:{100 * proba:.4g}%" title="{time:.2f} s: {proba:.3f}"></b>'
            )
    labels = "".join(
        f'<em style="bottom:{100 * y:g}%">{y:g}</em>' for y in (0, 0.25, 0.5, 0.75, 1)
    )
    labels += "".join(
        f'<s style="left:{100 * k / 4:g}%">{start + length * k / 4:.1f} s</s>'
        for k in range(5)
    )
    return (
        '<div class="chart" role="img" aria-label="Probability of fake over time">'
        f'{zones}<svg viewBox="0 0 100 100" preserveAspectRatio="none" fill="none" '
        'stroke="#555" stroke-width="1.5"><g vector-effect="non-scaling-stroke">'
        f"{lines}</g></svg>{dots}{labels}</div>"
    ).replace("<polyline ", '<polyline vector-effect="non-scaling-stroke" ')


def _caption(row: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    parts = []
    if row["probability"] is not None:
        parts.append(f"<b>{row['probability']:.2f}</b>")
    if row["person"] and len(content["people"]) > 1:
        parts.append(f"<span>person {row['person']}</span>")
    if content["coverage"]["frames"] > 1:
        parts.append(f"<span>{row['time']:.1f} s</span>")
    return f"<figcaption>{' '.join(parts)}</figcaption>"


def _faces(content: Mapping[str, Any], pictures: Pictures) -> str:
    rows, cells = content["frames"], []
    for k in _spread(len(rows)):
        row = rows[k]
        zone = _zone(row["probability"], content["thresholds"])
        if k in pictures.faces:
            face = f'<img src="{data_uri(pictures.faces[k])}" alt="">'
        else:
            face = f'<div class="none">{"" if row["person"] else "no<br>face"}</div>'
        cells.append(f'<figure class="{zone}">{face}{_caption(row, content)}</figure>')
    return f'<div class="faces">{"".join(cells)}</div>'


def _spread(n: int) -> Iterable[int]:
    step = -(-n // _MAX_FACES)
    return range(0, n, max(step, 1))


def _suspicious(content: Mapping[str, Any], pictures: Pictures) -> str:
    if not pictures.suspicious:
        return ""
    cells = []
    for k, face in pictures.suspicious.items():
        row = content["frames"][k]
        images = f'<img src="{data_uri(face)}" alt="face">'
        if k in pictures.heatmaps:
            heat = data_uri(pictures.heatmaps[k])
            images += f'<img src="{heat}" alt="heatmap over the face">'
        zone = _zone(row["probability"], content["thresholds"])
        text = _caption(row, content)
        cells.append(f'<figure class="{zone}"><div>{images}</div>{text}</figure>')
    text = ""
    if pictures.heatmaps:
        text = (
            "<p>The heatmaps highlight the areas that increase the probability. Yellow "
            "areas increase it the most. Real faces can also have yellow areas, since "
            "the colors are relative to the strongest area shown.</p>"
        )
    return (
        f"<h2>Faces with the highest probability of fake</h2>\n{text}\n"
        f'<div class="pairs">{"".join(cells)}</div>'
    )


def _people(content: Mapping[str, Any]) -> str:
    if len(content["people"]) < 2:
        return ""
    rows = "".join(
        f"<tr><td>{p['person']}</td><td>{p['frames']}</td>"
        f"<td>{p['probability']:.3f}</td></tr>"
        for p in content["people"]
    )
    head = "<tr><th>person</th><th>frames</th><th>probability of fake</th></tr>"
    return f'<h2>People</h2><div class="wide"><table>{head}{rows}</table></div>'


def _meaning(content: Mapping[str, Any]) -> str:
    detector = content["record"]["detector"]
    info = next((i for i in list_detectors() if i.name == detector["name"]), None)
    if info is None or info.sha256 != detector["file_sha256"]:
        text = _MEANING_UNKNOWN.format(**detector, **content["thresholds"])
        meaning = to_html(text)
        limits, more = to_html(_LIMITS_UNKNOWN), ""
    else:
        card = sections(info.card)
        meaning = to_html(card["Probability and verdict"])
        limits = to_html(card["Limitations"])
        shown = ("Intended use", "Evaluation", "Training", "License")
        more = "".join(
            f"<details><summary>{name}</summary>{to_html(card[name])}</details>"
            for name in shown
            if name in card
        )
    title = "<h2>Meaning of the probability</h2>"
    if content["probability"] is None:
        title = meaning = ""
    return f"{title}\n{meaning}\n<h2>Limitations of the detector</h2>\n{limits}\n{more}"


def _credentials(content: Mapping[str, Any]) -> str:
    """Return a table of the Content Credentials, if there are any."""
    found = content["record"]["content_credentials"]
    if found["status"] in ("none", "not read"):
        return ""
    history = []
    for action in found["actions"]:
        term = (action["digital_source_type"] or "").rpartition("/")[2]
        known = action["action"], _SOURCES.get(term, term), action["software"]
        history.append(", ".join(filter(None, (*known, action["when"]))))
    rows = {
        "Status": f"{found['status']}. {found['message']}",
        "Created with": found["generator"],
        "Signed by": found["issuer"],
        "Signed at": found["signed_at"],
        "History": "; ".join(history) or None,
    }
    if found["status"] == "invalid":
        rows["Failed checks"] = ", ".join(found["problems"])
    return f"<h2>Content Credentials</h2>\n{_facts(rows)}"


def _facts(rows: Mapping[str, Any]) -> str:
    lines = "\n".join(
        f'<tr><th scope="row">{name}</th><td>{escape(str(value))}</td></tr>'
        for name, value in rows.items()
        if value is not None
    )
    return f'<div class="wide"><table class="record">\n{lines}\n</table></div>'


def _record(content: Mapping[str, Any]) -> str:
    record = content["record"]
    text = json.dumps(content, indent=2)
    link = base64.b64encode(text.encode()).decode()
    name = f"{os.path.splitext(os.path.basename(content['path']))[0]}.json"
    download = (
        f'<p><a download="{escape(name)}" href="data:application/json;base64,{link}">'
        "Download this analysis as JSON</a></p>"
    )
    if record is None:
        return download
    file, video, detector = (record[k] for k in ("file", "container", "detector"))
    size = "unknown size"
    if video["width"]:
        size = f"{video['width']:g} x {video['height']:g} pixels"
    facts = [size]
    if video["frame_rate"] and video["duration"]:  # a picture has no duration
        facts.append(f"{video['frame_rate']:g} frames per second")
    if video["duration"]:
        facts.append(f"{video['duration']:g} seconds")
    rows = {
        "File": file["name"],
        "SHA-256": file["sha256"],
        "Size": f"{file['size']:,} bytes, modified {file['modified_at']}",
        "Container": f"{video['container']}, codec {video['codec'] or 'unknown'}",
        "Video": ", ".join(facts),
        "Content Credentials": record["content_credentials"]["message"],
        "Detector": f"{detector['name']} ({detector['class']})",
        "Detector file, SHA-256": detector["file_sha256"],
        "Weights, SHA-256": detector["weights_sha256"],
        "Analyzed at": record["analyzed_at"],
        "Versions": ", ".join(f"{k} {v}" for k, v in record["versions"].items() if v),
    }
    params = escape(json.dumps(record["parameters"], indent=1))
    return (
        f"<h2>Record</h2>\n{_facts(rows)}\n<details><summary>Parameters</summary>"
        f"<pre>{params}</pre></details>\n{download}"
    )
