"""Load trained models by name, from files or from fitted pipelines."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline

from . import persistence
from .detectors import PretrainedDetector
from .exceptions import SkdeepfakeError
from .pretrained import DetectorInfo, list_detectors, load_detector

_CHUNK = 2**20


@dataclass(frozen=True, eq=False)
class Model:
    """Fitted pipeline from paths to probabilities, with metadata."""

    pipeline: Any
    name: str
    file_sha256: str | None = None  # only if loaded from a file
    info: DetectorInfo | None = None  # only for detectors of this package

    @property
    def thresholds(self) -> tuple[float, float]:
        """Thresholds: real below the first value, fake above the second."""
        if self.info is None:
            return 0.5, 0.5
        return self.info.real_below, self.info.fake_above

    @property
    def column(self) -> int:
        """Index of the fake class in the classes of the pipeline."""
        classes = np.asarray(self.pipeline.classes_).tolist()
        column = next((i for i, c in enumerate(classes) if c in (1, "fake")), None)
        if column is None:
            raise ValueError(
                f"The classes of the model are {classes}; one must be 1 or 'fake'."
            )
        return column

    @cached_property
    def weights_sha256(self) -> str | None:
        """SHA-256 of the learned arrays of the last step, or None if unknown."""
        detector = self.pipeline[-1]
        weights = getattr(detector, "weights_", None)
        if weights is None and hasattr(detector, "model_"):
            weights = dict(enumerate(detector.model_.get_weights()))
        if not isinstance(weights, dict):
            return None
        digest = hashlib.sha256()
        for name in sorted(weights):
            array = np.ascontiguousarray(weights[name])
            digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()


def load_model(source: Any = None, **params: Any) -> Model:
    """Return the Model of a pipeline, name or file; None loads the reference detector.

    A Model is returned unchanged. `params` are parameters of `load_detector`.
    """
    if isinstance(source, Model):
        return source
    known = {info.name: info for info in list_detectors()}
    if source is None:
        source = "reference"
    if isinstance(source, (str, os.PathLike)):
        name = os.fspath(source)
        if name in known:
            info = known[name]
            return Model(load_detector(name, **params), name, info.sha256, info)
        path = Path(name)
        if not path.is_file():
            raise ValueError(
                f"{path} is not a file. Train a model first, or pass no model to use "
                "the reference detector."
            )
        return Model(_load_file(path, params), path.name, file_sha256(path))
    if not isinstance(source, Pipeline) or not is_classifier(source):
        raise ValueError(
            f"{type(source).__name__} is not a pipeline from paths to probabilities. "
            "Use load_detector or make_detector_pipeline to create one."
        )
    check_pipeline(source, "The model")
    model = Model(source, type(source[-1]).__name__)
    if isinstance(source[-1], PretrainedDetector):
        digest = model.weights_sha256
        for name, info in known.items():
            if Model(load_detector(name), name).weights_sha256 == digest:
                return Model(source, name, info.sha256, info)
    return model


def _load_file(path: Path, params: dict[str, Any]) -> Any:
    if path.suffix == ".npz":
        return load_detector(path, **params)
    try:
        found = persistence.load(path) if is_safe(path) else joblib.load(path)
    except SkdeepfakeError:
        raise  # its message is already helpful
    except Exception as error:  # loading a pickle can raise any error
        raise ValueError(f"{path} cannot be loaded as a model: {error}") from error
    check_pipeline(found, str(path))
    return found


def check_pipeline(found: Any, name: str) -> None:
    """Raise a ValueError if an object is not a pipeline with the step `sampler`."""
    if "sampler" not in getattr(found, "named_steps", {}):
        raise ValueError(
            f"{name} is not a pipeline of skdeepfake; it has no step named 'sampler'."
        )


def is_safe(path: Path) -> bool:
    """Return True if a model file can be loaded without running code."""
    return path.suffix == ".skops"


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of the content of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
