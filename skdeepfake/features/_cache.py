"""A cache of features on disk, keyed by the faces and by the network."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Hashable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .._cache import ArchiveCache

_MEMBER = "features.npy"


class FeatureCache(ArchiveCache):
    """The cache that ``KerasFeaturizer(memory=...)`` keeps.

    Each video has one zip archive with the features of its faces as a `.npy`, before
    any pooling. An entry is found by the faces, the content of the network and the
    parameters that change features. Several processes and machines may share a cache.

    Parameters
    ----------
    memory : str, os.PathLike or joblib.Memory
        Where the cache lives, in a folder `skdeepfake-features` of its own.

    See Also
    --------
    KerasFeaturizer : Keeps it.
    skdeepfake.preprocessing.CropCache : The same for crops.

    Examples
    --------
    >>> import tempfile
    >>> from skdeepfake.features import FeatureCache
    >>> cache = FeatureCache(tempfile.mkdtemp())
    >>> len(cache), cache.nbytes
    (0, 0)
    >>> cache.prune(max_bytes=10**9)
    0
    """

    _folder = "skdeepfake-features"
    _format = 1

    @staticmethod
    def _parse(archive: zipfile.ZipFile, path: Path) -> NDArray:
        return np.load(io.BytesIO(archive.read(_MEMBER)), allow_pickle=False)

    def _store(self, key: Hashable, features: NDArray) -> None:
        """Write the features of the faces of a video."""
        content = io.BytesIO()
        np.save(content, features, allow_pickle=False)
        about = json.dumps({"key": repr(key)}).encode()
        self._write(key, {"about.json": about, _MEMBER: content.getvalue()})
