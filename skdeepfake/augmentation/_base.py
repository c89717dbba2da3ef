"""Base class for augmentations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval

from .._random import RandomState, as_generator
from .._stateless import Versioned

Images = NDArray[np.uint8]


class Range(Interval):
    """Constraint on a pair of numbers within an interval, the smaller one first."""

    def is_satisfied_by(self, val: Any) -> bool:
        try:
            low, high = val
        except (TypeError, ValueError):
            return False
        inside = all(super(Range, self).is_satisfied_by(end) for end in (low, high))
        return inside and low <= high

    def __str__(self) -> str:
        return f"two numbers, the smaller one first, each of them {super().__str__()}"


@dataclass(repr=False, eq=False)
class BaseAugmentation(Versioned, BaseEstimator):
    """Base class for augmentations, which change randomly chosen images of a batch.

    Call an augmentation with a batch of images and, optionally, a random state.
    Subclasses implement :meth:`augment_image`.

    Parameters
    ----------
    probability : float, default=0.5
        Probability of changing an image.

    See Also
    --------
    make_preset : Return the augmentations of a preset.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.augmentation import BaseAugmentation
    >>> class RandomGray(BaseAugmentation):
    ...     def augment_image(self, image, rng):
    ...         mean = image.mean(axis=2, keepdims=True)
    ...         return np.repeat(mean.astype(np.uint8), 3, axis=2)
    >>> red = np.zeros((2, 4, 4, 3), np.uint8)
    >>> red[..., 0] = 90
    >>> RandomGray(probability=1)(red)[0, 0, 0]
    array([30, 30, 30], dtype=uint8)
    """

    _: KW_ONLY
    probability: float = 0.5

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "probability": [Interval(Real, 0, 1, closed="both")]
    }

    def __call__(self, images: ArrayLike, random_state: RandomState = None) -> Images:
        """Augment a batch of images."""
        self._validate_params()
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            raise ValueError(
                f"{type(self).__name__} expects RGB uint8 images of shape "
                f"(n_images, height, width, 3); got {images.dtype} of shape "
                f"{images.shape}."
            )
        rng = as_generator(random_state)
        chosen = np.flatnonzero(rng.random(len(images)) < self.probability)
        faces = [number for number in chosen if images[number].any()]
        augmented = images.copy()
        if not faces:
            return augmented
        for number, image in zip(
            faces, self._augment_images(images[faces], rng), strict=True
        ):
            if image.shape != images.shape[1:] or image.dtype != np.uint8:
                raise ValueError(
                    f"{type(self).__name__} must return uint8 images of shape "
                    f"{images.shape[1:]}; got {image.dtype} of shape {image.shape}."
                )
            augmented[number] = image
        return augmented

    def _augment_images(
        self, images: Images, rng: np.random.Generator
    ) -> Iterable[Images]:
        return (self.augment_image(image, rng) for image in images)

    def augment_image(self, image: Images, rng: np.random.Generator) -> Images:
        """Change one image.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width, 3)
            RGB image, which must not be changed in place.
        rng : Generator
            Random number generator.

        Returns
        -------
        ndarray of uint8, shape (height, width, 3)
            Changed RGB image.
        """
        raise NotImplementedError
