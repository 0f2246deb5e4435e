"""Each quantity of the studies, on outcomes of which all is known."""

import numpy as np
import pytest

from loralab.statistics import mean
from scaling.comparison.summary import steps_needed
from scaling.studies.evidence.quantities import (
    difference,
    learning_rate_ratio,
    optimum,
    size_of,
    size_ratio,
    steps_ratio,
    width_difference,
)

RATES = (1e-4, 1e-3, 1e-2)


def runs(losses: dict[float, list[float]]) -> dict:
    """Outcomes by rate and seed of these lowest validation losses."""
    return {
        rate: {s: {"validation": [[1, v]]} for s, v in enumerate(values)}
        for rate, values in losses.items()
    }


@pytest.mark.parametrize("best", [-3.4, -3.0, -2.7])
def test_the_best_rate_is_the_vertex_of_a_parabola(best):
    losses = runs({rate: [0.3 + 0.1 * (np.log10(rate) - best) ** 2] for rate in RATES})
    # 2e5 eps of the loss over its curvature
    assert np.log10(optimum(losses, 0)) == pytest.approx(best, abs=1e-9)


def test_beside_a_run_that_diverged_and_at_an_edge_it_is_the_best_one_tried():
    losses = runs({1e-4: [0.5], 1e-3: [0.4], 1e-2: [0.9]})
    losses[1e-2][0] = {"diverged": "the loss is nan"}
    assert optimum(losses, 0) == 1e-3
    assert optimum(runs({1e-4: [0.3], 1e-3: [0.4], 1e-2: [0.9]}), 0) == 1e-4
    assert optimum(runs({1e-4: [0.5], 1e-3: [0.5], 1e-2: [0.5]}), 0) == 1e-4, "of equals the first"


def test_rates_are_compared_seed_by_seed():
    def parabola(best):
        return {rate: [(np.log10(rate) - b) ** 2 for b in best] for rate in RATES}

    found = learning_rate_ratio(runs(parabola((-2.9, -3.1))), runs(parabola((-3.2, -3.4))), (0, 1))
    assert found.value == pytest.approx(10**0.3)
    assert found.high - found.low < 1e-6, "a ratio that no seed changes"


def falling(tau: float, steps: int = 40) -> dict:
    return {"losses": [[t + 1, float(np.exp(-t / tau))] for t in range(steps)]}


def test_steps_are_to_the_loss_that_the_other_ends_at():
    slow, fast = ({seed: falling(tau) for seed in (0, 1)} for tau in (20.0, 10.0))
    # Smoothed exponentials are shifted by the same window: to the same loss the fast one takes half
    # the steps.
    faster, same, never = (steps_ratio(*p) for p in ((fast, slow), (slow, slow), (slow, fast)))
    assert faster is not None
    assert same is not None
    assert never is not None
    assert 0.45 < faster.value < 0.65
    assert same.value == 1
    assert never.value == 40 / steps_needed(fast[0], fast[0])[1], (
        "one that never gets there needs all, at least"
    )


def scored(values: dict[int, list[float]], same_test: bool = False) -> dict:
    return {seed: {"scores": row, "same_test": same_test} for seed, row in values.items()}


def test_a_difference_is_paired_by_seed():
    first = scored({0: [1.0, 3.0], 1: [5.0, 6.0], 2: [9.0, 2.0]})
    second = scored({2: [1.0, 1.0], 1: [5.0, 5.0], 0: [0.0, 0.0]})
    found, wanted = difference(first, second), mean([2.0, 0.5, 4.5])
    assert found is not None
    np.testing.assert_allclose([found.low, found.high], [wanted.low, wanted.high], rtol=1e-12)


@pytest.mark.parametrize(
    "second",
    [
        scored({0: [1.0, 1.0]}),
        scored({0: [1.0, 1.0], 2: [1.0, 1.0]}),
        scored({0: [1.0, 1.0]}) | {1: {"diverged": "the loss is nan"}},
        {},
    ],
)
def test_without_the_same_finished_seeds_nothing_is_measured(second):
    assert difference(scored({0: [1.0, 1.0], 1: [1.0, 2.0]}), second) is None
    assert difference(second, scored({0: [1.0, 1.0], 1: [1.0, 2.0]})) is None


def test_sizes_are_those_at_the_rate_that_validation_chooses():
    first = runs({1e-4: [0.5] * 4, 1e-3: [0.4] * 4, 1e-2: [0.9] * 4})
    second = runs({1e-4: [0.3] * 4, 1e-3: [0.4] * 4})
    sizes = {1e-4: [1.0] * 4, 1e-3: [3.0] * 4, 1e-2: [7.0] * 4}
    seeds = range(4)
    found = size_ratio(size_of(sizes, first, seeds), size_of(sizes, second, seeds))
    assert found.value == pytest.approx(3)
    assert size_ratio(size_of(sizes, second, seeds), size_of(sizes, first, seeds)).value < 1


def test_widths_are_compared_seed_by_seed():
    def scores(tops):
        return {
            rate: {
                s: {"scores": [top if rate in good else 0.0]} for s, (top, good) in enumerate(tops)
            }
            for rate in RATES
        }

    narrow, wide = (
        scores([(1.0, (1e-3,)), (0.5, (1e-3,))]),
        scores([(1.0, (1e-4, 1e-3)), (0.5, (1e-4, 1e-3))]),
    )
    found = width_difference(wide, narrow, (0, 1), 0.1)
    assert found.value == pytest.approx(0.9 + 0.05 - 0.05, abs=0.2)
    assert width_difference(narrow, narrow, (0, 1), 0.1).value == 0
