from __future__ import annotations

import pickle
import re

import cv2
import dlib
import joblib
import numpy as np
import pytest
from sklearn.base import clone

from skdeepfake.synthesis import SelfBlender, _self_blending

# Crops of 96 pixels contain a face of 48 pixels: the box is from 24 to 72.
MARGIN, BOX = 0.5, slice(24, 72)


def noise(side=96, seed=0):
    """Draw smooth noise with values from 80 to 170."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(80, 170, (side // 2, side // 2, 3)).astype(np.float32)
    return np.rint(cv2.resize(coarse, (side, side))).astype(np.uint8)


def flat(*color, side=96):
    return np.full((side, side, 3), color, np.uint8)


@pytest.fixture(scope="module")
def face():
    face = noise()
    face.flags.writeable = False
    return face


def blends(face, n=12, **params):
    """Return the fakes and masks of the first `n` seeds."""
    blender = SelfBlender(**{"margin": MARGIN, **params})
    return [blender.blend(face, seed, return_mask=True) for seed in range(n)]


def extent(mask):
    """Return the first and last row of the core of a mask, in units of the box."""
    rows = np.flatnonzero((mask > mask.max() / 2).any(axis=1))
    return (rows[[0, -1]] - BOX.start) / 48


def detail(image, mask):
    """Return the amount of fine detail where the mask is 1."""
    gray = image.astype(np.float32).mean(axis=2)
    return cv2.Laplacian(gray, cv2.CV_32F)[mask == 1].std()


# -- masks -----------------------------------------------------------------------


def test_nothing_changes_outside_of_the_mask(face):
    for fake, mask in blends(face):
        assert fake.dtype == np.uint8
        assert fake.shape == face.shape
        assert mask.dtype == np.float32
        assert 0.3 < (mask == 0).mean() < 1
        np.testing.assert_array_equal(fake[mask == 0], face[mask == 0])
        assert (fake[mask > 0.2] != face[mask > 0.2]).mean() > 0.5


def test_the_fake_goes_over_into_the_background_as_the_mask_does():
    for fake, mask in blends(flat(120, 120, 120), ratios=(1,)):
        color = fake[mask == 1].astype(float)
        assert (color == color[0]).all()
        expected = 120 + mask[..., None] * (color[0] - 120)
        assert np.abs(fake - expected).max() < 0.51
        # The mask is soft over more than one pixel of its edge.
        assert ((mask > 0) & (mask < 1)).sum() > 2 * 48


@pytest.mark.parametrize("ratio", [0.25, 1.0])
def test_a_mask_goes_up_to_the_blending_ratio(face, ratio):
    for _, mask in blends(face, 4, ratios=(ratio,)):
        assert mask.max() == pytest.approx(ratio, abs=1e-6)


def test_ratios_are_drawn_as_often_as_they_are_given(face):
    highest = [round(float(mask.max()), 3) for _, mask in blends(face, 24)]
    assert set(highest) == {0.25, 0.5, 0.75, 1.0}
    assert highest.count(1.0) > 6


@pytest.mark.parametrize(
    ("shape", "top", "bottom"),
    [
        ("whole", (-0.15, 0.05), (0.9, 1.1)),
        ("without_forehead", (0.15, 0.35), (0.9, 1.1)),
        ("inner", (0.15, 0.35), (0.75, 0.9)),
        ("lower", (0.45, 0.75), (0.9, 1.1)),
    ],
)
def test_a_shape_is_a_part_of_the_face(face, shape, top, bottom):
    for _, mask in blends(face, 6, shapes=(shape,), movement=0):
        first, last = extent(mask)
        assert top[0] < first < top[1]
        assert bottom[0] < last < bottom[1]


def test_shapes_are_drawn_and_none_comes_twice(face):
    masks = [mask for _, mask in blends(face, ratios=(1,), movement=0)]
    assert np.ptp([extent(mask)[0] for mask in masks]) > 0.5
    pairs = [(a, b) for k, a in enumerate(masks) for b in masks[:k]]
    assert not any(np.array_equal(a, b) for a, b in pairs)


def test_outlines_are_deformed(face):
    # Without deformation, the mask is convex.
    for _, mask in blends(face, 4, movement=0):
        core = (mask > mask.max() / 2).astype(np.uint8)
        (outline,), _ = cv2.findContours(core, cv2.RETR_TREE, cv2.CHAIN_APPROX_NONE)
        hull = cv2.convexHull(outline)
        assert cv2.contourArea(outline) < 0.985 * cv2.contourArea(hull)


def test_the_mask_lies_in_the_box_that_the_margin_leaves():
    masks = []
    for side, margin in ((96, 0.0), (192, 0.5), (288, 1.0)):
        params = {"margin": margin, "shapes": ("inner",), "ratios": (1,)}
        mask = blends(noise(side), 1, **params)[0][1]
        box = slice(int(margin * 96), int((margin + 1) * 96))
        masks.append(mask[box, box])
    assert masks[0].max() == 1
    for mask in masks[1:]:
        np.testing.assert_allclose(mask, masks[0], atol=2e-3)


# -- changes ---------------------------------------------------------------------


@pytest.mark.parametrize("altered", ["source", "target"])
def test_without_any_change_the_fake_is_the_face(face, altered):
    for fake, _ in blends(face, 4, altered=altered, color=0, detail=0, movement=0):
        np.testing.assert_array_equal(fake, face)


def test_colors_shift_by_some_gray_levels():
    full, half = (
        np.array(
            [
                np.median(fake[mask == 1], axis=0) - 120.0
                for fake, mask in blends(
                    flat(120, 120, 120), 40, color=strength, ratios=(1,)
                )
            ]
        )
        for strength in (1.0, 0.5)
    )
    # Up to 20 per channel, 25.5 by brightness, and 10% each by value and contrast.
    assert 25 < np.abs(full).max() < 20 + 25.5 + 12 + 12
    assert np.abs(full.mean(axis=0)).max() < 12
    # Channels are shifted independently.
    assert np.ptp(full, axis=1).max() > 15
    assert np.abs(half).mean() / np.abs(full).mean() == pytest.approx(0.5, abs=0.08)


def test_hue_and_saturation_change():
    # Subtract gray, whose channels are shifted by the same amount as those of red.
    spreads, turns = [], []
    for (red, mask), (gray, _) in zip(
        blends(flat(150, 100, 100), 30, ratios=(1,), movement=0),
        blends(flat(120, 120, 120), 30, ratios=(1,), movement=0),
        strict=True,
    ):
        change = red[mask == 1].astype(float).mean(0) - gray[mask == 1].mean(0)
        spreads.append((change[0] - change[1:].mean()) / 50)
        turns.append((change[1] - change[2]) / 50)
    # Saturation changes by 30%, and contrast and value by 10% each.
    assert 0.55 < min(spreads) < 0.85
    assert 1.15 < max(spreads) < 1.6
    assert min(turns) < -0.05
    assert max(turns) > 0.05
    assert np.abs(turns).max() < 0.3


def test_a_face_is_blurred_or_sharpened():
    face = noise(192)
    found = blends(face, 20, color=0, movement=0, ratios=(1,))
    ratios = np.array([detail(fake, m) / detail(face, m) for fake, m in found])
    blurred = ratios < 0.8
    assert (blurred | (ratios > 1.2)).all()
    assert 5 < blurred.sum() < 15
    # The factor is 2, or 3, since at least 32 of 96 pixels are kept.
    assert ratios.min() < 0.8 * ratios[blurred].max()


def test_a_small_face_is_not_shrunk_away():
    # Faces of 48 and of 96 pixels are downscaled to at least 32 pixels.
    small, large = (
        min(detail(fake, m) / detail(face, m) for fake, m in found)
        for face in (noise(), noise(192))
        for found in [blends(face, color=0, movement=0, ratios=(1,))]
    )
    assert large < 0.35 < 0.4 < small


def test_the_source_moves_by_few_pixels():
    # On a ramp of one gray level per pixel, a shift changes gray levels.
    ramp = np.repeat(np.arange(200, dtype=np.uint8)[None, :, None], 200, axis=0)
    x, y = (
        np.array(
            [
                np.mean((fake.astype(float) - face)[mask == 1])
                for fake, mask in blends(face, 40, color=0, detail=0, ratios=(1,))
            ]
        )
        for face in (ramp.repeat(3, axis=2), ramp.swapaxes(0, 1).repeat(3, axis=2))
    )
    # Up to 3% of a box of 100 pixels; the mask is near the center of the box.
    assert 1.5 < np.abs(x).max() < 3.6
    assert x.min() < -1 < 1 < x.max()
    # Up to 1.5%, plus 5% of the distance of the mask from the center.
    assert 0.7 < np.abs(y).max() < 1.5 + 0.053 * 45


def test_the_source_is_scaled():
    # An enlarged ramp is less steep.
    ramp = np.repeat(np.arange(200, dtype=np.uint8)[None, :, None], 200, axis=0)
    params = {"color": 0, "detail": 0, "ratios": (1,), "shapes": ("whole",)}
    grown = []
    for fake, mask in blends(ramp.repeat(3, axis=2), 20, **params):
        x = np.flatnonzero(mask[100] == 1)
        seen = np.polyfit(x, fake[100, x, 0].astype(float), 1)[0]
        assert len(x) > 30
        grown.append(1 / seen)
    assert 0.94 < min(grown) < 0.97
    assert 1.03 < max(grown) < 1.06


def test_no_border_shows_where_the_source_has_moved():
    for fake, _ in blends(flat(240, 240, 240), 20, color=0, margin=0, movement=3):
        assert fake.min() == 240


# -- the parameter `altered` -----------------------------------------------------


def test_an_altered_target_leaves_the_face_within(face):
    blender = SelfBlender(altered="target", margin=MARGIN, movement=0, ratios=(1,))
    for seed in range(6):
        fake, mask = blender.blend(face, seed, return_mask=True)
        target, same = blender.blend_pairs(face, seed)
        np.testing.assert_array_equal(same, fake)
        np.testing.assert_array_equal(fake[mask == 1], face[mask == 1])
        np.testing.assert_array_equal(fake[mask == 0], target[mask == 0])
        assert (target != face).mean() > 0.5


def test_pairs_have_the_face_itself_where_the_source_is_altered(face):
    target, fake = SelfBlender().blend_pairs(face, 0)
    np.testing.assert_array_equal(target, face)
    np.testing.assert_array_equal(fake, SelfBlender().blend(face, 0))
    assert not np.shares_memory(target, face)


def test_either_is_altered_by_chance_for_each_sample(face):
    faces = np.repeat(face[None], 20, axis=0)
    targets, _ = SelfBlender(altered="either").blend_pairs(faces, 0)
    n_same = sum(np.array_equal(target, face) for target in targets)
    assert 4 < n_same < 16


# -- random numbers --------------------------------------------------------------


@pytest.mark.parametrize("kind", [int, np.random.RandomState, np.random.default_rng])
def test_a_seed_gives_the_same_fake(face, kind):
    blender = SelfBlender()
    first, again, other = (blender.blend(face, kind(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.1


def test_a_generator_goes_on(face):
    rng, blender = np.random.default_rng(0), SelfBlender()
    assert (blender.blend(face, rng) != blender.blend(face, rng)).mean() > 0.1


def test_no_generator_of_numpy_is_touched_by_a_seed(face):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    SelfBlender().blend(face, 0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_more_of_a_change_is_the_same_change(face):
    # The number of draws does not depend on the parameters, so masks are equal.
    mask = blends(face, 1, movement=0)[0][1]
    for params in ({"color": 0}, {"detail": 0}, {"altered": "target"}):
        same = blends(face, 1, movement=0, **params)[0][1]
        np.testing.assert_array_equal(same, mask)


# -- arrays ----------------------------------------------------------------------


def test_a_sample_is_drawn_by_its_place_and_not_by_the_others(face):
    alike = np.repeat(face[None], 3, axis=0)
    faces = alike.copy()
    faces[0], faces[1] = noise(seed=1), 0
    fakes, masks = SelfBlender().blend(faces, 0, return_mask=True)
    others = SelfBlender().blend(alike, 0)
    np.testing.assert_array_equal(fakes[2], others[2])
    assert (others[0] != others[2]).mean() > 0.1
    assert masks.shape == (3, 96, 96)
    np.testing.assert_array_equal(masks.any(axis=(1, 2)), [True, False, True])


def test_the_frames_of_a_video_are_altered_alike(face):
    videos = np.zeros((2, 3, 96, 96, 3), np.uint8)
    videos[:, :2] = face
    videos[0, 2] = face[:, ::-1]
    fakes, masks = SelfBlender().blend(videos, 0, return_mask=True)
    np.testing.assert_array_equal(fakes[:, 0], fakes[:, 1])
    np.testing.assert_array_equal(masks[0, 0], masks[0, 2])
    assert (fakes[0, 0] != fakes[1, 0]).mean() > 0.1
    # This slot has no face.
    assert not fakes[1, 2].any()
    assert not masks[1, 2].any()


@pytest.mark.parametrize("altered", ["source", "target"])
def test_a_black_crop_stays(altered):
    blender = SelfBlender(altered=altered)
    fake, mask = blender.blend(flat(0, 0, 0), 0, return_mask=True)
    assert not fake.any()
    assert not mask.any()
    assert not blender.blend_pairs(flat(0, 0, 0), 0)[0].any()


@pytest.mark.parametrize("altered", ["source", "target"])
def test_the_face_given_stays_as_it_is(altered):
    face = noise()[::-1]  # with negative strides
    before = face.copy()
    fake = SelfBlender(altered=altered).blend(face, 0)
    np.testing.assert_array_equal(face, before)
    np.testing.assert_array_equal(fake, SelfBlender(altered=altered).blend(before, 0))


@pytest.mark.parametrize("shape", [(16, 16, 3), (40, 20, 3), (20, 40, 3)])
def test_the_smallest_and_oblong_crops_are_blended(shape):
    faces = np.full((8, *shape), 120, np.uint8)
    blender = SelfBlender(ratios=(1,), shapes=("without_forehead",), movement=0)
    fakes, masks = blender.blend(faces, 0, return_mask=True)
    assert fakes.shape == faces.shape
    assert ((fakes != 120).mean(axis=(1, 2, 3)) > 0.1).all()
    # The mask covers the same part of the crop for all shapes.
    for axis, (first, last) in ((2, (0.25, 0.95)), (1, (0.12, 0.9))):
        core = (masks > 0.5).any(axis=axis).mean(axis=0) > 0.5
        places = np.flatnonzero(core) / len(core)
        assert places[0] == pytest.approx(first, abs=0.1)
        assert places[-1] == pytest.approx(last, abs=0.1)


# -- landmarks -------------------------------------------------------------------


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Train shape predictors that return the same points for all faces."""
    folder = tmp_path_factory.mktemp("models")
    options = dlib.shape_predictor_training_options()
    options.cascade_depth = options.tree_depth = options.num_test_splits = 1
    options.num_trees_per_cascade_level = options.oversampling_amount = 1
    options.feature_pool_size, options.num_threads = 20, 1
    image, box = noise(), dlib.rectangle(24, 24, 71, 71)

    def write(points):
        corners = [dlib.point(*p) for p in np.rint(24 + 48 * points).astype(int)]
        shape = dlib.full_object_detection(box, corners)
        model = dlib.train_shape_predictor([image] * 2, [[shape]] * 2, options)
        path = folder / f"{len(points)}.dat"
        model.save(str(path))
        return path

    # A face in the upper left quarter of its box, with a nose of length 0.3.
    points = np.random.default_rng(0).uniform(0.25, 0.45, (68, 2))
    points[[0, 4, 12, 16]] = [(0.2, 0.2), (0.2, 0.5), (0.5, 0.5), (0.5, 0.2)]
    points[17:27] = np.column_stack([np.linspace(0.2, 0.5, 10), np.full(10, 0.2)])
    points[27], points[33] = (0.35, 0.2), (0.35, 0.5)
    forehead = np.column_stack([np.linspace(0.2, 0.5, 13), np.full(13, 0.05)])
    written = [write(points), write(np.concatenate([points, forehead]))]
    return {68: written[0], 81: written[1], 5: write(points[:5])}


def mask_by(landmarks, face, shape):
    params = {"ratios": (1,), "movement": 0, "shapes": (shape,)}
    return blends(face, 1, landmarks=landmarks, **params)[0][1]


def test_the_mask_is_of_the_landmarks(face, models):
    mask = mask_by(models[68], face, "without_forehead")
    for axis in (0, 1):
        places = np.flatnonzero((mask > mask.max() / 4).any(axis=axis))
        # The points span 0.2 to 0.5 of the box. The mask is eroded and blurred.
        middle = (places[[0, -1]].mean() - BOX.start) / 48
        assert middle == pytest.approx(0.35, abs=0.05)
        assert 0.1 < np.ptp(places) / 48 < 0.4


def test_a_forehead_is_added_to_models_without(face, models):
    brows, added, found = (
        extent(mask_by(models[n], face, shape))[0]
        for n, shape in ((68, "without_forehead"), (68, "whole"), (81, "whole"))
    )
    # The forehead is as high as the nose is long, or given by the model.
    assert added - brows == pytest.approx(-0.3, abs=0.06)
    assert found - brows == pytest.approx(-0.15, abs=0.06)


def test_the_mask_follows_the_landmarks_from_frame_to_frame(face, models, monkeypatch):
    video = np.repeat(face[None, None], 2, axis=1)
    find = _recorded_moves(monkeypatch, [0, 12])
    params = {"landmarks": models[68], "margin": MARGIN, "ratios": (1,)}
    masks = SelfBlender(**params).blend(video, 0, return_mask=True)[1][0]
    assert len(find) == 2
    columns = np.arange(96)
    middles = [(mask.sum(axis=0) @ columns) / mask.sum() for mask in masks]
    assert middles[1] - middles[0] == pytest.approx(12, abs=1)


def _recorded_moves(monkeypatch, moves):
    """Move the detected landmarks to the right by the given pixels in turn."""
    find, calls = _self_blending.find_points, []

    def moved(*args):
        calls.append(args)
        return find(*args) + np.float32([moves[len(calls) - 1], 0])

    monkeypatch.setattr(_self_blending, "find_points", moved)
    return calls


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("away.dat", r"away\.dat' cannot be read: No such file or directory\. Pass"),
        ("text.dat", r"text\.dat' is not a dlib shape predictor"),
        ("5.dat", r"5\.dat' is a model with 5 landmarks; expected 68 or 81\."),
    ],
)
def test_a_model_that_is_none_is_named(face, models, name, message):
    folder = models[68].parent
    (folder / "text.dat").write_text("no model")
    with pytest.raises(ValueError, match=rf"landmarks='.*{message}"):
        SelfBlender(landmarks=folder / name).blend(face, 0)


def test_a_model_that_was_replaced_is_read_again(face, models, tmp_path):
    path = tmp_path / "model.dat"
    tops = []
    for n in (68, 81):
        path.write_bytes(models[n].read_bytes())
        tops.append(extent(mask_by(str(path), face, "whole"))[0])
    assert tops[1] > tops[0] + 0.1


# -- parameters ------------------------------------------------------------------


def test_it_is_cloned_pickled_and_hashed_by_its_parameters(face, models):
    blender = SelfBlender(color=0.5, shapes=("whole",), landmarks=str(models[68]))
    before = joblib.hash(blender)
    fake = blender.blend(face, 0)
    assert joblib.hash(blender) == before != joblib.hash(SelfBlender())
    for again in (clone(blender), pickle.loads(pickle.dumps(blender))):
        assert again.get_params() == blender.get_params()
        assert joblib.hash(again) == before
        np.testing.assert_array_equal(again.blend(face, 0), fake)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"color": -1}, "'color' parameter of SelfBlender must be a float in the"),
        ({"detail": 1.5}, r"'detail' .* \[0.0, 1.0\]"),
        ({"movement": float("nan")}, "'movement' parameter"),
        ({"altered": "both"}, "'altered' .* Got 'both'"),
        ({"margin": -0.1}, "'margin' parameter"),
        ({"landmarks": 68}, "'landmarks' parameter"),
        ({"shapes": "whole"}, "'shapes' parameter"),
        ({"shapes": ()}, r"shapes must be a non-empty .*'whole', .*; got \(\)"),
        ({"shapes": ["whole", "chin"]}, r"shapes must .* got 'chin' in \['whole'"),
        ({"ratios": (0, 1)}, r"ratios must .* got 0 in \(0, 1\)"),
        ({"ratios": ("1",)}, "ratios must .* got '1' in"),
    ],
)
def test_bad_parameters_are_named(face, params, message):
    with pytest.raises(ValueError, match=message):
        SelfBlender(**params).blend(face, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((32, 32, 3), np.float32),
        np.zeros((32, 32), np.uint8),
        np.zeros((32, 32, 4), np.uint8),
        np.zeros((15, 32, 3), np.uint8),
    ],
)
def test_what_is_no_crop_is_refused(wrong):
    found = f"faces has the shape {wrong.shape} and the dtype {wrong.dtype}; expected"
    with pytest.raises(ValueError, match=re.escape(found)):
        SelfBlender().blend(wrong)


# -- the warp --------------------------------------------------------------------


def test_a_warp_moves_parts_of_the_face_by_its_strength(face):
    still = {"color": 0, "detail": 0, "movement": 0, "ratios": (1,)}
    changes = [
        np.mean(
            [
                np.abs(fake.astype(int) - face)[mask == 1].mean()
                for fake, mask in blends(face, 8, warp=warp, **still)
            ]
        )
        for warp in (0, 0.5, 2)
    ]
    assert changes[0] == 0
    assert 1 < changes[1] < changes[2]
    ramp = np.zeros((96, 96, 3), np.uint8)
    ramp[:] = np.arange(96)[:, np.newaxis] + 50  # one gray level per pixel
    shifts = np.concatenate(
        [
            (fake.astype(int) - ramp)[mask == 1].ravel()
            for fake, mask in blends(ramp, 30, warp=1, **still)
        ]
    )
    assert 0.4 < shifts.std() / (0.015 * 48) < 1.1  # pixels in a box of 48 pixels
    assert abs(shifts.mean()) < 0.3
