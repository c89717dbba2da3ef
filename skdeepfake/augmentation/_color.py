"""Colours changed as cameras and programs change them."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import keras
import numpy as np
from keras import ops
from sklearn.utils._param_validation import Interval

from ._base import LUMA, _RandomImageLayer

# Luma and two differences of colour of R, G and B (YIQ): hues turn about the first.
_YIQ = np.array([LUMA, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_RGB = np.linalg.inv(_YIQ)
# What of R, G and B becomes of them with the differences kept, and with them turned by
# a quarter.
_GREY = np.outer(np.ones(3), LUMA)
_KEPT = np.eye(3) - _GREY
_TURNED = _RGB @ np.array([[0, 0, 0], [0, 0, -1], [0, 1, 0]]) @ _YIQ

_SHARE = [Interval(Real, 0, 1, closed="both")]
_CONSTRAINTS = {
    "brightness": _SHARE,
    "contrast": _SHARE,
    "saturation": _SHARE,
    "hue": [Interval(Real, 0, 180, closed="both")],
    "gain": _SHARE,
}


@keras.saving.register_keras_serializable(package="skdeepfake")
class RandomColor(_RandomImageLayer):
    """Change brightness, contrast, saturation, hue and channels, in training.

    Each image by numbers of its own, evenly drawn to either side of no change.

    Parameters
    ----------
    brightness : float, default=0.1
        Largest share of the scale that is added: 0.1 is 25.5 grey levels.
    contrast : float, default=0.2
        Largest share by which the differences from the image's mean luma grow or
        shrink.
    saturation : float, default=0.3
        Largest share by which the differences of each pixel from its luma do.
    hue : float, default=7.0
        Largest angle in degrees by which these differences turn.
    gain : float, default=0.05
        Largest share by which each channel grows or shrinks on its own.
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

    Notes
    -----
    Luma is that of ITU-R BT.601. All changes are linear, and come as one map of R, G
    and B with an offset: hue and saturation first, in YIQ, then the channels' gains,
    contrast and brightness.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.augmentation import RandomColor
    >>> grey = np.full((1, 2, 2, 3), 100, np.uint8)
    >>> layer = RandomColor(brightness=0, gain=0, probability=1)
    >>> bool(np.allclose(layer(grey, training=True), 100, atol=0.01))
    True
    """

    def __init__(
        self,
        brightness: float = 0.1,
        contrast: float = 0.2,
        saturation: float = 0.3,
        hue: float = 7.0,
        gain: float = 0.05,
        *,
        probability: float = 0.5,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(probability=probability, seed=seed, **options)
        params = {
            "brightness": brightness,
            "contrast": contrast,
            "saturation": saturation,
            "hue": hue,
            "gain": gain,
        }
        self._check(_CONSTRAINTS, **params)
        self.brightness = float(brightness)
        self.contrast = float(contrast)
        self.saturation = float(saturation)
        self.hue = float(hue)
        self.gain = float(gain)

    def get_config(self) -> dict[str, Any]:
        """Give the parameters.

        Returns
        -------
        dict
            As `from_config` takes them.
        """
        return {
            **super().get_config(),
            "brightness": self.brightness,
            "contrast": self.contrast,
            "saturation": self.saturation,
            "hue": self.hue,
            "gain": self.gain,
        }

    def _changed(self, images: Any) -> Any:
        height, width = images.shape[1:3]
        turn = math.radians(self.hue)
        angle = self._around_zero(images, turn)
        saturation = 1.0 + self._around_zero(images, self.saturation)
        contrast = 1.0 + self._around_zero(images, self.contrast)
        brightness = 255.0 * self._around_zero(images, self.brightness)
        gains = [1.0 + self._around_zero(images, self.gain) for _ in range(3)]

        # Columns of these are R, G and B as they come in, rows as they go out.
        colours = (
            _matrix(_GREY)
            + saturation * ops.cos(angle) * _matrix(_KEPT)
            + saturation * ops.sin(angle) * _matrix(_TURNED)
        )
        colours = contrast * ops.concatenate(gains, axis=1) * colours
        mean = ops.mean(images, axis=(1, 2))
        luma = ops.sum(mean * ops.convert_to_tensor(LUMA, "float32"), axis=1)
        offset = (1.0 - contrast) * ops.reshape(luma, (-1, 1, 1)) + brightness

        pixels = ops.reshape(images, (-1, height * width, 3))
        pixels = ops.matmul(pixels, ops.transpose(colours, (0, 2, 1))) + offset
        return ops.reshape(pixels, (-1, height, width, 3))

    def _around_zero(self, images: Any, reach: float) -> Any:
        return ops.reshape(self._draw(images, -reach, reach), (-1, 1, 1))


def _matrix(values: Any) -> Any:
    return ops.convert_to_tensor(values[np.newaxis], "float32")
