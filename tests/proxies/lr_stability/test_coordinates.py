"""The claims L13 to L13c: each case of the coordinate check reaches its own check."""

import numpy as np
import pytest

from loralab.claims import Verdict, judge
from proxies.families.lr_stability.claims.coordinates import COORDINATES
from proxies.families.lr_stability.evidence import joined
from proxies.families.lr_stability.evidence.coordinates import of_coordinates
from proxies.families.lr_stability.trials.coordinates import CASES, STEPS, collect
from proxies.instruments.coordinates import QUANTITIES, coordinates
from theory.lr_stability import exponents


def fake(case: str, **off: float) -> np.ndarray:
    """Slopes that are the exponents, plus what is asked for, with noise over seeds and layers that
    averages out."""
    scheme, c, *_ = CASES[case]
    steps = [exponents(scheme, steps=t) for t in range(1, STEPS + 1)]
    exact = np.array(
        [[float(getattr(orders, q)(*c)) + off.get(q, 0.0) for orders in steps] for q in QUANTITIES]
    )
    noise = np.array([-0.02, 0.0, 0.02])[:, None] + np.array([-0.3, 0.3])
    return exact + noise[:, :, None, None]


def verdicts(**off: dict[str, float]) -> dict[str, dict[str, Verdict]]:
    measured = of_coordinates({case: fake(case, **off.get(case, {})) for case in CASES})
    return {
        claim.id: {
            check.key: judge(check.criterion, m)
            for check in claim.checks
            if (m := measured[claim.id][check.key])
        }
        for claim in COORDINATES
    }


# the cases by the check that they decide
DECIDED = {
    ("L13", "Init[A]"): "Init[A]",
    ("L13", "Init[B]"): "Init[B]",
    ("L13", "LoRA+ from Init[A]"): "LoRA+ from Init[A]",
    ("L13c", "Init[A]"): "Init[A], together",
    ("L13c", "Init[B]"): "Init[B], together",
    ("L13c", "LoRA+ from Init[B]"): "LoRA+ from Init[B], together",
    ("L13c", "LoRA+ from Init[A]"): "LoRA+ from Init[A], together",
}


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_a_slope_that_is_off_changes_its_own_verdict(quantity):
    right = verdicts()
    assert {verdict for checks in right.values() for verdict in checks.values()} == {Verdict.HOLDS}
    for (id, key), case in DECIDED.items():
        for sign in (-1, 1):
            wrong = verdicts(**{case: {quantity: 0.3 * sign}})
            changed = {
                (claim, check)
                for claim, checks in wrong.items()
                for check, verdict in checks.items()
                if verdict is not Verdict.HOLDS
            }
            # L13c is one-sided
            assert changed == ({(id, key)} if id == "L13" or sign > 0 else set())


def test_the_widest_interval_decides_and_each_step_is_its_own():
    found = {case: fake(case) for case in CASES}
    Z_B, delta1 = QUANTITIES.index("Z_B"), QUANTITIES.index("delta1")
    noise = np.array([-0.2, 0.0, 0.2])[:, None, None]
    found["Init[A], together"][:, :, Z_B] += 0.05
    found["Init[A], together"][:, :, delta1] += noise - 0.01  # a lower mean, and a higher end
    found["Init[B], too fast"][:, :, Z_B, -1] -= 0.5
    found["Init[B], too fast, small k"][:, :, Z_B, -1] -= 0.1
    measured = {
        id: {key: m.value for key, m in checks.items() if m}
        for id, checks in of_coordinates(found).items()
    }
    assert measured["L13c"]["Init[A]"] == pytest.approx(-0.01)
    assert measured["L13c"]["Init[B]"] == pytest.approx(0)
    assert measured["L13b"] == pytest.approx(
        {"last step": 0, "first step": 0.5, "small k": 0.4}, abs=1e-12
    )


def test_a_stable_failure_is_noticed():
    found = verdicts(**{"Init[B], too fast": {"Z_B": -0.5}})["L13b"]
    assert found["last step"] == found["first step"] == Verdict.REFUTED


def test_without_transformers_nothing_is_claimed():
    measured = joined()
    for claim in COORDINATES:
        assert measured[claim.id] == dict.fromkeys(claim.keys)


def test_cells_are_sorted_into_their_cases():
    """Every trial gets a number that tells its case, seed and width: none may land elsewhere."""

    class Memo:
        def map(self, function, points):
            assert function is coordinates
            return [
                {
                    "layer": {
                        q: [
                            c["width"]
                            ** (
                                c["seed"] / 10
                                + c["exponents"][1]
                                + c["together"]
                                + c["rate"]
                                + int(c["scheme"] == "init_b") / 4
                            )
                        ]
                        for q in QUANTITIES
                    }
                }
                for c in points
            ]

    found = collect(Memo(), [4, 16], [1, 2])  # type: ignore[arg-type]
    for name, case in CASES.items():
        expected = case.exponents[1] + case.together + case.rate + int(case.scheme == "init_b") / 4
        assert found[name][:, 0, 0, 0] == pytest.approx(expected + np.array([0.1, 0.2]))
