"""Evidence drawn over a face."""

from __future__ import annotations

from numbers import Real

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from .._validation import validated

# Colours that rise evenly in brightness, and are told apart whatever one's colour
# vision.
COLORMAPS = {
    "cividis": cv2.COLORMAP_CIVIDIS,
    "inferno": cv2.COLORMAP_INFERNO,
    "magma": cv2.COLORMAP_MAGMA,
    "plasma": cv2.COLORMAP_PLASMA,
    "viridis": cv2.COLORMAP_VIRIDIS,
}


@validated(
    {
        "image": ["array-like"],
        "attribution": ["array-like"],
        "alpha": [Interval(Real, 0, 1, closed="both")],
        "colormap": [StrOptions(set(COLORMAPS))],
        "vmax": [Interval(Real, 0, None, closed="left"), None],
    }
)
def overlay(
    image: ArrayLike,
    attribution: ArrayLike,
    *,
    alpha: float = 0.7,
    colormap: str = "viridis",
    vmax: float | None = None,
) -> NDArray[np.uint8]:
    """Lay a map of evidence over a face.

    The more evidence, the more opaque: where there is none, the face is seen as it
    is.

    Parameters
    ----------
    image : array-like of shape (height, width, 3), uint8
        The face, in RGB.
    attribution : array-like of shape (h, w)
        The map, as :func:`grad_cam` gives it or :func:`occlusion` after a
        ``reshape``. It is interpolated to the size of the image. What is negative or
        NaN is not drawn.
    alpha : float, default=0.7
        Opacity of the strongest evidence, 0 to 1.
    colormap : {"cividis", "inferno", "magma", "plasma", "viridis"}, default="viridis"
        Colours from no evidence to the strongest. All of them serve the colour-blind;
        viridis has none of the skin's.
    vmax : float or None, default=None
        Evidence that counts as the strongest; None is the map's maximum. Give the
        same to faces that are to be compared.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
        The face under its map, in RGB.

    Raises
    ------
    ValueError
        If `image` is no RGB image of bytes, or `attribution` not of two axes.

    See Also
    --------
    skdeepfake.plotting.AttributionDisplay : Many of them, with a colour bar.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.inspection import overlay
    >>> face = np.full((4, 4, 3), 100, dtype=np.uint8)
    >>> drawn = overlay(face, [[0.0, 0.0], [0.0, 1.0]])
    >>> drawn[0, 0].tolist()
    [100, 100, 100]
    >>> drawn[3, 3].tolist()
    [207, 192, 56]
    """
    image, attribution = np.asarray(image), np.asarray(attribution, dtype=np.float32)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(
            f"image has shape {image.shape} and dtype {image.dtype}, but must be RGB: "
            "(height, width, 3), uint8"
        )
    if attribution.ndim != 2 or not attribution.size:
        raise ValueError(
            f"attribution has shape {attribution.shape}, but must be a map of shape "
            "(h, w): reshape the positions of features to their rows and columns"
        )
    strength = np.nan_to_num(attribution, nan=0.0)
    peak = float(strength.max() if vmax is None else vmax)
    strength = np.clip(strength / peak, 0, 1) if peak > 0 else np.zeros_like(strength)
    strength = cv2.resize(strength, image.shape[1::-1])
    # OpenCV gives BGR.
    shades = np.rint(strength * 255).astype(np.uint8)
    colours = cv2.applyColorMap(shades, COLORMAPS[colormap])[..., ::-1]
    opacity = alpha * strength[..., np.newaxis]
    return np.rint(image * (1 - opacity) + colours * opacity).astype(np.uint8)
