"""Overlay of evidence on a face."""

from __future__ import annotations

from numbers import Real

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from .._validation import validated

# Perceptually uniform, and suitable for color-blind readers.
COLORMAPS = {
    "cividis": cv2.COLORMAP_CIVIDIS,
    "inferno": cv2.COLORMAP_INFERNO,
    "magma": cv2.COLORMAP_MAGMA,
    "plasma": cv2.COLORMAP_PLASMA,
    "viridis": cv2.COLORMAP_VIRIDIS,
}


@validated(
    image=["array-like"],
    attribution=["array-like"],
    alpha=[Interval(Real, 0, 1, closed="both")],
    colormap=[StrOptions(set(COLORMAPS))],
    vmax=[Interval(Real, 0, None, closed="left"), None],
)
def overlay(
    image: ArrayLike,
    attribution: ArrayLike,
    *,
    alpha: float = 0.7,
    colormap: str = "viridis",
    vmax: float | None = None,
) -> NDArray[np.uint8]:
    """Draw a map of evidence over a face.

    Opacity increases with the evidence. Without evidence, the face is unchanged.

    Parameters
    ----------
    image : array-like of shape (height, width, 3), uint8
        RGB image of the face.
    attribution : array-like of shape (h, w)
        Map from :func:`grad_cam`, or the values of :func:`occlusion` for one frame,
        reshaped to rows and columns. The map is interpolated to the size of the image.
        Negative values and NaN are not drawn.
    alpha : float, default=0.7
        Opacity, from 0 to 1, where the evidence is at least `vmax`.
    colormap : {"cividis", "inferno", "magma", "plasma", "viridis"}, default="viridis"
        Colormap. All are suitable for color-blind readers.
    vmax : float or None, default=None
        Value that is drawn with opacity `alpha`. Use the same value for all faces to
        compare them. None uses the maximum of the map.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
        RGB image of the face with the map.

    Raises
    ------
    ValueError
        If `image` is not an RGB image of dtype uint8, or `attribution` is not
        two-dimensional.

    See Also
    --------
    skdeepfake.plotting.AttributionDisplay : Plot several faces with a color bar.

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
            "image must have shape (height, width, 3) and dtype uint8; got shape "
            f"{image.shape} and dtype {image.dtype}."
        )
    if attribution.ndim != 2 or not attribution.size:
        raise ValueError(
            f"attribution must have shape (h, w); got {attribution.shape}. Reshape the "
            "positions of features to rows and columns."
        )
    strength = np.nan_to_num(attribution, nan=0.0)
    peak = float(strength.max() if vmax is None else vmax)
    strength = np.clip(strength / peak, 0, 1) if peak > 0 else np.zeros_like(strength)
    strength = cv2.resize(strength, image.shape[1::-1])
    shades = np.rint(strength * 255).astype(np.uint8)
    colors = cv2.applyColorMap(shades, COLORMAPS[colormap])[..., ::-1]  # BGR to RGB
    opacity = alpha * strength[..., np.newaxis]
    return np.rint(image * (1 - opacity) + colors * opacity).astype(np.uint8)
