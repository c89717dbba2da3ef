"""Distort single frames with the distortions of DeeperForensics-1.0."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral
from types import MappingProxyType
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from .._color import LUMA
from .._compression import jpeg
from .._random import RandomState, as_generator
from .._validation import validated

Frame = NDArray[np.uint8]

# Increase this version when distorted frames change. It is part of cache keys.
ALGORITHM_VERSION = 1

MODES = ("corrected", "faithful")
#: Levels from the weakest to the strongest.
LEVELS = (1, 2, 3, 4, 5)

# Code of the distortion that is applied to files instead of frames.
COMPRESSION = "VC"

# Side in pixels and gray level of a block.
_BLOCK, _GRAY = 8, 128

# Shorter side in pixels for which the number of blocks is defined.
_BLOCKS_AT = 256

_LUMA = np.array(LUMA, np.float32)

# Full-range YCbCr to RGB, as in JPEG.
_RGB_OF_YCBCR = np.array(
    [[1.0, 0.0, 1.402], [1.0, -0.344136, -0.714136], [1.0, 1.772, 0.0]], np.float32
)


class Distortion(NamedTuple):
    """Name of a distortion, and values of its parameter.

    Attributes
    ----------
    name : str
        Name of the distortion.
    faithful, corrected : tuple of float
        Values of the parameter at levels 1 to 5 in the mode of the same name; see
        :class:`VideoPerturber`.
    is_random : bool
        True if the distortion uses random numbers.

    See Also
    --------
    VideoPerturber : Distort videos in a pipeline.
    """

    name: str
    faithful: tuple[float, ...]
    corrected: tuple[float, ...]
    is_random: bool = False

    def parameter(self, level: int, mode: str) -> float:
        """Return the value of the parameter at a level.

        Parameters
        ----------
        level : int
            Level from 1 to 5.
        mode : {"corrected", "faithful"}
            Variant of the distortion; see :class:`VideoPerturber`.

        Returns
        -------
        float
            Value of the parameter, as listed in :class:`VideoPerturber`. In the
            faithful mode, "JPEG" downscales frames instead of compressing them, and
            the downscaling factor is returned.
        """
        return (self.corrected if mode == "corrected" else self.faithful)[level - 1]


def _same(name: str, *parameters: float, is_random: bool = False) -> Distortion:
    return Distortion(name, parameters, parameters, is_random)


#: Distortion for each code such as "CS". The order is that of the source code of
#: DeeperForensics-1.0. The parameters are factors of the saturation (CS) and the
#: contrast (CC), numbers of blocks (BW), variances (GNC), kernel sizes in pixels (GB),
#: JPEG qualities or, in the faithful mode, downscaling factors (JPEG), and constant
#: rate factors (VC).
DISTORTIONS: Mapping[str, Distortion] = MappingProxyType(
    {
        "CS": _same("color saturation", 0.4, 0.3, 0.2, 0.1, 0.0),
        "CC": _same("color contrast", 0.85, 0.725, 0.6, 0.475, 0.35),
        "BW": _same("local blocks", 16, 32, 48, 64, 80, is_random=True),
        "GNC": _same("Gaussian noise", 0.001, 0.002, 0.005, 0.01, 0.05, is_random=True),
        "GB": _same("Gaussian blur", 7, 9, 13, 17, 21),
        "JPEG": Distortion("JPEG compression", (2, 3, 4, 5, 6), (50, 40, 30, 20, 10)),
        "VC": _same("video compression", 30, 32, 35, 38, 40),
    }
)


@validated(
    frame=["array-like"],
    distortion=[StrOptions(set(DISTORTIONS))],
    level=[Interval(Integral, 0, LEVELS[-1], closed="both")],
    mode=[StrOptions(set(MODES))],
    random_state=["random_state", np.random.Generator],
)
def distort(
    frame: ArrayLike,
    distortion: str,
    level: int,
    *,
    mode: str = "corrected",
    random_state: RandomState = None,
) -> Frame:
    """Distort a frame with a distortion of DeeperForensics-1.0.

    Parameters
    ----------
    frame : ndarray of uint8, shape (height, width, 3)
        RGB frame, which is not modified.
    distortion : {"CS", "CC", "BW", "GNC", "GB", "JPEG"}
        Code of the distortion; see :class:`VideoPerturber`. "VC" is not supported,
        since it distorts files.
    level : int
        Level from 1 (weakest) to 5. 0 does not change the frame.
    mode : {"corrected", "faithful"}, default="corrected"
        Variant of the distortion; see :class:`VideoPerturber`.
    random_state : int, RandomState, Generator instance or None, default=None
        Controls the positions of the blocks of "BW" and the noise of "GNC".

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        Distorted frame in a new array.

    Raises
    ------
    ValueError
        If `frame` is not an RGB uint8 image, or if another parameter is invalid.

    See Also
    --------
    VideoPerturber : Distort videos in a pipeline.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.perturbations import distort
    >>> red = np.zeros((1, 1, 3), np.uint8)
    >>> red[..., 0] = 200
    >>> distort(red, "CS", 5).tolist()
    [[[60, 60, 60]]]
    """
    frame = np.asarray(frame)
    if (
        frame.dtype != np.uint8
        or frame.ndim != 3
        or frame.shape[2] != 3
        or not frame.size
    ):
        raise ValueError(
            f"frame has the shape {frame.shape} and the dtype {frame.dtype}; expected "
            "an RGB uint8 image of shape (height, width, 3)."
        )
    if not level:
        return frame.copy()
    if distortion == COMPRESSION:
        raise ValueError(
            f"distortion={COMPRESSION!r} compresses files, not frames. Use "
            "VideoPerturber."
        )
    return apply(frame, distortion, int(level), mode, as_generator(random_state))


def apply(
    frame: Frame, distortion: str, level: int, mode: str, rng: np.random.Generator
) -> Frame:
    """Return a distorted frame in a new array, without checking parameters."""
    parameter = DISTORTIONS[distortion].parameter(level, mode)
    # The rounding of matrix products depends on the memory layout.
    return _FUNCTIONS[mode][distortion](np.ascontiguousarray(frame), parameter, rng)


# -- corrected mode --------------------------------------------------------------


def _saturation(frame: Frame, factor: float, rng: np.random.Generator) -> Frame:
    # Equivalent to scaling Cb and Cr about 128, without the conversion.
    luma = _luma(frame)[..., np.newaxis]
    return _rounded(luma + np.float32(factor) * (frame - luma))


def _contrast(frame: Frame, factor: float, rng: np.random.Generator) -> Frame:
    # A mean over millions of pixels needs double precision.
    mean = np.float32(_luma(frame).mean(dtype=np.float64))
    return _rounded(mean + np.float32(factor) * (frame - mean))


def _blocks(frame: Frame, number: float, rng: np.random.Generator) -> Frame:
    side = min(frame.shape[:2])
    return _with_blocks(frame, max(1, round(number * side / _BLOCKS_AT)), 1, rng)


def _noise(frame: Frame, variance: float, rng: np.random.Generator) -> Frame:
    noise = rng.standard_normal(frame.shape, np.float32) @ _RGB_OF_YCBCR.T
    return _rounded(frame + np.float32(255 * np.sqrt(variance)) * noise)


def _blur(frame: Frame, side: float, rng: np.random.Generator) -> Frame:
    kernel = int(side), int(side)
    return cv2.GaussianBlur(frame, kernel, side / 6)  # type: ignore[return-value]


def _jpeg(frame: Frame, quality: float, rng: np.random.Generator) -> Frame:
    return jpeg(frame, int(quality))


def _luma(frame: Frame) -> NDArray[np.float32]:
    return frame.astype(np.float32) @ _LUMA


def _rounded(values: NDArray[np.floating]) -> Frame:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _with_blocks(
    frame: Frame, number: int, margin: int, rng: np.random.Generator
) -> Frame:
    """Return a copy of a frame with gray blocks.

    With ``margin=0``, no block covers the last row or the last column.
    """
    frame = frame.copy()
    # Draw positions in order, so that higher levels include the blocks of lower levels.
    highest = [max(1, size - _BLOCK + margin) for size in frame.shape[:2]]
    for y, x in rng.integers(0, highest, (number, 2)):
        frame[y : y + _BLOCK, x : x + _BLOCK] = _GRAY
    return frame


# -- faithful mode ---------------------------------------------------------------


def _saturation_faithful(
    frame: Frame, factor: float, rng: np.random.Generator
) -> Frame:
    ycbcr = _to_ycbcr(frame)
    # Relative to 0.5, although gray is (0.5 * 224 + 16) / 255 in the authors' YCbCr.
    ycbcr[..., 1:] = 0.5 + (ycbcr[..., 1:] - 0.5) * factor
    return _truncated(_from_ycbcr(ycbcr))


def _contrast_faithful(frame: Frame, factor: float, rng: np.random.Generator) -> Frame:
    # Relative to black, which darkens the frame.
    return _truncated(frame.astype(np.float32) * np.float32(factor))


def _blocks_faithful(frame: Frame, number: float, rng: np.random.Generator) -> Frame:
    # Frames with a side below 256 pixels have no blocks.
    return _with_blocks(frame, min(frame.shape[:2]) // _BLOCKS_AT * int(number), 0, rng)


def _noise_faithful(frame: Frame, variance: float, rng: np.random.Generator) -> Frame:
    ycbcr = _to_ycbcr(frame) / np.float32(255)
    noisy = (ycbcr + np.sqrt(variance) * rng.standard_normal(frame.shape)) * 255
    return _truncated(np.clip(_from_ycbcr(noisy), 0, 255))


def _jpeg_faithful(frame: Frame, factor: float, rng: np.random.Generator) -> Frame:
    height, width = frame.shape[:2]
    small = max(1, width // int(factor)), max(1, height // int(factor))
    return cv2.resize(cv2.resize(frame, small), (width, height))  # type: ignore[return-value]


def _to_ycbcr(frame: Frame) -> NDArray[np.float32]:
    """Convert RGB to YCbCr like the authors.

    Their formulas are for pixels from 0 to 1, but their pixels are from 0 to 255.
    """
    bgr = frame[..., ::-1].astype(np.float32)
    ycbcr = cv2.cvtColor(bgr, cv2.COLOR_BGR2YCrCb)[..., [0, 2, 1]]
    return (ycbcr * _RANGES + 16) / np.float32(255)


def _from_ycbcr(ycbcr: NDArray[np.floating]) -> NDArray[np.float32]:
    ycrcb = ((ycbcr.astype(np.float32) * 255 - 16) / _RANGES)[..., [0, 2, 1]]
    bgr = cv2.cvtColor(np.ascontiguousarray(ycrcb), cv2.COLOR_YCrCb2BGR)
    return bgr[..., ::-1]  # type: ignore[return-value]


_RANGES = np.array([235 - 16, 240 - 16, 240 - 16], np.float32)


def _truncated(values: NDArray[np.floating]) -> Frame:
    # The cast of out-of-range floats to uint8 is undefined. Integers wrap around.
    return values.astype(np.int64).astype(np.uint8)


_FUNCTIONS: dict[str, dict[str, Callable[[Frame, Any, np.random.Generator], Frame]]] = {
    "corrected": {
        **{"CS": _saturation, "CC": _contrast, "BW": _blocks},
        **{"GNC": _noise, "GB": _blur, "JPEG": _jpeg},
    },
    "faithful": {
        **{"CS": _saturation_faithful, "CC": _contrast_faithful},
        **{"BW": _blocks_faithful, "GNC": _noise_faithful},
        **{"GB": _blur, "JPEG": _jpeg_faithful},
    },
}
