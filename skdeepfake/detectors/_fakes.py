"""Fakes that are made of real faces while batches of them are drawn."""

from __future__ import annotations

from functools import partial
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import HasMethods, Interval

from ..synthesis import SelfBlender
from ._batches import Batch, Change


class BlendedFakes(BaseEstimator):
    """Train on fakes that are made of the real faces, anew in every epoch.

    What is learned is to see that something was blended in, whatever it is (Shiohara
    and Yamasaki, CVPR 2022). Real is the class 0, False or "real"; `y` may be all real
    unless `share` is set. Needs RGB faces of uint8.

    Parameters
    ----------
    blender : SelfBlender, FaceSwapper, RandomBlender or None, default=None
        Makes the fakes; any object that has `blend_pairs` and `altered`. Its
        `margin` must be that of the faces. None is ``SelfBlender()``.
    share : float or None, default=None
        Share of the given fakes that are replaced by blended ones. None leaves
        all given fakes out, and makes one fake per real face.

    See Also
    --------
    skdeepfake.synthesis.SelfBlender : Says how they are made.
    CNNDetector : Takes it as `fake_source`.

    References
    ----------
    Shiohara and Yamasaki, "Detecting deepfakes with self-blended images", CVPR 2022.

    Examples
    --------
    >>> from skdeepfake.detectors import BlendedFakes, CNNDetector
    >>> CNNDetector(fake_source=BlendedFakes(share=0.25))
    CNNDetector(fake_source=BlendedFakes(share=0.25))
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "blender": [HasMethods(["blend_pairs"]), None],
        "share": [Interval(Real, 0, 1, closed="right"), None],
    }

    def __init__(self, blender: Any = None, *, share: float | None = None) -> None:
        self.blender = blender
        self.share = share

    @property
    def replaces_all(self) -> bool:
        """Whether given fakes are left out."""
        return self.share is None

    def classes(self, y: NDArray) -> NDArray | None:
        """Infer both classes where labels are all real.

        Parameters
        ----------
        y : ndarray of shape (n_videos,)
            Labels.

        Returns
        -------
        ndarray of shape (2,) or None
            The classes; None where `y` has to hold both.

        Raises
        ------
        ValueError
            If no label stands for real.
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
        """Make the step of the batch stream.

        Parameters
        ----------
        fake : int
            Number of the class of fakes.
        times : float
            Weight of a fake as a multiple of that of the face it is made of.
        X : ndarray
            All videos.
        index : tuple of ndarray of int
            Where in X the real samples lie.
        present : ndarray or None
            Which frames of these hold a face.

        Returns
        -------
        callable
            From a batch and a generator to a batch.
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
    """Tell which of the labels stands for real."""
    found = np.unique(np.asarray(y)).tolist()
    real = [label for label in found if label in (0, "real")]
    if not real:
        raise ValueError(
            f"y contains the labels {found}, but to make fakes of real videos one must "
            "know which are real: label them 0, False or 'real'"
        )
    return real[0]


def real_and_fake(y: ArrayLike) -> NDArray:
    """Give both classes of labels that are all real."""
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
    """Append a self-blended fake of each face to a batch of real ones."""
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
    """Replace a share of the fakes of a batch by blended ones.

    Unless it is the source that is altered, the targets take the places of as many
    real faces, lest a detector learn that whatever was altered is a fake.
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
