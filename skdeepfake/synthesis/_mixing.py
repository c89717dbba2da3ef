"""Fakes of several kinds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from .._random import RandomState, as_generator
from .._stateless import Versioned
from ._alterations import Image


class RandomBlender(Versioned, BaseEstimator):
    """Make fakes of several kinds, one of which is drawn for each sample.

    Parameters
    ----------
    blenders : sequence of SelfBlender or FaceSwapper
        The kinds.
    weights : sequence of float or None, default=None
        Their probabilities, which are divided by their sum. None makes them equal.

    See Also
    --------
    SelfBlender : Blends a face with itself.
    FaceSwapper : Blends in the face of another sample.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.synthesis import FaceSwapper, RandomBlender, SelfBlender
    >>> blender = RandomBlender([SelfBlender(), FaceSwapper()], weights=[3, 1])
    >>> faces = np.random.default_rng(0).integers(256, size=(4, 32, 32, 3))
    >>> targets, fakes = blender.blend_pairs(faces.astype(np.uint8), random_state=0)
    >>> bool((targets == faces).all()), bool((fakes == faces).all())
    (True, False)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "blenders": [list, tuple],
        "weights": ["array-like", None],
    }

    def __init__(
        self, blenders: Sequence[Any], *, weights: Sequence[float] | None = None
    ) -> None:
        self.blenders = blenders
        self.weights = weights

    @property
    def altered(self) -> str:
        """Which copy is altered: "source" if all blenders alter the source alone."""
        kinds = {blender.altered for blender in self.blenders}
        return kinds.pop() if len(kinds) == 1 else "either"

    def blend_pairs(
        self, faces: ArrayLike, random_state: RandomState = None
    ) -> tuple[Image, Image]:
        """Make pairs of a real face and its fake.

        Parameters
        ----------
        faces : ndarray of uint8, shape (n_samples, ..., height, width, 3)
            RGB crops, as :meth:`SelfBlender.blend_pairs` takes them.
        random_state : int, RandomState, Generator instance or None, default=None
            Controls all draws.

        Returns
        -------
        targets : ndarray of uint8, of the shape of `faces`
            The real ones of the pairs.
        fakes : ndarray of uint8, of the shape of `faces`
            The fakes.

        Raises
        ------
        ValueError
            If `faces` is not such an array, or a parameter is out of its range.
        """
        self._validate_params()
        weights = np.ones(len(self.blenders)) if self.weights is None else self.weights
        share = np.asarray(weights, dtype=float)
        if not self.blenders or share.shape != (len(self.blenders),):
            raise ValueError(
                f"weights={self.weights!r} must have a number for each of the "
                f"{len(self.blenders)} blenders, of which there must be one at least"
            )
        if not (np.isfinite(share).all() and (share >= 0).all() and share.any()):
            raise ValueError(
                f"weights={self.weights!r} must be finite, not negative, and not all 0"
            )
        rng = as_generator(random_state)
        images = np.asarray(faces)
        chosen = rng.choice(len(share), size=len(images), p=share / share.sum())
        targets, fakes = np.copy(images), np.copy(images)
        for number, blender in enumerate(self.blenders):
            mine = chosen == number
            # Of all, so that a swapper has all faces to choose from.
            if mine.any():
                parts = blender._blend(images, rng, only=mine)
                targets[mine], fakes[mine] = parts.target[mine], parts.fake[mine]
        return targets, fakes
