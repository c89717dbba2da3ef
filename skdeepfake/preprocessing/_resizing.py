"""Resizing of face crops into one dense array."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import tempfile
import weakref
from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._atomic import remove_abandoned
from .._parallel import map_videos
from .._stateless import StatelessTransformer, as_objects
from ._cache import StoredCrop


@dataclass(repr=False, eq=False)
class Resizer(StatelessTransformer):
    """Resize face crops to one size and stack them.

    A crop larger than the target is averaged over areas, a smaller one interpolated by
    cubic splines, without its aspect ratio. A slot without a face becomes zeros.

    Parameters
    ----------
    size : tuple of int, default=(224, 224)
        Height and width of the result, in pixels. The default is the paper's.
    memmap_dir : str, os.PathLike or None, default=None
        Folder in which the result lives as a memory-mapped file, which is deleted with
        the array: 2000 videos of ten faces are 3 GB. None keeps it in memory.
    n_jobs : int or None, default=None
        Videos resized at once, by default as threads. None is 1, -1 all cores.

    See Also
    --------
    DlibFaceCropper : The step before.

    References
    ----------
    Volisetty, Sen and Savala, "Deepfake detection", 2023, section 4.2, step 6.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.preprocessing import Resizer
    >>> crops = np.empty((1, 2), dtype=object)  # one video, two slots
    >>> crops[0, 0] = np.full((50, 40, 3), 200, dtype=np.uint8)
    >>> faces = Resizer(size=(32, 32)).fit_transform(crops)
    >>> faces.shape, faces.dtype
    ((1, 2, 32, 32, 3), dtype('uint8'))
    >>> faces[0, :, 0, 0, 0].tolist()  # the second slot is empty
    [200, 0]
    """

    size: tuple[int, int] = (224, 224)
    _: KW_ONLY
    memmap_dir: str | os.PathLike[str] | None = None
    n_jobs: int | None = None

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "size": [tuple, list],
        "memmap_dir": [str, os.PathLike, None],
        "n_jobs": [Integral, None],
    }

    def _validate_params(self) -> None:
        super()._validate_params()
        if len(self.size) != 2 or not all(
            isinstance(n, Integral) and n > 0 for n in self.size
        ):
            raise ValueError(
                f"size={self.size!r} must be (height, width), two positive integers"
            )

    def transform(self, X: ArrayLike) -> NDArray[np.uint8]:
        """Resize the crops.

        Parameters
        ----------
        X : ndarray of object, shape (n_videos, n_frames) or (n_images,)
            RGB crops, each of shape (height, width, 3) and dtype uint8, or None
            where there is no face. A list of images or of such rows works too, and
            so does an array of images of one size, of shape (..., height, width, 3).

        Returns
        -------
        ndarray of uint8, shape (n_videos, n_frames, H, W, 3) or (n_images, H, W, 3)
            The resized crops, zeros where there was none.

        Raises
        ------
        ValueError
            If a cell is neither None nor an image, or `size` not two positive ints.
        OSError
            If `memmap_dir` cannot be written or its disk is full.
        """
        self._validate_params()
        height, width = self.size
        crops, shape = _cells(X)
        faces = _zeros((*shape, height, width, 3), self.memmap_dir)
        cells = [(position, crops[position]) for position in np.ndindex(shape)]
        n_slots = len(cells) // shape[0]
        videos = [cells[i : i + n_slots] for i in range(0, len(cells), n_slots)]
        resized = map_videos(
            functools.partial(_resize_video, height=height, width=width),
            videos,
            n_jobs=self.n_jobs,
            verbose=0,
            desc="resizing",
        )
        for i, video in enumerate(resized):
            faces[i] = video.reshape(faces[i].shape)
        return faces


# Where a crop stands in X, and the crop.
Cell = tuple[tuple[int, ...], Any]


def _resize_video(cells: list[Cell], *, height: int, width: int) -> NDArray[np.uint8]:
    faces = np.zeros((len(cells), height, width, 3), dtype=np.uint8)
    for face, (position, crop) in zip(faces, cells, strict=True):
        if isinstance(crop, StoredCrop):
            crop = np.asarray(crop)
        if crop is not None:
            _check_crop(crop, position)
            face[:] = _resize(crop, height, width)
    return faces


def _zeros(
    shape: tuple[int, ...], memmap_dir: str | os.PathLike[str] | None
) -> NDArray[np.uint8]:
    """Make an empty result, in memory or on disk."""
    if memmap_dir is None:
        return np.zeros(shape, dtype=np.uint8)
    folder = os.fspath(memmap_dir)
    try:
        os.makedirs(folder, exist_ok=True)
        remove_abandoned(folder, "skdeepfake-faces-*.npy")
        prefix = f"skdeepfake-faces-{os.getpid()}-"
        handle, path = tempfile.mkstemp(dir=folder, prefix=prefix, suffix=".npy")
    except OSError as error:
        raise _memmap_error(folder, error) from error
    try:
        # Reserved, since a disk that fills up under a mapping kills the process.
        reserve = getattr(os, "posix_fallocate", None)
        if reserve is None:
            os.truncate(handle, math.prod(shape))
        else:
            reserve(handle, 0, math.prod(shape))
        faces = np.memmap(path, dtype=np.uint8, mode="r+", shape=shape)
    except OSError as error:
        os.unlink(path)
        raise _memmap_error(folder, error) from error
    finally:
        os.close(handle)
    weakref.finalize(faces, _unlink, path)
    return faces


def _unlink(path: str) -> None:
    # Windows keeps a file that another process still maps.
    with contextlib.suppress(OSError):
        os.unlink(path)


def _memmap_error(folder: str, error: OSError) -> OSError:
    return OSError(
        error.errno,
        f"memmap_dir={folder!r} cannot hold the faces: {error.strerror}; free space, "
        "or pass another folder",
    )


def _cells(X: ArrayLike) -> tuple[NDArray, tuple[int, ...]]:
    """Get the array of crops, and the shape of what is not the crops' own."""
    if not isinstance(X, np.ndarray):
        items: list[Any] = list(X)  # type: ignore[arg-type]
        videos = [list(item) for item in items if _is_video(item)]
        if videos and len(videos) == len(items):
            lengths = {len(video) for video in videos}
            if len(lengths) > 1:
                raise ValueError(
                    f"X has videos of {min(lengths)} to {max(lengths)} slots, but "
                    "Resizer takes videos of one length: None stands for a missing face"
                )
            X = np.stack([as_objects(video) for video in videos])
        else:
            X = as_objects(items)
    shape = X.shape if X.dtype == object else X.shape[:-3]
    if len(shape) not in (1, 2):
        raise ValueError(
            f"X has shape {X.shape}, but Resizer takes an object array of crops, of "
            "shape (n_videos, n_frames) or (n_images,), as DlibFaceCropper gives it"
        )
    if 0 in shape:
        raise ValueError(f"Found array with 0 sample(s) (shape={X.shape})")
    return X, shape


def _is_video(item: Any) -> bool:
    """Tell a row of crops from a crop."""
    is_row = isinstance(item, np.ndarray) and item.dtype.hasobject
    return is_row or isinstance(item, (list, tuple))


def _check_crop(crop: Any, cell: tuple[int, ...]) -> None:
    if not isinstance(crop, np.ndarray):
        found = type(crop).__name__
    elif crop.ndim != 3 or crop.shape[2] != 3 or 0 in crop.shape:
        found = f"an array of shape {crop.shape}"
    elif crop.dtype != np.uint8:
        found = f"an array of {crop.dtype}"
    else:
        return
    raise ValueError(
        f"X{list(cell)} is {found}, but Resizer takes RGB images of shape "
        "(height, width, 3) and dtype uint8, or None"
    )


def _resize(crop: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    shrinks = height * width < crop.shape[0] * crop.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(crop, (width, height), interpolation=method)  # type: ignore[return-value]
