"""The demo predicts, and fails if its network learned nothing."""

from __future__ import annotations

import re

import pytest

from skdeepfake import _demo, cli
from skdeepfake._arguments import FAILED, OK, SOME_FAILED


@pytest.fixture
def tiny(monkeypatch) -> None:
    """Train the demo for one epoch on two pairs, and hold one pair out."""
    for name, value in {"_N_TRAINING": 2, "_N_HELD_OUT": 1, "_EPOCHS": 1}.items():
        monkeypatch.setattr(_demo, name, value)


@pytest.mark.parametrize(
    ("auc", "code"),
    [pytest.param(0.9, OK, marks=pytest.mark.nightly), (0.89, SOME_FAILED)],
)
def test_exit_code_depends_on_the_pairs_held_out(
    auc, code, tiny, tmp_path, monkeypatch, capsys
) -> None:
    asked = []

    def score(truth, scores):
        asked.append((truth.tolist(), len(scores)))
        return auc

    monkeypatch.setattr(_demo, "roc_auc_score", score)
    folder = tmp_path / "demo"
    assert cli.main(["demo", "-o", str(folder)]) == code
    assert asked == [([0, 1], 2)]
    printed = capsys.readouterr()
    rows = re.findall(r"(002\S*) +(real|fake) +0\.\d\d \w+ +0\.\d\d \w+", printed.out)
    assert rows == [("002.mp4", "real"), ("002_fake.mp4", "fake")]
    last = printed.out.splitlines()[-1]
    found = last == "Now try your own video: skdeepfake predict VIDEO --html report"
    assert found == (code == OK)
    assert ("expected at least 0.9" in printed.err) == (code != OK)
    assert {path.name for path in folder.iterdir()} == {
        *("videos", "pages", "faces.png", "history.png")
    }


def test_folder_in_use_is_left_alone(tmp_path, capsys) -> None:
    (tmp_path / "mine").touch()
    assert cli.main(["demo", "-o", str(tmp_path)]) == FAILED
    assert "is not an empty folder" in capsys.readouterr().err
