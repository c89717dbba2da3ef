"""Models that earlier releases have written load, and answer as they did."""

from __future__ import annotations

import json
import runpy
import warnings
from pathlib import Path
from typing import Any

import joblib
import keras
import numpy as np
import pytest
import sklearn
from sklearn.exceptions import InconsistentVersionWarning

import skdeepfake
from skdeepfake import persistence
from skdeepfake.exceptions import ModelVersionWarning

FOLDER = Path(__file__).resolve().parent
RELEASES = sorted(path.parent for path in FOLDER.glob("*/versions.json"))
STEPS = {
    "cnn": {"sampler__n_frames": 2, "resizer__size": (8, 8), "detector__filters": (2,)},
    "cnn_rnn": {"featurizer__weights": None, "detector__units": (3,)},
    "gan": {"cropper__margin": 0.0, "detector__generator__noise_dim": 4},
}


def load(path: Path) -> Any:
    return persistence.load(path) if path.suffix == ".skops" else joblib.load(path)


def test_there_is_a_release() -> None:
    assert "0.1.0" in [release.name for release in RELEASES]


@pytest.mark.parametrize("kind", ["joblib", "skops"])
@pytest.mark.parametrize("name", list(STEPS))
@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_model_of_a_release_answers_as_it_did(
    release: Path, name: str, kind: str
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InconsistentVersionWarning)
        pipeline = load(release / f"{name}.{kind}")
    with np.load(release / "answers.npz") as answers:
        X, expected = answers[f"{name}_X"], answers[f"{name}_proba"]
    assert np.ptp(expected[:, 1]) > 0.01
    np.testing.assert_allclose(pipeline[-1].predict_proba(X), expected, atol=1e-5)
    assert {key: pipeline.get_params()[key] for key in STEPS[name]} == STEPS[name]

    written = json.loads((release / "versions.json").read_text())
    ours = [w for w in caught if issubclass(w.category, ModelVersionWarning)]
    now = {"skdeepfake": skdeepfake.__version__, "keras": keras.__version__}
    assert bool(ours) == any(now[key] != written[key] for key in now)
    # Those that are left come from scikit-learn.
    assert (len(caught) > len(ours)) == (written["sklearn"] != sklearn.__version__)


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_models_hold_no_path_of_the_machine_that_wrote_them(release: Path) -> None:
    for path in release.glob("*.joblib"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InconsistentVersionWarning)
            params = load(path).get_params()
        assert not [value for value in params.values() if "/" in str(value)]


def test_release_is_not_written_twice() -> None:
    main = runpy.run_path(str(FOLDER / "write_models.py"))["main"]
    with pytest.raises(SystemExit, match=r"0\.1\.0 is there already"):
        main()
