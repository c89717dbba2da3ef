"""Analyses agree with the pipeline and contain the evidence."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from datetime import datetime, timezone
from pathlib import Path

import cv2
import joblib
import numpy as np
import pytest
from sklearn.base import clone

from skdeepfake import (
    analyze_video,
    list_detectors,
    load_detector,
    persistence,
)
from skdeepfake.exceptions import VideoReadError
from skdeepfake.plotting import TimelineDisplay
from skdeepfake.streams import OpticalFlow


def test_values_are_those_of_the_pipeline(analysis, clip) -> None:
    detector = load_detector()
    clips = detector["sampler"].transform([clip])
    faces = detector[1:-1].transform(clips)
    scores = detector[-1].predict_frame_proba(faces)[0, :, 1]
    table = analysis.frames
    filled = clips[0].indices >= 0
    assert analysis.probability == detector.predict_proba([clip])[0, 1]
    np.testing.assert_array_equal(table.probability, scores[filled])
    np.testing.assert_array_equal(table.frame, clips[0].indices[filled])
    np.testing.assert_allclose(table.time, clips[0].timestamps[filled], atol=1e-4)
    assert (table.person == 1).all()
    assert analysis.coverage == 1.0
    assert analysis.path == clip
    found = analysis.people
    assert [(p["person"], p["frames"]) for p in found] == [(1, filled.sum())]
    assert found[0]["probability"] == analysis.probability


def test_boxes_are_those_of_the_faces(analysis, clip) -> None:
    detector = load_detector()
    detector.set_params(cropper__margin=0.0)
    crops = detector[:2].transform([clip])[0]
    table = analysis.frames
    for crop, row in zip(crops, table.itertuples(), strict=False):
        assert crop.shape[:2] == (row.bottom - row.top, row.right - row.left)
    assert table.left.between(0, 320).all()


def test_record_names_file_and_detector(analysis, clip) -> None:
    record, content = analysis.record, Path(clip).read_bytes()
    info = list_detectors()[0]
    assert record["file"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert record["file"]["size"] == len(content)
    assert record["file"]["name"] == os.path.basename(clip)
    assert record["container"] == {
        "duration": 1.0,
        "frame_rate": 15.0,
        "width": 320.0,
        "height": 240.0,
        "codec": "h264",
        "container": "mov,mp4,m4a,3gp,3g2,mj2",
    }
    assert record["detector"]["name"] == "reference"
    assert record["detector"]["file_sha256"] == info.sha256
    assert record["parameters"]["sampler"]["n_frames"] == 16
    assert record["parameters"]["cropper"]["margin"] == 0.3
    assert record["versions"]["numpy"] == np.__version__
    when = datetime.fromisoformat(record["analyzed_at"].replace("Z", "+00:00"))
    assert abs((datetime.now(timezone.utc) - when).total_seconds()) < 3600


@pytest.mark.parametrize(
    ("thresholds", "verdict"),
    [
        ((0.0, 0.0), "fake"),
        (1.0, "real"),
        ((0.0, 1.0), "uncertain"),
    ],
)
def test_verdict_follows_the_thresholds(clip, small, thresholds, verdict) -> None:
    found = analyze_video(clip, small, thresholds=thresholds, heatmaps=False)
    assert found.verdict == verdict
    limits = np.ravel(thresholds)
    assert (found.real_below, found.fake_above) == (limits[0], limits[-1])


def test_reference_detector_has_the_thresholds_of_its_card(analysis) -> None:
    info = list_detectors()[0]
    assert (analysis.real_below, analysis.fake_above) == (0.1, 0.5)
    assert analysis.verdict == info.verdict(analysis.probability)


def test_detector_of_ones_own_is_described_by_its_weights(
    clip, small, tmp_path
) -> None:
    found = analyze_video(clip, small)
    detector = found.record["detector"]
    assert (found.real_below, found.fake_above) == (0.5, 0.5)
    assert found.probability == small.predict_proba([clip])[0, 1]
    assert (detector["name"], detector["file_sha256"]) == ("CNNDetector", None)
    assert len(found.pictures.heatmaps) == 3  # by Grad-CAM
    for name in ("mine.skops", "mine.joblib"):
        path = tmp_path / name
        if name.endswith("skops"):
            persistence.save(small, path)
        else:
            joblib.dump(small, path)
        kept = analyze_video(clip, path, heatmaps=False)
        assert kept.probability == pytest.approx(found.probability, abs=1e-6)
        about = kept.record["detector"]
        assert about["name"] == name
        assert about["file_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert about["weights_sha256"] == detector["weights_sha256"]
        assert not kept.pictures.heatmaps


def test_reference_detector_is_known_by_its_weights(clip, analysis) -> None:
    detector = load_detector().set_params(sampler__n_frames=2)
    found = analyze_video(clip, detector, heatmaps=False)
    assert found.record["detector"] == analysis.record["detector"]
    assert found.fake_above == 0.5
    assert found.coverage == 1.0
    assert len(found.frames) == 2
    detector["detector"].weights_["stem_bn/beta"] += 1
    changed = analyze_video(clip, detector, heatmaps=False)
    assert changed.record["detector"]["name"] == "PretrainedDetector"
    assert changed.real_below == 0.5


def test_video_without_a_face_gets_no_probability(write_clip) -> None:
    path = write_clip([np.full((60, 80, 3), 90 + k, np.uint8) for k in range(3)])
    found = analyze_video(path)
    assert found.verdict == "no face"
    assert np.isnan(found.probability)
    assert found.coverage == 0.0
    assert found.people == []
    assert found.frames.shape == (3, 8)
    assert found.frames.person.tolist() == [0, 0, 0]
    assert found.frames[["left", "probability"]].isna().all(axis=None)


def test_picture_is_a_video_of_one_frame(clip, analysis, tmp_path) -> None:
    capture = cv2.VideoCapture(clip)
    _, frame = capture.read()
    path = tmp_path / "face.png"
    cv2.imwrite(str(path), frame)
    found = analyze_video(path)
    first = analysis.frames.iloc[0]
    assert found.notes == ["Only one frame was analyzed."]
    assert found.record["container"]["codec"] == "png"
    assert found.frames.time.tolist() == [0.0]
    boxes = ["left", "top", "right", "bottom"]
    np.testing.assert_allclose(found.frames[boxes].iloc[0], first[boxes], atol=12)
    assert found.probability == pytest.approx(first.probability, abs=0.1)


def test_people_are_told_apart(clip, write_clip, analysis) -> None:
    capture, frames = cv2.VideoCapture(clip), []
    while len(frames) < 4:
        frame = capture.read()[1][:, :, ::-1]
        frames.append(np.hstack([frame, frame[:, ::-1]]))
    path = write_clip(frames, "two.mp4", "-c:v", "libx264", "-crf", "10")
    detector = load_detector(max_faces=2).set_params(sampler__n_frames=3)
    found = analyze_video(path, detector)
    assert len(found.pictures.heatmaps) == 3
    table, people = found.frames, found.people
    assert table.person.tolist() == [1, 2] * 3
    halves = table.groupby("person").left.mean() < 320
    assert halves.nunique() == 2
    assert [p["frames"] for p in people] == [3, 3]
    assert found.probability == max(p["probability"] for p in people)
    by_mean = detector.set_params(detector__aggregation="logit_mean")
    other = analyze_video(path, by_mean, heatmaps=False)
    assert found.notes == []
    assert [p["probability"] for p in other.people] == pytest.approx(
        [p["probability"] for p in people]
    )
    low, high = sorted(p["probability"] for p in people)
    assert low <= other.probability <= high


def test_what_was_not_analyzed_is_noted(clip, small, write_clip) -> None:
    frames = [np.full((48, 64, 3), 5 * k, np.uint8) for k in range(30)]
    detector = clone(small).set_params(sampler__duration=1.0)
    detector.steps[-1] = small.steps[-1]
    found = analyze_video(write_clip(frames), detector)
    assert found.notes == ["Only the first 0.9 of 3.0 seconds were analyzed."]


def test_people_who_are_left_out_are_noted(clip, small, write_clip) -> None:
    frame = cv2.VideoCapture(clip).read()[1][:, :, ::-1]
    path = write_clip([np.hstack([frame, frame[:, ::-1]])] * 2, "two.mp4")
    found = analyze_video(path, small, heatmaps=False)
    assert found.notes == [
        "The video shows more people than were analyzed. Increase the detector's "
        "max_faces to analyze more people."
    ]


@pytest.mark.parametrize("thresholds", [(0.6, 0.4), (-0.1, 0.5), 1.5, (0.1, 0.2, 0.3)])
def test_impossible_thresholds_are_refused(clip, thresholds) -> None:
    with pytest.raises(ValueError, match="one or two increasing"):
        analyze_video(clip, thresholds=thresholds)


def test_what_is_no_trained_pipeline_is_refused(clip, tmp_path) -> None:
    with pytest.raises(ValueError, match="detector"):
        analyze_video(clip, 5)
    with pytest.raises(ValueError, match="is not a pipeline of skdeepfake"):
        analyze_video(clip, load_detector()[1:])
    with pytest.raises(ValueError, match=r"nowhere\.skops is not a file"):
        analyze_video(clip, "nowhere.skops")


def test_unreadable_file_is_an_error(tmp_path) -> None:
    path = tmp_path / "x.mp4"
    with pytest.raises(VideoReadError, match="cannot be found"):
        analyze_video(path)
    path.write_text("not a video")
    with pytest.raises(VideoReadError, match="is not a video"):
        analyze_video(path)


def test_file_that_changes_meanwhile_is_an_error(
    clip, tmp_path, small, monkeypatch
) -> None:
    path = tmp_path / "x.mp4"
    shutil.copy(clip, path)
    transform = type(small["sampler"]).transform

    def change_first(self, X):
        with path.open("ab") as file:
            file.write(b"more")
        return transform(self, X)

    monkeypatch.setattr(type(small["sampler"]), "transform", change_first)
    with pytest.raises(VideoReadError, match="was changed during the analysis"):
        analyze_video(path, small)


def test_regions_of_a_face_are_one_person(clip, small) -> None:
    regions = clone(small).set_params(
        cropper__region=("eyes", "mouth"), sampler__n_frames=2
    )
    analysis = analyze_video(clip, regions.fit([clip, clip], [0, 1]))
    assert [row["person"] for row in analysis.to_dict()["frames"]] == [1] * 4
    (person,) = analysis.people
    assert (person["person"], person["frames"]) == (1, 2)
    scores = analysis.frames.groupby("time").probability.mean()
    dots = re.findall(r'bottom:([\d.e-]+)%" title', analysis.to_html())
    np.testing.assert_allclose(np.array(dots, float) / 100, scores, atol=1e-3)
    for display in (
        analysis.plot(),
        TimelineDisplay.from_estimator(regions, clip),
    ):
        (curve,) = (x for x in display.ax_.lines if x.get_label() == "frame")
        np.testing.assert_allclose(curve.get_ydata(), scores, rtol=1e-5)


def test_motion_lies_in_the_frame_in_which_it_begins(clip, small) -> None:
    flow = clone(small)
    flow.steps.insert(3, ("flow", OpticalFlow(burst=3, channels="rgb")))
    flow.set_params(sampler__n_frames=2, sampler__burst=3)
    analysis = analyze_video(clip, flow.fit([clip, clip], [0, 1]))
    rows = analysis.to_dict()["frames"]
    numbers = [row["frame"] for row in rows]
    # The last frame of each burst has no next frame, and therefore no flow.
    assert np.diff(numbers).tolist()[::2] == [1, 1]
    seconds = [row["time"] for row in rows]
    np.testing.assert_allclose(np.diff(seconds)[::2], 1 / 15, atol=1e-3)
    assert all(row["box"] for row in rows)
