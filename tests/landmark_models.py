"""Shape predictors of dlib, trained on a portrait with painted eyelids."""

from __future__ import annotations

from pathlib import Path

import dlib
import numpy as np

from skdeepfake.datasets._recording import EYE_SIZE, EYES, close_eyes, load_portrait

# dlib's box of the face in the portrait, and the pixels that a margin of 0.25 adds.
LEFT, TOP, SIDE, MARGIN = 179, 83, 88, 22


def face(closed: float) -> np.ndarray:
    """Return the face, 132 pixels wide, with eyes closed by a fraction `closed`."""
    picture = close_eyes(load_portrait(), closed)[..., :3]
    y, x = TOP - MARGIN, LEFT - MARGIN
    return picture[y : y + SIDE + 2 * MARGIN, x : x + SIDE + 2 * MARGIN].copy()


def aspect_ratio(closed: float) -> float:
    """Return the eye aspect ratio of the painted face."""
    width, height = EYE_SIZE
    return height / width * (1 - 1 / 9) * (1 - closed)


def landmarks(closed: float) -> np.ndarray:
    """Return 68 landmarks of a face. Only those of the eyes are correct."""
    points = np.full((68, 2), [LEFT + SIDE / 2, TOP + SIDE / 2])
    for first, eye in zip((36, 42), EYES, strict=True):
        u = np.array([-1, -1 / 3, 1 / 3, 1, 1 / 3, -1 / 3])
        lower = np.array([0, 0, 0, 0, 1, 1], bool)
        arc = EYE_SIZE[1] * (1 - u**2)
        y = np.where(lower, arc, (2 * closed - 1) * arc)
        points[first : first + 6] = eye + np.stack([EYE_SIZE[0] * u, y], axis=-1)
    return points - [LEFT - MARGIN, TOP - MARGIN]


def write_model(path: Path, zoom: int = 4) -> Path:
    """Train a predictor of the landmarks of the eyes in the portrait."""
    options = dlib.shape_predictor_training_options()
    options.cascade_depth, options.tree_depth = 4, 2
    options.num_trees_per_cascade_level, options.num_test_splits = 30, 20
    options.oversampling_amount, options.feature_pool_size = 1, 100
    options.nu, options.num_threads = 0.3, 1
    options.random_seed = "0"
    options.landmark_relative_padding_mode = False
    images, shapes = [], []
    for closed in np.linspace(0, 1, 13):
        image = np.repeat(np.repeat(face(closed), zoom, 0), zoom, 1)
        edge = MARGIN * zoom
        box = dlib.rectangle(edge, edge, edge + SIDE * zoom - 1, edge + SIDE * zoom - 1)
        points = [dlib.point(*p) for p in np.rint(zoom * landmarks(closed)).astype(int)]
        images.append(image)
        shapes.append([dlib.full_object_detection(box, points)])
    dlib.train_shape_predictor(images, shapes, options).save(str(path))
    return path
