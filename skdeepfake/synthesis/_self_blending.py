"""Self-blended fakes: a real face blended with an altered copy of itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
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


class SelfBlender(Versioned, BaseEstimator):
    """Make a fake of a real face by blending it with an altered copy of itself.

    A detector trained on such fakes learns the traces of blending rather than those of
    one generator [1]_. Only real faces are needed.

    1. The source and the target are copies of a face. One of them is altered in color,
       and either downscaled and enlarged again, or sharpened.
    2. The source is moved and scaled a little.
    3. The mask is the convex hull of the face or of a part of it. It moves with the
       source, and is deformed, eroded, blurred and multiplied by a blending ratio.
    4. The fake is source x mask + target x (1 - mask).

    Where the mask is zero, the fake equals the target. Call it on crops: it is not a
    step of a pipeline. It keeps no state, and threads may share it.

    Parameters
    ----------
    color : float, default=1.0
        Strength of the changes of color; 0 for none. At 1 each channel shifts by up to
        20 gray levels, the hue by up to 7 degrees, brightness and contrast by up to
        10 %, as the value does, and saturation by up to 30 %.
    detail : float, default=1.0
        Share of the change of sharpness, 0 to 1; 0 for none.
    movement : float, default=1.0
        Strength of the source's movement; 0 for none. At 1 it moves by up to 3 % of the
        width and 1.5 % of the height of the face's box, and is scaled by 0.95 to
        1 / 0.95.
    warp : float, default=0.0
        Strength of a smooth warp of the source, as of another expression; 0 for none.
        At 1 its parts move by some 1.5 % of the box.
    altered : {"source", "target", "either"}, default="source"
        Which copy is altered in step 1. "source" leaves the background as it is;
        "target" alters it, and not the face. "either" draws one of the two for each
        fake, as the paper does; then train with the targets as the real faces
        (:meth:`blend_pairs`).
    shapes : sequence of str, default=("whole", "without_forehead", "inner", "lower")
        Parts of the face, of which one is drawn for each fake: "whole" is the face with
        the forehead, "without_forehead" from the brows down, "inner" brows, eyes, nose
        and mouth, "lower" from the nose down, "eyes" with the brows, "mouth" with the
        chin. Repeat a name to draw it more often.
    ratios : sequence of float, default=(0.25, 0.5, 0.75, 1, 1, 1)
        Blending ratios, of which one is drawn for each fake. The default is the
        paper's.
    margin : float, default=0.0
        The `margin` of the :class:`~skdeepfake.preprocessing.DlibFaceCropper` that made
        the crops: what was added on each side to dlib's box, as a share of its side.
    landmarks : str, os.PathLike or None, default=None
        Path of a shape predictor of dlib's with 68 points or, with a forehead, 81. The
        mask is then that of the face at hand, found within the box. None takes a face
        of mean proportions, looking into the camera. See Notes.

    See Also
    --------
    skdeepfake.datasets.make_videos : Rendered videos, and self-blended fakes of them.
    skdeepfake.preprocessing.DlibFaceCropper : Makes the crops.

    Notes
    -----
    Differences from the paper:

    - A standard face replaces missing landmarks.
    - Changes of color are one affine map of R, G and B, with hue and saturation in YIQ.
    - The mask shrinks by an erosion, where the paper blurs and cuts it.
    - Erosion, blur and movement are relative to the face's box instead of the crop.
    - By default only the source is altered.

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

    def __init__(
        self,
        *,
        color: float = 1.0,
        detail: float = 1.0,
        movement: float = 1.0,
        warp: float = 0.0,
        altered: str = "source",
        shapes: Sequence[str] = DEFAULT_SHAPES,
        ratios: Sequence[float] = RATIOS,
        margin: float = 0.0,
        landmarks: str | os.PathLike[str] | None = None,
    ) -> None:
        self.color = color
        self.detail = detail
        self.movement = movement
        self.warp = warp
        self.altered = altered
        self.shapes = shapes
        self.ratios = ratios
        self.margin = margin
        self.landmarks = landmarks

    def blend(
        self,
        faces: ArrayLike,
        random_state: RandomState = None,
        *,
        return_mask: bool = False,
    ) -> Any:
        """Make a fake of a face, of each face or of each video.

        The frames of a video share one draw; with `landmarks` the mask follows the
        face. The draw of a sample depends on its place in the array, not on the other
        samples.

        Parameters
        ----------
        faces : ndarray of uint8, shape (height, width, 3), \
                (n_samples, height, width, 3) or \
                (n_samples, n_frames, height, width, 3)
            RGB crops of at least 16 x 16 pixels. All zeros where there is no face.
        random_state : int, RandomState, Generator instance or None, default=None
            Controls all draws. Pass an int for the same fakes each time, or a Generator
            for other ones at each call.
        return_mask : bool, default=False
            Whether to return the masks, too.

        Returns
        -------
        fakes : ndarray of uint8, of the shape of `faces`
            A new array. All zeros where there is no face.
        masks : ndarray of float32, of the shape of `faces` without its last axis
            Share of the source in each pixel, 0 to 1. Only with `return_mask`.

        Raises
        ------
        ValueError
            If `faces` is not such an array, `landmarks` is no such file, or a parameter
            is out of its range.
        """
        parts = self._blend(faces, random_state)
        return (parts.fake, parts.mask) if return_mask else parts.fake

    def blend_pairs(
        self, faces: ArrayLike, random_state: RandomState = None
    ) -> tuple[Image, Image]:
        """Make pairs of a real face and its fake, which differ in the mask alone.

        The real ones are the targets: with ``altered="source"`` the faces themselves,
        else the altered ones, in whole or in part.

        Parameters
        ----------
        faces : ndarray of uint8, shape (..., height, width, 3)
            As in :meth:`blend`.
        random_state : int, RandomState, Generator instance or None, default=None
            As there; the fakes are the same.

        Returns
        -------
        targets : ndarray of uint8, of the shape of `faces`
            A new array.
        fakes : ndarray of uint8, of the shape of `faces`
            What `blend` returns.

        Raises
        ------
        ValueError
            As in :meth:`blend`.
        """
        parts = self._blend(faces, random_state)
        return parts.target, parts.fake

    def _blend(
        self,
        X: ArrayLike,
        random_state: RandomState,
        only: NDArray[np.bool_] | None = None,
    ) -> Parts:
        """Blend all samples, or only some of an array of several."""
        self._validate_params()
        _check_choices(
            "shapes", self.shapes, tuple(SHAPES).__contains__, ", ".join(SHAPES)
        )
        _check_choices("ratios", self.ratios, _is_ratio, "numbers over 0, up to 1")
        images = _check_crops(X)
        rng = as_generator(random_state)

        # One sample, and one slot in it, where there are none.
        videos = images.reshape(
            {3: (1, 1), 4: (len(images), 1)}.get(images.ndim, images.shape[:2])
            + images.shape[-3:]
        )
        fake, target = np.zeros_like(videos), np.zeros_like(videos)
        mask = np.zeros(videos.shape[:-1], np.float32)
        # Seeds, lest a sample's draw depend on how many numbers others have taken.
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
        """Find the points of a face, if it can be, and the map from its box."""
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
        raise ValueError(f"{name} must hold one or more of {allowed}; got {found}.")


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
            f"faces has the shape {images.shape} and the dtype {images.dtype}, but "
            "must be RGB: uint8 of shape (height, width, 3), (n_samples, height, "
            "width, 3) or (n_samples, n_frames, height, width, 3), of at least "
            f"{_MIN_SIDE} x {_MIN_SIDE} pixels"
        )
    return images
