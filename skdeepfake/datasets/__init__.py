"""Labelled videos: the field's public data sets, plain folders, and a synthetic set."""

from ._celeb_df import load_celeb_df
from ._combining import combine_datasets
from ._deeperforensics import load_deeperforensics
from ._dfdc import load_dfdc
from ._faceforensics import load_dfd, load_faceforensics
from ._folders import load_videos
from ._named import load_named_videos
from ._paper import load_paper_folders
from ._synthetic import make_videos

__all__ = [
    "combine_datasets",
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
