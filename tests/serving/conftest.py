"""Fixtures: the service with the reference detector, and a clip to upload."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from sklearn.utils import Bunch

from skdeepfake.serving import make_app

ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture(scope="session")
def content(rendered_videos: Bunch) -> bytes:
    with open(rendered_videos.data[0], "rb") as file:
        return file.read()


@pytest.fixture(scope="session")
def client() -> Iterator[TestClient]:
    app = make_app(heatmaps=False, max_bytes=2**20, max_kept=3, max_waiting=4)
    with TestClient(app, ADDRESS) as found:
        yield found
