"""The sweeps of proxies/overparam_generation.py and what is concluded from them, on numbers made by
hand."""

import math

import numpy as np
import pytest
import torch
from torch import Generator

from proxies.families.overparam_generation.evidence import paired
from proxies.families.overparam_generation.trials import cost, facts, sweep
from proxies.families.overparam_generation.trials import scores as judging
from proxies.families.overparam_generation.trials.training import Plan
from proxies.instruments import digit_networks, digit_targets
from tests.support.trials.generation_sweep import (
    check_chosen,
    check_grown,
    check_lag,
    check_noises,
    check_not_finite,
    check_paired,
    check_windows,
    small_networks,
    small_problem,
    swept,
)
from theory.overparam_generation import distances as theory


def test_the_rate_is_chosen_on_validation(monkeypatch):
    check_chosen(monkeypatch)


def test_the_grid_grows_until_it_holds_the_window(monkeypatch):
    check_grown(monkeypatch)


def test_a_sweep_in_which_every_rate_diverges_has_no_best(monkeypatch):
    found = swept(monkeypatch, -4, diverged=range(-20, 20))
    assert found["best"] is None
    assert paired.at_best(found) is paired.widths(found) is None
    assert paired.at_fixed(found) is None
    assert found["shown"] == {}


def test_windows_by_hand(monkeypatch):
    check_windows(monkeypatch)


def test_a_window_leaves_gaps_and_diverged_runs_out():
    test = np.array([[20.0], [10.0], [16.0], [14.0], [math.nan]])
    assert sweep.good(test, test[1]).ravel().tolist() == [False, True, False, True, False]


def test_a_lag_by_hand(monkeypatch):
    check_lag(monkeypatch)


def test_ratios_are_paired():
    check_paired()


def test_an_image_that_is_not_finite_has_no_score():
    check_not_finite()


def test_a_run_at_an_absurd_rate_is_recorded_as_diverged_beside_whole_ones(monkeypatch):
    monkeypatch.setattr(judging, "DRAWN", 8)
    whole, diverged = sweep.run(small_problem(), "LoRA", 2, [-8, 60], Plan(20, 8))
    assert np.isfinite(whole.validation).all()
    assert np.isnan(diverged.validation).all()
    assert np.array([whole.images, diverged.images]).shape == (2, 8, 64)


def test_the_noise_that_chooses_is_not_the_one_that_judges():
    check_noises()


def test_shares_and_pixels():
    problem = small_problem()
    real = digit_targets.of(digit_targets.TARGETS["new classes"])
    share = judging.scores(real, real, problem)["share"]
    assert share == pytest.approx(
        float(
            ((problem.judge.labels(real) >= 5) & (problem.judge.labels(real) < 10)).float().mean()
        )
    )
    assert judging.pixels(torch.tensor([[-1.0, 1.0, 0.0, 9.0, math.nan]])) == [[0, 16, 8, 16, 8]]
    digits = digit_targets.digits()[0]
    assert torch.equal(torch.tensor(judging.pixels(digits)) / 8 - 1, digits)


def test_the_base_learns_and_the_judge_is_right():
    base, found = small_networks()["base"], small_networks()["judge"]
    # 1.9 is the variance of v, what a network that says nothing is left with
    assert base["loss"] < 1.0
    assert found["accuracy"] > 0.97
    judge, (x, y) = digit_networks.Judge(found["layers"]), digit_targets.both_styles()
    assert float((judge.labels(x) == y).float().mean()) == pytest.approx(
        found["accuracy"], abs=1e-3
    )
    assert torch.allclose(judge.embed(x).norm(dim=1), torch.ones(len(x)), atol=1e-6)


def test_facts_on_digits():
    judge = digit_networks.Judge(small_networks()["judge"]["layers"])
    for one in facts.null(judge, 200, 1000):
        assert abs(one["biased"]) < 3.5
        assert abs(one["unbiased"]) < 3.5
    x = torch.randn(60, 3, generator=Generator().manual_seed(0))
    few = facts.herded(x, 10)
    assert len({tuple(row) for row in few.tolist()}) == 10
    others = [x[torch.randperm(60, generator=Generator().manual_seed(i))[:10]] for i in range(50)]
    off = lambda y: float((y.mean(0) - x.mean(0)).norm())
    assert off(few) < min(off(y) for y in others)


def test_counts_are_those_of_theory():
    for variant, magnitude in (("overparam", False), ("op_dora", True)):
        found = cost.counts([[5, 4], [4, 6], [5, 4]], 2, variant)["trained"]
        assert found == theory.generator_parameters([(5, 4), (4, 6), (5, 4)], 2, 32, 32, magnitude)
    assert cost.counts([[5, 4]], 2, "plain")["trained"] == 18


def test_a_share_is_what_the_generators_add_over_the_step(monkeypatch):
    """Times in the order of the step: plain, its Adam, generated, its Adam, the generators
    alone."""
    given = iter([4.0, 1.0, 5.0, 2.0, 0.5] * 3)

    def seconds(action):
        action()
        return next(given)

    monkeypatch.setattr(cost, "_seconds", seconds)
    assert cost.shares(16, 2, 8, 2, 2, 1000)["shares"] == pytest.approx([1.5 / 7] * 2), (
        "the first is not counted"
    )
