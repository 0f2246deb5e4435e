"""Evidence of the learning-rate family beyond its wiring (tests/test_wiring.py): the rows of the
grid, and choices that must be made at the right place."""

import numpy as np
import pytest

from loralab.claims import Outcome, at, judge
from loralab.statistics import exact
from proxies.families.lr_stability import evidence
from proxies.families.lr_stability.claims import CLAIMS
from proxies.families.lr_stability.claims.coordinates import ALONE, MODELS, TOGETHER
from proxies.families.lr_stability.trials import plan, sweep
from proxies.lr_stability import TIMES
from tests.support.worlds.lr_stability import (
    NINE,
    ONE,
    PLUS,
    SEEDS,
    World,
    measured,
    optimum,
    own,
    shift,
)

CHECKS = {(claim.id, check.key): check for claim in CLAIMS for check in claim.checks}


def test_the_grid_is_compared_with_the_calculus_case_by_case():
    """Of L2, whose values are over the whole grid: its rows are those of the world."""
    names, pairs = ["init_b", "eva"], [ONE, PLUS]
    powers = plan.powers(World(), names, pairs, [1, 2])
    rows = evidence.predictions(powers)
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
    assert {key: m.high for key, m in evidence.of_grid(powers)["L2"].items() if m} == {
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


# of every criterion that is open to one side: a value that it accepts, and one that it does not
ONE_SIDED = {
    "L2/features": (0.12, 0.13),
    "L2/output": (0.24, 0.26),
    "L2b/grows": (0.1, -0.1),
    "L3/Init[A] over Init[B], plain network": (1.1, 0.9),
    "L3/Init[A] over Init[B], residual network": (1.1, 0.9),
    "L8b/difference, read-out of order n^(-1/2)": (-0.1, 0.1),
    "L8c/slope of the ratio": (0.1, -0.1),
    "L8c/ratio": (1.1, 0.9),
    **{f"L11/{name}, regret": (0.4, 0.6) for name in ("Init[A]", "Init[B]")},
    **{
        f"L11/{name}, regret by exponent {c}": (1.1, 0.9)
        for name in ("Init[A]", "Init[B]")
        for c in (0, -1)
    },
    **{f"L13/{model}: {key}": (0.11, 0.12) for model in MODELS for key in ALONE},
    **{f"L13b/{model}: grows": (0.1, -0.1) for model in MODELS},
    **{f"L13c/{model}: {key}": (0.11, 0.12) for model in MODELS for key in TOGETHER},
    "L14/read-out of order 1/n": (0.9, 1.1),
    "L14/read-out of order n^(-1/2)": (0.9, 1.1),
    "L14/residual network": (0.9, 1.1),
}
# of the others: how far from the prediction they accept
TOLERANCES = {
    **dict.fromkeys(("L2b", "L4", "L5", "L6"), 0.046),
    "L3": 0.037,
    "L7": 0.037,
    **dict.fromkeys(("L8", "L8b", "L8d", "L10"), 0.125),
    "L9": 0.08,
    "L11": 0.5,
    "L13b": 0.117,
}
OTHERS = {
    "L7/Z_B, EVA, learning rates n^-1/2, first step": 0.046,
    "L7/Z_B, Init[A], learning rates n^-1/2, first step": 0.046,
    "L9/Init[B], s constant": 0.1,
}
NUMBERS = {"0": 0.0, "-1/2": -0.5, "-1": -1.0, "n^(1/2)": 0.5, "of order 1": 0.0, "bounded": 0.0}


def test_criteria_accept_what_their_sentences_say():
    for (id, key), check in CHECKS.items():
        criterion, name = check.criterion, f"{id}/{key}"
        if name in ONE_SIDED:
            accepted, rejected = ONE_SIDED[name]
            assert judge(criterion, exact(accepted)) is Outcome.SUPPORTED, name
            assert judge(criterion, exact(rejected)) is Outcome.CONTRADICTED, name
        else:
            tolerance = OTHERS.get(name, TOLERANCES[id])
            assert (criterion.high - criterion.low) / 2 == pytest.approx(tolerance, abs=5e-4), name


def test_what_the_sources_claim_is_what_theory_predicts():
    for (id, key), check in CHECKS.items():
        predicted = check.predicted
        if check.claimed in NUMBERS:
            assert predicted == at(NUMBERS[check.claimed]), (id, key)
        elif check.claimed in ("grows", "> 0"):
            assert predicted is not None
            assert predicted.low >= 0, (id, key)
        elif check.claimed == "vanishes":
            assert predicted == at(-1), (id, key)
        else:
            assert check.claimed in ("", "larger", "> 1", "better on average")
    best = {key: check.predicted for (id, key), check in CHECKS.items() if id in ("L8", "L8d")}
    assert best == {
        "best learning rate, Init[A], read-out of order 1/n": at(-0.5),
        "best learning rate, Init[B], read-out of order 1/n": at(-0.5),
        "best learning rate, Init[A], read-out of order n^(-1/2)": at(-0.75),
        "best learning rate, Init[B], read-out of order n^(-1/2)": at(-1.0),
    }
    ranks = [check.predicted for (id, _), check in CHECKS.items() if id == "L9"]
    assert ranks == [at(-0.5), at(-0.25), at(0.0), at(0.0)]


# the experiments of `proxies.lr_stability.TIMES` by the checks that they decide
EXPERIMENTS = {
    **dict.fromkeys(("L2b", "L4", "L5", "L6", "L7/Z_B"), "limits"),
    "L3": "stable",
    "L7/largest": "stable, EVA",
    **dict.fromkeys(("L8/", "L8b/difference, read-out of order 1/n", "L11"), "mup"),
    **dict.fromkeys(("L8d", "L8b/difference, read-out of order n^"), "standard"),
    "L8c": "residual",
    "L9": "by rank",
    "L10": "first step",
    "L13": "transformer",
    "L14/read-out of order 1/n": "mup",
    "L14/read-out of order n^": "standard",
    "L14/residual": "residual",
}


def test_every_check_has_the_seeds_of_its_experiment():
    found = {
        f"{id}/{key}": m.draws
        for id, checks in measured(World()).items()
        for key, m in checks.items()
        if m and id != "L2"
    }
    for name, draws in found.items():
        (experiment,) = {TIMES[e] for start, e in EXPERIMENTS.items() if name.startswith(start)}
        assert draws == SEEDS * experiment, name


def test_only_the_source_is_judged_where_it_does_not_speak_of_the_networks():
    assert {claim.id for claim in CLAIMS if not claim.covers} == {"L8c", "L14"}
