"""A face is replaced by that of another sample, with the colors of the target."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from skdeepfake.synthesis import FaceSwapper, RandomBlender, SelfBlender

MARGIN = 0.5
WHOLE = {"margin": MARGIN, "shapes": ("whole",), "ratios": (1,), "detail": 0}
EXACT = {**WHOLE, "movement": 0, "color": 0, "cloning": 0}


def texture(seed, side=96):
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(60, 190, (side // 4, side // 4, 3)).astype(np.float32)
    return np.rint(cv2.resize(coarse, (side, side))).astype(np.uint8)


def likeness(image, other, inside):
    """Return the correlation of two images inside a mask."""
    parts = [each[inside].astype(float).ravel() for each in (image, other)]
    return np.corrcoef(*parts)[0, 1]


@pytest.fixture(scope="module")
def faces():
    return np.stack([texture(0), texture(1)])


@pytest.mark.parametrize("cloning", [0, 1])
def test_the_face_is_that_of_the_other_sample(faces, cloning):
    swapper = FaceSwapper(**{**EXACT, "cloning": cloning})
    fakes, masks = swapper.blend(faces, 0, return_mask=True)
    for fake, target, source, mask in zip(
        fakes, faces, faces[::-1], masks, strict=True
    ):
        np.testing.assert_array_equal(fake[mask == 0], target[mask == 0])
        assert likeness(fake, source, mask == 1) > 0.85
        assert likeness(fake, target, mask == 1) < 0.5


def test_colors_are_matched_to_the_target():
    dark, bright = texture(0) // 3, 120 + texture(1) // 2
    fakes, masks = FaceSwapper(**EXACT).blend(
        np.stack([dark, bright]), 0, return_mask=True
    )
    inside = masks[0] == 1
    means = [image[inside].mean() for image in (dark, fakes[0], bright)]
    assert means[0] - 5 < means[1] < (means[0] + means[2]) / 2


def test_a_face_alone_is_blended_with_itself(faces):
    fake, mask = FaceSwapper(**EXACT).blend(faces[0], 0, return_mask=True)
    assert mask.max() == 1
    np.testing.assert_array_equal(fake, faces[0])
    videos = np.stack([faces, np.zeros_like(faces)])  # the others have no face
    fakes = FaceSwapper(**EXACT).blend(videos, 0)
    np.testing.assert_array_equal(fakes, videos)


def test_the_source_is_the_most_similar_of_the_candidates(monkeypatch, faces):
    faces = np.stack([*faces, texture(2)])
    points = [np.random.default_rng(k).uniform(20, 70, (68, 2)) for k in range(3)]
    points[2] = points[0] * 0.9 + 4  # the same proportions
    places = {face.tobytes(): each for face, each in zip(faces, points, strict=True)}
    monkeypatch.setattr(
        "skdeepfake.synthesis._self_blending.find_points",
        lambda image, box, path: places[image.tobytes()].astype(np.float32),
    )
    chosen = []
    monkeypatch.setattr(
        "skdeepfake.synthesis._swapping._match_colors",
        lambda aligned, image, *_: chosen.append((aligned, image)) or aligned,
    )
    FaceSwapper(landmarks="model.dat", **EXACT).blend(faces, 0)
    to_target = np.array([[1 / 0.9, 0, -4 / 0.9], [0, 1 / 0.9, -4 / 0.9]])
    expected = cv2.warpAffine(
        faces[2], to_target, (96, 96), borderMode=cv2.BORDER_REFLECT_101
    )
    aligned, image = chosen[0]
    np.testing.assert_array_equal(image, faces[0])
    assert np.abs(aligned.astype(int) - expected).max() <= 2


def test_the_same_seed_gives_the_same_fakes(faces):
    swapper = FaceSwapper(margin=MARGIN)
    np.testing.assert_array_equal(swapper.blend(faces, 3), swapper.blend(faces, 3))
    assert (swapper.blend(faces, 3) != swapper.blend(faces, 4)).any()


def test_wrong_parameters_are_refused(faces):
    with pytest.raises(ValueError, match="'cloning' parameter"):
        FaceSwapper(cloning=2).blend(faces)
    with pytest.raises(TypeError, match="altered"):
        FaceSwapper(altered="target")


# -- RandomBlender ---------------------------------------------------------------


IDENTITY = SelfBlender(color=0, detail=0, movement=0)


def test_kinds_are_drawn_by_their_weights(faces):
    many = np.concatenate([faces] * 20)
    blender = RandomBlender([IDENTITY, SelfBlender(ratios=(1,))], weights=[1, 3])
    targets, fakes = blender.blend_pairs(many, 0)
    np.testing.assert_array_equal(targets, many)
    changed = (fakes != many).any(axis=(1, 2, 3))
    assert 24 <= changed.sum() <= 36  # three quarters of 40 are 30
    assert blender.altered == "source"


def test_a_weight_of_zero_is_never_drawn(faces):
    blender = RandomBlender([IDENTITY, FaceSwapper()], weights=[1, 0])
    np.testing.assert_array_equal(blender.blend_pairs(faces, 0)[1], faces)


def test_a_swapper_has_all_faces_to_choose_from(faces):
    blender = RandomBlender([IDENTITY, FaceSwapper(**EXACT)])
    for seed in range(9):
        fakes = blender.blend_pairs(faces, seed)[1]
        changed = (fakes != faces).any(axis=(1, 2, 3))
        if changed.sum() == 1:
            break
    expected = FaceSwapper(**EXACT).blend(faces, 0)[changed]
    inside = np.abs(expected.astype(int) - faces[changed]).max(axis=(0, 3)) > 20
    assert likeness(fakes[changed][0], expected[0], inside) > 0.9


def test_targets_are_altered_where_a_blender_alters_them(faces):
    blender = RandomBlender([SelfBlender(altered="either"), FaceSwapper()])
    assert blender.altered == "either"
    targets, _ = blender.blend_pairs(np.concatenate([faces] * 8), 0)
    changed = (targets != np.concatenate([faces] * 8)).any(axis=(1, 2, 3))
    assert 0 < changed.sum() < 16


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1], "one number for each of the 2 blenders"),
        ([0, 0], "not all 0"),
        ([-1, 2], "non-negative"),
        ([np.nan, 1], "finite"),
    ],
)
def test_wrong_weights_are_refused(faces, weights, message):
    blender = RandomBlender([SelfBlender(), FaceSwapper()], weights=weights)
    with pytest.raises(ValueError, match=message):
        blender.blend_pairs(faces)


def test_no_blender_is_refused(faces):
    with pytest.raises(ValueError, match="at least one"):
        RandomBlender([]).blend_pairs(faces)
