"""Faults that were planted in the image generation family, and the checks that catch them."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from loralab.statistics import Tuned, geometric_mean
from proxies.families.overparam_generation.evidence import paired
from proxies.families.overparam_generation.trials import adapters, scores, sweep, training
from proxies.instruments import flow_matching, image_distances
from tests.support.laws.overparam_generation import (
    check_counts,
    check_means,
    check_metric,
    check_most,
    check_null,
    check_series,
    check_shift,
)
from tests.support.trials.generation_sweep import (
    check_choice,
    check_chosen,
    check_gaps,
    check_grown,
    check_lag,
    check_noises,
    check_not_finite,
    check_own_networks,
    check_paired,
    check_windows,
)
from tests.support.trials.overparam_generation import (
    check_engine,
    check_images,
    check_midpoint,
    check_norms,
    check_path,
)
from theory.matfac import generator_network
from theory.overparam_generation import distances as theory

right_loss, right_heads, right_norms = flow_matching.loss, adapters._heads, adapters.row_norms
right_merged = adapters.merged


def diagonals_swapped(x, y, sigma=10.0, scale=1000.0):
    """The biased distance given out as the unbiased one, and back."""
    return image_distances.Distance(*reversed(right_mmd(x, y, sigma, scale)))


right_mmd = image_distances.mmd


def without_cross_twice(x, y, sigma=10.0, scale=1000.0):
    cross = scale * float(image_distances.kernel(x, y, sigma).mean())
    return image_distances.Distance(*(one + cross for one in right_mmd(x, y, sigma, scale)))


def without_half(a, b, sigma):
    return torch.exp(-torch.cdist(a.double(), b.double()).square() / sigma**2)


def ten_for_nine_point_nine(x, y, sigma=10.0, scale=1000.0):
    return scale / sigma**2 * float(((x.mean(0) - y.mean(0)) ** 2).sum())


def nearer_by_half(sigma=10.0, scale=1000.0, farthest=2.0):
    return scale * (2 - 2 * math.exp(-(farthest**2) / (4 * sigma**2)))


def from_image_to_noise(images, n, rng, right=flow_matching.draws):
    x, t, v = right(images, n, rng)
    return flow_matching.Draws(x, 1 - t, v)


def noise_subtracted_twice(images, n, rng, right=flow_matching.draws):
    x, t, v = right(images, n, rng)
    return flow_matching.Draws(x, t, v + (x - t[:, None] * v))


def euler(v, x, steps):
    for i in range(steps):
        x = x + v(x, x.new_full(x.shape[:-1], i / steps)) / steps
    return x


def dead_to_gradients(ctx, g, right=adapters._Product.backward):
    W, h = right(ctx, g)
    return W, torch.zeros_like(h)


def without_last_bias(P):
    return {n: value - P[f"generator.heads.{n}.bias"] / 2 for n, value in right_heads(P).items()}


def norms_of_the_base(W, B, A):
    return right_norms(W, 0 * B, A)


def norms_without_cross(W, B, A):
    return (W.square().sum(-1) + ((B @ (A @ A.mT)) * B).sum(-1)).sqrt()


def merged_without_magnitudes(base, parameters):
    plain = [{n: p for n, p in P.items() if "magnitude" not in n} for P in parameters]
    return right_merged(base, plain)


def summed_loss(v, wanted):
    return right_loss(v, wanted).mean().expand(right_loss(v, wanted).shape)


def best_of_the_test(runs):
    return float(runs.test[sweep.MAIN].mean())


def diverged_forgiven(runs):
    return float(np.nanmean(runs.validation))


def any_finite_is_fine(found, real, problem, i, right=scores.scores):
    return right(found.nan_to_num(posinf=1.0), real, problem, i)


def judged_by_the_first(found, real, problem, i, right=scores.scores):
    return right(found, real, problem, 0)


def base_of_the_first(layer, x, right=adapters.linear):
    return right(adapters.Linear(*(part[:1].expand_as(part) for part in layer)), x)


def window_of_validation(sweep, right=paired._logarithms):
    return right({**sweep, "test": {"MMD": sweep["validation"]}})


def over_diverged_runs(where, curve, near, far, limit, right=paired._crossing):
    return (
        float(where[far]) if not np.isfinite(curve[far]) else right(where, curve, near, far, limit)
    )


def chosen_once(first, second, by, right=paired.compared):
    """The learning rate that all seeds choose, as if it had been known."""
    return right(
        *(
            Tuned(*(np.asarray(t)[[np.mean(m.select, 1).argmin()]] for t in m))
            for m in (first, second)
        ),
        by,
    )


def unpaired(first, second):
    return geometric_mean((first / np.roll(second, 1)).tolist())


THEORY: dict[str, tuple[Any, str, Any, Callable[[], None]]] = {
    "biased for unbiased": (
        image_distances,
        "mmd",
        diagonals_swapped,
        lambda: check_metric(4, 5, 1.0, 1000),
    ),
    "the cross term once": (
        image_distances,
        "mmd",
        without_cross_twice,
        lambda: check_metric(4, 5, 1.0, 1000),
    ),
    "sigma^2 for 2 sigma^2": (
        image_distances,
        "kernel",
        without_half,
        lambda: check_metric(4, 5, 1.0, 1000),
    ),
    "no factorial in the weights": (
        theory,
        "weight",
        lambda j, sigma=10.0, scale=1000.0: scale * math.exp(-(sigma**-2)) * sigma ** (-2 * j),
        lambda: check_series(1000, 1.0),
    ),
    "no e^(-q) in the weights": (
        theory,
        "weight",
        lambda j, sigma=10.0, scale=1000.0: scale * sigma ** (-2 * j) / math.factorial(j),
        lambda: check_series(1000, 1.0),
    ),
    "10 for 9.9": (
        theory,
        "mean_shift",
        ten_for_nine_point_nine,
        lambda: check_means(1, 1, 10.0, 10.0, 1000),
    ),
    "the second moments alone, halved": (
        theory,
        "beyond_means",
        lambda sigma=10.0, scale=1000.0: scale * math.exp(-(sigma**-2)) * sigma**-4 / 100,
        lambda: check_means(1, 1, 10.0, 10.0, 1000),
    ),
    "orthogonal for opposite": (theory, "most", nearer_by_half, lambda: check_most(1000)),
    "pairs counted for images": (
        theory,
        "null_mean",
        lambda n, m, kappa, scale=1000.0: scale * (1 / (n - 1) + 1 / (m - 1)) * (1 - kappa),
        lambda: check_null(3, 2),
    ),
    "the embedding not counted": (
        generator_network,
        "parameters",
        lambda p, m, k: p * (m + 1) + m * (k + 1),
        lambda: check_counts([(4, 3)], 2, 3, 2),
    ),
    "the mean square for the mean": (
        generator_network,
        "typical_l1",
        lambda m, k: m * (1 + 1 / k) / 6,
        check_shift,
    ),
}

op_lora = lambda: check_engine("OP-LoRA")
TRIALS: dict[str, tuple[Any, str, Any, Callable[[], None]]] = {
    "time the other way round": (flow_matching, "draws", from_image_to_noise, check_path),
    "v too long": (flow_matching, "draws", noise_subtracted_twice, check_path),
    "Euler for midpoint": (flow_matching, "integrate", euler, check_midpoint),
    "no gradient for h": (adapters._Product, "backward", staticmethod(dead_to_gradients), op_lora),
    "half of b2": (adapters, "_heads", without_last_bias, op_lora),
    "norms of W": (adapters, "row_norms", norms_of_the_base, lambda: check_engine("DoRA")),
    "norms of W, in OP-DoRA": (
        adapters,
        "row_norms",
        norms_of_the_base,
        lambda: check_engine("OP-DoRA"),
    ),
    "norms without the cross term": (adapters, "row_norms", norms_without_cross, check_norms),
    "images of DoRA without its magnitudes": (
        adapters,
        "merged",
        merged_without_magnitudes,
        lambda: check_images("DoRA"),
    ),
    "runs share a loss": (flow_matching, "loss", summed_loss, lambda: check_engine("LoRA")),
    "one noise for both": (scores, "NOISE", {"validation": 10**6, "test": 10**6}, check_noises),
    "infinite pixels clipped": (scores, "scores", any_finite_is_fine, check_not_finite),
    "ratios of different seeds": (paired, "ratio", unpaired, check_paired),
    "the choice taken as known": (paired, "compared", chosen_once, check_choice),
    "a window over a diverged run": (paired, "_crossing", over_diverged_runs, check_gaps),
}

NEVER_EXTENDED = {name: replace(grid, rounds=0) for name, grid in sweep.GRIDS.items()}

SWEEPS: dict[str, tuple[Any, str, Any, Callable[[Any], None]]] = {
    "the learning rate chosen on the test": (sweep, "criterion", best_of_the_test, check_chosen),
    "a diverged seed left out": (sweep, "criterion", diverged_forgiven, check_chosen),
    "a grid that is never extended": (sweep, "GRIDS", NEVER_EXTENDED, check_grown),
    "the window of twice the distance": (paired, "FACTOR", 2.5, check_windows),
    "the window of validation": (paired, "_logarithms", window_of_validation, check_windows),
    "the first seed's judge for all": (sweep, "scores", judged_by_the_first, check_own_networks),
    "the first seed's base for all": (adapters, "linear", base_of_the_first, check_own_networks),
    "learning rates for their logarithms": (paired, "_index", lambda found, rate: 0, check_lag),
}


@pytest.mark.parametrize("fault", THEORY | TRIALS)
def test_a_planted_fault_is_caught(fault, caught):
    caught(*(THEORY | TRIALS)[fault])


@pytest.mark.parametrize("fault", SWEEPS)
def test_a_fault_planted_in_a_sweep_is_caught(fault, monkeypatch):
    where, name, wrong, check = SWEEPS[fault]
    with monkeypatch.context() as whole:
        check(whole)
    monkeypatch.setattr(where, name, wrong)
    with pytest.raises(AssertionError):
        check(monkeypatch)


def test_a_rate_that_does_not_fall_is_caught(monkeypatch):
    right = torch.optim.lr_scheduler.LambdaLR
    monkeypatch.setattr(
        training.torch.optim.lr_scheduler, "LambdaLR", lambda o, rule: right(o, lambda step: 1.0)
    )
    with pytest.raises(AssertionError):
        check_engine("LoRA")
