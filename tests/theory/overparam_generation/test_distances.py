"""The laws of `theory.overparam_generation`, and the distances of the proxy against them."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

import lora
from tests.support.laws.overparam_generation import (
    EPS,
    check_counts,
    check_means,
    check_metric,
    check_most,
    check_null,
    check_series,
    check_shift,
    on_sphere,
)
from theory.matfac import generator_network
from theory.overparam_generation import distances as theory

SEEDS = st.integers(1000, 2**32)
LLAMA = ((4096, 4096), (4096, 4096), (4096, 4096), (11008, 4096), (4096, 11008))
"""(out, in) of q, k, v, up and down of one of LLaMA-7B's 32 blocks"""


@given(st.integers(2, 9), st.integers(2, 9), st.sampled_from([0.3, 1.0, 10.0]), SEEDS)
def test_the_distances_are_those_of_the_definition(n, m, sigma, seed):
    check_metric(n, m, sigma, seed)


@given(SEEDS, st.sampled_from([1.0, 2.0, 10.0]))
def test_cmmd_is_a_sum_over_moments(seed, sigma):
    check_series(seed, sigma)


@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.sampled_from([0.0, 0.1, 1.0, 10.0]),
    st.sampled_from([1.0, 10.0]),
    SEEDS,
)
def test_the_means_leave_little(n, m, spread, sigma, seed):
    check_means(n, m, spread, sigma, seed)


@given(SEEDS)
def test_cmmd_ends_where_it_is_said_to(seed):
    check_most(seed)


@given(SEEDS, st.floats(0, 2))
def test_a_gain_needs_means_that_far_apart(seed, spread):
    """(8): no two sets are that many points apart with means that are nearer."""
    rng = np.random.default_rng(seed)
    x, y = on_sphere(rng, 5, 3, spread), -on_sphere(rng, 4, 3, spread)
    apart = float(((x.mean(0) - y.mean(0)) ** 2).sum())
    assert theory.least_distance(theory.mmd(x, y)) <= apart + 1000 * 20 * EPS
    assert round(theory.least_distance(15), 3) == 1.505
    assert theory.least_distance(0.09) == 0, "the means may be the same"


@pytest.mark.parametrize(("n", "m"), [(2, 2), (3, 2), (2, 4)])
def test_the_null_of_one_distribution(n, m):
    check_null(n, m)


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=3),
    st.integers(1, 3),
    st.integers(1, 5),
    st.integers(1, 5),
)
def test_generators_have_the_stated_numbers(shapes, rank, m, k):
    check_counts(shapes, rank, m, k)


@pytest.mark.parametrize(("variant", "magnitude"), [("overparam", False), ("op_dora", True)])
def test_attached_layers_have_the_stated_numbers(variant, magnitude):
    net = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Linear(5, 6))
    lora.attach(net, lora.Config(2, target_modules=("0", "1"), variant=variant))
    counted = sum(p.numel() for p in net.parameters() if p.requires_grad)
    assert counted == theory.generator_parameters([(5, 4), (6, 5)], 2, 32, 32, magnitude)


def test_operations_of_a_generator_are_m_over_t_of_loras():
    """Counted by torch in a step of a layer with the generator's products written as matrices, the
    gradient of the input included."""
    out, in_, r, m, T = 6, 5, 2, 8, 40
    draw = lambda *shape: torch.ones(*shape, requires_grad=True)
    theta, W2, h = draw(r * (in_ + out), 1), draw(r * (in_ + out), m), draw(m, 1)
    B, A, x = draw(out, r), draw(r, in_), draw(in_, T)
    counts = []
    for step in (lambda: (W2 @ h * theta).sum(), lambda: (B @ (A @ x)).sum()):
        with FlopCounterMode(display=False) as counter:
            step().backward()
        counts.append(counter.get_total_flops())
    assert counts[0] / counts[1] == theory.generator_share(m, T) == m / T


def test_llama_needs_1_9_billion():
    assert theory.generator_parameters(list(LLAMA) * 32, 32, 32, 32) == 1_851_435_008
    assert theory.generator_share(32, 2048) == 1 / 64


def test_the_shift_is_that_of_drawn_generators():
    check_shift()


def test_adam_moves_a_generated_factor_by_the_multiplier_on_a_layer():
    """(7)'s law on a lora layer: the first step of B from W2 = 0 is 1 + |h|_1 times plain
    LoRA's."""
    moved = {}
    for variant in ("plain", "overparam"):
        net = torch.nn.Sequential(torch.nn.Linear(5, 4)).double()
        torch.nn.init.constant_(net.get_parameter("0.weight"), 0.1)
        lora.attach(net, lora.Config(2, target_modules=("0",), variant=variant))
        layer = lora.adapters(net)["0"]
        optimizer = torch.optim.Adam(
            [p for p in net.parameters() if p.requires_grad], 1e-3, eps=1e-30
        )
        net(torch.ones(1, 5, dtype=torch.float64)).sum().backward()
        if variant == "overparam":
            generator: Any = layer.get_submodule("generator")
            multiplier = generator_network.adam_multiplier(generator.hidden().detach().numpy())
        optimizer.step()
        moved[variant] = layer.factors().B.detach()
    torch.testing.assert_close(moved["overparam"], multiplier * moved["plain"], rtol=1e-12, atol=0)
