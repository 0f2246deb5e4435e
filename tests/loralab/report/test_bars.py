"""The bar of a check: what is shaded, where the interval lies, what is cut."""

import math
import re
import xml.etree.ElementTree as ET

import pytest

from loralab.claims import Measured, Within, at
from loralab.report.bars import EDGE, WIDTH, bar, scale


def parts(svg: str, kind: str) -> list[dict[str, str]]:
    return [each.attrib for each in ET.fromstring(svg).iter() if each.get("class") == kind]


def shaded(svg: str) -> tuple[float, float]:
    [region] = parts(svg, "accepted")
    left = float(region["x"])
    return left, left + float(region["width"])


def ends(svg: str) -> tuple[float, float]:
    """Of the interval's line."""
    found = re.match(r"M([\d.]+) \d+H([\d.]+)", parts(svg, "interval")[0]["d"])
    assert found
    return float(found[1]), float(found[2])


def value(svg: str) -> float:
    return float(parts(svg, "value")[0]["cx"])


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in ET.fromstring(svg).iter("text")]


@pytest.mark.parametrize(
    ("criterion", "left", "right"),
    [
        (Within(low=1), None, WIDTH),
        (Within(high=1), 0, None),
        (Within(0.5, 1), None, None),
    ],
    ids=str,
)
def test_the_region_runs_from_end_to_end_and_to_the_edge_where_it_has_none(criterion, left, right):
    measured = Measured(0.8, 0.7, 0.9)
    svg, place = bar(criterion, measured), scale(criterion, measured)
    expected = [
        place(end) if side is None else side
        for side, end in ((left, criterion.low), (right, criterion.high))
    ]
    assert shaded(svg) == pytest.approx(expected, abs=0.11)
    assert len(parts(svg, "end")) == sum(map(math.isfinite, (criterion.low, criterion.high)))


def test_the_interval_lies_where_its_numbers_do():
    svg = bar(Within(low=1), Measured(1.5, 1.25, 2))
    low, high = ends(svg)
    boundary, _ = shaded(svg)
    assert boundary < low < value(svg) < high
    assert (value(svg) - low) / (high - low) == pytest.approx(1 / 3, abs=0.01)
    assert "supported" in svg
    assert not parts(svg, "clipped")


def test_an_equality_is_a_line_with_one_end():
    svg = bar(at(0.5), Measured(0.5, 0.4, 0.6))
    left, right = shaded(svg)
    assert right - left == 2
    assert len(parts(svg, "end")) == 1
    assert texts(svg) == ["0.5"]


def test_an_exact_value_at_its_bound_has_an_axis():
    svg = bar(at(0.0), Measured(0, 0, 0))
    assert ends(svg) == (WIDTH / 2, WIDTH / 2)


def test_ratios_over_decades_have_a_logarithmic_scale_and_others_have_not():
    wide, near = Measured(0.1, 0.005, 2), Measured(0.5, 0.1, 2)
    assert scale(Within(high=1), wide).log
    assert not scale(Within(high=1), near).log
    assert not scale(Within(high=1), Measured(0.1, -0.005, 2)).log
    svg = bar(Within(high=1), wide)
    low, high = ends(svg)
    decades = math.log(0.1 / 0.005) / math.log(2 / 0.005)
    assert (value(svg) - low) / (high - low) == pytest.approx(decades, abs=0.01)
    assert texts(svg) == ["1", "log"]
    assert "logarithmic scale" in svg
    assert shaded(svg)[0] == 0, "what is accepted goes on to zero"


@pytest.mark.parametrize(
    ("low", "high", "arrows"),
    [(-math.inf, 1.1, ["0"]), (0.9, 40, [str(WIDTH)]), (0.9, 1.1, [])],
)
def test_an_end_beyond_the_axis_is_cut_and_marked(low, high, arrows):
    svg = bar(Within(high=1.2), Measured(1, low, high))
    assert [re.findall(r"L(\d+)", each["d"])[0] for each in parts(svg, "clipped")] == arrows
    assert all(0 <= x <= WIDTH for x in ends(svg))
    assert EDGE <= value(svg) <= WIDTH - EDGE


def test_a_prediction_is_a_diamond_at_each_end():
    measured = Measured(1.5, 1.2, 1.8)
    assert len(parts(bar(Within(low=1), measured, at(1.4)), "predicted")) == 1
    assert len(parts(bar(Within(low=1), measured, Within(1.1, 1.9)), "predicted")) == 3
    assert "predicted = 1.4" in bar(Within(low=1), measured, at(1.4))


def test_close_ends_share_a_label():
    svg = bar(Within(0.98, 1.02), Measured(1.5, 1.2, 1.8))
    assert texts(svg) == ["0.98 to 1.02"]


def test_what_was_not_measured_has_no_bar():
    assert bar(Within(low=1), None) == ""
