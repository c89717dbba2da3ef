"""Face swaps, which blend the face of one image into another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Real
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval

from ._alterations import Image
from ._landmarks import Points, standard_face
from ._masks import Mask
from ._recipe import Parts, Recipe
from ._self_blending import SelfBlender

# Number of faces of other samples that are compared with the target.
_CANDIDATES = 4

# Points used for alignment: brows, eyes, nose and mouth.
_ALIGNED = slice(17, 68)

# Range of the strength of color matching, and the largest gain of a channel. The limit
# avoids the amplification of noise.
_COLOR_MATCH, _LARGEST_GAIN = (0.5, 1.0), 1.5


@dataclass(repr=False, eq=False)
class FaceSwapper(SelfBlender):
    """Make fakes by blending the face of another sample into a real face.

    Each real face is a target. For each target, up to four other samples are drawn at
    random. The face among them that is most similar to the target in pose and
    proportions becomes the source. The source is aligned with the target by an affine
    map of the landmarks, and its colors are matched to those of the target [1]_. Inside
    a mask, the source is then blended into the target, linearly or by its gradients
    [2]_. Outside the mask, the target is unchanged. If there is no other face, a face
    is blended with an altered copy of itself.

    Parameters
    ----------
    color : float, default=0.5
        Strength of additional color changes of the source; see :class:`SelfBlender`.
    detail : float, default=1.0
        Strength of the sharpening or downscaling of the source, from 0 (none) to 1; see
        :class:`SelfBlender`.
    movement : float, default=0.5
        Strength of the misalignment of the source; see :class:`SelfBlender`.
    warp : float, default=0.0
        Strength of a smooth warp of the source; see :class:`SelfBlender`.
    shapes : sequence of str, default=("whole", "without_forehead", "inner", "lower")
        Mask shapes. One is drawn at random for each fake; see :class:`SelfBlender`.
    ratios : sequence of float, default=(0.75, 1, 1, 1)
        Blending ratios. One is drawn at random for each fake; see :class:`SelfBlender`.
    margin : float, default=0.0
        Margin around the face box; see :class:`SelfBlender`.
    landmarks : str, os.PathLike or None, default=None
        Path of a dlib shape predictor with 68 or 81 points. None uses the points of a
        frontal face of average proportions.
    cloning : float, default=0.25
        Probability of blending a fake by gradients instead of linearly.

    See Also
    --------
    SelfBlender : Blend a face with an altered copy of itself.

    References
    ----------
    .. [1] Reinhard, E., Ashikhmin, M., Gooch, B. and Shirley, P. (2001). Color transfer
       between images. IEEE Computer Graphics and Applications 21.

    .. [2] Perez, P., Gangnet, M. and Blake, A. (2003). Poisson image editing. ACM
       Transactions on Graphics 22.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.synthesis import FaceSwapper
    >>> rng = np.random.default_rng(0)
    >>> faces = rng.integers(256, size=(2, 64, 64, 3), dtype=np.uint8)
    >>> swapper = FaceSwapper(margin=0.3)
    >>> fakes, masks = swapper.blend(faces, random_state=0, return_mask=True)
    >>> int((fakes != faces)[masks == 0].sum())  # the background is not changed
    0
    >>> round(float((fakes != faces).mean()), 1)  # fraction of changed values
    0.3
    """

    _: KW_ONLY
    color: float = 0.5
    movement: float = 0.5
    #: Only the source is altered.
    altered: ClassVar[str] = "source"  # type: ignore[misc]
    ratios: Sequence[float] = (0.75, 1.0, 1.0, 1.0)
    cloning: float = 0.25

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **SelfBlender._parameter_constraints,
        "cloning": [Interval(Real, 0, 1, closed="both")],
    }
    _parameter_constraints.pop("altered")

    def _apply(self, recipe: Recipe, videos: Image, sample: int, slot: int) -> Parts:
        image = videos[sample, slot]
        points, to_image = self._points(image)
        rng = np.random.default_rng(recipe.seed)
        others = [
            other
            for other in range(len(videos))
            if other != sample and videos[other, slot].any()
        ]
        if not others:
            return recipe.apply(image, to_image, points)
        shape = standard_face() @ to_image[:, :2].T + to_image[:, 2]
        target = shape if points is None else points
        found = []
        for other in rng.permutation(others)[:_CANDIDATES]:
            source, _ = self._points(videos[other, slot])
            affine, error = _fit(shape if source is None else source, target)
            found.append((error, int(other), affine))
        _, other, affine = min(found, key=lambda each: each[:2])
        aligned: Image = cv2.warpAffine(  # type: ignore[assignment]
            videos[other, slot],
            affine,
            image.shape[1::-1],
            borderMode=cv2.BORDER_REFLECT_101,
        )
        strength = rng.uniform(*_COLOR_MATCH)
        aligned = _match_colors(aligned, image, target, float(strength))
        blend = _clone if rng.random() < self.cloning else None
        return recipe.apply(image, to_image, points, source=aligned, blend=blend)


def _fit(source: Points, target: Points) -> tuple[NDArray[np.float64], float]:
    """Return the affine map (2, 3) fitted by least squares and its mean error."""
    homogeneous = np.column_stack([source, np.ones(len(source))])
    inner = homogeneous[_ALIGNED]
    affine = np.linalg.lstsq(inner, target[_ALIGNED], rcond=None)[0]
    error = np.linalg.norm(homogeneous @ affine - target, axis=1).mean()
    return affine.T, float(error)


def _match_colors(image: Image, like: Image, points: Points, strength: float) -> Image:
    """Match the mean and standard deviation of CIELAB channels to another image.

    Both are computed over the convex hull of the points.
    """
    hull = cv2.convexHull(np.rint(points).astype(np.int32))
    inside = np.zeros(image.shape[:2], np.uint8)
    cv2.fillConvexPoly(inside, hull, 1)
    where = inside.astype(bool)
    if not where.any():
        return image
    face, model = (
        cv2.cvtColor(each.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        for each in (image, like)
    )
    mean, model_mean = face[where].mean(axis=0), model[where].mean(axis=0)
    gain = model[where].std(axis=0) / (face[where].std(axis=0) + 1e-3)
    gain = 1 + strength * (np.minimum(gain, _LARGEST_GAIN) - 1)
    matched = (face - mean) * gain + mean + strength * (model_mean - mean)
    rgb = cv2.cvtColor(matched.astype(np.float32), cv2.COLOR_LAB2RGB)
    return np.rint(rgb.clip(0, 1) * 255).astype(np.uint8)


def _clone(source: Image, target: Image, mask: Mask) -> Image:
    """Blend by gradients where the mask is above half of its maximum."""
    inside = (mask > 0.5 * mask.max()).astype(np.uint8) * 255
    inside[[0, 1, -2, -1]] = inside[:, [0, 1, -2, -1]] = 0
    left, top, width, height = cv2.boundingRect(inside)
    if min(width, height) < 4:
        return target
    middle = (left + width // 2, top + height // 2)
    cloned = cv2.seamlessClone(source, target, inside.copy(), middle, cv2.NORMAL_CLONE)
    # Rounding errors of OpenCV also change pixels outside the mask.
    return np.where(mask[..., np.newaxis] > 0, cloned, target).astype(np.uint8)
