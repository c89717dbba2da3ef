"""Augmentations of image quality: color, resolution, blur, noise and compression."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import cv2
import numpy as np
from scipy.special import ndtri
from sklearn.utils._param_validation import Interval

from .._color import LUMA, hue_and_saturation
from .._compression import h264, jpeg
from ._base import BaseAugmentation, Images, Range

_SHARE = [Interval(Real, 0, 1, closed="both")]

# Quantiles of the normal distribution. A lookup is four times as fast as
# `Generator.standard_normal` and covers 4.3 standard deviations.
_NORMAL = ndtri((np.arange(2**16) + 0.5) / 2**16).astype(np.float32)

# Maximum number of images per ffmpeg process, and number of frames per image.
_IN_A_PROCESS, _FRAMES = 64, 3


@dataclass(repr=False, eq=False)
class RandomColor(BaseAugmentation):
    """Change brightness, contrast, saturation, hue and channel gains.

    Each change is drawn uniformly from a range that is symmetric about zero.

    Parameters
    ----------
    brightness : float, default=0.1
        Largest shift of all channels, as a fraction of 255.
    contrast : float, default=0.2
        Largest relative change of contrast about the mean luma of the image.
    saturation : float, default=0.3
        Largest relative change of saturation.
    hue : float, default=7.0
        Largest rotation of the hue in degrees.
    gain : float, default=0.05
        Largest relative change of each channel.
    probability : float, default=0.5
        Probability of changing an image.

    See Also
    --------
    make_preset : Return the augmentations of a preset.

    Notes
    -----
    Luma is defined by ITU-R BT.601. Hue and saturation are changed first, in YIQ,
    followed by gains, contrast and brightness.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.augmentation import RandomColor
    >>> gray = np.full((1, 2, 2, 3), 100, np.uint8)
    >>> int(RandomColor(brightness=0, gain=0, probability=1)(gray).max())
    100
    """

    brightness: float = 0.1
    contrast: float = 0.2
    saturation: float = 0.3
    hue: float = 7.0
    gain: float = 0.05

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseAugmentation._parameter_constraints,
        "brightness": _SHARE,
        "contrast": _SHARE,
        "saturation": _SHARE,
        "hue": [Interval(Real, 0, 180, closed="both")],
        "gain": _SHARE,
    }

    def augment_image(self, image: Images, rng: np.random.Generator) -> Images:
        turn = math.radians(self.hue)
        reach = np.array([turn, self.saturation, self.contrast, self.brightness])
        hue, saturation, contrast, brightness = rng.uniform(-reach, reach)
        gains = 1 + rng.uniform(-self.gain, self.gain, 3)
        linear = hue_and_saturation(hue, 1 + saturation)
        linear *= (1 + contrast) * gains[:, np.newaxis]
        luma = float(np.dot(LUMA, cv2.mean(image)[:3]))
        offset = np.full(3, 255 * brightness - contrast * luma)
        matrix = np.column_stack([linear, offset]).astype(np.float32)
        return cv2.transform(image, matrix)  # type: ignore[return-value]


@dataclass(repr=False, eq=False)
class RandomDownscale(BaseAugmentation):
    """Downscale images and enlarge them again.

    Images are downscaled with ``cv2.INTER_AREA`` and enlarged with
    ``cv2.INTER_LINEAR``.

    Parameters
    ----------
    min_scale : float, default=0.25
        Smallest scale factor, above 0. The largest factor is 1.
    probability : float, default=0.5
        Probability of changing an image.

    See Also
    --------
    RandomBlur : Blur images with a Gaussian filter.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.augmentation import RandomDownscale
    >>> stripes = np.zeros((1, 8, 8, 3), np.uint8)
    >>> stripes[:, ::2] = 200
    >>> small = RandomDownscale(min_scale=0.5, probability=1)(stripes, 0)
    >>> round(stripes.std()), round(small.std())
    (100, 21)
    """

    min_scale: float = 0.25

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseAugmentation._parameter_constraints,
        "min_scale": [Interval(Real, 0, 1, closed="right")],
    }

    def augment_image(self, image: Images, rng: np.random.Generator) -> Images:
        height, width = image.shape[:2]
        scale = rng.uniform(self.min_scale, 1)
        size = max(1, round(scale * width)), max(1, round(scale * height))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return cv2.resize(small, (width, height))  # type: ignore[return-value]


@dataclass(repr=False, eq=False)
class RandomBlur(BaseAugmentation):
    """Blur images with a Gaussian filter.

    Parameters
    ----------
    sigma : (float, float), default=(0.2, 2.0)
        Range of the standard deviation of the filter in pixels, above 0.
    probability : float, default=0.5
        Probability of changing an image.

    See Also
    --------
    RandomDownscale : Downscale images and enlarge them again.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.augmentation import RandomBlur
    >>> dot = np.zeros((1, 9, 9, 3), np.uint8)
    >>> dot[0, 4, 4] = 100
    >>> RandomBlur((1, 1), probability=1)(dot)[0, 4, 3:6, 0].tolist()
    [10, 16, 10]
    """

    sigma: tuple[float, float] = (0.2, 2.0)

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseAugmentation._parameter_constraints,
        "sigma": [Range(Real, 0, None, closed="neither")],
    }

    def augment_image(self, image: Images, rng: np.random.Generator) -> Images:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(*self.sigma))  # type: ignore[return-value]


@dataclass(repr=False, eq=False)
class RandomNoise(BaseAugmentation):
    """Add Gaussian noise to images, independently for each pixel and channel.

    Parameters
    ----------
    sigma : float, default=10.0
        Largest standard deviation in gray levels. The smallest is 0.
    probability : float, default=0.5
        Probability of changing an image.

    See Also
    --------
    make_preset : Return the augmentations of a preset.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.augmentation import RandomNoise
    >>> gray = np.full((1, 32, 32, 3), 100, np.uint8)
    >>> noisy = RandomNoise(5, probability=1)(gray, 0)
    >>> round(noisy.mean()), round(noisy.std())
    (100, 2)
    """

    sigma: float = 10.0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseAugmentation._parameter_constraints,
        "sigma": [Interval(Real, 0, 255, closed="both")],
    }

    def augment_image(self, image: Images, rng: np.random.Generator) -> Images:
        levels = np.rint(rng.uniform(0, self.sigma) * _NORMAL).astype(np.int16)
        noise = levels.take(rng.integers(2**16, size=image.shape, dtype=np.uint16))
        return cv2.add(image, noise, dtype=cv2.CV_8U)  # type: ignore[return-value]


@dataclass(repr=False, eq=False)
class RandomJPEG(BaseAugmentation):
    """Compress images with JPEG and decompress them.

    Parameters
    ----------
    quality : (int, int), default=(30, 95)
        Range of the JPEG quality, from 1 to 100, both ends included.
    probability : float, default=0.5
        Probability of changing an image.

    See Also
    --------
    RandomVideoCompression : Compress images with H.264.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.augmentation import RandomJPEG
    >>> red = np.zeros((1, 16, 16, 3), np.uint8)
    >>> red[..., 0] = 200
    >>> RandomJPEG((90, 90), probability=1)(red)[0, 0, 0]
    array([200,   0,   0], dtype=uint8)
    """

    quality: tuple[int, int] = (30, 95)

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseAugmentation._parameter_constraints,
        "quality": [Range(Integral, 1, 100, closed="both")],
    }

    def augment_image(self, image: Images, rng: np.random.Generator) -> Images:
        return jpeg(image, int(rng.integers(*self.quality, endpoint=True)))


@dataclass(repr=False, eq=False)
class RandomVideoCompression(BaseAugmentation):
    """Compress images with H.264 as frames of a short video and decompress them.

    Each image is converted to a short video that pans at a random constant speed. The
    video is compressed with libx264 at a random constant rate factor (CRF). The result
    is the frame in which the image is not shifted. This frame is predicted from other
    frames and therefore has the artifacts of video compression.

    Parameters
    ----------
    crf : (float, float), default=(18, 40)
        Range of the constant rate factor, from 1 to 51. 23 is the default of x264.
        Higher values compress more.
    pan : float, default=1.5
        Largest panning speed in pixels per frame, horizontally and vertically.
    scale : (float, float), default=(1.0, 1.0)
        Range of the factor by which images are resized before compression. Images are
        resized back afterwards. Factors above 1 result in smaller artifacts, like those
        in the crop of a larger face after it is downsized. A single factor is drawn on
        a log scale for all images of a batch.
    probability : float, default=0.5
        Probability of changing an image.

    Raises
    ------
    FFmpegError
        When called, if ffmpeg cannot be used.
    RuntimeError
        When called, if ffmpeg fails.

    See Also
    --------
    RandomJPEG : Compress images with JPEG, which is several times faster.

    Notes
    -----
    One ffmpeg process compresses up to 64 images in memory, on one thread. An odd width
    or height is padded by repeating the last column or row.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.augmentation import RandomVideoCompression
    >>> noise = np.random.default_rng(0).integers(256, size=(2, 33, 32, 3))
    >>> augment = RandomVideoCompression(crf=(51, 51), probability=1)
    >>> compressed = augment(noise.astype(np.uint8), 0)
    >>> f"{compressed.std() / noise.std():.1f}"
    '0.2'
    """

    crf: tuple[float, float] = (18, 40)
    pan: float = 1.5
    scale: tuple[float, float] = (1.0, 1.0)

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseAugmentation._parameter_constraints,
        "crf": [Range(Real, 1, 51, closed="both")],
        "pan": [Interval(Real, 0, 16, closed="both")],
        "scale": [Range(Real, 0.1, 10, closed="both")],
    }

    def augment_image(self, image: Images, rng: np.random.Generator) -> Images:
        return self._augment_images(image[np.newaxis], rng)[0]

    def _augment_images(self, images: Images, rng: np.random.Generator) -> list[Images]:
        size = images.shape[2], images.shape[1]
        factor, largest = self.scale
        if factor != largest:
            factor = math.exp(rng.uniform(math.log(factor), math.log(largest)))
        resized = [round(side * factor) for side in size] if factor != 1 else size
        images = np.stack([_resize(image, resized) for image in images])
        compressed: list[Images] = []
        for first in range(0, len(images), _IN_A_PROCESS):
            part = images[first : first + _IN_A_PROCESS]
            crf = rng.uniform(*self.crf, len(part))
            speed = rng.uniform(-self.pan, self.pan, (len(part), 2))
            kept = rng.integers(1, _FRAMES, len(part))
            clips = np.stack([_panned(*each) for each in zip(part, speed, kept)])  # noqa: B905
            frames = h264(clips, crf)[np.arange(len(part)), kept]
            compressed.extend(frames[:, : resized[1], : resized[0]])
        return [_resize(image, size) for image in compressed]


def _resize(image: Images, size: Any) -> Images:
    """Resize an image to (width, height) unless it has this size."""
    if image.shape[1::-1] == tuple(size):
        return image
    shrinks = image.shape[1] > size[0]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, size, interpolation=how)  # type: ignore[return-value]


def _panned(image: Images, speed: Any, kept: int) -> Images:
    """Return panning frames of even size. Frame `kept` is the unshifted image."""
    height, width = image.shape[:2]
    padding = 0, height % 2, 0, width % 2
    image = cv2.copyMakeBorder(image, *padding, cv2.BORDER_REPLICATE)  # type: ignore[assignment]
    clip = np.repeat(image[np.newaxis], _FRAMES, axis=0)
    for number in range(_FRAMES):
        if number != kept:
            move = np.column_stack([np.eye(2), (number - kept) * speed])
            size = image.shape[1::-1]
            clip[number] = cv2.warpAffine(
                image, move, size, borderMode=cv2.BORDER_REFLECT
            )
    return clip
