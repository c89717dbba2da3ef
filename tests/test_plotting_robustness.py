from __future__ import annotations

import dataclasses
import itertools
import sys

import matplotlib
import numpy as np
import pytest

from skdeepfake import evaluation
from skdeepfake.evaluation import RobustnessCurve
from skdeepfake.perturbations import DISTORTIONS
from skdeepfake.plotting import RobustnessDisplay
from skdeepfake.plotting._robustness import _apart

matplotlib.use("Agg")
from matplotlib import pyplot as plt


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def curve():
    """All seven, three of them with one score at the end."""
    scores = np.linspace(0.9, 0.6, 35).reshape(7, 5)
    scores[:3, -1] = 0.7
    return RobustnessCurve(
        distortions=tuple(DISTORTIONS),
        levels=(1, 2, 3, 4, 5),
        clean_score=0.95,
        scores=scores,
        clean_coverage=1.0,
        coverage=np.linspace(1, 0.1, 35).reshape(7, 5),
        clean_proba=np.zeros(4),
        proba=np.zeros((7, 5, 4)),
        metric="roc_auc",
        chance=0.5,
        mode="corrected",
        boxes="perturbed",
    )


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def test_each_distortion_is_a_line_from_the_clean_score_on(curve):
    display = RobustnessDisplay(curve)
    assert display.plot() is display
    for ax, clean, values in (
        (display.ax_, 0.95, curve.scores),
        (display.coverage_ax_, 1.0, curve.coverage),
    ):
        drawn = lines(ax)
        for code, of_levels in zip(DISTORTIONS, values, strict=True):
            np.testing.assert_array_equal(drawn[code].get_xdata(), range(6))
            np.testing.assert_array_equal(drawn[code].get_ydata(), [clean, *of_levels])
        assert drawn["clean"].get_ydata()[0] == clean
    assert display.ax_.get_ylabel() == "AUC"
    assert display.coverage_ax_.get_ylabel() == "frames\nwith a face"
    assert display.coverage_ax_.get_xlabel() == "level of distortion"
    ticks = [tick.get_text() for tick in display.coverage_ax_.get_xticklabels()]
    assert ticks == ["clean", "1", "2", "3", "4", "5"]
    assert display.figure_ is display.ax_.figure


def test_lines_differ_in_colour_and_in_marker_and_in_dashes(curve):
    drawn = lines(RobustnessDisplay(curve).plot().ax_)
    for looks in (
        lambda line: line.get_color(),
        lambda line: line.get_marker(),
        lambda line: str(line._dash_pattern),
    ):
        assert len({looks(drawn[code]) for code in DISTORTIONS}) == 7


def test_names_stand_at_the_ends_of_the_lines_and_not_on_each_other(curve):
    display = RobustnessDisplay(curve).plot()
    display.figure_.draw_without_rendering()
    names = [text for text in display.ax_.texts if "," in text.get_text()]
    names += [text for text in display.ax_.texts if "JPEG" in text.get_text()]
    assert [text.get_text() for text in names] == [
        "0.70  CS, color saturation",
        "0.70  CC, color contrast",
        "0.70  BW, local blocks",
        f"{curve.scores[3, -1]:.2f}  GNC, Gaussian noise",
        f"{curve.scores[4, -1]:.2f}  GB, Gaussian blur",
        "0.60  VC, video compression",
        f"{curve.scores[5, -1]:.2f}  JPEG compression",
    ]
    boxes = sorted((text.get_window_extent() for text in names), key=lambda box: box.y0)
    for lower, upper in itertools.pairwise(boxes):
        assert lower.y1 <= upper.y0
    # Within the figure, too.
    assert max(box.x1 for box in boxes) <= display.figure_.bbox.x1


def test_places_move_apart_as_little_as_needed():
    assert _apart([0.1, 0.5, 0.9], 0.1) == [0.1, 0.5, 0.9]
    np.testing.assert_allclose(_apart([0.5, 0.5, 0.9], 0.1), [0.45, 0.55, 0.9])
    np.testing.assert_allclose(_apart([0.52, 0.5], 0.1), [0.56, 0.46])
    np.testing.assert_allclose(_apart([1.0, 1.0, 1.0], 0.1), [0.8, 0.9, 1.0])
    # One that is moved meets the next.
    np.testing.assert_allclose(
        _apart([0.5, 0.5, 0.58], 0.1), [0.4267, 0.5267, 0.6267], atol=1e-3
    )


def test_chance_is_drawn_where_it_is_known(curve):
    display = RobustnessDisplay(curve).plot()
    assert "chance: 0.5" in [text.get_text() for text in display.ax_.texts]
    flat = [line for line in display.ax_.lines if set(line.get_ydata()) == {0.5}]
    assert len(flat) == 1
    display = RobustnessDisplay(dataclasses.replace(curve, chance=None)).plot()
    assert not any("chance" in text.get_text() for text in display.ax_.texts)


def test_axes_may_be_given_and_coverage_missing(curve):
    without = dataclasses.replace(curve, clean_coverage=np.nan, metric="my_metric")
    figure, axes = plt.subplots(1, 2, layout="constrained")
    display = RobustnessDisplay(without).plot(ax=axes[0])
    assert display.ax_ is axes[0]
    assert display.coverage_ax_ is None
    assert display.ax_.get_xlabel() == "level of distortion"
    assert display.ax_.get_ylabel() == "my metric"
    display = RobustnessDisplay(curve).plot(ax=axes[1])
    assert axes[1].child_axes == [display.ax_, display.coverage_ax_]
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]


def test_display_from_estimator_scores_and_draws(curve, monkeypatch):
    asked = []

    def robustness_curve(*parameters, **keywords):
        asked.append((parameters, keywords))
        return curve

    monkeypatch.setattr(evaluation, "robustness_curve", robustness_curve)
    ax = plt.subplots()[1]
    display = RobustnessDisplay.from_estimator(
        "pipeline", ["a.mp4"], [1], levels=[1], ax=ax
    )
    assert asked == [(("pipeline", ["a.mp4"], [1]), {"levels": [1]})]
    assert display.curve is curve
    assert ax.child_axes


@pytest.mark.parametrize(
    ("draw", "name"),
    [
        (
            lambda: RobustnessDisplay.from_estimator(None, [], []),
            "RobustnessDisplay.from_estimator",
        ),
        (lambda: RobustnessDisplay(None).plot(), "RobustnessDisplay.plot"),
    ],
)
def test_without_matplotlib_the_error_says_what_to_install(draw, name, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    message = rf'{name} requires matplotlib: pip install "skdeepfake\[plot\]"'
    with pytest.raises(ImportError, match=message):
        draw()
