from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import Pipeline

from skdeepfake.detectors import CNNDetector, CNNRNNDetector
from skdeepfake.exceptions import NoFaceWarning
from skdeepfake.inspection import grad_cam, occlusion, overlay
from skdeepfake.plotting import AttributionDisplay

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex

Y = [1, 0, 1]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def faces():
    """Three videos of five frames of 8 x 8 pixels. Two frames have no face."""
    X = np.random.RandomState(0).randint(1, 256, size=(3, 5, 8, 8, 3)).astype(np.uint8)
    X[0, 2] = X[1, 4] = 0
    return X


@pytest.fixture(scope="module")
def cnn(faces):
    return CNNDetector(filters=(3,), dense_units=3, random_state=0).initialize(faces, Y)


class Step(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def __sklearn_is_fitted__(self):
        return True


class Clips(Step):
    """Transformer to clips that contain their faces."""

    def __init__(self, faces):
        self.faces = faces

    def transform(self, X):
        clips = np.empty(len(X), dtype=object)
        clips[:] = [Clip(face) for face in self.faces[: len(X)]]
        return clips


class Clip:
    timestamps = None

    def __init__(self, faces):
        self.faces = faces
        self.timestamps = [9.0] * 5  # before decoding

    def __len__(self):
        return 5

    def __array__(self, dtype=None, copy=None):
        self.timestamps = [0.0, 0.5, np.nan, 1.5, 2.0]
        return self.faces


class Decode(Step):
    def transform(self, X):
        return np.stack([np.asarray(clip) for clip in X])


class Patches(Step):
    """Transformer to the mean colors of the four patches of a face."""

    def transform(self, X):
        parts = X.reshape(*X.shape[:2], 2, 4, 2, 4, 3).mean(axis=(3, 5))
        return (parts / 255).reshape(*X.shape[:2], 4, 3).astype(np.float32)


def recurrent(faces, pool=False, **params):
    steps = [Patches()]
    if pool:
        steps.append(Mean())
    X = faces
    for step in steps:
        X = step.transform(X)
    detector = CNNRNNDetector(units=(3,), random_state=0, **params).initialize(X, Y)
    named = [(f"step {k}", step) for k, step in enumerate(steps)]
    return Pipeline([*named, ("detector", detector)]), X


class Mean(Step):
    def transform(self, X):
        return X.mean(axis=2)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def image(ax):
    (shown,) = ax.get_images()
    return np.asarray(shown.get_array())


def test_maps_are_laid_over_the_faces_below_them():
    face = np.full((4, 4, 3), 100, np.uint8)
    weak, strong = np.full((2, 2), 0.5), np.array([[0.0, 1.0], [2.0, -3.0]])
    display = AttributionDisplay(
        [[face, None, face], [face]],
        [[weak, None, strong], [np.full((2, 2), np.nan)]],
        proba=[[0.25, np.nan, 0.9], [0.5]],
        titles=["one", "two"],
        timestamps=[[0.0, np.nan, 2.0], [1.0]],
    )
    assert display.plot() is display
    axes = display.axes_
    assert axes.shape == (4, 3)
    assert display.figure_ is axes[0, 0].figure
    np.testing.assert_array_equal(image(axes[0, 0]), face)
    np.testing.assert_array_equal(image(axes[1, 0]), overlay(face, weak))
    np.testing.assert_array_equal(image(axes[1, 2]), overlay(face, strong))
    np.testing.assert_array_equal(image(axes[3, 0]), face)
    assert texts(axes[0, 1]) == texts(axes[1, 1]) == ["no face"]
    assert texts(axes[0, 0]) == ["one"]
    assert texts(axes[2, 0]) == ["two"]
    assert [ax.get_xlabel() for ax in axes[0]] == ["0.00 s", "", "2.00 s"]
    below = [ax.get_xlabel() for ax in axes[1]]
    assert below == ["fake: 0.25\nmax 0.5", "", "fake: 0.90\nmax 2"]
    assert [ax.get_ylabel() for ax in axes[:, 0]] == 2 * ["faces", "evidence"]
    assert not axes[2, 1].axison
    assert not axes[3, 2].axison


def test_color_bar_shows_the_colors_over_white():
    face = np.full((4, 4, 3), 100, np.uint8)
    display = AttributionDisplay([[face]], [[np.eye(2)]], label="doubt")
    display.plot(colormap="cividis", alpha=0.5)
    bar = display.colorbar_
    assert bar.ax.get_ylabel() == "doubt (1 = maximum of the face)"
    assert (bar.vmin, bar.vmax) == (0, 1)
    white = np.full((1, 256, 3), 255, np.uint8)
    ramp = np.linspace(0, 1, 256)[np.newaxis]
    colors = overlay(white, ramp, colormap="cividis", alpha=0.5)[0]
    np.testing.assert_allclose(bar.cmap(range(256))[:, :3] * 255, colors)


def test_scale_of_all_faces_lets_them_be_compared():
    face = np.full((4, 4, 3), 100, np.uint8)
    weak, strong = np.full((2, 2), 0.5), np.full((2, 2), 2.0)
    display = AttributionDisplay([[face], [face]], [[weak], [strong]])
    display.plot(scale="all")
    axes = display.axes_
    np.testing.assert_array_equal(image(axes[1, 0]), overlay(face, weak, vmax=2))
    np.testing.assert_array_equal(image(axes[3, 0]), overlay(face, strong))
    assert axes[1, 0].get_xlabel() == ""
    assert (display.colorbar_.vmin, display.colorbar_.vmax) == (0, 2)
    assert display.colorbar_.ax.get_ylabel() == "evidence for fake"


def test_bars_rise_for_the_class_and_hang_against_it():
    face = np.full((4, 4, 3), 100, np.uint8)
    display = AttributionDisplay(
        [[face, None, face], [face, face]],
        frame_attributions=[[0.5, np.nan, -2.0], [-0.001, 1.0]],
        proba=[[0.7, np.nan, 0.2], [0.5, 0.6]],
        timestamps=[[0.0, 1.0, 2.0], [0.0, 1.0]],
    ).plot()
    axes = display.axes_
    assert axes.shape == (4, 3)
    assert display.colorbar_ is None
    bars = [[bar.get_height() for bar in ax.patches] for ax in axes[1]]
    assert bars == [[0.5], [], [-2.0]]
    assert [texts(ax) for ax in axes[1]] == [["+0.50"], [], ["-2.00"]]
    assert [texts(ax) for ax in axes[3]] == [["+0.00"], ["+1.00"], []]
    colors = [to_hex(ax.patches[0].get_facecolor()) for ax in axes[1, [0, 2]]]
    assert colors == ["#d55e00", "#0072b2"]
    limits = {ax.get_ylim() for ax in axes[[1, 1, 1, 3, 3], [0, 1, 2, 0, 1]]}
    assert limits == {(-3.0, 3.0)}
    assert axes[1, 0].get_ylabel() == "frames, log-odds"
    # Without maps, all texts are below the faces.
    assert axes[0, 2].get_xlabel() == "fake: 0.20\n2.00 s"
    assert texts(axes[2, 0]) == ["video 2"]


def test_given_axes_are_drawn_on():
    face = np.full((4, 4, 3), 100, np.uint8)
    figure, axes = plt.subplots(2, 1, squeeze=False)
    display = AttributionDisplay([[face]], [[np.eye(2)]]).plot(axes=axes)
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    with pytest.raises(ValueError, match=r"shape \(2, 1\): 2 rows per video.*\(1, 2\)"):
        display.plot(axes=axes.T)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"maps": None}, "maps and frame_attributions are both None"),
        ({"faces": [], "maps": []}, "faces is empty"),
        ({"maps": []}, "maps must have one entry per video, like faces: .*1, got 0"),
        ({"maps": [[None]]}, r"maps\[0\] must have one entry per slot, .* 2, got 1"),
        ({"proba": [[0.5]]}, r"proba\[0\] must have one entry per slot, .* 2,"),
        ({"frame_attributions": [[0.5]]}, r"frame_attributions\[0\] must have one"),
        (
            {"timestamps": [[0.5]]},
            r"timestamps\[0\] must have one entry per slot, .* 2,",
        ),
        ({"titles": ["a", "b"]}, "titles must have one entry per video, .* 1, got 2"),
    ],
)
def test_other_lengths_are_refused(params, message):
    face = np.full((4, 4, 3), 100, np.uint8)
    params = {"faces": [[face, None]], "maps": [[None, None]], **params}
    with pytest.raises(ValueError, match=message):
        AttributionDisplay(**params).plot()


def test_unknown_scale_is_refused():
    face = np.full((4, 4, 3), 100, np.uint8)
    with pytest.raises(ValueError, match="scale='own' must be one of 'face', 'all'"):
        AttributionDisplay([[face]], [[None]]).plot(scale="own")


# -- from estimators -------------------------------------------------------------


@pytest.mark.parametrize("asked", [{}, {"class_label": 0, "weights": "channel"}])
def test_detector_of_images_is_explained_by_its_gradients(cnn, faces, asked):
    display = AttributionDisplay.from_estimator(cnn, faces, max_frames=3, **asked)
    slots = [0, 2, 4]
    maps = grad_cam(cnn, faces, **{"weights": "position", **asked})[:, slots]
    np.testing.assert_allclose(display.maps, maps, rtol=1e-4, atol=1e-7)
    proba = cnn.predict_frame_proba(faces)[:, slots, 1]
    np.testing.assert_allclose(display.proba, proba, atol=1e-6)
    np.testing.assert_array_equal(display.faces[2][1], faces[2, 2])
    assert display.faces[0][1] is display.faces[1][2] is None
    assert display.frame_attributions is None
    assert display.axes_.shape == (6, 3)
    named = "class 0" if asked else "fake"
    assert display.label == f"evidence for {named}"
    score = cnn.predict_proba(faces)[1, 1]
    assert display.titles[1] == f"video 2, probability of fake {score:.2f}"


def test_fake_class_may_be_the_first_one(cnn, faces):
    named = clone(cnn).initialize(faces, ["fake", "real", "fake"])
    named.model_.set_weights(cnn.model_.get_weights())
    display = AttributionDisplay.from_estimator(named, faces, pos_label="fake")
    expected = grad_cam(named, faces, class_label="fake", weights="position")
    np.testing.assert_allclose(display.maps[0][0], expected[0, 0])
    assert display.label == "evidence for fake"
    score = named.predict_proba(faces)[1, 0]
    assert display.titles[1] == f"video 2, probability of fake {score:.2f}"
    with pytest.raises(ValueError, match="pass the label of the fake class"):
        AttributionDisplay.from_estimator(named, faces)


def test_pipeline_from_paths_brings_names_and_times(cnn, faces):
    pipeline = Pipeline(
        [
            ("sampler", Clips(faces)),
            ("cropper", Decode()),
            ("none", "passthrough"),
            ("detector", cnn),
        ]
    )
    paths = ["a/one.mp4", "two.mp4"]
    display = AttributionDisplay.from_estimator(pipeline, paths, max_frames=2)
    assert [title.split(",")[0] for title in display.titles] == ["one.mp4", "two.mp4"]
    assert display.timestamps[1].tolist() == [0.0, 2.0]
    np.testing.assert_array_equal(display.faces[0][1], faces[0, 4])
    display = AttributionDisplay.from_estimator(pipeline, paths, titles=["a", "b"])
    assert display.titles == ["a", "b"]
    assert display.axes_.shape == (4, 5)
    with pytest.raises(
        ValueError, match=r"X must be a sequence of paths\. Pass \['one.mp4"
    ):
        AttributionDisplay.from_estimator(pipeline, "one.mp4")


def test_positions_of_features_are_a_grid_over_the_face(faces):
    pipeline, features = recurrent(faces)
    display = AttributionDisplay.from_estimator(
        pipeline, faces, max_frames=2, baseline="zero"
    )
    expected = occlusion(pipeline[-1], features, baseline="zero")[:, [0, 4]]
    np.testing.assert_allclose(display.maps, expected.reshape(3, 2, 2, 2), atol=1e-6)
    assert display.frame_attributions is None
    assert display.label == "evidence for fake, log-odds"
    np.testing.assert_array_equal(display.faces[0][0], faces[0, 0])


def test_sequences_have_bars_too(faces):
    pipeline, features = recurrent(faces, sequence="temporal")
    display = AttributionDisplay.from_estimator(
        pipeline, faces, max_frames=2, class_label=0
    )
    asked = {"class_label": 0}
    maps = occlusion(pipeline[-1], features, **asked)[:, [0, 4]]
    np.testing.assert_allclose(display.maps, maps.reshape(3, 2, 2, 2), atol=1e-6)
    falls = occlusion(pipeline[-1], features, over="frame", **asked)[:, [0, 4]]
    np.testing.assert_allclose(display.frame_attributions, falls, atol=1e-6)
    assert display.axes_.shape == (9, 2)


def test_sequences_of_vectors_have_bars_alone(faces):
    pipeline, features = recurrent(faces, pool=True, sequence="temporal")
    display = AttributionDisplay.from_estimator(pipeline, faces)
    falls = occlusion(pipeline[-1], features, over="frame")
    np.testing.assert_allclose(display.frame_attributions, falls, atol=1e-6)
    assert display.maps is None
    assert display.axes_.shape == (6, 5)


def test_positions_that_are_no_grid_are_refused(faces):
    pipeline, _ = recurrent(faces)
    with pytest.raises(
        ValueError, match=r"4 positions.*do not form a grid on faces of 8 x 128"
    ):
        AttributionDisplay.from_estimator(
            Pipeline([("narrow", Narrow()), *pipeline.steps]), faces.repeat(16, axis=3)
        )


class Narrow(Step):
    def transform(self, X):
        return X[:, :, :, ::16].astype(float)


def test_single_images_are_videos_of_one_frame(cnn, faces):
    display = AttributionDisplay.from_estimator(cnn, faces[:, 0])
    assert display.axes_.shape == (6, 1)
    np.testing.assert_array_equal(display.faces[2][0], faces[2, 0])


def test_faces_are_drawn_as_the_detector_sees_them(cnn, faces):
    pipeline = Pipeline([("negative", Negative()), ("detector", cnn)])
    display = AttributionDisplay.from_estimator(pipeline, faces, max_frames=1)
    np.testing.assert_array_equal(display.faces[2][0], 255 - faces[2, 0])


class Negative(Step):
    def transform(self, X):
        return 255 - X


def test_video_without_a_face_is_drawn_empty(cnn, faces):
    X = np.stack([faces[0], np.zeros_like(faces[0])])
    with pytest.warns(NoFaceWarning):
        display = AttributionDisplay.from_estimator(cnn, X, max_frames=2)
    assert display.faces[1] == [None, None]
    assert display.titles[1] == "video 2, probability of fake 0.67"


def test_what_cannot_be_drawn_is_refused(cnn, faces):
    pipeline, features = recurrent(faces)
    with pytest.raises(
        ValueError, match=r"requires faces.*CNNRNNDetector contains none"
    ):
        AttributionDisplay.from_estimator(pipeline[-1], features)
    with pytest.raises(ValueError, match="max_frames must be at least 1; got 0"):
        AttributionDisplay.from_estimator(cnn, faces, max_frames=0)
    with pytest.raises(ValueError, match="not a classifier with predict_proba"):
        AttributionDisplay.from_estimator(pipeline[:-1], faces)
