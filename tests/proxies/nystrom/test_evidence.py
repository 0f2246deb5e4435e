"""From trials to checks: in a made-up world of distinct values, each under its own key."""

from typing import Any

import numpy as np
import pytest

from proxies.families.nystrom.claims import CLAIMS
from proxies.families.nystrom.claims.adaptation import ALIGNMENTS
from proxies.families.nystrom.claims.links import ACCURACY, EXTRA, SIX
from proxies.families.nystrom.evidence import evidence
from proxies.families.nystrom.trials.plan import CONDITIONS, RANDOM_RANKS
from proxies.families.nystrom.trials.problem import EPS
from proxies.instruments.trial_grid import Records
from theory.nystrom import asymmetric, symmetric

SEEDS = (1, 2, 3)


def records(axes: dict[str, Any] | None = None, /, **base: float) -> Records:
    """A record a seed, whose entries are their base times 1, 2, 3: mean and median are twice it."""
    return [
        {**(axes or {}), "result": {name: value * seed for name, value in base.items()}}
        for seed in SEEDS
    ]


def run_of(steps: float, first: float, law: float) -> dict[str, float]:
    return {"steps": steps, "first": first, "law": law}


def transfer(alignment: float) -> dict[str, Any]:
    """Ratios of steps and first errors that are other ones at every overlap."""
    x = 1 + alignment
    return {
        "alignment": alignment,
        "result": {
            "random": run_of(100 * x, 2.0, 2.0),
            "weight": run_of(90, 3 * x, 3 * x + EPS * 13),
            "gradient": run_of(20, 5.0, 5.0 + EPS * 16),
        },
    }


def world() -> dict[str, Records]:
    return {
        "cost": [
            {
                "result": {
                    "value_error": [1, 2, 3],
                    "mean_cos2": [2, 4, 6],
                    "over_randomised": [3.0] * 3,
                    "over_sketch": [4.0] * 3,
                }
            }
        ],
        "released": [{"result": {"lora_ga": [5] * 3, "olora": [6] * 3, "nora": [7] * 3}}],
        "scalar": [
            {
                "result": {
                    "deviation": 8 * s,
                    "one_step": 9 * s,
                    "steps": [10, 99],
                    "condition": [1, 1e6],
                }
            }
            for s in SEEDS
        ],
        "polar": [
            *records(
                cycle=11, cycle_lowest=12, map=13, sigma=14, residual=15, limit=16, distance=1
            ),
            {
                "result": {
                    **{"cycle": 999, "cycle_lowest": 24, "map": 26, "sigma": 28},
                    **{"residual": 30, "limit": 32, "distance": 1e7},  # too far for its cycle
                }
            },
        ],
        # two steps for every factor of 4 in the condition number, from a distance of 1
        "newton": [
            {"condition": c, "result": {"steps": 2 * np.log(c) / np.log(4) + s, "distance": 1.0}}
            for c in CONDITIONS
            for s in SEEDS
        ],
        "scales": [{"result": {"steps": 500, "distance": 1.0}}],
        "orders": [*records({"eta": "0.5"}, order=17), *records({"eta": "0.4"}, order=18)],
        # |1 - 2 eta| is 0.2
        "tails": [{"eta": 0.4, "result": {"factor": 0.2 + 19 * s}} for s in SEEDS],
        "others": [],
        "squares": records(first=20, sweeps=21),
        # the faster step size is another one for each seed, and the condition of 10 does not count
        "descent": [
            {"condition": c, "eta": eta, "result": {"steps": steps}}
            for c, counts in (
                (1e1, {0.5: (1, 1, 1), 0.9: (1, 1, 1)}),
                (1e2, {0.5: (7000, 3000, None), 0.9: (5000, None, None)}),
            )
            for eta, times in counts.items()
            for steps in times
        ],
        "leaks": [
            *records({"size": 1e-3}, outside=22, late=23, steps=50, least_steps=26),
            {"size": 1e-9, "result": {"outside": 44, "late": None, "steps": 9, "least_steps": 0}},
        ],
        "random": [
            {
                "rank": rank,
                "draws": 100,
                "result": {
                    "converged": 10 * rank + i,
                    "agreement": 25,
                    "alternating": 27,
                    "alternating_factors": [28, 28, 28],
                },
            }
            for rank in RANDOM_RANKS
            for i in range(2)
        ],
        "below": records(ratio=29),
        "one step": records(range_finder=30, weak_optimality=31, excess=32),
        "transfer": [transfer(alignment) for alignment in ALIGNMENTS for _ in SEEDS],
        "exponents": records(preconditioned=33, gradient=34, released=35),
    }


FAST = 2 * np.log(100) / np.log(4)
EXPECTED = {
    "N1": {"deviation": 16},
    "N2": {"steps": 10},
    "N3": {"one step": 18, "cycle": 22, "lowest error": 24},
    "N4": {"map": 26, "singular values": 28, "residual": 30, "limit": 32},
    "N5": {"eta 1/2": 34, "eta 0.4": 36},
    "N5b": {"factor": 38},
    "N6": {
        # the middle one of 18 from 2 log_4 10 + 1 on, and of 500
        "steps beyond the distance": 2 * np.log(1e4) / np.log(4) + 1,
        "slope": 2,
        "ill-conditioned": 2 * np.log(1e6) / np.log(4) + 2,
        "gradient descent": (5000 / (FAST + 1) * 3000 / (FAST + 2)) ** 0.5,
    },
    "N7": {"outside": 44, "factor": 46, "steps beyond the bound": 48},
    "N8": {
        "agreement": 25,
        "rank 1": 0.105,
        "rank 2": 0.205,
        "rank 4": 0.405,
        "alternating": 27,
        "alternating factor": 28,
    },
    "N9": {"factor": 58, "range finder": 60, "weak optimality": 62, "excess": 64},
    "N10": {"one sweep": 40, "steps saved": 42 - 6},
    "N11": {f"overlap {x:g}": 100 * (1 + x) / 90 for x in ALIGNMENTS},
    "N11b": {f"overlap {x:g}": 5 * (1 + x) for x in ALIGNMENTS},
    "N11c": {"overlap 0": 1.5, "overlap 1": 3.0},
    "N12": {"preconditioned": 66, "gradient": 68, "released": 70},
    "N13": {
        "singular values": 2,
        "singular vectors": 4,
        "time over randomised": 3,
        "time over sketch": 4,
    },
    "N14": {"lora_ga": 5, "olora": 6, "nora": 7},
}


def test_every_check_gets_the_value_of_its_own_trial():
    measured = evidence(world(), timing=True)
    found = {id: {k: m and m.value for k, m in checks.items()} for id, checks in measured.items()}
    law = measured["N11c"]["law"]
    assert law is not None
    assert (law.low, law.high) == (0, pytest.approx(16, rel=0.3)), "EPS beside 3 to 6 is rounded"
    assert {claim.id: set(claim.keys) for claim in CLAIMS} == {
        id: set(checks) for id, checks in found.items()
    }
    del found["N11c"]["law"]
    assert found == {id: pytest.approx(checks, rel=1e-9) for id, checks in EXPECTED.items()}


def test_what_was_not_run_has_no_value():
    found = evidence(world() | {"released": []}, timing=False)
    missing = {(id, key) for id, checks in found.items() for key, m in checks.items() if m is None}
    assert missing == {
        ("N13", "time over randomised"),
        ("N13", "time over sketch"),
        ("N14", "lora_ga"),
        ("N14", "olora"),
        ("N14", "nora"),
    }


def test_what_the_claims_say_of_theory_is_what_it_gives():
    assert asymmetric.scalar_steps(0.5, ACCURACY) == SIX
    assert pytest.approx(symmetric.extra_steps(ACCURACY), rel=8 * EPS) == EXTRA  # of few operations
