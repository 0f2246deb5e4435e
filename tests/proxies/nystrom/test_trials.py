"""The trials of the Nyström family, each on one problem."""

import sys

import numpy as np
import pytest
import torch

from proxies.families.nystrom.claims import CLAIMS
from proxies.families.nystrom.trials import adaptation, competitors, laws, limits
from theory.nystrom import asymmetric

BARS = {(claim.id, check.key): check.criterion.high for claim in CLAIMS for check in claim.checks}


def test_start_that_is_not_a_sketch_of_the_target_is_caught(monkeypatch):
    """The proxy's own measurement, given a sketch of the transposed target, must leave the accepted
    units."""
    problem = {"rows": 20, "columns": 20, "rank": 3, "condition": 100.0, "seed": 0}
    bar = BARS["N1", "deviation"]
    assert laws.scalar_law(**problem)["deviation"] < bar
    correct = laws.initial
    monkeypatch.setattr(laws, "initial", lambda A, *rest: correct(np.ascontiguousarray(A.T), *rest))
    assert laws.scalar_law(**problem)["deviation"] > bar


def test_a_law_that_is_off_by_a_percent_leaves_its_bar(monkeypatch):
    """Each identity against its own bar, with its theory moved by 1 %."""
    transfer = lambda: adaptation.transfer(0.5, 64, 48, 0)["random"]
    polar = lambda: laws.polar_law(20, 3, 100.0, 0)
    weight = lambda one: abs(one["first"] - one["law"]) / np.finfo(float).eps
    cases = (
        (lambda: weight(transfer()), ("N11c", "law"), asymmetric, "first_step_error"),
        (lambda: transfer()["outside"], ("N11e", "random"), asymmetric, "outside_law"),
        (lambda: polar()["limit"], ("N4", "limit"), laws.symmetric, "limit"),
        (lambda: polar()["sigma"], ("N4", "singular values"), laws.symmetric, "sigma_after"),
        (
            lambda: limits.one_step_below_rank(0)["range_finder"],
            ("N9", "range finder"),
            limits.truncated,
            "range_finder",
        ),
    )
    for measure, name, module, attribute in cases:
        assert measure() < BARS[name], name
        correct = getattr(module, attribute)
        with monkeypatch.context() as patch:
            patch.setattr(module, attribute, lambda *a, correct=correct: 1.01 * correct(*a))
            assert measure() > BARS[name], name


def test_one_step_below_the_rank_is_not_the_best_of_its_rank():
    """Weak optimality is not optimality."""
    assert min(limits.one_step_below_rank(seed)["excess"] for seed in range(10)) > 1.1


def test_alternating_updates_are_least_squares_at_step_size_one_only():
    found = competitors.least_squares(20, 18, 3, 10.0, 100, 0)
    assert found["sweeps"] == 1
    assert found["half_sweeps"] > 20, "a linear rate of 1/4 inside the range, 1/2 outside"


@pytest.mark.parametrize("problem", ["exact", "over", "asymmetric"])
def test_orders_of_convergence(problem):
    assert laws.order(problem, 2, 100.0, "0.5", 0)["order"] == pytest.approx(2, abs=1e-3)
    if problem == "exact":
        assert laws.order(problem, 2, 100.0, "0.4", 0)["order"] == pytest.approx(1, abs=1e-3)


def test_missing_peft_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError, match=r"pip install 'loralab\[llm\]', or pass --no-peft"):
        adaptation.released_implementations(0)


@pytest.mark.parametrize("alignment", [0.0, 0.9])
def test_only_a_sketch_of_the_gradient_saves_steps(alignment):
    found = adaptation.transfer(alignment, 128, 128, 0)
    steps = {name: run["steps"] for name, run in found.items()}
    assert steps["weight"] == pytest.approx(steps["random"], rel=0.1)
    assert steps["gradient"] < steps["random"] / 4


def test_released_code_departs_from_what_is_published():
    found = adaptation.released_implementations(0)
    assert found["lora_ga"] == pytest.approx(1, abs=1e-3), "|B| grows as the loss does"
    assert found["olora"] == pytest.approx(1, abs=1e-5), "a reflection"


def test_what_is_assigned_to_a_modules_data_is_not_its_weight():
    """The line of NoRA's released code that sets the sketch assigns to the module, whose forward
    pass never reads it."""
    layer = torch.nn.Linear(4, 3, bias=False)
    before = layer.weight.detach().clone()
    layer.data = torch.ones(3, 4)  # type: ignore[assignment]
    assert torch.equal(layer.weight, before)
    assert set(layer.state_dict()) == {"weight"}
