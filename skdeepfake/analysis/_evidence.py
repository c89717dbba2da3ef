"""Record of the file, the detector and the package versions in an analysis."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from .._json import plain, step_parameters
from .._models import Model, file_sha256
from .._video._checks import absolute_path, check_video_file
from .._video._metadata import container_metadata
from .._video._reader import Limits
from ..exceptions import VideoReadError
from ._credentials import read_credentials

_PACKAGES = (
    *("skdeepfake", "numpy", "scikit-learn", "opencv-python", "dlib-bin"),
    *("imageio-ffmpeg", "keras", "tensorflow", "onnxruntime", "c2pa-python"),
)
_CONTAINER = ("duration", "frame_rate", "width", "height", "codec", "container")


def begin_record(path: str, model: Model) -> dict[str, Any]:
    """Describe the file and the detector before the file is decoded."""
    sampler = model.pipeline.named_steps["sampler"]
    limits = Limits(*(getattr(sampler, name) for name in Limits._fields))
    found = check_video_file(path, limits.max_bytes)
    (about,) = container_metadata([absolute_path(path)], limits)
    if isinstance(about, VideoReadError):
        raise about
    try:
        digest = file_sha256(path)
        credentials = read_credentials(absolute_path(path), limits.timeout)
    except OSError as error:
        raise VideoReadError(path, f"cannot be read: {error.strerror}") from error
    changed = datetime.fromtimestamp(found.st_mtime, timezone.utc)
    return {
        "file": {
            "name": os.path.basename(path),
            "sha256": digest,
            "size": found.st_size,
            "modified_at": _written(changed),
        },
        "content_credentials": credentials,
        "container": plain({name: getattr(about, name) for name in _CONTAINER}),
        "detector": describe_detector(model),
        "parameters": step_parameters(model.pipeline.steps),
        "versions": {name: _version(name) for name in _PACKAGES},
        "analyzed_at": _written(datetime.now(timezone.utc)),
    }


def finish_record(record: dict[str, Any], clip: Any) -> None:
    """Raise an error if the file was changed during the analysis."""
    about = record["file"]
    changed = datetime.fromtimestamp(clip.mtime_ns / 1e9, timezone.utc)
    if (clip.size, _written(changed)) != (about["size"], about["modified_at"]):
        raise VideoReadError(clip.path, "was changed during the analysis")


def describe_detector(model: Model) -> dict[str, Any]:
    """Return the name, class and hashes of a detector."""
    return {
        "name": model.name,
        "class": type(model.pipeline[-1]).__name__,
        "file_sha256": model.file_sha256,
        "weights_sha256": model.weights_sha256,
    }


def _written(time: datetime) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
