"""Base class for transformers of bursts of faces."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval

from .._bursts import as_bursts
from .._docs import shared_docs
from .._stateless import StatelessTransformer

with_burst_docs = shared_docs(
    {
        "burst_parameters": """\
burst : int or None, default=None
    Number of consecutive frames per burst, as in
    :class:`~skdeepfake.preprocessing.VideoFrameSampler`. None treats all frames of a
    video as one burst.
max_faces : int, default=1
    Number of slots per frame: `max_faces` of the cropper, multiplied by the number of
    regions if `region` of the cropper lists several.
""",
        "frame_rate": """\
frame_rate : float, default=25.0
    Number of frames per second within a burst. It cannot be inferred, since arrays of
    faces have no timestamps.
""",
        "faces": """\
X : ndarray of uint8, shape (n_videos, n_slots, height, width, 3)
    RGB faces, all zeros in slots without a face. Slots are ordered by burst, then
    by frame, then by region if the cropper returns several, then by person.
""",
        "raises_for_faces": """\
ValueError
    If a parameter is out of range, if X has the wrong shape or dtype, or if its
    number of slots is not a multiple of `burst` times `max_faces`.
""",
    }
)


@dataclass(repr=False, eq=False)
class BurstTransformer(StatelessTransformer):
    """Base class for transformers of bursts of faces."""

    _: KW_ONLY
    burst: int | None = None
    max_faces: int = 1

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "burst": [Interval(Integral, 1, None, closed="left"), None],
        "max_faces": [Interval(Integral, 1, None, closed="left")],
    }

    def _bursts(self, X: ArrayLike) -> NDArray[np.uint8]:
        """Check X and reshape it to (n_videos, n_bursts, burst, max_faces, h, w, 3)."""
        self._validate_params()
        return as_bursts(X, self.burst, self.max_faces, type(self).__name__)
