"""The summary of a sweep: the rules by which methods are compared."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.comparison.report import records
from scaling.comparison.summary import (
    at_edge,
    chosen,
    smoothed,
    steps_to,
    summarise,
    width_of_good_rates,
)
from tests.support.sweeps import sweep


def run(loss: float) -> dict:
    return {"validation": [[1, 9.0], [2, loss], [3, 8.0]]}


DIVERGED = {"diverged": "the loss of step 3 is nan"}


def test_the_rate_of_the_lowest_loss_is_chosen():
    rates = {
        0.1: {0: run(1), 1: run(3)},
        0.01: {0: run(2), 1: run(1), 2: run(9)},
        0.001: {0: run(0.1), 1: run(3.9)},
    }
    assert chosen(rates, [0, 1]) == 0.01
    assert chosen(rates, [0]) == 0.001
    assert chosen({0.1: {0: run(1)}, 0.01: {0: run(1)}}, [0]) == 0.01, "the lower at a tie"


def test_a_rate_at_which_a_run_diverged_is_not_chosen():
    rates = {0.1: {0: run(1), 1: DIVERGED}, 0.01: {0: run(5), 1: run(5)}}
    assert chosen(rates, [0, 1]) == 0.01
    assert chosen({0.1: {0: DIVERGED}}, [0]) is None


def test_an_edge_is_where_a_better_rate_could_be_beyond():
    grid = {0.001: {}, 0.01: {}, 0.1: {}}
    assert [at_edge(grid, rate) for rate in grid] == ["lowest", None, "highest"]
    assert at_edge({0.1: {}}, 0.1) == "only"


@given(st.lists(st.floats(0, 10), min_size=1, max_size=30), st.integers(1, 5))
def test_a_smoothed_loss_is_the_mean_of_its_window(values, window):
    found = smoothed([[i + 1, x] for i, x in enumerate(values)], window)
    wanted = [(i, float(np.mean(values[i - window : i]))) for i in range(window, len(values) + 1)]
    # Sums of at most 30 numbers up to 10 are rounded at 300 eps, about 7e-14.
    np.testing.assert_allclose(found, wanted, atol=1e-12) if wanted else None
    assert len(found) == len(wanted)


def test_steps_are_counted_to_the_smoothed_loss():
    falling = [[t, 10.0 - t] for t in range(1, 10)]
    assert steps_to(falling, 5.0, 1) == 5
    assert steps_to(falling, 5.0, 3) == 6, "the mean of the last three is a step behind"
    assert steps_to(falling, 0.5, 1) is None


def test_the_width_of_good_rates_is_that_of_the_tent():
    tent = {0.01: 0.0, 0.1: 1.0, 1.0: 0.0}
    for margin in (0.0, 0.25, 1.0, 2.0):
        # The score falls by one for each decade to both sides. Logarithms are rounded at eps.
        assert math.isclose(width_of_good_rates(tent, margin), min(2 * margin, 2), abs_tol=1e-14)
    assert width_of_good_rates({0.01: -math.inf, 0.1: 1.0, 1.0: 1.0}, 0.1) == 1, (
        "none towards a run that diverged"
    )
    assert width_of_good_rates({0.1: 1.0}, 0.1) == 0


def summary(methods, margin=0.02, **options) -> dict[str, Any]:
    outcomes = sweep(methods, **options)
    return {
        row.method: row for row in summarise(outcomes, "init_a", margin, np.random.default_rng(0))
    }


def test_a_summary_finds_what_was_put_in():
    rows = summary({"eva": 0.95, "init_a": 0.7, "pissa": 0.5})
    assert list(rows) == ["init_a", "eva", "pissa"], "the reference first"
    assert [row.verdict for row in rows.values()] == [None, "better", "worse"]
    assert {row.rate for row in rows.values()} == {1e-3}
    assert all(
        len(row.seeds) == 5 and row.lost == row.diverged == 0 and row.edge is None
        for row in rows.values()
    )
    for method, accuracy in (("eva", 0.95), ("init_a", 0.7)):
        # A mean of 5 x 200 answers, of which none deviates by more than 5 standard errors.
        assert (
            abs(rows[method].score.value - accuracy) < 5 * (accuracy * (1 - accuracy) / 1000) ** 0.5
        )
    assert rows["init_a"].difference is rows["init_a"].convergence is None
    assert rows["eva"].seconds == 90
    assert rows["eva"].trained_parameters == 24576


@pytest.mark.parametrize(("best", "edge"), [(0, "lowest"), (2, "highest")])
def test_a_best_rate_at_the_edge_makes_void(best, edge):
    outcomes = sweep({"init_a": 0.7, "pissa": 0.95}) | sweep({"eva": 0.95}, best=best)
    rows = summarise(outcomes, "init_a", 0.02, np.random.default_rng(0))
    assert [row.edge for row in rows] == [None, None, edge]
    assert [row.verdict for row in rows] == [None, "better", "invalid"]


def test_a_reference_at_the_edge_makes_all_void():
    outcomes = sweep({"init_a": 0.7}, best=2) | sweep({"eva": 0.95})
    assert summarise(outcomes, "init_a", 0.02, np.random.default_rng(0))[1].verdict == "invalid"


def test_diverged_runs_are_counted_and_never_averaged():
    outcomes = sweep({"init_a": 0.7, "eva": 0.95})
    outcomes["eva"][1e-2] = dict.fromkeys(range(3), DIVERGED)
    row = summarise(outcomes, "init_a", 0.02, np.random.default_rng(0))[1]
    assert row.verdict == "better"
    assert row.diverged == 3 / 11
    assert row.lost == 0
    outcomes["eva"][1e-3][4] = DIVERGED
    row = summarise(outcomes, "init_a", 0.02, np.random.default_rng(0))[1]
    assert row.verdict == "invalid"
    assert row.lost == 1
    assert row.seeds == (0, 1, 2, 3)
    outcomes["eva"] = {rate: dict.fromkeys(range(3), DIVERGED) for rate in outcomes["eva"]}
    row = summarise(outcomes, "init_a", 0.02, np.random.default_rng(0))[1]
    assert row.verdict == "invalid"
    assert row.diverged == 1
    assert row.rate is row.difference is row.score is None


def test_convergence_compares_steps_to_the_end_of_the_reference():
    outcomes = sweep({"init_a": 0.7, "eva": 0.7, "slow": 0.7})
    for seed in range(5):
        curve = [[t, 10.0 * 0.95**t] for t in range(1, 61)]
        outcomes["init_a"][1e-3][seed]["losses"] = curve
        outcomes["eva"][1e-3][seed]["losses"] = [[t, 10.0 * 0.95 ** (2 * t)] for t in range(1, 61)]
        outcomes["slow"][1e-3][seed]["losses"] = (
            curve if seed else [[t, 10.0] for t in range(1, 61)]
        )
    rows: list[Any] = summarise(outcomes, "init_a", 0.02, np.random.default_rng(0))
    eva, slow = (row.convergence for row in rows[1:])
    # Twice the rate takes half the steps; whole steps and the window of 6 move it by a few of 60.
    assert eva.censored == 0
    assert abs(eva.ratio.value - 0.5) < 0.1
    assert slow.censored == 1 / 5
    assert slow.ratio is None


def test_equal_methods_converge_alike():
    rows = summary({"init_a": 0.7, "eva": 0.7, "pissa": 0.7})
    assert all(row.convergence.censored < 0.5 for row in rows.values() if row.convergence)


def test_memory_is_the_highest_peak_and_a_step_takes_the_time_of_the_middle_run():
    outcomes = sweep({"LoRA": 0.7})
    runs = outcomes["LoRA"][1e-3]
    for (seed, run), memory, seconds in zip(
        runs.items(), (1, 3, 2, None, 1), (9.0, 2.0, 1.0, 2.5, 2.2), strict=True
    ):
        runs[seed] = run | {
            "memory": memory and memory * 2**20,
            "step_seconds": seconds,
            "seconds": 60.0 * seconds,
        }
    [row] = summarise(outcomes, "LoRA", 0.02, np.random.default_rng(0))
    assert (row.memory, row.step_seconds) == (3 * 2**20, 2.2)
    [cells] = records([row])
    assert (cells["memory"], cells["s a step"], cells["minutes"]) == ("3 MiB", "2.2", "3.3")
