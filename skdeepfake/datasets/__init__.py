"""Labelled videos: folders of them, and a synthetic set."""

from ._folders import load_videos
from ._synthetic import make_videos

__all__ = ["load_videos", "make_videos"]
