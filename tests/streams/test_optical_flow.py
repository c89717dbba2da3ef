"""The flow equals the known motion in each slot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from streams.conftest import moved

from skdeepfake._predictions import run_pipeline
from skdeepfake.detectors import CNNDetector
from skdeepfake.features import FrameFeatureUnion
from skdeepfake.preprocessing import DlibFaceCropper, Resizer, VideoFrameSampler
from skdeepfake.streams import OpticalFlow


def error(flow: np.ndarray, shift: np.ndarray) -> float:
    """Return the mean distance from a shift, in pixels."""
    return float(np.linalg.norm(flow.astype(float) - shift, axis=-1).mean())


@pytest.mark.parametrize("length", [0.25, 0.5, 1, 2, 4, 6])
def test_flow_is_the_known_shift(texture: np.ndarray, length: float) -> None:
    shift = length * np.array([0.6, -0.8])
    faces = moved(texture, [(0, 0), shift], 224)
    flow = OpticalFlow().transform(faces[np.newaxis])
    assert (flow.shape, flow.dtype) == ((1, 1, 224, 224, 2), np.float16)
    assert error(flow, shift) < 0.1


def test_slots_are_moments_then_motions_then_people(texture: np.ndarray) -> None:
    # Two videos with two bursts of three frames and two people, with different motions.
    steps = np.arange(2 * 2 * 2 * 2).reshape(2, 2, 2, 2) % 5 - 2
    x = np.concatenate([np.zeros((2, 2, 1, 2)), steps.cumsum(axis=2)], axis=2)
    shifts = np.stack([x, np.zeros_like(x)], axis=-1).reshape(-1, 2)
    faces = moved(texture, shifts, 48).reshape(2, 12, 48, 48, 3)
    flow = OpticalFlow(burst=3, max_faces=2).transform(faces)
    assert flow.shape == (2, 8, 48, 48, 2)
    found = np.median(flow[..., 0], axis=(2, 3))
    np.testing.assert_allclose(found, steps.reshape(2, 8), atol=0.1)


def test_empty_neighbors_give_zeros_and_no_motion_gives_none(
    texture: np.ndarray,
) -> None:
    faces = moved(texture, [(0, 0)] * 5, 32)[np.newaxis]
    faces[0, 3] = 0
    flow = OpticalFlow().transform(faces)
    assert not flow[0, 2:].any()
    # Nothing moves, but the slot is not all zeros.
    assert 0 < flow[0, :2].max() < 1e-4
    assert flow[0, :2].all()


def test_colors_tell_direction_and_length(texture: np.ndarray) -> None:
    shifts = [(0, 0), (4, 0), (4, 0), (2, 0), (2, 4)]
    faces = moved(texture, shifts, 64)[np.newaxis]
    faces = np.concatenate([faces, np.zeros_like(faces[:, :1])], axis=1)
    flow = OpticalFlow(channels="rgb", scale=4).transform(faces)
    assert (flow.shape, flow.dtype) == ((1, 5, 64, 64, 3), np.uint8)
    colors = np.median(flow[0], axis=(1, 2))
    np.testing.assert_allclose(colors[0], [255, 0, 0], atol=8)  # right: red
    assert colors[1].tolist() == [255, 255, 255]  # no motion: white
    # Half as far to the left: cyan, half as saturated. Down: a quarter turn of the hue.
    np.testing.assert_allclose(colors[2], [128, 255, 255], atol=8)
    np.testing.assert_allclose(colors[3], [128, 255, 0], atol=8)
    assert not flow[0, 4].any()


def test_flow_feeds_a_detector_and_a_union(texture: np.ndarray) -> None:
    faces = np.stack([moved(texture, [(0, 0), (k, 0), (k, k)], 32) for k in range(6)])
    flow = OpticalFlow().transform(faces)
    union = FrameFeatureUnion([("flow", OpticalFlow()), ("same", OpticalFlow())])
    both = union.fit_transform(faces)
    np.testing.assert_array_equal(both, np.concatenate([flow, flow], axis=-1))
    detector = CNNDetector(
        filters=(2,), dense_units=2, epochs=1, rescale=1.0, random_state=0
    )
    model = make_pipeline(union, detector).fit(faces, [0, 1] * 3)
    assert model.predict_proba(faces).shape == (6, 2)


PARTS = {
    "xy": OpticalFlow(burst=4),
    "rgb": OpticalFlow(burst=4, channels="rgb"),
    "union": FrameFeatureUnion(
        [("face", "passthrough"), ("flow", make_pipeline(OpticalFlow(burst=4)))]
    ),
}


@pytest.mark.parametrize("part", PARTS)
def test_times_and_crops_are_those_at_which_motions_begin(
    write_clip: Any, texture: np.ndarray, part: str
) -> None:
    frames = moved(texture, [(k, 0) for k in range(8)], 64)
    steps = [
        VideoFrameSampler(2, None, burst=4),
        DlibFaceCropper(region="frame"),
        Resizer((32, 32)),
        PARTS[part],
    ]
    pipeline = make_pipeline(*steps, CNNDetector())
    run = run_pipeline(pipeline, [write_clip(frames)])
    times = run.clips[0].timestamps
    assert run.n_people == 1
    assert run.timestamps[0].tolist() == times[[0, 1, 2, 4, 5, 6]].tolist()
    assert (run.features.shape[1], run.has_face.shape[1]) == (6, 6)
    assert (run.images.shape[1], run.crops.shape[1]) == (6, 6)
    crops = list(run.clips[0])
    np.testing.assert_array_equal(run.crops[0, 3], crops[4])


def test_union_keeps_the_slots_of_faces_with_a_motion(texture: np.ndarray) -> None:
    faces = moved(texture, [(k, 0) for k in range(8)], 16)[np.newaxis]
    union, flow = PARTS["union"], OpticalFlow(burst=4)
    found = union.fit_transform(faces)
    np.testing.assert_array_equal(found[..., :3], faces[:, [0, 1, 2, 4, 5, 6]])
    np.testing.assert_array_equal(found[..., 3:], flow.transform(faces))
    assert union.select_slots(np.arange(8)).tolist() == [0, 1, 2, 4, 5, 6]
    assert not hasattr(FrameFeatureUnion([("face", "passthrough")]), "select_slots")
    other = FrameFeatureUnion([("flow", flow), ("all", OpticalFlow())])
    with pytest.raises(ValueError, match=r"\(1, 6, 16, 16, 2\).*\(1, 7, 16, 16, 2\)"):
        other.fit_transform(faces)


@pytest.mark.parametrize(
    ("params", "shape", "message"),
    [
        ({"burst": 2}, (1, 3, 16, 16, 3), "3 slots, .* bursts of 2 frames"),
        ({"max_faces": 4}, (1, 3, 16, 16, 3), r"1 frames with 4 faces per frame\. Set"),
        ({"burst": 1}, (1, 3, 16, 16, 3), "bursts of 1 frames of 16 x 16 pixels"),
        ({}, (1, 3, 16, 8, 3), "needs at least 2 frames of 12 x 12 pixels"),
        ({}, (3, 16, 16, 3), r"OpticalFlow expects faces.*shape \(3, 16, 16, 3\)"),
        ({"scale": 0}, (1, 3, 16, 16, 3), "'scale' parameter of OpticalFlow"),
    ],
)
def test_what_cannot_be_a_burst_is_refused(
    params: dict, shape: tuple, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        OpticalFlow(**params).transform(np.ones(shape, np.uint8))


def test_floats_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expects faces of dtype .* dtype float64"):
        OpticalFlow().transform(np.ones((1, 2, 16, 16, 3)))
