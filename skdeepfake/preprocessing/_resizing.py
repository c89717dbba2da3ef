"""Resizing of face crops to one dense array."""

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
from sklearn.utils._param_validation import StrOptions

from .._atomic import remove_abandoned
from .._parallel import map_videos
from .._stateless import StatelessTransformer, as_objects
from ._cache import StoredCrop

_METHODS = {
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "nearest": cv2.INTER_NEAREST,
}


@dataclass(repr=False, eq=False)
class Resizer(StatelessTransformer):
    """Resize face crops to one size and stack them.

    The aspect ratio is not preserved. Slots without a face are all zeros.

    Parameters
    ----------
    size : tuple of int, default=(224, 224)
        Height and width of the result in pixels. The default is from the paper by
        Volisetty, Sen and Savala (2023).
    interpolation : {"auto", "linear", "cubic", "area", "nearest"}, default="auto"
        Interpolation method. "auto" uses "area" to shrink crops and "cubic" to enlarge
        them. "linear" is the default of `cv2.resize` and the paper's method.
    memmap_dir : str, os.PathLike or None, default=None
        Folder for a memory-mapped result, for datasets larger than memory. For example,
        2000 videos with ten faces each take 3 GB. The file is deleted together with the
        array. None keeps the result in memory.
    n_jobs : int or None, default=None
        Number of videos resized in parallel. Threads are used unless
        `joblib.parallel_config` sets another backend. None means 1, and -1 uses all
        cores.

    See Also
    --------
    DlibFaceCropper : Previous step of a pipeline.

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
    interpolation: str = "auto"
    memmap_dir: str | os.PathLike[str] | None = None
    n_jobs: int | None = None

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "size": [tuple, list],
        "interpolation": [StrOptions({"auto", *_METHODS})],
        "memmap_dir": [str, os.PathLike, None],
        "n_jobs": [Integral, None],
    }

    def _validate_params(self) -> None:
        super()._validate_params()
        if len(self.size) != 2 or not all(
            isinstance(n, Integral) and n > 0 for n in self.size
        ):
            raise ValueError(
                "size must be (height, width), two positive integers; got "
                f"{self.size!r}."
            )

    def transform(self, X: ArrayLike) -> NDArray[np.uint8]:
        """Resize the crops.

        Parameters
        ----------
        X : ndarray of object, shape (n_videos, n_frames) or (n_images,)
            RGB crops, each of shape (height, width, 3) and dtype uint8. None in slots
            without a face. Lists of images, nested lists with one list per video, and
            arrays of shape (..., height, width, 3) are also accepted.

        Returns
        -------
        ndarray of uint8, shape (n_videos, n_frames, H, W, 3) or (n_images, H, W, 3)
            Resized crops, all zeros in slots without a face.

        Raises
        ------
        ValueError
            If a slot contains neither None nor an image, or if `size` is invalid.
        OSError
            If `memmap_dir` cannot be written to or its disk is full.
        """
        self._validate_params()
        height, width = self.size
        crops, shape = _cells(X)
        faces = _zeros((*shape, height, width, 3), self.memmap_dir)
        cells = [(position, crops[position]) for position in np.ndindex(shape)]
        n_slots = len(cells) // shape[0]
        videos = [cells[i : i + n_slots] for i in range(0, len(cells), n_slots)]
        resized = map_videos(
            functools.partial(
                _resize_video,
                height=height,
                width=width,
                interpolation=self.interpolation,
            ),
            videos,
            n_jobs=self.n_jobs,
            verbose=0,
            desc="resizing",
        )
        for i, video in enumerate(resized):
            faces[i] = video.reshape(faces[i].shape)
        return faces


# Position of a crop in X, and the crop.
Cell = tuple[tuple[int, ...], Any]


def _resize_video(
    cells: list[Cell], *, height: int, width: int, interpolation: str
) -> NDArray[np.uint8]:
    faces = np.zeros((len(cells), height, width, 3), dtype=np.uint8)
    for face, (position, crop) in zip(faces, cells, strict=True):
        if isinstance(crop, StoredCrop):
            crop = np.asarray(crop)
        if crop is not None:
            _check_crop(crop, position)
            face[:] = _resize(crop, height, width, interpolation)
    return faces


def _zeros(
    shape: tuple[int, ...], memmap_dir: str | os.PathLike[str] | None
) -> NDArray[np.uint8]:
    """Allocate the result, in memory or on disk."""
    if memmap_dir is None:
        return np.zeros(shape, dtype=np.uint8)
    folder = os.fspath(memmap_dir)
    try:
        os.makedirs(folder, exist_ok=True)
        remove_abandoned(folder, "skdeepfake-faces-*.npy")
        prefix = f"skdeepfake-faces-{os.getpid()}-"
        handle, path = tempfile.mkstemp(dir=folder, prefix=prefix, suffix=".npy")
        try:
            if hasattr(os, "posix_fallocate"):
                # Reserve space, since writing to a mapping kills the process if the
                # disk is full.
                os.posix_fallocate(handle, 0, math.prod(shape))
            else:
                os.truncate(handle, math.prod(shape))
            faces = np.memmap(path, dtype=np.uint8, mode="r+", shape=shape)
        except OSError:
            os.unlink(path)
            raise
        finally:
            os.close(handle)
    except OSError as error:
        raise OSError(
            error.errno,
            f"memmap_dir={folder!r} cannot store the faces: {error.strerror}. Free "
            "disk space or pass another folder.",
        ) from error
    weakref.finalize(faces, _unlink, path)
    return faces


def _unlink(path: str) -> None:
    # Windows cannot delete a file that another process has mapped.
    with contextlib.suppress(OSError):
        os.unlink(path)


def _cells(X: ArrayLike) -> tuple[NDArray, tuple[int, ...]]:
    """Return the array of crops, and its shape without the image axes."""
    if not isinstance(X, np.ndarray):
        items: list[Any] = list(X)  # type: ignore[arg-type]
        videos = [list(item) for item in items if _is_video(item)]
        if videos and len(videos) == len(items):
            lengths = {len(video) for video in videos}
            if len(lengths) > 1:
                raise ValueError(
                    "Resizer expects the same number of slots for all videos; X has "
                    f"videos of {min(lengths)} to {max(lengths)} slots. Use None for "
                    "missing faces."
                )
            X = np.stack([as_objects(video) for video in videos])
        else:
            X = as_objects(items)
    shape = X.shape if X.dtype == object else X.shape[:-3]
    if len(shape) not in (1, 2):
        raise ValueError(
            "Resizer expects an object array of crops, of shape (n_videos, n_frames) "
            f"or (n_images,), as returned by DlibFaceCropper; X has shape {X.shape}."
        )
    if 0 in shape:
        raise ValueError(f"Found array with 0 sample(s) (shape={X.shape})")
    return X, shape


def _is_video(item: Any) -> bool:
    """Return whether an item is a row of crops rather than a single crop."""
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
        f"X{list(cell)} is {found}; expected None or an RGB image of shape "
        "(height, width, 3) and dtype uint8."
    )


def _resize(
    crop: NDArray[np.uint8], height: int, width: int, interpolation: str
) -> NDArray[np.uint8]:
    if interpolation == "auto":
        shrinks = height * width < crop.shape[0] * crop.shape[1]
        interpolation = "area" if shrinks else "cubic"
    method = _METHODS[interpolation]
    return cv2.resize(crop, (width, height), interpolation=method)  # type: ignore[return-value]
