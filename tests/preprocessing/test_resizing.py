"""Crops are resized and stacked to one dense array, with zeros in empty slots."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from skdeepfake.preprocessing import Resizer


def noise(height, width, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def cells(*items, shape=None):
    X = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        X[i] = item
    return X if shape is None else X.reshape(shape)


def test_larger_crop_is_averaged_over_areas():
    crop = noise(60, 50)
    (face,) = Resizer(size=(30, 20)).transform([crop])
    expected = cv2.resize(crop, (20, 30), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(face, expected)
    # If the size is halved, each pixel is the mean of four pixels.
    (face,) = Resizer(size=(30, 25)).transform([crop])
    means = crop.reshape(30, 2, 25, 2, 3).mean(axis=(1, 3))
    assert np.abs(face - means).max() <= 0.5


def test_smaller_crop_is_interpolated_by_cubics():
    crop = noise(20, 30)
    (face,) = Resizer(size=(50, 40)).transform([crop])
    expected = cv2.resize(crop, (40, 50), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_array_equal(face, expected)


def test_crop_of_the_right_size_is_not_changed():
    crop = noise(224, 224)
    np.testing.assert_array_equal(Resizer().transform([crop])[0], crop)


def test_size_is_height_then_width_and_the_aspect_is_not_kept():
    # The left half is red and the upper half is green, up to the edges.
    crop = np.zeros((10, 40, 3), np.uint8)
    crop[:, :20, 0] = 200
    crop[:5, :, 1] = 200
    faces = Resizer(size=(64, 16)).transform([crop])
    assert faces.shape == (1, 64, 16, 3)
    assert faces[0, 0, 0].tolist() == [200, 200, 0]
    assert faces[0, 0, -1].tolist() == [0, 200, 0]
    assert faces[0, -1, 0].tolist() == [200, 0, 0]
    assert faces[0, -1, -1].tolist() == [0, 0, 0]


def test_none_becomes_zeros_and_the_others_keep_their_slots():
    X = cells(None, noise(9, 9), noise(30, 8), None, None, None, shape=(3, 2))
    faces = Resizer(size=(12, 10)).fit_transform(X)

    assert faces.shape == (3, 2, 12, 10, 3)
    assert faces.dtype == np.uint8
    filled = faces.any(axis=(2, 3, 4))
    assert filled.tolist() == [[False, True], [True, False], [False, False]]
    for cell in ((0, 1), (1, 0)):
        (alone,) = Resizer(size=(12, 10)).transform([X[cell]])
        np.testing.assert_array_equal(faces[cell], alone)


@pytest.mark.parametrize(
    ("X", "shape"),
    [
        (cells(noise(9, 9), None), (2, 8, 6, 3)),
        (cells(noise(9, 9), None, shape=(1, 2)), (1, 2, 8, 6, 3)),
        (cells(noise(9, 9), None, shape=(2, 1)), (2, 1, 8, 6, 3)),
        ([noise(9, 9), noise(30, 4)], (2, 8, 6, 3)),
        ([noise(9, 9), None], (2, 8, 6, 3)),
        ((noise(9, 9),), (1, 8, 6, 3)),
        ([[noise(9, 9), None]], (1, 2, 8, 6, 3)),
        (list(cells(noise(9, 9), None, shape=(2, 1))), (2, 1, 8, 6, 3)),
        (np.stack([noise(9, 9)] * 3), (3, 8, 6, 3)),
        (np.stack([noise(9, 9)] * 6).reshape(2, 3, 9, 9, 3), (2, 3, 8, 6, 3)),
    ],
    ids=[
        *("(n,)", "(1, t)", "(n, 1)", "list", "with None", "tuple"),
        *("list of lists", "list of rows", "4-D", "5-D"),
    ],
)
def test_videos_and_images_are_taken_in_every_form(X, shape):
    faces = Resizer(size=(8, 6)).transform(X)
    assert faces.shape == shape
    assert faces.dtype == np.uint8
    (expected,) = Resizer(size=(8, 6)).transform([noise(9, 9)])
    np.testing.assert_array_equal(faces.reshape(-1, 8, 6, 3)[0], expected)


def test_rows_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="videos of 1 to 2 slots"):
        Resizer().transform([[noise(9, 9), None], [noise(9, 9)]])


def test_views_that_are_not_contiguous_are_resized():
    crop = noise(40, 60)
    for view in (crop[:, ::-1], crop[::2, 10:50], crop[..., ::-1]):
        np.testing.assert_array_equal(
            Resizer(size=(9, 9)).transform([view]),
            Resizer(size=(9, 9)).transform([view.copy()]),
        )


@pytest.mark.parametrize(
    ("crop", "found"),
    [
        (noise(8, 8).astype(np.float32), "array of float32"),
        (noise(8, 8) / 255, "array of float64"),
        (noise(8, 8).astype(np.int64), "array of int64"),
        (noise(8, 8)[..., 0], r"shape \(8, 8\)"),
        (noise(8, 8)[..., :1], r"shape \(8, 8, 1\)"),
        (np.zeros((8, 8, 4), np.uint8), r"shape \(8, 8, 4\)"),
        (np.zeros((0, 8, 3), np.uint8), r"shape \(0, 8, 3\)"),
        ("face.png", "str;"),
        ([[0, 0, 0]], "list;"),
        (np.nan, "float;"),
    ],
)
def test_bad_cell_is_named_by_its_position(crop, found):
    good = noise(8, 8)
    X = cells(good, None, good, crop, shape=(2, 2))
    with pytest.raises(ValueError, match=rf"X\[1, 1\] is .*{found}.*uint8"):
        Resizer().transform(X)
    with pytest.raises(ValueError, match=rf"X\[2\] is .*{found}.*uint8"):
        Resizer().transform(cells(good, None, crop))


@pytest.mark.parametrize(
    "X",
    [
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((8, 8), np.uint8),
        np.array(["a.png", "b.png"]),
        np.empty((1, 1, 1), dtype=object),
    ],
    ids=["one image", "2-D", "paths", "3-D object"],
)
def test_array_of_another_shape_is_refused_with_its_shape(X):
    with pytest.raises(ValueError, match=r"Resizer expects .*X has shape \("):
        Resizer().transform(X)


@pytest.mark.parametrize(
    "X", [[], np.empty((0, 3), object), np.empty((3, 0), object)], ids=repr
)
def test_no_samples_are_refused(X):
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        Resizer().transform(X)


@pytest.mark.parametrize(
    "size",
    [(0, 5), (5, -1), (5,), (5, 5, 3), (5.0, 5.0), ("5", "5"), 224, "ab", None],
    ids=repr,
)
@pytest.mark.parametrize("method", ["fit", "transform"])
def test_bad_size_is_named(method, size):
    with pytest.raises(ValueError, match="size"):
        getattr(Resizer(size=size), method)([noise(8, 8)])


@pytest.mark.parametrize("size", [(8, 6), [8, 6], (np.int64(8), np.int32(6))])
def test_size_may_be_any_pair_of_integers(size):
    assert Resizer(size=size).fit_transform([noise(9, 9)]).shape == (1, 8, 6, 3)


@pytest.mark.parametrize("n_jobs", [1, 2, -1])
def test_jobs_do_not_change_the_result(n_jobs):
    rng = np.random.RandomState(0)
    crops = np.empty((5, 2), dtype=object)
    for i in range(5):
        crops[i, 0] = rng.randint(0, 256, (20 + i, 30, 3), dtype=np.uint8)
    alone = Resizer((16, 16)).transform(crops)
    assert np.array_equal(Resizer((16, 16), n_jobs=n_jobs).transform(crops), alone)
    assert alone[:, 0].any(axis=(1, 2, 3)).all()
    assert not alone[:, 1].any()


def test_bad_cell_is_named_whatever_the_jobs():
    crops = np.empty((3, 2), dtype=object)
    crops[2, 1] = "a face"
    with pytest.raises(ValueError, match=r"X\[2, 1\] is str"):
        Resizer(n_jobs=2).transform(crops)
