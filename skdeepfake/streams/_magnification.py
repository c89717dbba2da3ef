"""Eulerian magnification of small motions."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import butter, lfilter
from sklearn.utils._param_validation import Interval

from ._bursts import BurstTransformer, with_burst_docs


@with_burst_docs
@dataclass(repr=False, eq=False)
class MotionMagnifier(BurstTransformer):
    """Magnify small motions in bursts of faces.

    Linear Eulerian magnification filters each pixel over time at each level of a
    Laplacian pyramid, multiplies the result and adds it to the frame. Use a cropper
    with ``box="burst"``, and bursts of at least two seconds, which is the period of the
    default lower cutoff frequency.

    Parameters
    ----------
    {{burst_parameters}}
    {{frame_rate}}
    alpha : float, default=10.0
        Maximum factor by which the filtered pixels are multiplied before they are added
        to the frame; see Notes.
    band : tuple of float, default=(0.5, 3.0)
        Lower and upper cutoff frequency in Hz, below half the frame rate.
    cutoff : float, default=16.0
        Spatial wavelength in pixels below which the magnification decreases.
    levels : int, default=4
        Number of pyramid levels. The finest and the coarsest level are not magnified.

    See Also
    --------
    OpticalFlow : Compute the motion between frames.

    Notes
    -----
    A motion of frequency f is magnified by a factor of ``abs(1 + g * H(f))``. H is the
    frequency response of the filter
    ``scipy.signal.butter(1, band, "bandpass", fs=frame_rate)``. The spatial gain g
    is at most `alpha`. It is lower if much of the image content is in pyramid levels
    that are magnified less or not at all. For example, g is 5.2 for a portrait of
    224 x 224 pixels. The first-order filter has no sharp cutoff. With the default
    parameters, ``abs(H(f))`` is 0.98 at 1 Hz, 0.90 at 2 Hz, 0.55 at 4 Hz, 0.21 at 8 Hz
    and 0.11 at 10 Hz. With g = 5.2 and the phase shift of H, motion at 8 Hz is still
    magnified by a factor of 1.6.

    References
    ----------
    Wu et al., "Eulerian video magnification for revealing subtle changes in the world",
    ACM Transactions on Graphics 31 (4), 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.streams import MotionMagnifier
    >>> seconds = np.arange(50) / 25
    >>> x = np.arange(64) - 0.1 * np.sin(2 * np.pi * 2 * seconds[:, None])
    >>> faces = np.broadcast_to(128 + 100 * np.sin(x / 4), (3, 64, 50, 64))
    >>> faces = faces.transpose(2, 1, 3, 0)[np.newaxis].round().astype(np.uint8)
    >>> magnified = MotionMagnifier(alpha=10).fit_transform(faces)
    >>> [int(np.ptp(X[0, 25:, 32, 30, 0])) for X in (faces, magnified)]
    [2, 12]
    """

    _: KW_ONLY
    frame_rate: float = 25.0
    alpha: float = 10.0
    band: tuple[float, float] = (0.5, 3.0)
    cutoff: float = 16.0
    levels: int = 4

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BurstTransformer._parameter_constraints,
        "frame_rate": [Interval(Real, 0, None, closed="neither")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "band": [tuple, list],
        "cutoff": [Interval(Real, 0, None, closed="neither")],
        "levels": [Interval(Integral, 3, None, closed="left")],
    }

    def _validate_params(self) -> None:
        super()._validate_params()
        edges = [0, *self.band, self.frame_rate / 2]
        if len(edges) != 4 or not np.all(np.diff(edges) > 0):
            raise ValueError(
                f"band must be two increasing frequencies above 0 and below "
                f"{self.frame_rate / 2:g} Hz, half of frame_rate; got {self.band!r}"
            )

    def transform(self, X: ArrayLike) -> NDArray[np.uint8]:
        """Magnify the motions.

        Parameters
        ----------
        {{faces}}

        Returns
        -------
        ndarray of uint8, shape (n_videos, n_slots, height, width, 3)
            Faces with magnified motion, zeros in slots without a face.

        Raises
        ------
        {{raises_for_faces}}
        """
        bursts = self._bursts(X)
        magnified = np.zeros_like(bursts)
        for video, moment, face in np.ndindex(*bursts.shape[:2], bursts.shape[3]):
            images = bursts[video, moment, :, face]
            filled = np.flatnonzero(images.any(axis=(1, 2, 3)))
            if filled.size:
                # In frames without a face, repeat the previous face. Before the first
                # face, repeat the first face.
                before = np.searchsorted(filled, np.arange(len(images)), "right") - 1
                held = images[filled[np.maximum(before, 0)]]
                magnified[video, moment, filled, face] = self._magnify(held)[filled]
        return magnified.reshape(np.shape(X))

    def _magnify(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Magnify the motions of images of shape (n, height, width, 3)."""
        pyramids = [_laplacian(image, self.levels) for image in images]
        numerator, denominator = butter(1, self.band, "bandpass", fs=self.frame_rate)
        delta = self.cutoff / 8 / (1 + self.alpha)
        wavelength = math.hypot(*images.shape[1:3]) / 3
        added: Any = None
        for number, level in reversed(list(enumerate(zip(*pyramids, strict=True)))):
            factor = min(self.alpha, wavelength / 8 / delta - 1)
            wavelength /= 2
            change: Any = np.stack(level)
            if number in (0, self.levels - 1) or factor <= 0:
                change[:] = 0
            else:
                # Assume that earlier frames are equal to the first frame.
                change -= change[0].copy()
                change = factor * lfilter(numerator, denominator, change, axis=0)
            if added is not None:
                size = change.shape[2:0:-1]
                change += np.stack([cv2.pyrUp(each, dstsize=size) for each in added])
            added = change
        return np.rint(np.clip(images + added, 0, 255)).astype(np.uint8)


def _laplacian(image: NDArray[np.uint8], levels: int) -> list[NDArray[np.float32]]:
    """Return the Laplacian pyramid of an image, finest level first."""
    pyramid = []
    rest: Any = image.astype(np.float32)
    for _ in range(levels - 1):
        smaller = cv2.pyrDown(rest)
        pyramid.append(rest - cv2.pyrUp(smaller, dstsize=rest.shape[1::-1]))
        rest = smaller
    return [*pyramid, rest]
