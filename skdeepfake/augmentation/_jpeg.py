"""Compression by JPEG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from ._base import LUMA, _RandomImageLayer, per_image
from ._resampling import images_of, planes_of, resampled

# Tables K.1 and K.2 of the standard: what coefficients are divided by at quality 50.
_LUMA_TABLE = (
    *(16, 11, 10, 16, 24, 40, 51, 61),
    *(12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77),
    *(24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101),
    *(72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA_TABLE = (
    *(17, 18, 24, 47, 99, 99, 99, 99),
    *(18, 21, 26, 66, 99, 99, 99, 99),
    *(24, 26, 56, 99, 99, 99, 99, 99),
    *(47, 66, 99, 99, 99, 99, 99, 99),
    *(99,) * 32,
)

# Y, Cb and Cr of R, G and B: a row each. With 128 taken from R, G and B all three lie
# about zero.
_BLUE, _RED = 2 * (1 - LUMA[2]), 2 * (1 - LUMA[0])
_YCBCR = np.array([LUMA, (np.eye(3)[2] - LUMA) / _BLUE, (np.eye(3)[0] - LUMA) / _RED])
_RGB = np.linalg.inv(_YCBCR)

# Side of a block in pixels.
_BLOCK = 8


def _dct() -> Any:
    """Make one matrix of the transform of a block of 64 pixels."""
    number = np.arange(_BLOCK)
    one = np.cos(np.outer(number, 2 * number + 1) * np.pi / (2 * _BLOCK)) / 2
    one[0] /= math.sqrt(2)
    return np.kron(one, one)


_DCT = _dct()


@keras.saving.register_keras_serializable(package="skdeepfake")
class RandomJPEG(_RandomImageLayer):
    """Compress images by JPEG and decompress them, in training.

    Each image at a quality of its own, and as libjpeg, and so OpenCV, does it:

    1. R, G and B become Y, Cb and Cr, and these two are halved in width and height.
    2. Blocks of 8 x 8 pixels are transformed by the discrete cosine transform, and its
       coefficients rounded to multiples of what the standard's tables say, scaled by
       the quality.
    3. All of it backwards; Cb and Cr are enlarged bilinearly.

    Parameters
    ----------
    quality : (int, int), default=(30, 95)
        Range of the quality, 1 to 100; whole numbers, both ends included.
    probability : float, default=0.5
        Share of the images that are changed.
    seed : int or None, default=None
        What is drawn from; None draws a seed.
    **options
        What any Keras layer takes.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    See Also
    --------
    make_preset : Several such layers by one name.
    skdeepfake.perturbations.VideoPerturber : Distorts videos for a test.

    Notes
    -----
    Sides that are no multiples of 16 pixels are filled up by their last row and column.
    There is no gradient, since coefficients are rounded.

    References
    ----------
    ITU-T Recommendation T.81, 1992, whose annex K has the tables.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.augmentation import RandomJPEG
    >>> red = np.zeros((1, 16, 16, 3), np.uint8)
    >>> red[..., 0] = 200
    >>> layer = RandomJPEG((90, 90), probability=1)
    >>> np.asarray(layer(red, training=True))[0, 0, 0].tolist()
    [200.0, 0.0, 0.0]
    """

    def __init__(
        self,
        quality: Sequence[int] = (30, 95),
        *,
        probability: float = 0.5,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(probability=probability, seed=seed, **options)
        low, high = self._range("quality", quality, 1.0, 100.0)
        self.quality = int(low), int(high)

    def get_config(self) -> dict[str, Any]:
        """Give the parameters.

        Returns
        -------
        dict
            As `from_config` takes them.
        """
        return {**super().get_config(), "quality": self.quality}

    def _changed(self, images: Any) -> Any:
        height, width = images.shape[1:3]
        low, high = self.quality
        quality = ops.floor(self._draw(images, low, high + 1.0))
        # Uniform numbers below a limit may be rounded to it.
        quality = per_image(ops.minimum(quality, float(high)))

        ycbcr = ops.round(_mapped(planes_of(images) - 128.0, _YCBCR))
        luma, chroma = ycbcr[:, :1], ycbcr[:, 1:]
        luma = _coded(_filled_up(luma, _BLOCK, _BLOCK), _LUMA_TABLE, quality)
        # As libjpeg does: columns before they are halved, and rows afterwards.
        chroma = _halved(_filled_up(chroma, 2, 2 * _BLOCK))
        chroma = _coded(_filled_up(chroma, _BLOCK, _BLOCK), _CHROMA_TABLE, quality)
        # What was filled up is cut before chroma is enlarged, or it would show.
        chroma = chroma[:, :, : -(-height // 2), : -(-width // 2)]
        chroma = _doubled(chroma, height, width)
        ycbcr = ops.concatenate([luma[:, :, :height, :width], chroma], axis=1)
        return images_of(ops.round(_mapped(ycbcr, _RGB)) + 128.0)


def _mapped(planes: Any, matrix: Any) -> Any:
    """Map the three channels of each pixel."""
    _, channels, height, width = planes.shape
    pixels = ops.reshape(planes, (-1, channels, height * width))
    pixels = ops.matmul(ops.convert_to_tensor(matrix[np.newaxis], "float32"), pixels)
    return ops.reshape(pixels, (-1, channels, height, width))


def _filled_up(planes: Any, rows: int, columns: int) -> Any:
    """Repeat the last row and column, up to multiples of so many."""
    for axis, unit in ((2, rows), (3, columns)):
        size = planes.shape[axis]
        if size % unit:
            number = np.arange(size + -size % unit).clip(max=size - 1)
            planes = ops.take(planes, number.astype("int32"), axis=axis)
    return planes


def _halved(planes: Any) -> Any:
    """Take the mean of 2 x 2 pixels."""
    _, channels, height, width = planes.shape
    fours = ops.reshape(planes, (-1, channels, height // 2, 2, width // 2, 2))
    # What ends in a half is rounded down and up by turns, lest it drift.
    bias = ops.convert_to_tensor(np.resize([0.25, 0.5], width // 2), "float32")
    return ops.floor(ops.mean(fours, axis=(3, 5)) + bias)


def _doubled(planes: Any, height: int, width: int) -> Any:
    """Enlarge bilinearly to a size, from half of it, rounded up."""
    planes = resampled(planes, _doubling(height), _doubling(width))
    # What ends in a half is rounded up and down by turns here, too.
    bias = ops.convert_to_tensor(np.resize([8 / 16, 7 / 16], width), "float32")
    return ops.floor(planes + bias)


def _doubling(size: int) -> Any:
    """Weights of the pixels of one direction in twice as many."""
    small = -(-size // 2)
    new = np.arange(size)
    beside = (new // 2 + np.where(new % 2, 1, -1)).clip(0, small - 1)
    pixels = np.eye(small)
    weights = 0.75 * pixels[new // 2] + 0.25 * pixels[beside]
    return ops.convert_to_tensor(weights[np.newaxis], "float32")


def _coded(planes: Any, table: tuple[int, ...], quality: Any) -> Any:
    """Round the coefficients of blocks to multiples of a table's entries."""
    _, channels, height, width = planes.shape
    # As libjpeg scales its tables.
    percent = ops.where(quality < 50.0, ops.floor(5000.0 / quality), 200 - 2 * quality)
    steps = ops.convert_to_tensor(np.reshape(table, (1, 1, -1)), "float32")
    steps = ops.floor((steps * ops.reshape(percent, (-1, 1, 1)) + 50.0) / 100.0)
    steps = ops.clip(steps, 1.0, 255.0)
    dct = ops.convert_to_tensor(_DCT, "float32")

    # The blocks of a band of eight rows follow one another.
    rows, columns = channels * height // _BLOCK, width // _BLOCK
    blocks = ops.reshape(planes, (-1, rows, _BLOCK, columns, _BLOCK))
    blocks = ops.transpose(blocks, (0, 1, 3, 2, 4))
    blocks = ops.reshape(blocks, (-1, rows * columns, _BLOCK**2))
    # In eighths, to which libjpeg rounds first: that decides what is half a step.
    eighths = ops.round(ops.matmul(blocks, ops.transpose(8.0 * dct)))
    coefficients = _rounded(eighths / (8.0 * steps)) * steps
    blocks = ops.clip(ops.round(ops.matmul(coefficients, dct)), -128.0, 127.0)
    blocks = ops.reshape(blocks, (-1, rows, columns, _BLOCK, _BLOCK))
    blocks = ops.transpose(blocks, (0, 1, 3, 2, 4))
    return ops.reshape(blocks, (-1, channels, height, width))


def _rounded(values: Any) -> Any:
    """Round to whole numbers, and halves away from zero."""
    return ops.sign(values) * ops.floor(ops.abs(values) + 0.5)
