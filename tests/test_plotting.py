from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline

from skdeepfake.plotting import FacesDisplay, HistoryDisplay, TimelineDisplay

matplotlib.use("Agg")
from matplotlib import pyplot as plt


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def plain(value, height=30, width=40):
    return np.full((height, width, 3), value, dtype=np.uint8)


class ToyClip:
    """Clip with five slots. The last is empty, and frame k has the value 10 * k."""

    timestamps = np.array([0.0, 0.5, 1.0, 1.5, np.nan])

    def __init__(self, path):
        self.path = path

    def __len__(self):
        return 5

    def __iter__(self):
        yield from (plain(10 * k, 300, 400) for k in range(4))
        yield None


class Step(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def __sklearn_is_fitted__(self):
        return True


class Sampler(Step):
    def transform(self, X):
        clips = np.empty(len(X), dtype=object)
        clips[:] = [ToyClip(path) for path in X]
        return clips


class Cropper(Step):
    """Cropper that returns a corner of each frame, and no face in slot 2."""

    def transform(self, X):
        crops = np.empty((len(X), 5), dtype=object)
        for row, clip in zip(crops, X, strict=True):
            for k, frame in enumerate(clip):
                row[k] = None if frame is None or k == 2 else frame[:20, :20]
        return crops


class Resizer(Step):
    def transform(self, X):
        filled = np.array([[crop is not None for crop in row] for row in X])
        return filled[..., None, None, None] * np.ones((4, 4, 3), np.uint8)


class Detector(ClassifierMixin, BaseEstimator):
    classes_ = np.array([0, 1])

    def fit(self, X, y):
        self.history_ = {"loss": [0.7, 0.6], "accuracy": [0.5, 0.75]}
        return self

    def predict_frame_proba(self, X):
        fake = np.where(X.any(axis=(2, 3, 4)), [[0.1, 0.9, 0.5, 0.8, 0.5]], np.nan)
        return np.stack([1 - fake, fake], axis=-1)

    def aggregate_proba(self, frame_proba):
        return np.nanmean(frame_proba, axis=1)

    def predict_proba(self, X):
        return self.aggregate_proba(self.predict_frame_proba(X))


@pytest.fixture
def pipeline():
    steps = [("sampler", Sampler()), ("cropper", Cropper()), ("resizer", Resizer())]
    return Pipeline([*steps, ("detector", Detector())]).fit(["a"], [0])


def texts(ax):
    return [text.get_text() for text in ax.texts]


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def image(ax):
    (shown,) = ax.get_images()
    return np.asarray(shown.get_array())


def test_faces_are_drawn_below_their_frames():
    frames = [[plain(1), plain(2), None], [plain(3), plain(4)]]
    faces = [[plain(5, 8, 8), None, None], [plain(6, 8, 8), plain(7, 8, 8)]]
    display = FacesDisplay(
        frames, faces, titles=["real", "fake"], timestamps=[[0, 0.5, np.nan], [0, 2]]
    )
    assert display.plot() is display
    axes = display.axes_
    assert axes.shape == (4, 3)
    assert display.figure_ is axes[0, 0].figure
    shown = [[len(ax.get_images()) for ax in row] for row in axes]
    assert shown == [[1, 1, 0], [1, 0, 0], [1, 1, 0], [1, 1, 0]]
    np.testing.assert_array_equal(image(axes[0, 1]), plain(2))
    np.testing.assert_array_equal(image(axes[3, 0]), plain(6, 8, 8))
    assert texts(axes[0, 0]) == ["real"]
    assert texts(axes[2, 0]) == ["fake"]
    assert texts(axes[0, 2]) == ["no frame"]
    assert texts(axes[1, 1]) == texts(axes[1, 2]) == ["no face"]
    assert axes[1, 1].patch.get_hatch()
    assert [ax.get_xlabel() for ax in axes[0]] == ["0.00 s", "0.50 s", ""]
    assert [ax.get_ylabel() for ax in axes[:, 0]] == 2 * ["frames", "faces"]
    # The second clip has no third slot.
    assert not axes[2, 2].axison
    assert axes[0, 2].axison


def test_faces_are_drawn_on_given_axes():
    figure, axes = plt.subplots(2, 1)
    display = FacesDisplay([[plain(1)]], [[None]]).plot(axes=axes[:, None])
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    assert texts(axes[0]) == ["video 1"]
    with pytest.raises(ValueError, match=r"shape \(2, 1\).*got \(2,\)"):
        display.plot(axes=axes)


def test_faces_from_estimator_spread_the_slots_and_shrink_the_frames(pipeline):
    display = FacesDisplay.from_estimator(
        pipeline, ["folder/one.mp4", "two.mp4"], max_frames=3
    )
    axes = display.axes_
    assert axes.shape == (4, 3)
    # Slots 0, 2 and 4 of five.
    assert image(axes[0, 1]).shape == (192, 256, 3)
    assert display.frames[0][0].shape == (192, 256, 3)
    assert (image(axes[0, 1]) == 20).all()
    assert texts(axes[0, 2]) == texts(axes[2, 2]) == ["no frame"]
    assert image(axes[1, 0]).shape == (20, 20, 3)
    assert texts(axes[1, 1]) == ["no face"]
    assert texts(axes[0, 0]) == ["one.mp4"]
    assert [ax.get_xlabel() for ax in axes[2]] == ["0.00 s", "1.00 s", ""]


def test_a_long_title_takes_no_width_from_the_cells():
    widths = []
    for title in ("short", "long " * 30):
        display = FacesDisplay([[plain(1)] * 3], [[None] * 3], titles=[title]).plot()
        display.figure_.draw_without_rendering()
        widths.append([ax.get_position().width for ax in display.axes_[0]])
    np.testing.assert_allclose(widths[0], widths[1])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"frames": [], "faces": []}, "frames is empty"),
        ({"faces": []}, "faces must have one entry per video, .* 1,"),
        ({"faces": [[None]]}, r"faces\[0\] must have one entry per slot, .* 2, got 1"),
        ({"titles": ["a", "b"]}, "titles must have one entry per video, .* 1, got 2"),
        (
            {"timestamps": [[0.0]]},
            r"timestamps\[0\] must have one entry per slot, .* 2,",
        ),
    ],
)
def test_faces_of_other_lengths_are_refused(params, message):
    params = {"frames": [[plain(1), None]], "faces": [[None, None]], **params}
    with pytest.raises(ValueError, match=message):
        FacesDisplay(**params).plot()


def test_faces_from_estimator_say_what_is_wrong(pipeline):
    with pytest.raises(ValueError, match=r"must be a sequence of paths\. Pass \["):
        FacesDisplay.from_estimator(pipeline, "one.mp4")
    with pytest.raises(ValueError, match="max_frames must be at least 1; got 0"):
        FacesDisplay.from_estimator(pipeline, ["one.mp4"], max_frames=0)
    with pytest.raises(ValueError, match=r"'sampler' and .*'cropper'.*\['resizer'"):
        FacesDisplay.from_estimator(pipeline[2:], ["one.mp4"])


def test_history_marks_the_epoch_of_the_lowest_validation_loss():
    history = {
        "loss": [0.9, 0.5, 0.3],
        "val_loss": [0.8, 0.6, 0.7],
        "accuracy": [0.5, 0.7, 0.9],
        "val_accuracy": [0.5, 0.65, 0.6],
        "learning_rate": [1e-3, 1e-3, 1e-4],
    }
    display = HistoryDisplay(history).plot()
    assert display.best_epoch_ == 2
    for ax, name in zip(display.axes_, ("loss", "accuracy"), strict=True):
        drawn = lines(ax)
        np.testing.assert_array_equal(drawn["training"].get_xdata(), [1, 2, 3])
        np.testing.assert_array_equal(drawn["training"].get_ydata(), history[name])
        np.testing.assert_array_equal(
            drawn["validation"].get_ydata(), history[f"val_{name}"]
        )
        assert drawn["training"].get_color() != drawn["validation"].get_color()
        assert list(drawn["best epoch: 2"].get_xdata()) == [2, 2]
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", name)
        assert all(tick == round(tick) for tick in ax.get_xticks())
    (star,) = [line for line in display.axes_[0].lines if line.get_marker() == "*"]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (2, 0.6)


def test_history_without_validation_or_accuracy():
    display = HistoryDisplay({"loss": [0.9, np.nan, 0.7]}).plot()
    assert display.best_epoch_ == 3
    assert "validation" not in lines(display.axes_[0])
    assert texts(display.axes_[1]) == ["no accuracy recorded"]
    assert not display.axes_[1].lines


def test_history_of_nothing_but_nan_has_no_best_epoch():
    display = HistoryDisplay({"loss": [np.nan, np.nan]}).plot()
    assert display.best_epoch_ is None
    assert list(lines(display.axes_[0])) == ["training"]


def test_history_names_the_losses_where_there_are_several():
    display = HistoryDisplay({"loss": [1.0], "generator_loss": [2.0]}).plot()
    drawn = lines(display.axes_[0])
    assert drawn["loss, training"].get_ydata()[0] == 1
    assert drawn["generator_loss, training"].get_ydata()[0] == 2


def test_history_from_a_detector_or_a_pipeline(pipeline):
    for estimator in (pipeline, pipeline[-1]):
        _, axes = plt.subplots(1, 2)
        display = HistoryDisplay.from_estimator(estimator, axes=axes)
        assert display.history == {"loss": [0.7, 0.6], "accuracy": [0.5, 0.75]}
        assert display.best_epoch_ == 2
        assert display.axes_[1] is axes[1]


def test_history_errors(pipeline):
    with pytest.raises(NotFittedError, match="Detector has no history_: call 'fit'"):
        HistoryDisplay.from_estimator(Detector())
    with pytest.raises(ValueError, match=r"'loss' per epoch; got the names \['auc'\]"):
        HistoryDisplay({"auc": [0.5]}).plot()
    with pytest.raises(ValueError, match=r"axes must have shape \(2,\); got \(\)"):
        HistoryDisplay({"loss": [0.5]}).plot(axes=plt.subplots()[1])


def test_timeline_leaves_a_gap_where_there_is_no_face():
    display = TimelineDisplay(
        [0.0, 1.0, 2.0, np.nan],
        [0.2, np.nan, 0.9, np.nan],
        score=0.55,
        threshold=0.4,
        title="a.mp4",
    ).plot()
    ax, drawn = display.ax_, lines(display.ax_)
    np.testing.assert_array_equal(drawn["frame"].get_xdata(), [0, 1, 2])
    np.testing.assert_array_equal(drawn["frame"].get_ydata(), [0.2, np.nan, 0.9])
    np.testing.assert_array_equal(drawn["no face"].get_xdata(), [1])
    assert set(drawn["threshold: 0.4"].get_ydata()) == {0.4}
    assert set(drawn["video: 0.55"].get_ydata()) == {0.55}
    assert ax.get_title(loc="left") == "a.mp4"
    assert (ax.get_xlabel(), ax.get_ylabel()) == (
        "time in seconds",
        "probability of fake",
    )
    assert not ax.child_axes


def test_timeline_draws_a_curve_per_person_and_the_faces_of_the_most_suspicious():
    nan = np.nan
    seconds = np.repeat([0.0, 1.0, 2.0], 3)
    scores = [0.2, 0.6, nan, nan, 0.8, nan, nan, nan, nan]
    faces = [None if np.isnan(p) else plain(int(100 * p), 9, 9) for p in scores]
    display = TimelineDisplay(seconds, scores, faces=faces, n_people=3).plot()
    shown = lines(display.ax_)
    first, second = shown["person 1"], shown["person 2"]
    np.testing.assert_array_equal(first.get_ydata(), [0.2, nan, nan])
    np.testing.assert_array_equal(second.get_ydata(), [0.6, 0.8, nan])
    np.testing.assert_array_equal(second.get_xdata(), [0, 1, 2])
    assert "person 3" not in shown
    np.testing.assert_array_equal(shown["no face"].get_xdata(), [2])
    cells = display.ax_.child_axes
    np.testing.assert_array_equal(image(cells[0]), plain(60, 9, 9))
    np.testing.assert_array_equal(image(cells[1]), plain(80, 9, 9))
    assert texts(cells[2]) == ["no\nface"]


def test_timeline_from_a_pipeline_that_follows_two_people(pipeline):
    class TwoPeople(Cropper):
        def transform(self, X):
            crops = super().transform(X)
            return np.stack([crops, np.full_like(crops, None)], axis=-1).reshape(1, 10)

    class Doubled(Detector):
        def predict_frame_proba(self, X):
            return super().predict_frame_proba(X[:, ::2]).repeat(2, axis=1)

    steps = [*pipeline.steps[:1], ("cropper", TwoPeople()), *pipeline.steps[2:3]]
    two = Pipeline([*steps, ("detector", Doubled())])
    display = TimelineDisplay.from_estimator(two, ["clip.mp4"])
    assert display.n_people == 2
    np.testing.assert_array_equal(
        lines(display.ax_)["person 2"].get_xdata(), [0.0, 0.5, 1.0, 1.5]
    )
    faces = FacesDisplay.from_estimator(two, ["clip.mp4"], max_frames=10)
    assert [value[0, 0, 0] for value in faces.frames[0][:4]] == [0, 0, 10, 10]
    assert faces.timestamps[0][:4].tolist() == [0, 0, 0.5, 0.5]


def test_timeline_without_a_score_draws_none():
    drawn = lines(TimelineDisplay([0.0, 1.0], [0.2, 0.4]).plot().ax_)
    assert list(drawn) == ["frame", "threshold: 0.5"]


def test_timeline_draws_each_face_under_its_time():
    seconds = np.arange(7) / 2
    faces = [plain(k, 8, 8) for k in range(7)]
    faces[2] = None
    display = TimelineDisplay(seconds, np.full(7, 0.5), faces=faces)
    ax = display.plot(max_faces=4).ax_
    display.figure_.draw_without_rendering()
    # Every second face, since there are more than four.
    assert len(ax.child_axes) == 4
    for cell, k in zip(ax.child_axes, (0, 2, 4, 6), strict=True):
        box = cell.get_window_extent().transformed(ax.transData.inverted())
        assert (box.x0 + box.x1) / 2 == pytest.approx(seconds[k])
        assert box.y1 < 0
        if k == 2:
            assert texts(cell) == ["no\nface"]
        else:
            assert (image(cell) == k).all()
    assert ax.get_ylim()[0] < -0.36
    assert min(ax.get_yticks()) == 0


def test_timeline_from_estimator(pipeline):
    ax = plt.subplots()[1]
    display = TimelineDisplay.from_estimator(pipeline, "folder/v.mp4", ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    np.testing.assert_array_equal(display.timestamps, ToyClip.timestamps)
    np.testing.assert_array_equal(
        display.probabilities, [0.1, 0.9, np.nan, 0.8, np.nan]
    )
    assert display.score == pytest.approx(0.6)
    assert display.title == "v.mp4"
    # The four slots with a frame; the face of slot 2 is missing.
    assert [len(cell.get_images()) for cell in ax.child_axes] == [1, 1, 0, 1]


def test_timeline_from_a_pipeline_without_a_cropper():
    class ToyFeatures(Step):
        def transform(self, X):
            return np.ones((len(X), 5, 1, 1, 1))

    pipeline = Pipeline(
        [("sampler", Sampler()), ("f", ToyFeatures()), ("detector", Detector())]
    ).fit(["a"], [0])
    display = TimelineDisplay.from_estimator(pipeline, "v.mp4")
    assert display.faces is None
    np.testing.assert_array_equal(display.probabilities, [0.1, 0.9, 0.5, 0.8, 0.5])


def test_timeline_of_a_number_of_slots_that_is_no_multiple_is_refused():
    with pytest.raises(ValueError, match=r"multiple of n_people=2; got 3"):
        TimelineDisplay([0, 1, 2], [0.1, 0.2, 0.3], n_people=2).plot()


def test_timeline_errors(pipeline):
    with pytest.raises(ValueError, match="a step named 'sampler'"):
        TimelineDisplay.from_estimator(pipeline[1:], "v.mp4")
    with pytest.raises(ValueError, match="requires one video; got 2"):
        TimelineDisplay.from_estimator(pipeline, ["v.mp4", "w.mp4"])
    with pytest.raises(ValueError, match="predict_frame_proba; got Resizer"):
        TimelineDisplay.from_estimator(pipeline[:-1], "v.mp4")
    with pytest.raises(ValueError, match=r"probabilities must have one .* 2, got 1"):
        TimelineDisplay([0, 1], [0.5]).plot()
    with pytest.raises(ValueError, match=r"faces must have one.*2.*got 1"):
        TimelineDisplay([0, 1], [0.5, 0.5], faces=[None]).plot()
    with pytest.raises(ValueError, match="max_faces must be at least 1"):
        TimelineDisplay([0], [0.5]).plot(max_faces=0)


@pytest.mark.parametrize(
    ("draw", "name"),
    [
        (lambda: FacesDisplay.from_estimator(None, []), "FacesDisplay.from_estimator"),
        (lambda: FacesDisplay([[None]], [[None]]).plot(), "FacesDisplay.plot"),
        (
            lambda: HistoryDisplay.from_estimator(SimpleNamespace()),
            "HistoryDisplay.from_estimator",
        ),
        (lambda: HistoryDisplay({}).plot(), "HistoryDisplay.plot"),
        (
            lambda: TimelineDisplay.from_estimator(None, "v.mp4"),
            "TimelineDisplay.from_estimator",
        ),
        (lambda: TimelineDisplay([], []).plot(), "TimelineDisplay.plot"),
    ],
)
def test_without_matplotlib_the_error_says_what_to_install(draw, name, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    message = rf'{name} requires matplotlib: pip install "skdeepfake\[plot\]"'
    with pytest.raises(ImportError, match=message):
        draw()


def test_importing_the_module_does_not_import_matplotlib():
    code = "import sys, skdeepfake.plotting; print('matplotlib' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"
