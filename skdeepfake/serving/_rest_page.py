"""HTML description of the REST interface, generated from its OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from .._html import page, part


def describe(schema: Mapping[str, Any]) -> str:
    """Return a page that lists all requests, their parameters and their responses."""
    requests = [
        _request(f"{method.upper()} {path}", found)
        for path, methods in schema["paths"].items()
        for method, found in methods.items()
    ]
    head = (
        f"<h1>REST interface of {escape(schema['info']['title'])}</h1>\n"
        f"<p>{escape(schema['info'].get('summary', ''))} The same description is "
        'available as an <a href="/openapi.json">OpenAPI document</a>.</p>\n'
    )
    return page("REST interface", part(head + "\n".join(requests)))


def _request(name: str, found: Mapping[str, Any]) -> str:
    params = [
        (
            p["name"],
            p["in"],
            p["schema"].get("type", ""),
            p["schema"].get("default", ""),
        )
        for p in found.get("parameters", [])
    ]
    responses = [(s, r["description"]) for s, r in found["responses"].items()]
    body = "".join(found.get("requestBody", {}).get("content", ""))
    return (
        f"<h2><code>{escape(name)}</code></h2>\n<p>{escape(found['summary'])}. "
        f"{escape(found.get('description', ''))}</p>\n"
        + (f"<p>Body: {escape(body)}</p>\n" if body else "")
        + _table(("parameter", "in", "type", "default"), params)
        + _table(("status", "response"), responses)
    )


def _table(names: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    lines = [[f"<td>{escape(str(cell))}</td>" for cell in row] for row in rows]
    if not lines:
        return ""
    head = [f'<th scope="col">{name}</th>' for name in names]
    body = "\n".join(f"<tr>{''.join(cells)}</tr>" for cells in [head, *lines])
    return f'<div class="wide"><table>\n{body}\n</table></div>\n'
