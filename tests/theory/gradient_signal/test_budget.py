"""theory.gradient_signal.budget against all divisions of small budgets."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lora import Statistics
from lora.ranks import distribute, variance_scores
from tests.support.laws.gradient_signal import EPS, UNITS, drawn
from theory.gradient_signal import budget
from theory.gradient_signal.optimum import allocation

spectra_of = st.lists(
    st.lists(st.floats(0.01, 100), min_size=1, max_size=3).map(
        lambda values: np.array(sorted(values, reverse=True))
    ),
    min_size=1,
    max_size=4,
)


def every(spectra: list[np.ndarray]) -> list[tuple[tuple[int, ...], float]]:
    """All ranks with their signal."""
    choices = itertools.product(*(range(len(s) + 1) for s in spectra))
    return [
        (ranks, sum(float(s[:r].sum()) for s, r in zip(spectra, ranks, strict=True)))
        for ranks in choices
    ]


@drawn
@given(spectra_of, st.floats(0.01, 1))
def test_the_fewest_ranks_of_a_signal(spectra, part):
    """(1)."""
    wanted = part * sum(float(s.sum()) for s in spectra)
    enough = [sum(ranks) for ranks, signal in every(spectra) if signal >= wanted * (1 - 1e-12)]
    assert budget.fewest_ranks(spectra, wanted) == min(enough)


@drawn
@given(spectra_of, st.data())
def test_a_budget_of_parameters_comes_within_one_component(spectra, data):
    """(2), and that the prefix is on the frontier at its own total."""
    costs = data.draw(st.lists(st.integers(1, 9), min_size=len(spectra), max_size=len(spectra)))
    most = data.draw(st.integers(0, 60))
    ranks, signal, beyond = budget.prefix(spectra, costs, most)
    price = lambda ranks: sum(c * r for c, r in zip(costs, ranks, strict=True))
    allowed = UNITS * EPS * sum(float(s.sum()) for s in spectra)
    best = max(s for r, s in every(spectra) if price(r) <= most)
    assert -allowed <= best - signal <= beyond + allowed
    assert max(s for r, s in every(spectra) if price(r) <= price(ranks)) <= signal + allowed


@drawn
@given(spectra_of, st.integers(1, 6))
def test_explained_variance_is_best_where_every_layer_has_one_power(spectra, most):
    """(1) with p_l Tr M_l equal."""
    powers = [1 / float(s.sum()) for s in spectra]
    _, share = budget.by_explained_variance(spectra, powers, most)
    assert share == pytest.approx(1, abs=UNITS * EPS * 10)


@pytest.mark.parametrize("small", [0.5, 1e-3, 1e-9])
def test_explained_variance_can_miss_any_part_of_the_signal(small):
    """(3), by the library's own rule too."""
    spectra = [np.array([1.0, 1.0]), np.array([small, 0.0])]
    ranks, share = budget.by_explained_variance(spectra, [1, 1], 1)
    assert ranks == [0, 1]
    assert share == pytest.approx(small)
    stats = {}
    for name, values in zip("ab", spectra, strict=True):
        S = torch.diag(torch.from_numpy(values))
        stats[name] = Statistics(10, torch.zeros(2).double(), S, None, S)
    assert distribute({n: variance_scores(s, 2) for n, s in stats.items()}, 1) == {"a": 0, "b": 1}
    assert allocation(spectra, 1) == ([1, 0], 1.0)
