"""Fakes made of real faces, so that a detector can be trained from real videos alone.

:class:`SelfBlender` blends a face with an altered copy of itself.
"""

from ._self_blending import SelfBlender

__all__ = ["SelfBlender"]
