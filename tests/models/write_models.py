"""Write the models that all later versions have to load.

    python tests/models/write_models.py

Run it once before a release, in an environment of the newest scikit-learn and Keras. It
writes a folder named after the version, and does not touch one that is there.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import joblib
import keras
import numpy as np
import sklearn

import skdeepfake
from skdeepfake import make_detector_pipeline, persistence
from skdeepfake.detectors import Generator

FOLDER = Path(__file__).resolve().parent

TINY: dict[str, dict[str, Any]] = {
    "cnn": {"filters": (2,), "dense_units": 2, "momentum": 0.5},
    "cnn_rnn": {"units": (3,), "weights": None},
    "gan": {
        "generator": Generator(filters=(2,), noise_dim=4),
        "discriminator_filters": (2,),
    },
}


def inputs() -> dict[str, np.ndarray]:
    """Make what each detector is asked about: faces, and features for the second."""
    rng = np.random.RandomState(0)
    faces = rng.randint(1, 100, size=(6, 2, 8, 8, 3)).astype(np.uint8)
    faces[1::2] += 100
    features = rng.normal(size=(6, 2, 3, 4)).astype(np.float32)
    features[1::2] += 1
    return {"cnn": faces, "cnn_rnn": features, "gan": faces}


def fitted_pipeline(name: str, **params: Any) -> Any:
    """Make a whole pipeline whose detector has learnt for an epoch."""
    pipeline = make_detector_pipeline(
        name,
        n_frames=2,
        size=(8, 8),
        **{**TINY[name], **params},
        learning_rate=0.01,
        epochs=1,
        validation_fraction=None,
        random_state=0,
    )
    pipeline[-1].fit(inputs()[name], [0, 1] * 3)
    return pipeline


def main() -> None:
    """Write the folder of this version."""
    folder = FOLDER / skdeepfake.__version__
    if folder.exists():
        sys.exit(f"{folder} is there already, and stays as its release has written it")
    folder.mkdir()
    answers = {}
    for name, X in inputs().items():
        pipeline = fitted_pipeline(name)
        joblib.dump(pipeline, folder / f"{name}.joblib", compress=9)
        persistence.save(pipeline, folder / f"{name}.skops")
        answers[f"{name}_X"] = X
        answers[f"{name}_proba"] = pipeline[-1].predict_proba(X)
    np.savez_compressed(folder / "answers.npz", **answers)
    versions = {
        "python": ".".join(map(str, sys.version_info[:3])),
        "skdeepfake": skdeepfake.__version__,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "sklearn": sklearn.__version__,
        "numpy": np.__version__,
    }
    (folder / "versions.json").write_text(json.dumps(versions, indent=2) + "\n")


if __name__ == "__main__":
    warnings.simplefilter("error", UserWarning)
    main()
