from __future__ import annotations

import dataclasses
import sys

import matplotlib
import numpy as np
import pytest

from skdeepfake.evaluation import (
    RobustnessCurve,
    RobustnessDisplay,
    _robustness_display,
)
from skdeepfake.perturbations import DISTORTIONS

matplotlib.use("Agg")
from matplotlib import pyplot as plt


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def curve():
    """Curve of all seven distortions; the last scores of three are equal."""
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
    return {line.get_label().partition(":")[0]: line for line in ax.get_lines()}


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


def test_lines_differ_in_color_and_in_marker_and_in_dashes(curve):
    drawn = lines(RobustnessDisplay(curve).plot().ax_)
    for looks in (
        lambda line: line.get_color(),
        lambda line: line.get_marker(),
        lambda line: str(line._dash_pattern),
    ):
        assert len({looks(drawn[code]) for code in DISTORTIONS}) == 7


def test_legend_names_the_lines_from_the_highest_last_score_on(curve):
    display = RobustnessDisplay(curve).plot()
    display.figure_.draw_without_rendering()
    legend = display.ax_.get_legend()
    last = dict(zip(DISTORTIONS, curve.scores[:, -1], strict=True))
    assert [text.get_text() for text in legend.get_texts()] == [
        "clean: 0.95",
        *(
            f"{code}: {DISTORTIONS[code].name}, {last[code]:.2f}"
            for code in ("GNC", "CS", "CC", "BW", "GB", "JPEG", "VC")
        ),
        "chance: 0.5",
    ]
    # The legend is inside the figure, beside the axes.
    box = legend.get_window_extent()
    assert display.ax_.bbox.x1 <= box.x0 < box.x1 <= display.figure_.bbox.x1


def test_chance_is_drawn_where_it_is_known(curve):
    display = RobustnessDisplay(curve).plot()
    assert "chance" in lines(display.ax_)
    flat = [line for line in display.ax_.lines if set(line.get_ydata()) == {0.5}]
    assert len(flat) == 1
    display = RobustnessDisplay(dataclasses.replace(curve, chance=None)).plot()
    assert "chance" not in lines(display.ax_)


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

    monkeypatch.setattr(_robustness_display, "robustness_curve", robustness_curve)
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
