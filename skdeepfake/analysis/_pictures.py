"""Faces and heatmaps of an analysis, as small JPEG files."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

# Maximum side in pixels and JPEG quality of the pictures, which are only displayed.
_SIDES = {"faces": 128, "suspicious": 288, "heatmaps": 288}
_QUALITY = 88


@dataclass(eq=False)
class Pictures:
    """JPEG images, keyed by the index of their row in `frames`."""

    faces: dict[int, bytes] = field(default_factory=dict)  # all faces
    suspicious: dict[int, bytes] = field(default_factory=dict)  # most suspicious first
    heatmaps: dict[int, bytes] = field(default_factory=dict)  # of the suspicious faces

    def add(self, kind: str, row: int, image: NDArray[np.uint8]) -> None:
        """Store an RGB image as a JPEG."""
        longest = max(image.shape[:2])
        scale = min(1.0, _SIDES[kind] / longest)
        size = [max(1, round(side * scale)) for side in image.shape[1::-1]]
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
        _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), options)
        getattr(self, kind)[row] = jpeg.tobytes()

    def face(self, row: int | None) -> NDArray[np.uint8] | None:
        """Return the RGB face of a row, or None if there is none."""
        jpeg = self.faces.get(-1 if row is None else row)
        if jpeg is None:
            return None
        found = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert found is not None
        return cv2.cvtColor(found, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]

    def to_dict(self) -> dict[str, Any]:
        """Return the images as base64 text, for JSON."""
        return {
            kind: [[row, base64.b64encode(jpeg).decode()] for row, jpeg in kept]
            for kind, kept in ((k, getattr(self, k).items()) for k in _SIDES)
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Pictures:
        """Build pictures from the result of `to_dict`."""
        return cls(
            **{
                kind: {row: base64.b64decode(text) for row, text in found[kind]}
                for kind in _SIDES
            }
        )
