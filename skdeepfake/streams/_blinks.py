"""Eye aspect ratios and blinks, from facial landmarks."""

from __future__ import annotations

import os
from dataclasses import KW_ONLY, dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from .._landmarks import find_landmarks, load_predictor
from ._bursts import BurstTransformer, with_burst_docs

_N_LANDMARKS = (68,)
_EYES = (slice(36, 42), slice(42, 48))


@with_burst_docs
@dataclass(repr=False, eq=False)
class BlinkFeaturizer(BurstTransformer):
    """Measure how far the eyes are open, and how often people blink.

    The eye aspect ratio is the height of an eye divided by its width, computed from six
    landmarks. It drops from about 0.3 to below 0.1 when the eye closes. In some fakes,
    people rarely blink or never close their eyes.

    Parameters
    ----------
    landmarks : str or os.PathLike
        File of a dlib shape predictor with 68 landmarks.
    {{burst_parameters}}
    output : {"ratio", "summary"}, default="ratio"
        "ratio" returns the eye aspect ratios of each slot. "summary" returns three
        values per person, for use with any scikit-learn classifier.
    margin : float, default=0.0
        `margin` of the cropper, which determines the position of the face in the crop.
    {{frame_rate}}
    closed : float, default=0.6
        Eyes count as closed if their aspect ratio is below this fraction of the median
        aspect ratio of the person.

    See Also
    --------
    OpticalFlow : Compute the motion of all pixels.
    skdeepfake.preprocessing.DlibFaceCropper : Crop faces.

    References
    ----------
    Soukupova and Cech, "Real-time eye blink detection using facial landmarks", Computer
    Vision Winter Workshop, 2016.

    Examples
    --------
    >>> from skdeepfake.streams import BlinkFeaturizer
    >>> blinks = BlinkFeaturizer(
    ...     "shape_predictor_68_face_landmarks.dat", frame_rate=30, output="summary"
    ... )
    >>> faces.shape  # doctest: +SKIP
    (2, 300, 224, 224, 3)
    >>> blinks.fit_transform(faces).shape  # doctest: +SKIP
    (2, 3)
    """

    landmarks: str | os.PathLike[str]
    _: KW_ONLY
    output: str = "ratio"
    margin: float = 0.0
    frame_rate: float = 25.0
    closed: float = 0.6

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BurstTransformer._parameter_constraints,
        "landmarks": [str, os.PathLike],
        "output": [StrOptions({"ratio", "summary"})],
        "margin": [Interval(Real, 0, None, closed="left")],
        "frame_rate": [Interval(Real, 0, None, closed="neither")],
        "closed": [Interval(Real, 0, 1, closed="neither")],
    }

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Compute eye aspect ratios, or their summary.

        Parameters
        ----------
        {{faces}}

        Returns
        -------
        ndarray of float32
            With ``output="ratio"``, an array of shape (n_videos, n_slots, 2) with the
            aspect ratio of each eye: first the eye on the left side of the image, then
            the eye on the right. Zero in slots without a face.

            With ``output="summary"``, three values per person, of shape (n_videos,
            3 * max_faces). The ratios of both eyes are averaged for each frame. The
            first value is the minimum of these means over all frames with a face,
            divided by the median of these means. The second is the number of blinks per
            minute, and the third is the fraction of frames with closed eyes among the
            frames with a face. All three values are zero for a person whose face was
            not found in any frame.

        Raises
        ------
        {{raises_for_faces}}
            Also raised if `landmarks` cannot be read.
        """
        bursts = self._bursts(X)
        path = os.path.abspath(os.fspath(self.landmarks))
        load_predictor(path, _N_LANDMARKS)
        ratios = np.zeros((*bursts.shape[:4], 2), np.float32)
        for slot in np.ndindex(*bursts.shape[:4]):
            if bursts[slot].any():
                ratios[slot] = self._ratios(bursts[slot], path)
        if self.output == "ratio":
            return ratios.reshape(*np.shape(X)[:2], 2)
        people = ratios.mean(axis=-1).transpose(0, 3, 1, 2)
        summary = [[self._summarize(person) for person in video] for video in people]
        return np.array(summary, np.float32).reshape(len(bursts), -1)

    def _ratios(self, face: NDArray[np.uint8], path: str) -> list[float]:
        height, width = face.shape[:2]
        x, y = (self.margin / (1 + 2 * self.margin) * side for side in (width, height))
        box = round(x), round(y), round(width - x), round(height - y)
        points = find_landmarks(face, box, path, _N_LANDMARKS)
        return [eye_aspect_ratio(points[eye]) for eye in _EYES]

    def _summarize(self, ratios: NDArray[np.float32]) -> list[float]:
        """Summarize the ratios of a person, of shape (n_bursts, burst)."""
        seen = ratios[ratios > 0]
        if not seen.size:
            return [0.0, 0.0, 0.0]
        median = np.median(seen)
        closed = (ratios > 0) & (ratios < self.closed * median)
        # A blink starts with closed eyes after a frame with open eyes.
        blinks = closed[:, 1:] & (ratios[:, :-1] > 0) & ~closed[:, :-1]
        minutes = seen.size / self.frame_rate / 60
        return [seen.min() / median, blinks.sum() / minutes, closed.sum() / seen.size]


def eye_aspect_ratio(eye: NDArray[np.float32]) -> float:
    """Return the height divided by the width of an eye, from six landmarks."""
    lengths = np.linalg.norm(eye[[1, 2, 0]] - eye[[5, 4, 3]], axis=1)
    return float((lengths[0] + lengths[1]) / (2 * max(lengths[2], 1e-6)))
