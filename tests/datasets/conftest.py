from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sklearn.utils import Bunch

Grow = Callable[..., Path]


@pytest.fixture
def grow(tmp_path: Path) -> Grow:
    """Create empty videos, and lists with the given contents, in a folder.

    The names of the parent folders suggest real and fake videos of another method, so
    labels derived from the whole path are always wrong.
    """
    root = tmp_path / "fake_real_Deepfakes_Celeb-synthesis" / "data"

    def grow(*videos: str, below: str = "", **lists: Any) -> Path:
        top = root / below
        for name, content in [*dict.fromkeys(videos, "").items(), *lists.items()]:
            path = top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(
                content if isinstance(content, str) else json.dumps(content),
                encoding="utf-8",
            )
        return top

    return grow


@pytest.fixture
def listed() -> Callable[[Bunch, Path], list[str]]:
    """Return the paths of videos relative to a root."""

    def listed(videos: Bunch, root: Path) -> list[str]:
        return [os.path.relpath(p, root).replace(os.sep, "/") for p in videos.data]

    return listed
