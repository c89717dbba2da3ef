"""Explanations of predictions: Grad-CAM and occlusion."""

from ._grad_cam import grad_cam
from ._occlusion import occlusion
from ._overlay import overlay

__all__ = ["grad_cam", "occlusion", "overlay"]
