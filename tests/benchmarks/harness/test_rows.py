"""The verdict of an interval on an aim, and what one function's failure does to the others."""

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.harness.intervals import Estimate
from benchmarks.harness.rows import NotMeasured, Row, Setting, Verdict, judge, result, run

SETTING = Setting(pairs=9)


def row(how: Any = lambda *_: {}, **named: Any) -> Row:
    settings: dict[str, Any] = {"aim": 1.1} | named
    return Row("subject", "ours", "floor", how, **settings)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.9, 1.0, Verdict.MET),
        (0.9, 1.1, Verdict.MET),  # the aim is within it
        (1.0, 1.2, Verdict.OPEN),
        (1.1, 1.2, Verdict.OPEN),  # not all of it is beyond
        (1.11, 1.2, Verdict.MISSED),
    ],
)
def test_only_a_whole_interval_decides(low, high, verdict):
    estimate = Estimate((low + high) / 2, low, high, 9)
    assert judge(row(), estimate) is verdict
    # a bar from below is the same with the order turned around
    turned = Estimate(-estimate.value, -high, -low, 9)
    assert judge(row(sign=">=", aim=-1.1), turned) is verdict


def test_what_has_no_interval_stays_open_and_a_count_does_not():
    assert judge(row(), Estimate(5.0, count=3)) is Verdict.OPEN
    assert judge(row(exact=True), Estimate(5.0)) is Verdict.MISSED
    assert judge(row(exact=True), Estimate(1.1)) is Verdict.MET
    assert judge(row(aim=None), Estimate(5.0, 4.0, 6.0, 9)) is Verdict.NO_AIM


def test_a_ratio_is_that_of_pairs():
    # Under a load that comes and goes the ratio of pairs is 2 in each, and of the medians too only
    # by chance: here it is not.
    floor = [1.0, 10.0, 1.0, 10.0, 1.0, 10.0]
    measured = {"floor": floor, "ours": [2 * value for value in floor]}
    found = result(row(aim=3), measured)
    assert found.estimate is not None
    assert (found.estimate.value, found.estimate.low, found.estimate.high) == (2, 2, 2)
    assert found.verdict is Verdict.MET
    assert found.medians == {"ours": 11.0, "floor": 5.5}


def test_rows_of_one_function_are_measured_together():
    asked = []

    def how(setting, wanted):
        asked.append(wanted)
        return {name: [1.0] * setting.pairs for name in wanted}

    rows = [row(how), Row("subject", "theirs", "floor", how), row(lambda *_: {"ours": 1})]
    shown = []
    results = run(rows[:2], SETTING, shown.append)
    assert asked == [("ours", "floor", "theirs")]
    assert results == shown
    assert [r.verdict for r in results] == [Verdict.MET, Verdict.NO_AIM]


def test_a_failure_is_that_of_its_own_rows():
    def broken(*_):
        raise RuntimeError("no such thing\nand more")

    def absent(*_):
        raise NotMeasured("the package is missing")

    good = lambda setting, wanted: {name: [1.0] * setting.pairs for name in wanted}
    every = [row(broken), row(absent), row(good)]
    results = run(every, SETTING, lambda _: None)
    verdicts = [Verdict.FAILED, Verdict.NOT_MEASURED, Verdict.MET]
    assert [r.verdict for r in results] == verdicts
    reasons = [r.reason for r in results]
    assert reasons == ["RuntimeError: no such thing", "the package is missing", ""]
    toy = run(every, replace(SETTING, toy=True, reason="too small"), lambda _: None)
    assert [r.verdict for r in toy] == [*verdicts[:2], Verdict.NOT_MEASURED]
    assert toy[2].estimate is None
    assert toy[2].reason == "too small"
