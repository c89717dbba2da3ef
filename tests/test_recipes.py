"""The recipes of `benchmarks/recipes`: arguments, scores, table and a dry run."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from sklearn.utils import Bunch

FILE = Path(__file__).parents[1] / "benchmarks" / "recipes" / "run.py"


@pytest.fixture(scope="module")
def recipes() -> ModuleType:
    spec = importlib.util.spec_from_file_location("recipes", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gend"], "pass --faceforensics and --work"),
        (["gend", "--work", "w"], "pass --faceforensics and --work"),
        (["gend", "--dry-run", "--dfdc", "d"], "Do not pass folders"),
        (["sbi", "--dry-run"], "invalid choice: 'sbi'"),
    ],
)
def test_arguments_are_checked(recipes, arguments, message, capsys):
    with pytest.raises(SystemExit):
        recipes.parse(arguments)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("recipe", "frames"), [("gend", 32), ("blend", 35)])
def test_frames_depend_on_the_recipe(recipes, recipe, frames):
    assert recipes.parse([recipe, "--dry-run"]).frames == frames
    assert recipes.parse([recipe, "--dry-run", "--frames", "4"]).frames == 4


def test_other_settings_are_refused(recipes, tmp_path):
    folders = ["--faceforensics", "ff", "--work", str(tmp_path / "run")]
    recipes.keep_settings(recipes.parse(["gend", *folders]))
    recipes.keep_settings(recipes.parse(["gend", *folders, "--jobs", "2"]))
    other = recipes.parse(["gend", *folders, "--epochs", "3", "--size", "96"])
    with pytest.raises(SystemExit, match="another size, epochs"):
        recipes.keep_settings(other)


def test_scores_of_regions_are_averaged_per_frame_and_kept(recipes, tmp_path):
    slots = np.array([[[0.2, 0.4, np.nan], [np.nan] * 3]])  # one video of two frames
    positive = slots.reshape(1, 6)
    model = SimpleNamespace(
        predict_frame_proba=lambda X: np.stack([1 - positive, positive], axis=-1),
        aggregate_proba=lambda slots: np.array([[0.7, 0.3]]),
    )
    member, file = recipes.Member({}, n_regions=3), tmp_path / "scores" / "a.npz"
    found = recipes.score(model, np.zeros((1, 6)), member, file)
    np.testing.assert_allclose(found["frames"], [[0.3, np.nan]])
    assert found["video"].tolist() == [0.3]
    again = recipes.score(None, None, member, file)
    np.testing.assert_array_equal(again["frames"], found["frames"])


def test_table_is_of_the_mean_of_the_models(recipes):
    videos = Bunch(target=np.array([0, 0, 1, 1]), groups=np.arange(4))
    scores = [
        {"video": np.array(video), "frames": np.array([video, frame]).T}
        for video, frame in [
            ([0.1, 0.8, 0.5, 0.9], [0.1, 0.1, 0.1, 0.9]),
            ([0.3, 0.4, 0.9, 0.9], [0.3, 0.3, 0.3, 0.9]),
        ]
    ]
    row = recipes.tabulate(scores, videos, "Celeb-DF", n_resamples=0)
    figures = {k: re.match(r"[\d.]*", str(v))[0] for k, v in row.items()}
    # Means per video: 0.2, 0.6, 0.7, 0.9; of the second frames: 0.2, 0.2, 0.2, 0.9.
    assert row["test set"] == "Celeb-DF"
    assert (row["real"], row["fake"]) == (2, 2)
    assert figures["video AUC"] == "1.000"
    assert figures["frame AUC"] == "0.844"
    assert figures["video EER"] == "0.000"


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("recipe", ["gend", "blend"])
def test_dry_run_continues(recipes, recipe, tmp_path):
    arguments = [recipe, "--dry-run", "--work", str(tmp_path)]
    rows = recipes.main(arguments)
    assert [row["test set"] for row in rows] == [
        *("FaceForensics++", "Celeb-DF", "DFDC", "DeeperForensics")
    ]
    assert [(row["real"], row["fake"]) for row in rows] == [
        *((4, 16), (8, 8), (8, 8), (4, 4))  # no identity of the training videos
    ]
    kept = {path: os.stat(path).st_mtime_ns for path in tmp_path.rglob("*.[jn]*[by]")}
    assert {path.suffix for path in kept} == {".npy", ".joblib"}
    scores = sorted(tmp_path.rglob("*.npz"))
    assert len(scores) == 4 * len(recipes.RECIPES[recipe])
    scores[0].unlink()
    assert recipes.main(arguments) == rows
    assert scores[0].exists()
    assert {path: os.stat(path).st_mtime_ns for path in kept} == kept
