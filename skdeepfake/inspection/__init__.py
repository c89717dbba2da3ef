"""Explanations: where in a face and when in a video a detector finds evidence."""

from ._grad_cam import grad_cam
from ._occlusion import occlusion
from ._overlay import overlay

__all__ = ["grad_cam", "occlusion", "overlay"]
