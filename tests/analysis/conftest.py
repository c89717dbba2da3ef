"""Fixtures: an analyzed clip and a small detector."""

from __future__ import annotations

import pytest
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from skdeepfake import analyze_video, make_detector_pipeline
from skdeepfake.analysis import VideoAnalysis


@pytest.fixture(scope="session")
def clip(rendered_videos: Bunch) -> str:
    return rendered_videos.data[0]


@pytest.fixture(scope="session")
def analysis(clip: str) -> VideoAnalysis:
    return analyze_video(clip)


@pytest.fixture(scope="session")
def small(rendered_videos: Bunch) -> Pipeline:
    """Return a small detector trained for one epoch."""
    pipeline = make_detector_pipeline(
        "cnn",
        n_frames=3,
        size=(24, 24),
        filters=(4,),
        dense_units=4,
        epochs=1,
        validation_fraction=None,
        random_state=0,
    )
    chosen = [0, 1, 6, 7]
    return pipeline.fit(rendered_videos.data[chosen], rendered_videos.target[chosen])
