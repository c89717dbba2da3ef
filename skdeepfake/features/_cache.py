"""Cache of features on disk."""

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
    """Cache of features on disk, used by ``KerasFeaturizer(memory=...)``.

    Each entry contains the unpooled features of one video, as a `.npy` file in a zip
    archive. The key of an entry depends on the faces, on the network and its weights,
    and on the parameters that affect unpooled features. Several processes and machines
    may share a cache.

    Parameters
    ----------
    memory : str, os.PathLike or joblib.Memory
        Folder of the cache. Features are stored in its subfolder
        `skdeepfake-features`.

    See Also
    --------
    KerasFeaturizer : Uses the cache.
    skdeepfake.preprocessing.CropCache : Cache of crops.

    Examples
    --------
    >>> import tempfile
    >>> import keras
    >>> import numpy as np
    >>> from skdeepfake.features import FeatureCache, KerasFeaturizer
    >>> folder = tempfile.mkdtemp()
    >>> mean_color = keras.Sequential([keras.layers.GlobalAveragePooling2D()])
    >>> mean_color.build((None, 8, 8, 3))
    >>> featurizer = KerasFeaturizer(mean_color, memory=folder)
    >>> videos = np.arange(1, 4 * 8 * 8 * 3 + 1).reshape(2, 2, 8, 8, 3) % 255
    >>> features = featurizer.fit_transform(videos.astype(np.uint8))
    >>> cache = FeatureCache(folder)
    >>> len(cache)
    2
    >>> cache.prune()  # the number of deleted entries
    2
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
