"""Self-blended fakes, which blend a real face with an altered copy of itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from .._face_mask import filled_slots
from .._random import RandomState, as_generator
from .._stateless import Versioned
from ._alterations import Image
from ._landmarks import Points, box_in_crop, find_points
from ._masks import DEFAULT_SHAPES, SHAPES
from ._recipe import ALTERED, RATIOS, Parts, Recipe, draw_recipe

# Smallest side of a crop in pixels.
_MIN_SIDE = 16


@dataclass(repr=False, eq=False)
class SelfBlender(Versioned, BaseEstimator):
    """Make fakes by blending a real face with an altered copy of itself.

    A detector trained on these fakes learns the traces of blending rather than those of
    a particular generator [1]_. Only real faces are needed.

    1. The source and the target are copies of a face. The colors of one copy are
       altered, and this copy is either sharpened, or downscaled and enlarged again.
    2. The source is slightly moved and scaled.
    3. The mask is the convex hull of the face or of a part of it. It moves with the
       source, and is deformed, eroded, blurred and multiplied by a blending ratio.
    4. The fake is source x mask + target x (1 - mask).

    The fake equals the target where the mask is zero. A SelfBlender is not a pipeline
    step. Call :meth:`blend` on crops. Blenders are stateless and thread-safe.

    Parameters
    ----------
    color : float, default=1.0
        Strength of the color changes. 1 shifts each channel by up to 20 gray levels and
        the hue by up to 7 degrees, changes the HSV value, the brightness and the
        contrast by up to 10%, and changes the saturation by up to 30%. 0 disables the
        changes.
    detail : float, default=1.0
        Strength of the sharpening or downscaling in step 1, from 0 (none) to 1.
    movement : float, default=1.0
        Strength of the movement of the source. 1 moves it by up to 3% of the width and
        1.5% of the height of the face box, and scales it by a factor from 0.95 to
        1 / 0.95. 0 disables the movement.
    warp : float, default=0.0
        Strength of a smooth warp of the source, which resembles a change of expression.
        1 moves parts of the source by about 1.5% of the face box. 0 disables the warp.
    altered : {"source", "target", "either"}, default="source"
        Copy that is altered in step 1. "source" keeps the background unchanged.
        "target" alters the background instead of the face. "either" chooses one of them
        randomly for each fake, as in [1]_. With "target" or "either", use the
        targets of :meth:`blend_pairs` as real faces in training.
    shapes : sequence of str, default=("whole", "without_forehead", "inner", "lower")
        Shapes of the mask. One is drawn at random for each fake. "whole" covers the
        face including the forehead, "without_forehead" the face from the brows down,
        "inner" the brows, eyes, nose and mouth, "lower" the face from the nose down,
        "eyes" the eyes and brows, and "mouth" the mouth and chin. Repeat a name to draw
        it more often.
    ratios : sequence of float, default=(0.25, 0.5, 0.75, 1, 1, 1)
        Blending ratios. One is drawn at random for each fake. The default is from [1]_.
    margin : float, default=0.0
        Margin on each side of the face box, as a fraction of its width or height.
        Pass the `margin` of the :class:`~skdeepfake.preprocessing.DlibFaceCropper` that
        made the crops.
    landmarks : str, os.PathLike or None, default=None
        Path of a dlib shape predictor with 68 points, or with 81 points including the
        forehead. The mask is fitted to the predicted points. None uses the points of a
        frontal face of average proportions.

    See Also
    --------
    skdeepfake.datasets.make_videos : Render videos and, optionally, self-blended fakes.
    skdeepfake.preprocessing.DlibFaceCropper : Crop faces from frames.

    Notes
    -----
    Differences from [1]_:

    - Without `landmarks`, the mask is that of a frontal face of average proportions.
    - All color changes form one affine map of RGB. Hue and saturation are changed in
      YIQ.
    - The mask is shrunk by erosion instead of by a blur and a threshold.
    - Erosion, blur and movement are relative to the face box instead of the crop.
    - By default, only the source is altered.

    References
    ----------
    .. [1] Shiohara, K. and Yamasaki, T. (2022). Detecting deepfakes with self-blended
       images. CVPR. arXiv:2204.08376.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.synthesis import SelfBlender
    >>> face = np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8)
    >>> blender = SelfBlender(margin=0.3)
    >>> fake, mask = blender.blend(face, random_state=0, return_mask=True)
    >>> fake.shape, mask.shape
    ((64, 64, 3), (64, 64))
    >>> bool((fake == face)[mask == 0].all()), bool((fake == face).all())
    (True, False)
    """

    _: KW_ONLY
    color: float = 1.0
    detail: float = 1.0
    movement: float = 1.0
    warp: float = 0.0
    altered: str = "source"
    shapes: Sequence[str] = DEFAULT_SHAPES
    ratios: Sequence[float] = RATIOS
    margin: float = 0.0
    landmarks: str | os.PathLike[str] | None = None

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "color": [Interval(Real, 0, None, closed="left")],
        "detail": [Interval(Real, 0, 1, closed="both")],
        "movement": [Interval(Real, 0, None, closed="left")],
        "warp": [Interval(Real, 0, None, closed="left")],
        "altered": [StrOptions(set(ALTERED))],
        "shapes": [tuple, list],
        "ratios": [tuple, list],
        "margin": [Interval(Real, 0, None, closed="left")],
        "landmarks": [str, os.PathLike, None],
    }

    def blend(
        self,
        faces: ArrayLike,
        random_state: RandomState = None,
        *,
        return_mask: bool = False,
    ) -> Any:
        """Make fakes from one face, from several faces or from videos.

        The frames of a video share the same random parameters. With the constructor
        parameter `landmarks`, the mask follows the face. The random parameters of a
        sample depend on its index, not on the other samples.

        Parameters
        ----------
        faces : ndarray of uint8, shape (height, width, 3), \
                (n_samples, height, width, 3) or \
                (n_samples, n_frames, height, width, 3)
            RGB crops of at least 16 x 16 pixels. Slots without a face are all zeros.
        random_state : int, RandomState, Generator instance or None, default=None
            Controls all random draws. Pass an int for reproducible fakes across calls,
            or a Generator for different fakes at each call.
        return_mask : bool, default=False
            If True, also return the masks.

        Returns
        -------
        fakes : ndarray of uint8, of the shape of `faces`
            Fakes in a new array. Slots without a face are all zeros.
        masks : ndarray of float32, of the shape of `faces` without its last axis
            Weight of the source in each pixel, from 0 to 1. The source is blended into
            the target. Both are copies of the same face, or different faces in
            FaceSwapper. Only returned if `return_mask` is True.

        Raises
        ------
        ValueError
            If `faces` has the wrong shape or dtype, if `landmarks` is not a valid shape
            predictor, or if a parameter is invalid.
        """
        parts = self._blend(faces, random_state)
        return (parts.fake, parts.mask) if return_mask else parts.fake

    def blend_pairs(
        self, faces: ArrayLike, random_state: RandomState = None
    ) -> tuple[Image, Image]:
        """Make pairs of a real face and a fake that differ only inside the mask.

        The real faces are the targets. With ``altered="source"``, they equal `faces`.
        With ``altered="target"``, all of them are altered; with ``altered="either"``,
        some of them are.

        Parameters
        ----------
        faces : ndarray of uint8, shape (..., height, width, 3)
            RGB crops, as in :meth:`blend`.
        random_state : int, RandomState, Generator instance or None, default=None
            Controls all random draws, as in :meth:`blend`.

        Returns
        -------
        targets : ndarray of uint8, of the shape of `faces`
            Real faces in a new array.
        fakes : ndarray of uint8, of the shape of `faces`
            Fakes, as returned by :meth:`blend`.

        Raises
        ------
        ValueError
            In the same cases as :meth:`blend`.
        """
        parts = self._blend(faces, random_state)
        return parts.target, parts.fake

    def _blend(
        self,
        X: ArrayLike,
        random_state: RandomState,
        only: NDArray[np.bool_] | None = None,
    ) -> Parts:
        """Blend all samples, or only those selected by `only`."""
        self._validate_params()
        _check_choices(
            "shapes", self.shapes, [*SHAPES].__contains__, f"names from {[*SHAPES]}"
        )
        _check_choices("ratios", self.ratios, _is_ratio, "numbers above 0 and up to 1")
        images = _check_crops(X)
        rng = as_generator(random_state)

        # Add missing axes of samples and slots.
        videos = images.reshape(
            {3: (1, 1), 4: (len(images), 1)}.get(images.ndim, images.shape[:2])
            + images.shape[-3:]
        )
        fake, target = np.zeros_like(videos), np.zeros_like(videos)
        mask = np.zeros(videos.shape[:-1], np.float32)
        # With one seed per sample, draws do not depend on the other samples.
        seeds = rng.integers(2**63, size=len(videos))
        wanted = range(len(videos)) if only is None else np.flatnonzero(only).tolist()
        filled = filled_slots(videos)
        for i in wanted:
            recipe = draw_recipe(
                np.random.default_rng(int(seeds[i])),
                color=float(self.color),
                detail=float(self.detail),
                movement=float(self.movement),
                warp=float(self.warp),
                altered=self.altered,
                shapes=self.shapes,
                ratios=self.ratios,
            )
            for k in np.flatnonzero(filled[i]).tolist():
                parts = self._apply(recipe, videos, i, k)
                fake[i, k], target[i, k], mask[i, k] = parts
        return Parts(
            fake.reshape(images.shape),
            target.reshape(images.shape),
            mask.reshape(images.shape[:-1]),
        )

    def _apply(self, recipe: Recipe, videos: Image, sample: int, slot: int) -> Parts:
        image = videos[sample, slot]
        points, to_image = self._points(image)
        return recipe.apply(image, to_image, points)

    def _points(self, image: Image) -> tuple[Points | None, NDArray[np.float64]]:
        """Return the landmarks, if any, and the affine map of the face box."""
        box = box_in_crop(image.shape, float(self.margin))
        points = None
        if self.landmarks is not None:
            points = find_points(image, box, os.fspath(self.landmarks))
        return points, box.to_image()


def _check_choices(
    name: str, values: Sequence[Any], allows: Callable[[Any], bool], allowed: str
) -> None:
    wrong = [value for value in values if not allows(value)]
    if wrong or not values:
        found = f"{wrong[0]!r} in {values!r}" if wrong else repr(values)
        raise ValueError(
            f"{name} must be a non-empty sequence of {allowed}; got {found}."
        )


def _is_ratio(value: Any) -> bool:
    return isinstance(value, Real) and 0 < float(value) <= 1


def _check_crops(X: ArrayLike) -> Image:
    images = np.asarray(X)
    if (
        images.dtype != np.uint8
        or images.ndim not in (3, 4, 5)
        or images.shape[-1] != 3
        or min(images.shape[-3:-1]) < _MIN_SIDE
    ):
        raise ValueError(
            f"faces has the shape {images.shape} and the dtype {images.dtype}; "
            "expected RGB uint8 crops of shape (height, width, 3), (n_samples, height, "
            "width, 3) or (n_samples, n_frames, height, width, 3), with at least "
            f"{_MIN_SIDE} x {_MIN_SIDE} pixels."
        )
    return images
