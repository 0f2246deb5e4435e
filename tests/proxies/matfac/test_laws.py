"""The trials of the laws: on exploratory seeds each gives what theory says, in units of rounding,
and a fault in the theory puts it far outside."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from loralab.claims import Outcome, Within, judge
from loralab.statistics import spread
from proxies.families.matfac.claims import CLAIMS
from proxies.families.matfac.evidence.laws import QUANTITIES, TRIALS
from proxies.families.matfac.trials import conditioning
from proxies.families.matfac.trials.draws import draws
from tests.support.laws.matfac_faults import (
    drift_without_first_layer_bias,
    no_bias_in_step,
    no_isotropic_part,
    second_order_negated,
    three_layers,
    weights_of_their_own_time,
)
from theory.matfac import adaptation, convergence
from theory.matfac import generator_network as theory

FEW = 4  # one of each shape
CHECKS = {(claim.id, check.key): check for claim in CLAIMS for check in claim.checks}
NAMED = [(id, key) for id, checks in QUANTITIES.items() for key in checks]


@cache
def right(name: str) -> dict[str, list[float]]:
    """Drawn once for all tests that leave the theory as it is."""
    return drawn(name)


def drawn(name: str, count: int = FEW) -> dict[str, list[float]]:
    arguments: dict[str, Any] = TRIALS[name] | {"count": count, "block": 0}
    return draws(**arguments)


@pytest.mark.parametrize(
    ("id", "key"), [case for case in NAMED if case[0] != "OP8" and "large" not in case[1]]
)
def test_a_law_holds_on_every_shape(id, key):
    name, quantity = QUANTITIES[id][key]
    check, measured = CHECKS[id, key], spread(right(name)[quantity])
    assert judge(check.criterion, measured) == Outcome.SUPPORTED
    assert judge(check.predicted or Within(), measured) != Outcome.CONTRADICTED


def test_the_bars_in_units_of_rounding_are_near_what_is_seen():
    """At most 100 times the median of a few draws, so that a bar could fail."""
    for id, key in NAMED:
        name, quantity = QUANTITIES[id][key]
        check = CHECKS[id, key]
        if check.predicted is None and id not in ("OP7", "OP8"):
            seen = np.abs(right(name)[quantity])
            bar = check.criterion.high if np.isfinite(check.criterion.high) else check.criterion.low
            assert abs(bar) <= 100 * max(np.median(seen), 0.5), (id, key)


def test_large_gradients_break_the_law_of_gradient_descent():
    growth = np.array(drawn("oppose large", 20)["growth"])
    assert (growth < 0).sum() < 10


@pytest.mark.parametrize("key", QUANTITIES["OP8"])
def test_a_variance_is_the_predicted_one(key):
    """400 draws: the standard error is 2 to 4 %, and a term that is left out is worth 3 to 40 %."""
    name, quantity = QUANTITIES["OP8"][key]
    values = np.array(drawn(name, 400)[quantity])
    assert abs(values.mean() - 1) <= 4 * values.std() / 20


FAULTS: dict[str, tuple[Any, str, Any, str, str]] = {
    "b2 forgotten in a step": (theory, "one_step", no_bias_in_step, "OP1", "one step, ReLU"),
    "h_s.h_s for h_s.h_t": (
        theory,
        "telescoped",
        weights_of_their_own_time,
        "OP1",
        "all steps, linear",
    ),
    "sign of the second order": (
        theory,
        "expansion",
        second_order_negated(),
        "OP2",
        "remainder",
    ),
    "|h|^2 forgotten in P": (
        theory,
        "preconditioner",
        no_isotropic_part,
        "OP3",
        "least eigenvalue",
    ),
    "b1 forgotten in the drift": (
        theory,
        "drift",
        drift_without_first_layer_bias,
        "OP4",
        "one step",
    ),
    "N = 3 for N = 2": (theory, "end_to_end", three_layers, "OP5", "flow"),
    "no epsilon": (
        theory,
        "adam_first_step",
        lambda h, g, eta: -eta * theory.adam_multiplier(h) * np.sign(g),
        "OP6",
        "with epsilon",
    ),
    "|h|^2 for |h|_1": (
        theory,
        "adam_multiplier",
        lambda h: 1 + h @ h,
        "OP6",
        "without epsilon",
    ),
    "a square factorisation's condition": (
        convergence,
        "spectrum",
        lambda S, rows, columns: np.sort((S[:, None] + S).ravel().repeat(rows + columns))[::-1],
        "OP17",
        "spectrum",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_theory_leaves_the_bar(fault, monkeypatch):
    where, name, wrong, id, key = FAULTS[fault]
    monkeypatch.setattr(where, name, wrong)
    trial, quantity = QUANTITIES[id][key]
    try:
        values = drawn(trial)[quantity]
    except ValueError:  # arrays that no longer fit
        return
    assert judge(CHECKS[id, key].criterion, spread(values)) != Outcome.SUPPORTED


def test_adam_adapts_by_the_predicted_size(monkeypatch):
    check = CHECKS["OP7", "agreeing, Adam"]
    monkeypatch.setattr(adaptation, "second_step_factor", lambda: 0.5)
    found = spread(drawn("agree, Adam")["growth"])
    assert check.predicted is not None
    assert judge(check.predicted, found) == Outcome.CONTRADICTED


def test_a_wide_generator_is_not_what_the_claim_speaks_of():
    for rows, columns, rank, width in conditioning.SETTINGS:
        assert width < rows + columns - 2 * rank
