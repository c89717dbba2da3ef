"""Scores of frames, and the share of frames with a face."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from skdeepfake.metrics import coverage, frame_scores

NAN = np.nan
# Two real and two fake videos; the last video has no face.
FAKE = np.array(
    [[0.1, NAN, 0.3], [NAN, 0.6, NAN], [0.7, 0.8, 0.2], [NAN, NAN, NAN]],
    dtype=np.float32,
)
BOTH = np.stack([1 - FAKE, FAKE], axis=-1)


def test_frames_with_a_face_are_samples_with_the_label_of_their_video():
    y_true, y_score, video = frame_scores([0, 0, 1, 1], FAKE)
    assert y_true.tolist() == [0, 0, 0, 1, 1, 1]
    assert y_score == pytest.approx([0.1, 0.3, 0.6, 0.7, 0.8, 0.2])
    assert video.tolist() == [0, 0, 1, 2, 2, 2]
    assert y_score.dtype == np.float64
    # 7 of the 9 pairs of a fake frame and a real frame are in the right order.
    assert roc_auc_score(y_true, y_score) == pytest.approx(7 / 9)


def test_second_of_two_probabilities_is_that_of_the_fakes():
    one, both = frame_scores([0, 0, 1, 1], FAKE), frame_scores([0, 0, 1, 1], BOTH)
    assert both.y_score == pytest.approx(one.y_score)
    assert both.video.tolist() == one.video.tolist()


def test_words_say_which_of_two_probabilities_is_meant():
    # Classes are sorted, so "fake" comes first.
    names = ["real", "real", "fake", "fake"]
    frames = frame_scores(names, BOTH[..., ::-1], pos_label="fake")
    assert frames.y_score == pytest.approx([0.1, 0.3, 0.6, 0.7, 0.8, 0.2])
    assert frames.y_true.tolist() == ["real"] * 3 + ["fake"] * 3
    with pytest.raises(ValueError, match=r"\['fake', 'real'\].*pos_label"):
        frame_scores(names, BOTH)


def test_one_probability_needs_no_name():
    frames = frame_scores(["real", "real", "fake", "fake"], FAKE)
    assert frames.y_true.tolist() == ["real"] * 3 + ["fake"] * 3
    assert len(frame_scores([1, 1, 1, 1], FAKE).y_true) == 6


def test_video_with_no_face_is_in_no_sample():
    frames = frame_scores([0, 1], np.full((2, 3), NAN))
    assert [len(part) for part in frames] == [0, 0, 0]


@pytest.mark.parametrize("proba", [FAKE, BOTH], ids=["one", "both"])
def test_coverage_counts_videos_and_frames(proba):
    assert coverage(proba) == (3 / 4, 6 / 12)
    assert coverage(proba[:3]) == (1, 6 / 9)
    assert coverage(proba[3:]) == (0, 0)
    found = coverage(proba)
    assert (found.videos, found.frames) == (0.75, 0.5)
    assert type(found.videos) is float


def one_of_two():
    broken = BOTH.copy()
    broken[0, 0, 1] = NAN
    return broken


@pytest.mark.parametrize(
    ("proba", "message"),
    [
        (FAKE[0], r"\(n_videos, n_frames\) or .* got \(3,\)"),
        (np.zeros((4, 3, 3)), r"\(n_videos, n_frames, 2\); got \(4, 3, 3\)"),
        (np.zeros((4, 0)), "0 feature|at least one frame"),
        (np.zeros((4, 0, 2)), "at least one frame"),
        (FAKE + 1, "frame_proba must contain probabilities .*; got 1.1"),
        (FAKE - 1, "frame_proba must .*; got -0.9"),
        (np.full((4, 3), np.inf), "frame_proba must .*; got inf"),
        (one_of_two(), "NaN for only one class"),
    ],
    ids=[
        *("flat", "three-classes", "no-frame", "no-frame-of-both"),
        *("above", "below", "infinite", "one-of-two"),
    ],
)
def test_what_are_no_probabilities_of_frames_is_refused(proba, message):
    with pytest.raises(ValueError, match=message):
        coverage(proba)
    with pytest.raises(ValueError, match=message):
        frame_scores([0, 0, 1, 1], proba)


def test_labels_are_one_a_video():
    with pytest.raises(ValueError, match=r"inconsistent.*\[6, 4\]"):
        frame_scores([0, 0, 0, 1, 1, 1], FAKE)
