"""The claims L13 to L13c: each model and case reaches its own check, and all five quantities of it
are judged."""

import numpy as np
import pytest

from loralab.claims import Outcome, judge
from proxies.families.lr_stability.claims.coordinates import COORDINATES, GPT2, LLAMA, MODELS, STEPS
from proxies.families.lr_stability.evidence import joined
from proxies.families.lr_stability.evidence.coordinates import of_coordinates
from proxies.families.lr_stability.trials.coordinates import CASES, collect
from proxies.instruments.coordinates import QUANTITIES, coordinates
from theory.lr_stability import exponents

Off = dict[tuple[str, str], dict[str, float]]


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


def outcomes(off: Off | None = None) -> dict[tuple[str, str], Outcome]:
    off = off or {}
    keys = [(model, case) for model in MODELS for case in CASES]
    measured = of_coordinates({key: fake(key[1], **off.get(key, {})) for key in keys})
    return {
        (claim.id, check.key): judge(check.criterion, m)
        for claim in COORDINATES
        for check in claim.checks
        if (m := measured[claim.id][check.key])
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
@pytest.mark.parametrize("model", MODELS)
def test_a_slope_that_is_off_changes_its_own_outcome(model, quantity):
    assert set(outcomes().values()) == {Outcome.SUPPORTED}
    for (id, key), case in DECIDED.items():
        for sign in (-1, 1):
            wrong = outcomes({(model, case): {quantity: 0.4 * sign}})
            changed = {name for name, found in wrong.items() if found is not Outcome.SUPPORTED}
            # L13c is one-sided
            wanted = {(id, f"{model}: {key}")} if id == "L13" or sign > 0 else set()
            assert changed == wanted


def test_each_step_and_learning_rate_is_its_own():
    found = {(model, case): fake(case) for model in MODELS for case in CASES}
    Z_B = QUANTITIES.index("Z_B")
    found[LLAMA, "Init[B], too fast"][:, :, Z_B, -1] -= 0.5
    found[LLAMA, "Init[B], too fast, small k"][:, :, Z_B, -1] -= 0.1
    measured = {key: m.value for key, m in of_coordinates(found)["L13b"].items() if m}
    assert measured == pytest.approx(
        {
            "Llama: grows": 0,
            "Llama: last step": 0,
            "Llama: first step": 0.5,
            "Llama: small k": 0.4,
            **{f"GPT-2: {key}": 0.5 for key in ("grows", "last step", "first step", "small k")},
        },
        abs=1e-12,
    )


def test_a_stable_failure_is_noticed():
    found = outcomes({(GPT2, "Init[B], too fast"): {"Z_B": -0.55}})
    for key in ("last step", "first step", "grows"):
        assert found["L13b", f"GPT-2: {key}"] is Outcome.CONTRADICTED
        assert found["L13b", f"Llama: {key}"] is Outcome.SUPPORTED


def test_without_transformers_nothing_is_claimed():
    measured = joined()
    for claim in COORDINATES:
        assert measured[claim.id] == dict.fromkeys(claim.keys)


def test_trials_are_sorted_into_their_cases():
    """Every trial gets a number that tells its model, case, seed and width: none may land
    elsewhere."""

    def told(c, model):
        gpt2 = model == "gpt2"
        start = int(c["scheme"] == "init_b") / 4
        return c["exponents"][1] + c["together"] + c["rate"] + start + gpt2 * 8

    class Memo:
        def map(self, function, points):
            assert function is coordinates
            return [
                {
                    "layer": {
                        q: [c["width"] ** (c["seed"] / 10 + told(c, c["config"]["model_type"]))]
                        for q in QUANTITIES
                    }
                }
                for c in points
            ]

    found = collect(Memo(), [4, 16], [1, 2])  # type: ignore[arg-type]
    assert len(found) == 2 * len(CASES)
    for model, kind in ((LLAMA, "llama"), (GPT2, "gpt2")):
        for name, case in CASES.items():
            expected = told(case._asdict(), kind)
            assert found[model, name][:, 0, 0, 0] == pytest.approx(expected + np.array([0.1, 0.2]))
