"""The sweeps of proxies/overparam_generation.py and what is concluded from them, on numbers made by
hand."""

import math

import numpy as np
import pytest
import torch
from torch import Generator

from proxies.families.overparam_generation.evidence import paired
from proxies.families.overparam_generation.trials import facts, sweep
from proxies.families.overparam_generation.trials import scores as judging
from proxies.families.overparam_generation.trials.training import Plan
from proxies.instruments import digit_networks, digit_targets, image_distances
from tests.support.trials.generation_sweep import (
    check_anchors,
    check_choice,
    check_chosen,
    check_equal,
    check_gaps,
    check_grown,
    check_lag,
    check_noises,
    check_not_finite,
    check_own_networks,
    check_paired,
    check_parts,
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


def test_a_plain_method_is_run_with_a_step_of_equal_length(monkeypatch):
    check_equal(monkeypatch)


def test_each_part_of_a_split_has_its_use(monkeypatch):
    check_parts(monkeypatch)


def test_anchors_are_of_their_images():
    check_anchors()


def test_windows_by_hand(monkeypatch):
    check_windows(monkeypatch)


def test_a_window_ends_where_the_distance_leaves_it():
    check_gaps()


def test_good_runs_leave_diverged_ones_out():
    test = np.array([[20.0], [10.0], [16.0], [14.0], [math.nan]])
    assert sweep.good(test, test[1]).ravel().tolist() == [False, True, False, True, False]


def test_a_lag_by_hand(monkeypatch):
    check_lag(monkeypatch)


def test_ratios_are_paired():
    check_paired()


def test_the_choice_of_the_learning_rate_is_in_the_interval():
    check_choice()


def test_each_seed_has_its_own_networks(monkeypatch):
    check_own_networks(monkeypatch)


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
    share = judging.scores(real, real, problem, 1)["share"]
    assert share == pytest.approx(
        float(torch.isin(problem.judges[1].labels(real), torch.arange(5, 10)).float().mean())
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


def test_the_null_is_of_distances_of_disjoint_samples():
    """All draws at once against the distance of each pair of samples."""
    judge = digit_networks.Judge(small_networks()["judge"]["layers"])
    x = judge.embed(digit_targets.of(digit_targets.TARGETS["new classes"])).double()
    rng = Generator().manual_seed(1000)
    within = theory.SCALE * (1 - image_distances.kernel(x, x, theory.SIGMA))
    kappa = 1 - float(within.sum()) / (len(x) * (len(x) - 1)) / theory.SCALE
    for one in facts.null(judge, 5, 1000):
        n, m = one["n"], one["m"]
        orders = [torch.randperm(len(x), generator=rng) for _ in range(5)]
        found = [image_distances.mmd(x[o[:n]], x[o[n : n + m]]) for o in orders]
        expected = theory.null_mean(n, m, kappa)
        for kind in ("biased", "unbiased"):
            mean = np.mean([getattr(distance, kind) for distance in found])
            # distances of some hundredths are sums of terms of 1000, rounded to 1e-13
            assert one[kind] * expected == pytest.approx(mean, abs=1e-9), kind


def test_a_search_finds_the_ends_and_does_not_pass_them():
    found = facts.ends(7)
    assert 0.99 <= found["greatest"] <= 1 + 1e-12
    assert 0.99 <= found["not negative"] <= 1 + 1e-12
    assert -1e-9 <= found["least beyond means"] < 0.01
    assert 0.9 < found["most beyond means"] <= 1


def test_rises_are_over_the_same_images():
    """The rise of each distance by its definition, on the images that the seed chooses."""
    judge = digit_networks.Judge(small_networks()["judge"]["layers"])
    x = judge.embed(digit_targets.of(digit_targets.TARGETS["new classes"])).double()
    order = torch.randperm(len(x), generator=Generator().manual_seed(5))
    fair, rest = x[order[:400]], x[order[400:]]
    few = facts.herded(fair, 20).repeat(20, 1)
    found = facts.diversity(judge, 5)
    for name, sigma in (("CMMD", 10.0), ("MMD", float(torch.pdist(x).median()))):
        rise = [image_distances.mmd(one, rest, sigma).biased for one in (few, fair)]
        assert found[name] == pytest.approx(rise[0] / rise[1]), name


def test_facts_on_digits():
    x = torch.randn(60, 3, generator=Generator().manual_seed(0))
    few = facts.herded(x, 10)
    assert len({tuple(row) for row in few.tolist()}) == 10
    others = [x[torch.randperm(60, generator=Generator().manual_seed(i))[:10]] for i in range(50)]
    off = lambda y: float((y.mean(0) - x.mean(0)).norm())
    assert off(few) < min(off(y) for y in others)
