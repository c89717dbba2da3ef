"""Random choice of a blender."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from .._random import RandomState, as_generator
from .._stateless import Versioned
from ._alterations import Image


@dataclass(repr=False, eq=False)
class RandomBlender(Versioned, BaseEstimator):
    """Make fakes with a randomly chosen blender for each sample.

    Parameters
    ----------
    blenders : sequence of SelfBlender or FaceSwapper
        Blenders to choose from.
    weights : sequence of float or None, default=None
        Relative frequencies of the blenders. None weights all blenders equally.

    See Also
    --------
    SelfBlender : Blend a face with an altered copy of itself.
    FaceSwapper : Blend the face of another sample into a real face.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.synthesis import FaceSwapper, RandomBlender, SelfBlender
    >>> blender = RandomBlender([SelfBlender(), FaceSwapper()], weights=[3, 1])
    >>> faces = np.random.default_rng(0).integers(256, size=(4, 32, 32, 3))
    >>> targets, fakes = blender.blend_pairs(faces.astype(np.uint8), random_state=0)
    >>> int((targets != faces).sum())  # the real faces are not changed
    0
    >>> round(float((fakes != faces).mean()), 1)  # fraction of changed values
    0.7
    """

    blenders: Sequence[Any]
    _: KW_ONLY
    weights: Sequence[float] | None = None

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "blenders": [list, tuple],
        "weights": ["array-like", None],
    }

    @property
    def altered(self) -> str:
        """Altered image: "source", "target", or "either" if the blenders differ."""
        kinds = {blender.altered for blender in self.blenders}
        return kinds.pop() if len(kinds) == 1 else "either"

    def blend_pairs(
        self, faces: ArrayLike, random_state: RandomState = None
    ) -> tuple[Image, Image]:
        """Make pairs of a real face and its fake.

        Parameters
        ----------
        faces : ndarray of uint8, shape (n_samples, ..., height, width, 3)
            RGB crops, as in :meth:`SelfBlender.blend_pairs`.
        random_state : int, RandomState, Generator instance or None, default=None
            Controls all random draws.

        Returns
        -------
        targets : ndarray of uint8, of the shape of `faces`
            Real faces.
        fakes : ndarray of uint8, of the shape of `faces`
            Fakes of these faces.

        Raises
        ------
        ValueError
            If `faces` has the wrong shape or dtype, or if a parameter is invalid.
        """
        self._validate_params()
        weights = np.ones(len(self.blenders)) if self.weights is None else self.weights
        share = np.asarray(weights, dtype=float)
        if not self.blenders or share.shape != (len(self.blenders),):
            raise ValueError(
                f"weights={self.weights!r} must contain one number for each of the "
                f"{len(self.blenders)} blenders. Pass at least one blender."
            )
        if not (np.isfinite(share).all() and (share >= 0).all() and share.any()):
            raise ValueError(
                f"weights={self.weights!r} must be finite, non-negative and not all 0."
            )
        rng = as_generator(random_state)
        images = np.asarray(faces)
        chosen = rng.choice(len(share), size=len(images), p=share / share.sum())
        targets, fakes = np.copy(images), np.copy(images)
        for number, blender in enumerate(self.blenders):
            own = chosen == number
            # Pass all faces, since a swapper chooses its sources from them.
            if own.any():
                parts = blender._blend(images, rng, only=own)
                targets[own], fakes[own] = parts.target[own], parts.fake[own]
        return targets, fakes
