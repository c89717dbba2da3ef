"""Optical flow between the frames of a burst."""

from __future__ import annotations

import itertools
from dataclasses import KW_ONLY, dataclass
from numbers import Real
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from .._bursts import select_in_bursts
from ._bursts import BurstTransformer, with_burst_docs

_PRESETS = {
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
# Smallest side of an image that OpenCV's DIS accepts.
_MIN_SIDE = 12
# Flow between identical faces, since all zeros mark an empty slot.
_STILL = np.finfo(np.float16).tiny


@with_burst_docs
@dataclass(repr=False, eq=False)
class OpticalFlow(BurstTransformer):
    """Compute the optical flow between consecutive faces of a burst.

    A burst of k frames becomes k - 1 slots. Each contains the displacement of every
    pixel between two consecutive frames, computed by dense inverse search (DIS). Use a
    cropper with ``box="burst"``, since shifts of the box between frames look like
    motion.

    Parameters
    ----------
    {{burst_parameters}}
    channels : {"xy", "rgb"}, default="xy"
        ``"xy"`` is the displacement in pixels to the right and down. ``"rgb"`` is an
        image for networks trained on images: hue encodes the direction of the motion,
        saturation encodes its length, and white means no motion.
    scale : float, default=8.0
        Length of the displacement in pixels at which the colors of ``"rgb"`` are fully
        saturated.
    preset : {"fast", "medium"}, default="medium"
        Preset of DIS in OpenCV. ``"fast"`` takes a third of the time of ``"medium"``,
        with errors of up to 0.2 pixels instead of 0.1.

    See Also
    --------
    MotionMagnifier : Magnify small motions.
    skdeepfake.features.KerasFeaturizer : Accepts ``"rgb"``.
    skdeepfake.detectors.CNNDetector : Accepts ``"xy"`` and ``"rgb"``.

    References
    ----------
    Kroeger et al., "Fast optical flow using dense inverse search", ECCV 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.streams import OpticalFlow
    >>> rng = np.random.default_rng(0)
    >>> texture = rng.integers(0, 256, (9, 9, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    >>> faces = np.stack([texture[:64, :64], texture[:64, 2:66], texture[:64, 4:68]])
    >>> flow = OpticalFlow().fit_transform(faces[np.newaxis])
    >>> flow.shape  # two motions between three frames
    (1, 2, 64, 64, 2)
    >>> np.median(flow, axis=(2, 3)).round().tolist()  # both to the left
    [[[-2.0, 0.0], [-2.0, 0.0]]]
    """

    _: KW_ONLY
    channels: str = "xy"
    scale: float = 8.0
    preset: str = "medium"

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BurstTransformer._parameter_constraints,
        "channels": [StrOptions({"xy", "rgb"})],
        "scale": [Interval(Real, 0, None, closed="neither")],
        "preset": [StrOptions(set(_PRESETS))],
    }

    def transform(self, X: ArrayLike) -> NDArray:
        """Compute the flow.

        Parameters
        ----------
        {{faces}}

        Returns
        -------
        ndarray, shape (n_videos, n_bursts * (burst - 1) * max_faces, height, width, 2)
            Displacements in pixels, of dtype float16. With ``channels="rgb"``, images
            with three channels, of dtype uint8. The flow between two frames is
            all zeros if at least one of them has no face. If the faces are identical,
            displacements are 6e-5 pixels instead of zero, since zeros mark slots
            without a face.

        Raises
        ------
        {{raises_for_faces}}
        """
        bursts = self._bursts(X)
        n_videos, n_bursts, burst, n_faces, height, width, _ = bursts.shape
        if burst < 2 or min(height, width) < _MIN_SIDE:
            raise ValueError(
                f"X has bursts of {burst} frames of {height} x {width} pixels, but "
                f"OpticalFlow needs at least 2 frames of {_MIN_SIDE} x {_MIN_SIDE} "
                "pixels. Increase burst of VideoFrameSampler or size of Resizer."
            )
        dis: Any = cv2.DISOpticalFlow.create(_PRESETS[self.preset])
        is_rgb = self.channels == "rgb"
        flow = np.zeros(
            (n_videos, n_bursts, burst - 1, n_faces, height, width, 2 + is_rgb),
            np.uint8 if is_rgb else np.float16,
        )
        for video, moment, face in np.ndindex(n_videos, n_bursts, n_faces):
            grays = [
                cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.any() else None
                for image in bursts[video, moment, :, face]
            ]
            for k, (first, second) in enumerate(itertools.pairwise(grays)):
                if first is not None and second is not None:
                    found = dis.calc(first, second, None)
                    flow[video, moment, k, face] = (
                        _as_rgb(found, self.scale)
                        if is_rgb
                        else (found if found.any() else _STILL)
                    )
        return flow.reshape(n_videos, -1, height, width, 2 + is_rgb)

    def select_slots(self, slots: ArrayLike) -> NDArray:
        """For each motion between two frames, select the value of the earlier frame.

        Parameters
        ----------
        slots : array-like of shape (n_slots,)
            Value of each input slot, such as its time.

        Returns
        -------
        ndarray of shape (n_bursts * (burst - 1) * max_faces,)
            Value of each output slot.
        """
        return select_in_bursts(slots, self.burst, self.max_faces, slice(-1))


def _as_rgb(flow: NDArray[np.float32], scale: float) -> NDArray[np.uint8]:
    """Color a flow field of shape (height, width, 2)."""
    length, angle = cv2.cartToPolar(flow[..., 0], flow[..., 1], angleInDegrees=True)
    saturation = np.clip(length / np.float32(scale), 0, 1)
    hsv = np.stack([angle, saturation, np.ones_like(angle)], axis=-1)
    return np.rint(255 * cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)).astype(np.uint8)
