"""Comparisons of two methods on tables by hand, and what they refuse."""

from typing import Any

import numpy as np
import pytest

from loralab.claims import Measured
from proxies.families.matfac.evidence import evidence, paired
from proxies.families.matfac.tables import data, tables
from proxies.families.matfac.trials import plan, sweep
from tests.support.worlds import matfac as made_up

EPS = float(np.finfo(float).eps)


def made(final: Any, steps: Any = None) -> Any:
    """A sweep of which the comparisons see (learning rates, seeds)."""
    return {
        "final": final,
        "steps": {"1e-4": final if steps is None else steps},
        "per_decade": 6,
        "last": 1000,
        "best": 1,
        "edge": "",
        "open": [],
    }


def exactly(measured: Measured | None, value: float) -> None:
    assert measured is not None
    assert measured.value == pytest.approx(value, rel=20 * EPS)


FLAT = made([[9e-1] * 4, [1e-2] * 4, [9e-1] * 4], [[900] * 4, [100] * 4, [900] * 4])


def test_the_learning_rate_is_chosen_by_what_is_compared():
    """Fewest steps and lowest loss lie at other learning rates, and each has its own choice."""
    final = [[1e-1] * 4, [1e-3] * 4, [1e-5] * 4, [1e-1] * 4]
    steps = [[900] * 4, [50] * 4, [400] * 4, [900] * 4]
    exactly(paired.final_ratio(made(final, steps), FLAT), 1e-3)
    exactly(paired.steps_ratio(made(final, steps), FLAT), 0.5)


def test_the_final_loss_chooses_by_its_logarithm():
    """A mean that one bad problem would carry away is not what a ratio is taken of."""
    final = [[1.0] * 4, [1e-9, 1e-9, 1e-9, 5e-3], [1e-3] * 4, [1.0] * 4]
    found = paired.final_ratio(made(final), FLAT)
    assert found is not None
    # at the learning rate of the least logarithm 5e-6, and 0.1 at that of the least mean
    assert found.value == pytest.approx((1e-7**3 * 0.5) ** 0.25, rel=0.5)


def test_a_run_that_does_not_get_there_counts_all_its_steps():
    steps = [[None] * 4, [10, 10, 10, None], [800] * 4, [None] * 4]
    found = paired.steps_ratio(made(steps), FLAT)
    assert found is not None
    # a few resamples of the seeds have only the last, and choose the other learning rate
    assert found.value == pytest.approx((0.1**3 * 10) ** 0.25, rel=0.05)


def test_a_learning_rate_at_which_a_run_diverged_is_never_chosen():
    final = [[1e-1] * 4, [1e-3] * 4, [1e-9, 1e-9, 1e-9, None], [1e-1] * 4]
    exactly(paired.final_ratio(made(final), FLAT), 0.1)


def test_an_optimum_on_an_edge_is_refused():
    falling = made([[1e-1] * 4, [1e-3] * 4, [1e-5] * 4])
    assert paired.final_ratio(falling, FLAT) is None
    assert paired.final_ratio(FLAT, falling) is None
    assert paired.steps_ratio(falling, FLAT) is None
    diverged = made([[None] * 4] * 3)
    assert paired.final_ratio(diverged, FLAT) is None


def test_a_window_that_the_grid_cuts_off_is_refused():
    final = [[1.0, 1.0], [1e-5, 1e-5], [1e-5, 1.0], [1.0, 1.0]]
    assert paired.widths(made(final)) == pytest.approx([2 / 6, 1 / 6])
    for wrong in ({"edge": "low"}, {"open": ["high"]}, {"best": None}):
        assert paired.widths(made(final) | wrong) is None
        pairs = [(made(final), made(final)), (made(final), made(final) | wrong)]
        assert paired.wider(pairs[:1]) is not None
        assert paired.wider(pairs) is None


def test_a_diverged_run_at_one_learning_rate_is_no_ratio():
    found = {"OP-LoRA": [[1e-3, 1e-4]], "LoRA": [[1e-2, 1e-2]], "LoRA, first step": [[1.0, None]]}
    exactly(paired.one_rate_ratio(found, "LoRA"), (0.1 * 0.01) ** 0.5)
    assert paired.one_rate_ratio(found, "LoRA, first step") is None


def test_comparisons_refuse_what_the_grid_does_not_support():
    found = sweep.sweep("well", "direct", "SGD", 6, 5, 2, 3, 60, [0.01, 0.1], 3, 0)
    assert found["edge"] == "high"
    assert paired.wider([(found, found)]) is None
    assert paired.final_ratio(found, found) is None
    assert paired.steps_ratio(found, found) is None


def test_a_check_without_its_runs_is_not_measured():
    trials = made_up.world()
    nothing = evidence(trials["draws"], {}, {}, {})
    compared = {"OP10", "OP10b", "OP10c", "OP11", "OP12", "OP12b", "OP12c", "OP12d", "OP13"}
    assert {id for id, checks in nothing.items() if None in checks.values()} == compared
    assert all(set(nothing[id].values()) == {None} for id in compared)
    one_target = {key: made for key, made in trials["swept"].items() if key[0] == "gauss"}
    found = evidence(trials["draws"], one_target, {}, {})
    assert found["OP11"]["SGD"] is None, "the mean of two targets needs both"
    assert found["OP12"]["SGD"] is not None
    assert found["OP12d"]["SGD"] is None


def test_tables_and_lines_are_of_their_sweeps():
    swept = made_up.world()["swept"]
    squares = {t: made_up.swept((t, "-", "-")) for t in ("gauss", "ill", "well")}
    found = tables(swept, squares)
    assert [title.split(":")[0] for title in found] == ["gauss", "ill", "well"]
    rows = {
        (title.split(":")[0], row["optimizer"], row["method"]): row
        for title, records in found.items()
        for row in records
    }
    assert rows.keys() == swept.keys() | {(t, "-", "alternating least squares") for t in squares}
    seeds = range(made_up.SEEDS)
    for key in swept:
        best = made_up.best(key)
        per_decade = made_up.PER_DECADE.get(key[2], 3)
        assert rows[key]["final excess"] == np.median([made_up.final(key, best, i) for i in seeds])
        width = np.mean([made_up.width(key, i) for i in seeds]) / per_decade
        assert rows[key]["width"] == pytest.approx(width)
        soonest = [made_up.steps(key, "1e-4", best + 1, i) for i in seeds]
        assert rows[key]["steps to 1e-4"] == np.median(soonest)
        assert rows[key]["best learning rate"] == swept[key]["rates"][best]
    lines = {(s["target"], s["optimizer"], s["method"]): s for s in data(swept)["series"]}
    for key in swept:
        assert lines[key]["rates"] == swept[key]["rates"]
        medians = [
            np.median([made_up.final(key, i, seed) for seed in seeds])
            for i in range(made_up.RATES - 1)
        ]
        assert lines[key]["median"][:-1] == pytest.approx(medians, rel=1e-12)
        assert lines[key]["median"][-1] is None, "it diverged"


def test_what_is_compared_has_more_problems_and_a_finer_grid():
    compared, other = ("gauss", "Adam", "direct"), ("gauss", "Adam", "scalar")
    assert (plan.seeds(compared, 30), plan.per_decade(compared)) == (30, 6)
    assert (plan.seeds(other, 30), plan.per_decade(other)) == (4, 3)
    assert plan.shapes(24, 16, 3) == ((24, 16, 3), (48, 32, 4), (16, 48, 3))
