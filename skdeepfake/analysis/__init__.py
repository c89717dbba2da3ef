"""Analyze single videos: verdict, evidence and HTML page."""

from ._analysis import VideoAnalysis, json_schema
from ._analyze import analyze_video, analyze_videos
from ._collection import VideoAnalyses

__all__ = [
    "VideoAnalyses",
    "VideoAnalysis",
    "analyze_video",
    "analyze_videos",
    "json_schema",
]
