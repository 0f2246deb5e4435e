"""The pictures of a sweep show its numbers: read back from what is drawn."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from loralab.claims import Measured
from scaling.comparison import pictures
from scaling.comparison.summary import INVALID, Row, lowest_loss, summarise
from tests.support.sweeps import sweep

MARGIN = 0.02
DIVERGED = {"diverged": "training stopped: the loss of step 12 is nan"}


@pytest.fixture
def drawn(monkeypatch) -> Callable[..., Any]:
    """The figure that is drawn, where it would be saved."""
    figures = []
    monkeypatch.setattr(pictures, "_save", lambda figure, file: figures.append(figure))

    def act(draw: Callable[..., None], *given: Any) -> Any:
        draw(Path("unused.png"), *given)
        return figures.pop()

    return act


def made() -> tuple[dict[str, Any], list[Row]]:
    outcomes = sweep({"init_a": 0.7, "eva": 0.9, "pissa": 0.5})
    outcomes["eva"][1e-2] = dict.fromkeys(outcomes["eva"][1e-2], DIVERGED)
    return outcomes, summarise(outcomes, "init_a", MARGIN, np.random.default_rng(0))


def points(line: Any) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in line.get_xydata()]


def test_a_line_goes_through_the_means_and_the_rate_that_was_chosen_is_filled(drawn):
    outcomes, rows = made()
    figure = drawn(pictures.draw_rates, rows, outcomes)
    losses, scores = figure.axes
    for panel, value in ((losses, lowest_loss), (scores, lambda run: run["metrics"]["accuracy"])):
        lines = {line.get_label(): line for line in panel.lines}
        filled = [line for line in panel.lines if line.get_markersize() == 8]
        for row, large in zip(rows, filled, strict=True):
            means = {
                rate: np.mean([value(run) for run in runs.values() if "diverged" not in run])
                for rate, runs in outcomes[row.method].items()
                if DIVERGED not in runs.values()
            }
            np.testing.assert_array_equal(points(lines[row.method]), list(means.items()))
            np.testing.assert_array_equal(points(large), [(row.rate, means[row.rate])])
            assert large.get_color() == lines[row.method].get_color()


def test_every_run_is_a_dot_and_one_that_diverged_a_cross(drawn):
    outcomes, rows = made()
    for panel in drawn(pictures.draw_rates, rows, outcomes).axes:
        dots = [point for line in panel.lines if line.get_marker() == "." for point in points(line)]
        assert len(dots) == sum(
            run != DIVERGED
            for m in outcomes.values()
            for runs in m.values()
            for run in runs.values()
        )
        crosses = [
            line
            for line in panel.lines
            if line.get_marker() == "x" and line.get_transform() != panel.transData
        ]
        assert [points(cross)[0][0] for cross in crosses] == [1e-2]
        assert crosses[0].get_color() == pictures._style(1)["color"], "of eva"


@pytest.mark.parametrize(("largest", "scale"), [(9.0, "linear"), (90.0, "log")])
def test_losses_far_apart_are_on_a_logarithmic_axis(drawn, largest, scale):
    outcomes, rows = made()
    for rate, runs in (
        (rate, runs) for method in outcomes.values() for rate, runs in method.items()
    ):
        for run in runs.values():
            run["validation"] = [[60, largest if rate == 1e-4 else 1.0]]
    losses, scores = drawn(pictures.draw_rates, rows, outcomes).axes
    assert (losses.get_yscale(), scores.get_yscale()) == (scale, "linear")


def test_a_difference_stands_with_its_interval_beside_the_margin(drawn):
    rows = made()[1]
    axes = drawn(pictures.draw_differences, rows, MARGIN).axes[0]
    others = [row for row in rows if row.difference]
    assert [label.get_text() for label in axes.get_yticklabels()] == [row.method for row in others]
    [span] = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert (span.get_x(), span.get_width()) == pytest.approx((-MARGIN, 2 * MARGIN))
    segments = [tuple(part.get_segments()[0][:, 0]) for part in axes.collections]
    for row, ends in zip(others, segments, strict=True):
        assert isinstance(row.difference, Measured)
        assert ends == pytest.approx((row.difference.low, row.difference.high))
    assert [text.get_text() for text in axes.texts] == [row.verdict for row in others]


def test_better_is_green_worse_is_red_and_void_is_hollow(drawn):
    rows = made()[1]
    rows.append(replace(rows[1], verdict=INVALID))
    axes = drawn(pictures.draw_differences, rows, MARGIN).axes[0]
    markers = [line for line in axes.lines if line.get_marker() == "o"]
    looks = {text.get_text(): dot for text, dot in zip(axes.texts, markers, strict=True)}
    assert looks.keys() == {"better", "worse", INVALID}
    assert (looks["better"].get_color(), looks["worse"].get_color()) == ("C2", "C3")
    assert [looks[verdict].get_markerfacecolor() for verdict in looks] == ["C2", "C3", "white"]


def test_methods_are_told_apart_without_colour():
    looks = [pictures._style(i) for i in range(12)]
    assert len({look["marker"] for look in looks}) == 12
    assert len({look["color"] for look in looks[:11]}) == 11
