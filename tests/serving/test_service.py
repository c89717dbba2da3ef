"""Uploads are limited, analyzed and deleted."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from skdeepfake import analyze_video, load_detector
from skdeepfake._atomic import _FOLDERS
from skdeepfake.serving import _jobs, make_app

URL = "/api/analyses"


def upload(client: TestClient, content: Any, name: str = "clip.mp4", **params: Any):
    return client.post(URL, content=content, params={"name": name, **params})


def files_left(client: TestClient) -> list[Path]:
    (jobs,) = (
        cell.cell_contents
        for route in client.app.routes
        for cell in getattr(route.endpoint, "__closure__", None) or ()
        if isinstance(cell.cell_contents, _jobs.Jobs) and route.name == "create"
    )
    return list(Path(jobs._folder).iterdir())


def test_upload_is_analyzed_like_a_file(client, content, rendered_videos) -> None:
    answer = upload(client, content, "a/../my <clip>.mp4", wait=True)
    assert answer.status_code == 200
    found, wanted = answer.json(), analyze_video(rendered_videos.data[0]).to_dict()
    analysis = found["analysis"]
    assert (found["state"], found["name"]) == ("done", "my <clip>.mp4")
    assert found["problem"] is None
    for key in ("probability", "verdict", "frames", "coverage", "thresholds"):
        assert analysis[key] == wanted[key]
    assert analysis["record"]["file"]["sha256"] == wanted["record"]["file"]["sha256"]
    assert analysis["path"] == analysis["record"]["file"]["name"] == "my <clip>.mp4"
    assert files_left(client) == []

    page = client.get(f"{URL}/{found['id']}/page")
    assert f"{wanted['probability']:.3f}" in page.text
    assert "my &lt;clip&gt;.mp4" in page.text
    assert "sandbox" in page.headers["content-security-policy"]
    assert "content-disposition" not in page.headers
    saved = client.get(f"{URL}/{found['id']}/page", params={"download": True})
    assert "my%20%3Cclip%3E.html" in saved.headers["content-disposition"]
    assert saved.text == page.text


def test_result_is_asked_for_until_it_is_there(client, content) -> None:
    first = upload(client, content)
    assert first.status_code == 202
    url = f"{URL}/{first.json()['id']}"
    while (state := client.get(url).json())["state"] in ("waiting", "analyzing"):
        assert state["analysis"] is None
        time.sleep(0.02)
    assert state["state"] == "done"
    assert client.delete(url).status_code == 204
    for gone in (url, f"{url}/page"):
        assert client.get(gone).json()["error"] == "not found"
        assert client.get(gone).status_code == 404


@pytest.mark.parametrize(
    ("bad", "reason"),
    [(b"This is not a video.", "is not a video"), (b"", "is empty"), (None, "decoded")],
)
def test_unreadable_upload_is_told_with_its_reason(client, content, bad, reason):
    if bad is None:  # starts with a valid header
        bad = content[:200] + bytes(500)
    answer = upload(client, bad, wait=True)
    assert answer.status_code == 422
    assert answer.json()["error"] == "unreadable"
    assert answer.json()["message"].startswith("This file ")
    if reason != "decoded":
        assert reason in answer.json()["message"]
    assert "/" not in answer.json()["message"].replace("4/mov", "")
    assert files_left(client) == []

    id = upload(client, bad).json()["id"]
    while (state := client.get(f"{URL}/{id}").json())["state"] != "failed":
        time.sleep(0.02)
    assert state["problem"] == answer.json()


@pytest.mark.parametrize("states_its_length", [True, False])
def test_upload_stops_at_the_limit(client, states_its_length) -> None:
    sent = []

    def chunks():
        for _ in range(64):
            sent.append(2**16)
            yield bytes(2**16)

    content = bytes(2**20 + 1) if states_its_length else chunks()
    answer = upload(client, content)
    assert answer.status_code == 413
    assert answer.json() == {
        "error": "too large",
        "message": "The limit is 1048576 bytes.",
    }
    assert files_left(client) == []
    assert client.post(URL, content=bytes(2**20), params={"wait": True}).json()[
        "error"
    ] == ("unreadable")


def test_limits_are_those_of_the_sampler(content) -> None:
    detector = load_detector()
    for limit, name in ((100, "max_pixels"), (0.5, "max_duration")):
        app = make_app(detector, heatmaps=False, **{name: limit})
        with TestClient(app, "http://localhost") as client:
            answer = upload(client, content, wait=True)
            assert (answer.status_code, answer.json()["error"]) == (422, "unreadable")
            assert name in answer.json()["message"]
    assert detector["sampler"].get_params() == load_detector()["sampler"].get_params()


def test_slow_upload_ends(content) -> None:
    app = make_app(timeout=0.05)

    async def slowly():
        yield content[:10]
        await asyncio.sleep(5)

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.post(f"http://localhost{URL}", content=slowly())

    with TestClient(app, "http://localhost") as client:
        answer = asyncio.run(send())
        assert (answer.status_code, answer.json()["error"]) == (408, "timeout")
        assert files_left(client) == []


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"host": "127.0.0.1:8000"}, True),
        ({"host": "localhost"}, True),
        ({"host": "[::1]:8000"}, True),
        ({"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:8000"}, True),
        ({"host": "rebound.example:8000"}, False),
        ({"host": "localhost.example"}, False),
        ({"host": ""}, False),
        ({"host": "127.0.0.1:8000", "origin": "http://other.example"}, False),
        ({"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:9"}, False),
        ({"host": "127.0.0.1:8000", "origin": "null"}, False),
    ],
)
def test_only_pages_of_this_machine_are_answered(client, headers, allowed) -> None:
    answer = client.get("/", headers=headers)
    assert answer.status_code == (200 if allowed else 403)
    if not allowed:
        assert answer.json()["error"] == "forbidden"
        assert client.post(URL, content=b"x", headers=headers).status_code == 403


def test_other_errors_are_json_too(client) -> None:
    for answer, status, kind in (
        (client.get("/nowhere"), 404, "not found"),
        (client.put("/"), 405, "invalid"),
        (client.post(URL, params={"wait": "perhaps"}), 400, "invalid"),
        (client.post(URL, params={"name": "x" * 256}), 400, "invalid"),
        (client.delete(f"{URL}/none"), 404, "not found"),
    ):
        assert answer.status_code == status
        assert answer.json()["error"] == kind
        assert answer.json()["message"]


def test_more_than_may_wait_are_refused_and_the_oldest_results_forgotten(
    client, monkeypatch
) -> None:
    may_go_on = threading.Event()

    def analyze(*_: Any, **__: Any) -> None:
        may_go_on.wait(10)
        raise RuntimeError("a secret path")

    monkeypatch.setattr(_jobs, "analyze_video", analyze)
    found = [upload(client, b"x") for _ in range(4)]
    assert [answer.status_code for answer in found] == [202] * 4
    ids = [answer.json()["id"] for answer in found]
    assert [client.get(f"{URL}/{id}").json()["n_before"] for id in ids[1:]] == [1, 2, 3]
    refused = upload(client, b"x")
    assert (refused.status_code, refused.json()["error"]) == (503, "busy")
    assert len(files_left(client)) == 4
    client.delete(f"{URL}/{ids[3]}")
    may_go_on.set()
    while (
        files_left(client) or client.get(f"{URL}/{ids[2]}").json()["state"] != "failed"
    ):
        time.sleep(0.01)
    last = upload(client, b"x", wait=True)
    assert last.status_code == 500
    assert last.json() == {
        "error": "failed",
        "message": "The analysis failed: RuntimeError.",
    }
    known = [client.get(f"{URL}/{id}").status_code for id in ids]
    assert known == [404, 200, 200, 404]  # the last three analyses are kept


def test_page_is_one_file_with_one_script(client) -> None:
    answer = client.get("/")
    assert 'data-max-bytes="1048576"' in answer.text
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    assert "script-src 'sha256-" in answer.headers["content-security-policy"]


def test_interface_is_described(client) -> None:
    page = client.get("/docs")
    assert f"<code>POST {URL}</code>" in page.text
    assert "<td>wait</td><td>query</td><td>boolean</td><td>False</td>" in page.text
    assert "<td>413</td><td>too large</td>" in page.text
    assert not re.search(r"(src|href)=.(?!/openapi.json)", page.text)  # offline
    assert "default-src 'none'" in page.headers["content-security-policy"]
    paths = client.get("/openapi.json").json()["paths"]
    assert sorted(paths) == [URL, f"{URL}/{{id}}", f"{URL}/{{id}}/page"]
    body = paths[URL]["post"]["requestBody"]["content"]
    assert body["application/octet-stream"]["schema"]["format"] == "binary"
    assert {"202", "400", "413", "422", "503"} <= set(paths[URL]["post"]["responses"])


def test_wrong_parameters_are_found_before_an_upload(monkeypatch) -> None:
    with pytest.raises(ValueError, match=r"thresholds must be .*got 2"):
        make_app(thresholds=2)
    with pytest.raises(ValueError, match="'max_bytes'"):
        make_app(max_bytes=0)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ImportError, match=r"skdeepfake\[serve\]"):
        make_app()


def test_folder_of_uploads_goes_with_the_server(tmp_path, monkeypatch, content) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with TestClient(make_app(heatmaps=False), "http://localhost") as client:
        assert len(list(tmp_path.glob(_FOLDERS))) == 1
        upload(client, content)  # without waiting for the result
    assert list(tmp_path.iterdir()) == []
