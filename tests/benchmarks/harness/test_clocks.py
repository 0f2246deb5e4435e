"""Interleaved rounds: every action equally often, in turn, and the preparation is not timed."""

import time

import pytest

from benchmarks.harness.clocks import Action, interleaved, seconds
from benchmarks.harness.rows import Setting


@pytest.mark.parametrize(("rounds", "warm"), [(None, True), (2, True), (None, False)])
def test_every_round_runs_each_once_and_turns_the_order(rounds, warm):
    ran = []
    actions = {name: Action(lambda _, name=name: ran.append(name)) for name in "abc"}
    times = interleaved(actions, Setting(pairs=3), rounds, warm)
    count = rounds or 3
    assert {name: len(taken) for name, taken in times.items()} == dict.fromkeys("abc", count)
    expected = ["a", "b", "c"] * warm + ["a", "b", "c", "c", "b", "a", "a", "b", "c"][: 3 * count]
    assert ran == expected


def test_the_preparation_is_handed_over_and_not_timed(monkeypatch):
    now = 0.0

    def work(took, given=None):
        nonlocal now
        now += took
        return given

    monkeypatch.setattr(time, "process_time", lambda: now)
    got = []

    def run(given):
        got.append(given)
        work(3.0)

    assert seconds(Action(run, lambda: work(100.0, "prepared"), repeats=4), "cpu") == 3.0
    assert got == ["prepared"] * 4
