"""Blended fakes created from real faces during training."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import partial
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import HasMethods, Interval

from ..synthesis import SelfBlender
from ._batches import Batch, Change


@dataclass(repr=False, eq=False)
class BlendedFakes(BaseEstimator):
    """Train on fakes blended from real faces, with new fakes in each epoch.

    The detector learns to detect traces of blending instead of traces of a specific
    generator. Requires RGB faces of dtype uint8. The label of the real class must be 0,
    False or "real". If `share` is None, `y` does not have to contain fakes.

    Parameters
    ----------
    blender : SelfBlender, FaceSwapper, RandomBlender or None, default=None
        Blender that creates the fakes, or any object with the method `blend_pairs` and
        the attribute `altered` of a SelfBlender. The `margin` of the blender must equal
        the margin of the face crops. None uses ``SelfBlender()``.
    share : float or None, default=None
        Share of the fakes in `y` to replace with blended fakes. None ignores the fakes
        in `y` and creates one fake per real face.

    See Also
    --------
    skdeepfake.synthesis.SelfBlender : Create fakes from single real faces.
    CNNDetector : Accepts a BlendedFakes as `fake_source`.

    References
    ----------
    Shiohara and Yamasaki, "Detecting deepfakes with self-blended images", CVPR 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.detectors import BlendedFakes, CNNDetector
    >>> fakes = BlendedFakes()
    >>> detector = CNNDetector(fake_source=fakes)
    >>> fakes.classes(np.array([0, 0, 0]))  # y contains only the real class
    array([0, 1])
    """

    blender: Any = None
    _: KW_ONLY
    share: float | None = None

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "blender": [HasMethods(["blend_pairs"]), None],
        "share": [Interval(Real, 0, 1, closed="right"), None],
    }

    @property
    def replaces_all(self) -> bool:
        """True if the fakes in `y` are ignored."""
        return self.share is None

    def classes(self, y: NDArray) -> NDArray | None:
        """Return the real and the fake class if `y` contains only the real class.

        Parameters
        ----------
        y : ndarray of shape (n_videos,)
            Labels.

        Returns
        -------
        ndarray of shape (2,) or None
            Real and fake class if all labels are real and `share` is None, otherwise
            None.

        Raises
        ------
        ValueError
            If no label is real.
        """
        real_label(y)
        only_real = self.replaces_all and len(np.unique(y)) == 1
        return real_and_fake(y) if only_real else None

    def step(
        self,
        fake: int,
        times: float,
        X: NDArray,
        index: tuple[NDArray, ...],
        present: NDArray | None,
    ) -> Change:
        """Return a function that adds blended fakes to a batch.

        Parameters
        ----------
        fake : int
            Index of the fake class.
        times : float
            Weight of a fake, relative to the weight of its real face.
        X : ndarray
            All videos.
        index : tuple of ndarray of int
            Index of the real samples in X.
        present : ndarray or None
            Mask of the frames with a face in these samples. None if each sample is a
            single frame.

        Returns
        -------
        callable
            Function that maps a batch and a random number generator to a new batch.
        """
        blender = self.blender or SelfBlender()
        if self.share is None:
            return partial(append_blends, blender=blender, fake=fake, times=times)
        return partial(
            replace_fakes,
            blender=blender,
            fake=fake,
            share=self.share,
            X=X,
            index=index,
            present=present,
        )


def real_label(y: ArrayLike) -> Any:
    """Return the label of the real class."""
    found = np.unique(np.asarray(y)).tolist()
    real = [label for label in found if label in (0, "real")]
    if not real:
        raise ValueError(
            f"y has no label for real videos, which must be 0, False or 'real'; got "
            f"{found}."
        )
    return real[0]


def real_and_fake(y: ArrayLike) -> NDArray:
    """Return both classes for labels that are all real."""
    labels = np.asarray(y)
    real = real_label(labels)
    return np.unique(np.array([real, "fake" if real == "real" else 1], labels.dtype))


def append_blends(
    batch: Batch,
    rng: np.random.Generator,
    *,
    blender: SelfBlender,
    fake: int,
    times: float = 1.0,
) -> Batch:
    """Append a blended fake of each face to a batch of real faces."""
    targets, fakes = blender.blend_pairs(batch.frames, rng)
    present = batch.present
    return Batch(
        np.concatenate([targets, fakes]),
        np.concatenate([batch.y, np.full_like(batch.y, fake)]),
        np.concatenate([batch.weight, batch.weight * times]),
        None if present is None else np.concatenate([present, present]),
    )


def replace_fakes(
    batch: Batch,
    rng: np.random.Generator,
    *,
    blender: SelfBlender,
    fake: int,
    share: float,
    X: NDArray,
    index: tuple[NDArray, ...],
    present: NDArray | None = None,
) -> Batch:
    """Replace a share of the fakes of a batch with blended fakes.

    If the blender alters the target, altered targets also replace the same number of
    real faces. Otherwise, a detector would learn that all altered faces are fake.
    """
    is_fake = batch.y[:, 0] == fake
    replaced = np.flatnonzero(is_fake & (rng.random(len(is_fake)) < share))
    if not len(replaced) or not len(index[0]):
        return batch
    parts = rng.integers(len(index[0]), size=len(replaced))
    targets, fakes = blender.blend_pairs(X[tuple(axis[parts] for axis in index)], rng)
    places = [(replaced, fakes)]
    if blender.altered != "source":
        real = rng.permutation(np.flatnonzero(~is_fake))[: len(replaced)]
        places.append((real, targets[: len(real)]))
    frames = batch.frames.copy()
    there = None if batch.present is None else batch.present.copy()
    for place, made in places:
        frames[place] = made
        if there is not None and present is not None:
            there[place] = present[parts[: len(place)]]
    return batch._replace(frames=frames, present=there)
