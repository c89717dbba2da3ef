"""Arrays stored in shards, which several processes can write."""

from __future__ import annotations

import copy
import functools
import json
import os
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from sklearn.utils import check_scalar

from . import __version__
from ._atomic import write_atomically, written
from ._parallel import map_videos
from ._stateless import as_objects
from ._video._checks import check_paths

_CONTENTS = "contents.json"

# Parameters that do not affect the result.
_RUNNING = {"cache_dir", "memmap_dir", "memory", "n_jobs", "steps", "verbose"}


class ShardedArray:
    """Array on disk with one row per video, read from memory-mapped shards.

    Each shard is a file with the rows of up to `shard_size` videos. Detectors read the
    array batch by batch in `fit` and `predict`, without loading it completely.
    Selecting rows returns a :class:`ShardedArray`, as needed for cross-validation.
    `np.asarray` loads the array into memory.

    Parameters
    ----------
    folder : str or os.PathLike
        Folder written by :func:`write_shards`.

    Attributes
    ----------
    dtype : numpy.dtype
        Data type of the elements.
    folder : pathlib.Path
        Absolute path of the folder.
    shard_size : int
        Number of videos per shard.

    Raises
    ------
    FileNotFoundError
        If some or all shards are missing.

    See Also
    --------
    write_shards : Write the shards.

    Examples
    --------
    >>> import os
    >>> import tempfile
    >>> import numpy as np
    >>> from skdeepfake.datasets import make_videos
    >>> from skdeepfake.preprocessing import (
    ...     ShardedArray, StatelessTransformer, write_shards
    ... )
    >>> class FileSize(StatelessTransformer):
    ...     def transform(self, X):
    ...         return np.array([[os.path.getsize(path)] for path in X])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = make_videos(folder, n_real=2, n_fake=1, duration=0.1).data
    ...     sizes = write_shards(FileSize(), paths, f"{folder}/sizes")
    ...     ShardedArray(f"{folder}/sizes")[1:].shape
    (2, 1)
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(os.path.abspath(folder))
        contents = self.folder / _CONTENTS
        if not contents.exists():
            raise FileNotFoundError(
                f"There are no shards in {str(folder)!r}. Use write_shards to write "
                "them."
            )
        about = json.loads(contents.read_text(encoding="utf-8"))
        self.shard_size = about["shard_size"]
        self._paths = as_objects([path for path, *_ in about["videos"]])
        self._rows = np.arange(len(self._paths))
        missing = _missing(self.folder, self.shard_size, self._paths)
        if missing:
            raise FileNotFoundError(
                f"{len(missing)} shards are missing in {str(folder)!r}, such as "
                f"{missing[0].file!r}. Call write_shards again to write them."
            )
        first = self._open(0)
        self._row_shape, self.dtype = first.shape[1:], first.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (n_videos, n_slots, ...) of the array."""
        return (len(self._rows), *self._row_shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def paths(self) -> NDArray[np.object_]:
        """Paths of the videos as an array of shape (n_videos,)."""
        return self._paths[self._rows]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({str(self.folder)!r}), "
            f"shape={self.shape}, dtype={self.dtype}"
        )

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        """Select rows, read one row, or read slots given by index arrays."""
        rows, *rest = index if isinstance(index, tuple) else (index,)
        rest = [axis for axis in rest if axis is not ...]
        if any(axis is None or isinstance(axis, slice) for axis in rest):
            raise IndexError(
                "A ShardedArray only supports integers and integer arrays as indices "
                "of axes after the first. To use slices, load the rows: "
                "np.asarray(X[rows])."
            )
        numbers = self._rows[rows]
        if numbers.ndim == 1 and not rest:
            selected = copy.copy(self)
            selected._rows = numbers
            return selected
        return self._read(*np.broadcast_arrays(numbers, *rest))

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        if copy is False:
            raise ValueError("Loading a ShardedArray makes a copy.")
        return self._read(self._rows).astype(dtype or self.dtype, copy=False)

    def _read(self, numbers: NDArray, *rest: NDArray) -> NDArray:
        found = np.empty((*numbers.shape, *self._row_shape[len(rest) :]), self.dtype)
        shards, places = np.divmod(numbers, self.shard_size)
        for shard in np.unique(shards):
            here = shards == shard
            at = (places[here], *(axis[here] for axis in rest))
            found[here] = self._open(shard)[at]
        return found

    def _open(self, shard: int) -> NDArray:
        # Do not keep it open, since each memory map uses a file descriptor.
        return np.load(_file(self.folder, shard), mmap_mode="r")


def write_shards(
    transformer: Any,
    X: ArrayLike,
    folder: str | os.PathLike[str],
    *,
    shard_size: int = 32,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> ShardedArray:
    """Transform videos and write the result to disk in shards.

    Each shard is a file with the rows of up to `shard_size` videos, and is computed in
    one task of joblib, Dask or Ray. The worker that computes a shard writes it
    atomically. After an interruption, call the function again with the same arguments
    to write the missing shards.

    Parameters
    ----------
    transformer : transformer
        Transformer that does not need fitting and converts paths of videos to an array
        of shape (n_videos, ...). An example is a pipeline of a sampler, a cropper, a
        :class:`~skdeepfake.preprocessing.Resizer` and optionally a featurizer.
    X : array-like of str or os.PathLike, shape (n_videos,)
        Paths of the videos.
    folder : str or os.PathLike
        Folder to write to. On a cluster, all machines must share this folder. Each
        shard is a ``.npy`` file, and ``contents.json`` lists the videos and the
        parameters.
    shard_size : int, default=32
        Number of videos per shard. If a worker dies, its whole shard is computed again.
        Videos that are already in the cache of the cropper (parameter `memory`) are not
        decoded again.
    n_jobs : int or None, default=None
        Number of shards computed in parallel. Threads are used by default. None means
        1, and -1 uses all cores.
    verbose : int, default=0
        If 1, show a progress bar.

    Returns
    -------
    ShardedArray
        Transformed videos.

    Raises
    ------
    ValueError
        If `folder` contains shards of other videos, other parameters or another version
        of skdeepfake, or if `transformer` does not return numbers.
    OSError
        If a video cannot be found or `folder` cannot be written to. Finished shards
        are kept.

    See Also
    --------
    skdeepfake.preprocessing.CropCache : Cache crops per video.

    Notes
    -----
    Existing shards are only reused if they were written for the same videos with the
    same parameters. Videos are compared by path, size and modification time. Parameters
    that are functions are compared by name, and networks by their `repr`.

    On a cluster, warnings, for example about videos without a face, are written to the
    logs of the workers.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.pipeline import make_pipeline
    >>> from skdeepfake.datasets import make_videos
    >>> from skdeepfake.preprocessing import (
    ...     DlibFaceCropper, Resizer, VideoFrameSampler, write_shards
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     videos = make_videos(
    ...         f"{folder}/videos", n_real=2, n_fake=1, duration=0.2, random_state=0
    ...     )
    ...     steps = make_pipeline(
    ...         VideoFrameSampler(n_frames=2), DlibFaceCropper(), Resizer((32, 32))
    ...     )
    ...     faces = write_shards(steps, videos.data, f"{folder}/faces", shard_size=2)
    ...     faces.shape
    (3, 2, 32, 32, 3)
    """
    check_scalar(shard_size, "shard_size", Integral, min_val=1)
    shard_size = int(shard_size)
    paths = [
        os.path.abspath(path) for path in check_paths(X, caller=write_shards.__name__)
    ]
    stats = map(os.stat, paths)
    about = {
        "skdeepfake": __version__,
        "shard_size": shard_size,
        **_parameters(transformer),
        "videos": [
            [path, found.st_size, found.st_mtime_ns]
            for path, found in zip(paths, stats, strict=True)
        ],
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    contents = folder / _CONTENTS
    if contents.exists():
        _check_same(json.loads(contents.read_text(encoding="utf-8")), about, folder)
    else:
        written(json.dumps(about), contents)
    done = map_videos(
        functools.partial(_write, transformer),
        _missing(folder, shard_size, paths),
        n_jobs=n_jobs,
        verbose=verbose,
        desc="writing shards",
        unit="shard",
    )
    for _ in done:
        pass
    return ShardedArray(folder)


class _Shard(NamedTuple):
    file: str
    paths: Any

    def __repr__(self) -> str:
        return repr(self.file)


def _file(folder: Path, number: int) -> str:
    return os.path.join(os.path.abspath(folder), f"{number:06d}.npy")


def _missing(folder: Path, shard_size: int, paths: Any) -> list[_Shard]:
    """List the shards that have not been written."""
    there = set(os.listdir(folder))
    shards = (
        _Shard(_file(folder, start // shard_size), paths[start : start + shard_size])
        for start in range(0, len(paths), shard_size)
    )
    return [s for s in shards if os.path.basename(s.file) not in there]


def _write(transformer: Any, shard: _Shard) -> None:
    if os.path.exists(shard.file):  # by a worker that died before it returned
        return
    # Nested tasks would transfer their results between processes.
    with joblib.parallel_config(backend="sequential"):
        rows = np.asarray(transformer.transform(shard.paths))
    if rows.dtype.hasobject or len(rows) != len(shard.paths):
        raise ValueError(
            f"The transformer returned an array of shape {rows.shape} and dtype "
            f"{rows.dtype} for {len(shard.paths)} videos. Expected one row of numbers "
            "per video. End the pipeline with a Resizer or a featurizer."
        )
    try:
        write_atomically(
            shard.file, lambda file: np.save(file, rows, allow_pickle=False)
        )
    except OSError as error:
        raise OSError(
            error.errno,
            f"The shard {shard.file!r} cannot be written: {error.strerror}. Finished "
            "shards are kept. Free space and call write_shards again.",
        ) from error


def _parameters(transformer: Any) -> dict[str, str]:
    """Return the parameters that affect the result, as text."""
    found = {"transformer": transformer, **transformer.get_params()}
    return {
        name: type(value).__name__
        if hasattr(value, "get_params")
        else getattr(value, "__qualname__", None) or repr(value)
        for name, value in found.items()
        if name.rpartition("__")[2] not in _RUNNING
    }


def _check_same(found: dict[str, Any], wanted: dict[str, Any], folder: Path) -> None:
    """Raise an error that names the first difference, if any."""
    advice = "Use another folder, or delete this one."
    for name in [*wanted, *found]:
        before, now = found.get(name), wanted.get(name)
        if before != now and name != "videos":
            raise ValueError(
                f"The shards in {str(folder)!r} were written with {name}={before}; got "
                f"{now}. {advice}"
            )
    if found["videos"] != wanted["videos"]:
        before, now = (
            {path: rest for path, *rest in each["videos"]} for each in (found, wanted)
        )
        other = next((p for p in [*now, *before] if before.get(p) != now.get(p)), None)
        reason = "the same videos are in another order"
        if other is not None:
            reason = f"{other!r} was added, removed or changed"
        raise ValueError(
            f"X differs from the videos of the shards in {str(folder)!r}: {reason}. "
            f"{advice}"
        )
