"""Fakes made of real faces, so that a detector can be trained from real videos alone.

:class:`SelfBlender` blends a face with an altered copy of itself, :class:`FaceSwapper`
with the face of another sample, and :class:`RandomBlender` draws one of several for
each face.
"""

from ._mixing import RandomBlender
from ._self_blending import SelfBlender
from ._swapping import FaceSwapper

__all__ = ["FaceSwapper", "RandomBlender", "SelfBlender"]
