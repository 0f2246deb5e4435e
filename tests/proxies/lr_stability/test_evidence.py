"""Evidence of the learning-rate family beyond its wiring (tests/test_wiring.py): the rows of the
grid, and choices that must be made at the right place."""

import numpy as np
import pytest

from loralab.claims import Outcome, judge
from proxies.families.lr_stability import evidence
from proxies.families.lr_stability.claims import CLAIMS
from proxies.families.lr_stability.trials import plan, sweep
from tests.support.worlds.lr_stability import NINE, ONE, PLUS, World, optimum, own, shift

CHECKS = {(claim.id, check.key): check for claim in CLAIMS for check in claim.checks}


def test_the_grid_is_compared_with_the_calculus_case_by_case():
    """Of L2, whose values are over the whole grid: its rows are those of the world."""
    names, pairs = ["init_b", "eva"], [ONE, PLUS]
    measured = plan.powers(World(), names, pairs, [1, 2])
    rows = evidence.predictions(measured)
    assert len(rows) == 2 * 2 * 6 * 2
    for row in rows:
        at = "first" if row["steps"] == 1 else "last"
        exponent = own(row["quantity"], at, row["initialization"], (row["c_A"], row["c_B"]))
        assert row["measured"] is None or row["measured"] == pytest.approx(exponent)
        assert (row["measured"] is None) == (row["predicted"] is None)
    away = lambda features: [
        abs(row["measured"] - row["predicted"])
        for row in rows
        if row["measured"] is not None and (row["quantity"] != "f") == features
    ]
    assert {key: m.high for key, m in evidence.of_grid(measured)["L2"].items() if m} == {
        "features": max(away(True)),
        "output": max(away(False)),
    }


def test_every_initialization_is_in_the_grid():
    assert set(plan.GRID) == set(NINE)


def test_a_best_learning_rate_is_where_the_shifted_grid_has_it(monkeypatch):
    """Between the points of a grid, and of a grid that lies elsewhere for every seed and width."""
    monkeypatch.setattr(sweep, "grid_shift", shift)
    for readout in plan.LOSSES:
        best = plan.best(readout, plan.losses(World(), readout, [0, 1]), [0, 1])
        for i, width in enumerate(best.widths):
            for k, name in enumerate(("init_a", "init_b")):
                assert best.values[i, :, k] == pytest.approx(optimum(readout, name, width))


def test_learning_rates_are_chosen_by_each_seed_for_itself():
    """What is taken on to the big width is that of the same seed."""
    widths = (256, 512, 1024, 8192)
    chosen = np.arange(4.0)[:, None, None] + np.array([0.0, 10.0])[:, None] + np.array([0, 0.5])
    carried = plan.carried(Charging(), plan.Found(widths, -chosen), [3, 4])
    # the loss tells the seed and the learning rate at which it was asked for
    wanted = np.exp(carried.chosen + np.array([3, 4])[:, None] / 100)
    assert carried.losses == pytest.approx(wanted)
    assert carried.chosen[-1] == pytest.approx(-chosen[3])


class Charging(World):
    def map(self, function, trials):
        assert function is sweep.losses
        return [
            [[[float(np.exp(rate + t["seeds"][0] / 100)) for rate in t["log2_rates"]]]]
            for t in trials
        ]


def stable(slope_a: float, slope_b: float, lead: float = 5.0) -> evidence.Largest:
    """Largest learning rates of two seeds that lead by so many octaves at the widest width."""
    octaves = np.arange(9.0, 15.0)[:, None] - 14 + np.zeros(2)
    widths = [2**k for k in range(9, 15)]
    rows = {
        "init_a": plan.Found(widths, slope_a * octaves + lead),
        "init_b": plan.Found(widths, slope_b * octaves),
        "eva": plan.Found(widths, -0.5 * octaves),
        "eva_whitened": plan.Found(widths, -0.5 * octaves),
    }
    return {(network, name): row for network in ("mup", "residual") for name, row in rows.items()}


@pytest.mark.parametrize(
    ("slopes", "wrong"),
    [
        ((-0.5, -1.0, 5.0), set()),
        ((-1.0, -0.5, 5.0), {"largest learning rate, Init[A]", "largest learning rate, Init[B]"}),
        ((-0.5, -1.0, -5.0), {"Init[A] over Init[B]"}),
        ((0.5, 1.0, 5.0), {"largest learning rate, Init[A]", "largest learning rate, Init[B]"}),
    ],
)
def test_a_sign_or_an_order_that_is_wrong_contradicts_its_check(slopes, wrong):
    """L3."""
    found = evidence.of_stable(stable(*slopes))["L3"]
    contradicted = {
        key
        for key, m in found.items()
        if m and judge(CHECKS["L3", key].criterion, m) is Outcome.CONTRADICTED
    }
    assert contradicted == {
        f"{key}, {where}" for key in wrong for where in ("plain network", "residual network")
    }


def test_criteria_of_slopes_lie_evenly_around_their_predictions():
    """A tolerance of theory, and no interval fitted to what was seen."""
    for (id, key), check in CHECKS.items():
        low, high = check.criterion.low, check.criterion.high
        if np.isfinite([low, high]).all():
            assert check.predicted is not None, (id, key)
            assert check.predicted.low == check.predicted.high
            assert (low + high) / 2 == pytest.approx(check.predicted.low, abs=1e-12), (id, key)
