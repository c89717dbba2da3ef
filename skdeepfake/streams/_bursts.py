"""Base of transformers that look at the consecutive frames of a burst."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval

from .._docs import shared_docs
from .._stateless import StatelessTransformer

with_burst_docs = shared_docs(
    {
        "burst_parameters": """\
burst : int or None, default=None
    Number of consecutive frames in each burst, as the `burst` of
    :class:`~skdeepfake.preprocessing.VideoFrameSampler`. None treats all frames of a
    video as consecutive.
max_faces : int, default=1
    Number of slots per frame: the `max_faces` of the cropper, times the number of its
    regions.
""",
        "frame_rate": """\
frame_rate : float, default=25.0
    Frames per second within a burst: arrays of faces have no timestamps.
""",
        "faces": """\
X : ndarray of uint8, shape (n_videos, n_slots, height, width, 3)
    RGB faces, all zeros in slots without one. The slots are in the order of moments,
    frames of a burst, and people.
""",
        "raises_for_faces": """\
ValueError
    If a parameter is out of its range, X is not such an array, or its number of slots
    is not a multiple of `burst` times `max_faces`.
""",
    }
)


@dataclass(repr=False, eq=False)
class BurstTransformer(StatelessTransformer):
    """A transformer of bursts of faces."""

    _: KW_ONLY
    burst: int | None = None
    max_faces: int = 1

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "burst": [Interval(Integral, 1, None, closed="left"), None],
        "max_faces": [Interval(Integral, 1, None, closed="left")],
    }

    def _bursts(self, X: ArrayLike) -> NDArray[np.uint8]:
        """Check X; return it as (n_videos, n_bursts, burst, max_faces, h, w, 3)."""
        self._validate_params()
        name = type(self).__name__
        faces = np.asarray(X)
        if faces.ndim != 5 or faces.dtype != np.uint8 or faces.shape[-1] != 3:
            raise ValueError(
                f"X is an array of {faces.dtype} and shape {faces.shape}, but {name} "
                "takes faces of dtype uint8 and shape (n_videos, n_slots, height, "
                "width, 3), as Resizer gives them"
            )
        if 0 in faces.shape:
            raise ValueError(f"Found array with 0 sample(s) (shape={faces.shape})")
        n_slots = faces.shape[1]
        burst = n_slots // self.max_faces if self.burst is None else self.burst
        if burst == 0 or n_slots % (burst * self.max_faces):
            raise ValueError(
                f"X has {n_slots} slots, which are not bursts of {burst or 1} frames "
                f"of {self.max_faces} faces: set burst and max_faces of {name} as in "
                "the sampler and the cropper"
            )
        return faces.reshape(len(faces), -1, burst, self.max_faces, *faces.shape[2:])
