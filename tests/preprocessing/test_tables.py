"""Tables of paths from scikit-learn and pandas are accepted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from skdeepfake import (
    Resizer,
    VideoFrameSampler,
    VideoTranscoder,
    make_detector_pipeline,
)
from skdeepfake.evaluation import evaluate
from skdeepfake.preprocessing import DlibFaceCropper


@pytest.fixture
def table(rendered_videos) -> pd.DataFrame:
    chosen = [0, 1, 6, 7]
    return pd.DataFrame(
        {
            "path": rendered_videos.data[chosen],
            "codec": ["h264", "vp9", "h264", "h264"],
            "length": [1.0, 2.0, 3.0, 4.0],
            "target": rendered_videos.target[chosen],
        }
    )


@pytest.mark.parametrize("kind", ["frame", "array", "objects", "series"])
def test_a_column_of_paths_is_sampled_like_a_list(table, kind) -> None:
    X = {
        "frame": table[["path"]],
        "array": np.array(table[["path"]], dtype=str),
        "objects": table[["path"]].to_numpy(dtype=object),
        "series": table["path"],
    }[kind]
    clips = VideoFrameSampler(2).fit_transform(X)
    assert [clip.path for clip in clips] == table["path"].tolist()


def test_transcoder_takes_a_table(table, tmp_path) -> None:
    X = table[["path"]].iloc[:1]
    (path,) = VideoTranscoder(tmp_path, duration=0.2).fit_transform(X)
    assert str(path).startswith(str(tmp_path))


@pytest.mark.parametrize("columns", [["path", "codec"], ["length"]])
def test_other_tables_are_refused(table, columns) -> None:
    with pytest.raises((ValueError, TypeError), match="paths"):
        VideoFrameSampler(2).fit_transform(table[columns])


def test_videos_stand_beside_metadata_in_a_column_transformer(table) -> None:
    colors = make_pipeline(
        VideoFrameSampler(2),
        DlibFaceCropper(),
        Resizer((8, 8)),
        FunctionTransformer(lambda faces: faces.mean(axis=(1, 2, 3))),
    )
    columns = ColumnTransformer(
        [
            ("video", colors, ["path"]),
            ("metadata", OneHotEncoder(handle_unknown="ignore"), ["codec"]),
            ("length", "passthrough", ["length"]),
        ]
    )
    found = columns.fit_transform(table)
    expected = colors.fit_transform(table["path"].tolist())
    np.testing.assert_array_equal(found[:, :3], expected)
    assert found[:, 3:].tolist() == [[1, 0, 1], [0, 1, 2], [1, 0, 3], [1, 0, 4]]
    model = make_pipeline(columns, LogisticRegression())
    proba = cross_val_predict(
        model, table, table["target"], cv=2, method="predict_proba"
    )
    assert proba.shape == (4, 2)


def test_tables_are_evaluated_with_their_paths(table) -> None:
    X, y = table[["path"]], table["target"]
    small_detector = make_detector_pipeline(
        "cnn",
        n_frames=2,
        size=(24, 24),
        filters=(4,),
        dense_units=4,
        epochs=1,
        validation_fraction=None,
        random_state=0,
    )
    small_detector.fit(X, y)
    report = evaluate(small_detector, X, y, n_resamples=0)
    expected = evaluate(small_detector, X["path"].tolist(), y, n_resamples=0)
    assert report.to_dict() == expected.to_dict()
    assert "000" in str(report.to_dict())
