"""Store finished analyses, keyed by file content, detector and parameters."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Callable
from pathlib import Path

from .._atomic import written
from .._json import step_parameters
from .._models import Model, file_sha256
from .._video._checks import check_video_file
from ._analysis import VideoAnalysis
from ._evidence import describe_detector
from ._pictures import Pictures

# Increase it when analyses of the same video would differ from stored ones.
_VERSION = 2


class Folder:
    """Folder of analyses by one detector with fixed parameters."""

    def __init__(
        self,
        folder: str | os.PathLike[str],
        model: Model,
        thresholds: tuple[float, float],
        heatmaps: bool,
    ) -> None:
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        about = (
            importlib.util.find_spec("c2pa") is not None,
            describe_detector(model),
            step_parameters(model.pipeline.steps),
            thresholds,
        )
        self._key = repr((_VERSION, *about))
        self._heatmaps = heatmaps

    def recall_or(
        self, path: str, analyze: Callable[[str], VideoAnalysis]
    ) -> VideoAnalysis:
        """Return the stored analysis, or analyze the video and store the result."""
        check_video_file(path)
        key = f"{self._key} {file_sha256(path)}".encode()
        file = self._folder / f"{hashlib.sha256(key).hexdigest()[:32]}.json"
        kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
        if kept is not None and kept["heatmaps"] >= self._heatmaps:
            content = {**kept["analysis"], "path": path}
            content["record"]["file"]["name"] = os.path.basename(path)
            return VideoAnalysis(content, Pictures.from_dict(kept["pictures"]))
        found = analyze(path)
        pictures = (found.pictures or Pictures()).to_dict()
        kept = {
            "heatmaps": self._heatmaps,
            "analysis": found.to_dict(),
            "pictures": pictures,
        }
        written(json.dumps(kept, allow_nan=False), file)
        return found
