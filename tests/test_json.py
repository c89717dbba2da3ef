"""Values are converted to types that JSON supports."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from sklearn.dummy import DummyClassifier

from skdeepfake._json import plain


def test_what_json_does_not_know_becomes_its_text() -> None:
    found = plain({1: Path("clip.mp4"), "model": DummyClassifier(), "type": np.mean})
    assert found.keys() == {"1", "model", "type"}
    assert found["1"] == "clip.mp4"
    assert found["model"] == "DummyClassifier()"
    assert "mean" in found["type"]
    assert json.loads(json.dumps(found)) == found


def test_numbers_become_those_of_python() -> None:
    found = plain((np.float32(0.5), np.int8(3), np.bool_(True), np.nan, [np.inf, None]))
    assert found == [0.5, 3, True, None, [None, None]]
    assert [type(each) for each in found[:3]] == [float, int, bool]
