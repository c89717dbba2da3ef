"""Synthesize fakes from real faces to train detectors with real videos only.

:class:`SelfBlender` blends a face with an altered copy of itself, :class:`FaceSwapper`
blends it with the face of another sample, and :class:`RandomBlender` chooses one of
several blenders for each sample.
"""

from ._mixing import RandomBlender
from ._self_blending import SelfBlender
from ._swapping import FaceSwapper

__all__ = ["FaceSwapper", "RandomBlender", "SelfBlender"]
