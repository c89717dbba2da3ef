"""Frame sampling, face cropping and resizing, from video paths to face arrays."""

from .._shards import ShardedArray, write_shards
from .._stateless import StatelessTransformer
from ._cache import CropCache, StoredCrop
from ._clip import Clip, check_clips
from ._cropping import DlibFaceCropper, YuNetFaceCropper
from ._resizing import Resizer
from ._sampling import VideoFrameSampler
from ._transcoding import VideoTranscoder

__all__ = [
    "Clip",
    "CropCache",
    "DlibFaceCropper",
    "Resizer",
    "ShardedArray",
    "StatelessTransformer",
    "StoredCrop",
    "VideoFrameSampler",
    "VideoTranscoder",
    "YuNetFaceCropper",
    "check_clips",
    "write_shards",
]
