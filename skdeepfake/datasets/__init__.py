"""Load labeled videos from public datasets or folders, or render synthetic ones."""

from ._combining import combine_datasets
from ._dfdc import load_dfdc
from ._folders import (
    group_by_name,
    load_named_videos,
    load_paper_folders,
    load_videos,
)
from ._published import (
    load_celeb_df,
    load_deeperforensics,
    load_dfd,
    load_faceforensics,
)
from ._synthetic import make_videos

__all__ = [
    "combine_datasets",
    "group_by_name",
    "load_celeb_df",
    "load_deeperforensics",
    "load_dfd",
    "load_dfdc",
    "load_faceforensics",
    "load_named_videos",
    "load_paper_folders",
    "load_videos",
    "make_videos",
]
