"""What is measured of two methods on a language model, from runs whose numbers are known."""

from typing import Any

import numpy as np
import pytest

from loralab.statistics import mean
from scaling.studies.evidence.improvements import (
    Swept,
    difference,
    improvement_ratio,
    parameters,
    ratio,
    steps_ratio,
    window,
    window_difference,
)

SEEDS = range(6)
BASE = {seed: 1.0 + 0.01 * seed for seed in SEEDS}
rng = np.random.default_rng(0)
NOISE = 0.01 * rng.normal(size=len(SEEDS))


def run(
    bits: float, validation: float | None = None, tau: float = 10.0, trained: int = 10
) -> dict[str, Any]:
    return {
        "metrics": {"bits_per_byte": bits},
        "validation": [[40, bits if validation is None else validation]],
        "losses": [[t + 1, float(np.exp(-t / tau))] for t in range(40)],
        "trained_parameters": trained,
    }


def rates(improvements: dict[float, float], **others: Any) -> dict[float, dict[int, Any]]:
    """Runs that improve on the base model by so much, and by as much noise in every seed."""
    return {
        rate: {seed: run(BASE[seed] - gain - NOISE[seed], **others) for seed in SEEDS}
        for rate, gain in improvements.items()
    }


def swept(improvements: dict[float, float], **others: Any) -> Swept:
    return Swept(rates(improvements, **others), SEEDS, BASE)


def test_improvements_are_compared_each_at_its_own_learning_rate():
    first = swept({1e-4: 0.1, 1e-3: 0.4, 1e-2: 0.2})
    second = swept({1e-4: 0.2, 1e-3: 0.1, 1e-2: 0.05})
    found = improvement_ratio(first, second)
    wanted = mean(np.log((0.4 + NOISE) / (0.2 + NOISE)).tolist())
    assert found is not None
    np.testing.assert_allclose(
        np.log([found.value, found.low, found.high]), [wanted.value, wanted.low, wanted.high]
    )
    assert (first.best, second.best) == (1e-3, 1e-4)


def test_what_chooses_is_the_validation_loss():
    runs = rates({1e-4: 0.1, 1e-3: 0.4})
    for seed in SEEDS:
        runs[1e-4][seed]["validation"] = [[40, 0.0]]
    assert Swept(runs, SEEDS, BASE).best == 1e-4


def test_a_learning_rate_that_does_not_improve_is_not_chosen_by_a_resample():
    runs = rates({1e-4: 0.4, 1e-3: 0.1})
    runs[1e-3][3] = run(BASE[3] + 0.1)
    assert Swept(runs, SEEDS, BASE).tried == [1e-4]
    assert Swept(runs, SEEDS).tried == [1e-4, 1e-3]


def test_where_the_chosen_learning_rate_does_not_improve_no_other_one_stands_in():
    """The test data have no part in the choice."""
    runs = rates({1e-4: 0.1, 1e-3: 0.4})
    runs[1e-3][3] = run(BASE[3] + 0.1, validation=0.0)
    assert Swept(runs, SEEDS, BASE).tried == []
    assert improvement_ratio(Swept(runs, SEEDS, BASE), swept({1e-3: 0.4})) is None


def test_a_learning_rate_at_which_a_run_diverged_is_not_chosen():
    runs = rates({1e-4: 0.1, 1e-3: 0.4})
    runs[1e-3][3] = {"diverged": "the loss is nan"}
    assert Swept(runs, SEEDS, BASE).tried == Swept(runs, SEEDS).tried == [1e-4]


def test_without_a_learning_rate_nothing_is_measured():
    good, none = swept({1e-3: 0.4}), swept({1e-3: -0.4})
    for found in (
        improvement_ratio(none, good),
        improvement_ratio(good, none),
        steps_ratio(none, good),
        ratio(good, none, parameters),
        difference(none, good, parameters),
        improvement_ratio(Swept({}, SEEDS, BASE), good),
    ):
        assert found is None


def test_a_single_learning_rate_can_be_looked_at():
    runs = rates({1e-4: 0.1, 1e-3: 0.4})
    assert Swept(runs, SEEDS, BASE, only=1e-4).tried == [1e-4]
    assert Swept(runs, SEEDS, BASE, only=1e-2).tried == []


def test_steps_are_counted_to_the_loss_of_the_other_method():
    """Both fall as exp(-t / tau), so twice the tau takes twice the steps, to a whole step."""
    fast, slow = swept({1e-3: 0.4}, tau=5.0), swept({1e-3: 0.4}, tau=10.0)
    found = steps_ratio(fast, slow)
    assert found is not None
    assert 0.45 < found.value < 0.55
    never = steps_ratio(slow, fast)
    assert never is not None
    assert never.value == pytest.approx(1)  # all 40, as many as the fast one takes to its end
    later = steps_ratio(slow, fast, 1)
    assert later is not None
    assert later.value == pytest.approx(41 / 40), "which is no tie"


def test_steps_are_those_at_the_learning_rates_that_are_chosen():
    own = rates({1e-3: 0.4}, tau=5.0) | rates({1e-2: 0.1}, tau=20.0)
    slow = swept({1e-3: 0.4}, tau=10.0)
    assert steps_ratio(Swept(own, SEEDS, BASE), slow) == steps_ratio(
        Swept({1e-3: own[1e-3]}, SEEDS, BASE), slow
    )


def test_the_window_is_of_improvements():
    """Of a best improvement of .4 the level is .392: between 1e-3 and 1e-2, where it falls by .2,
    that is after .04 decades, and between 1e-4 and 1e-3, where it rises by .1, .08 before."""
    runs = {
        rate: {0: run(BASE[0] - gain)} for rate, gain in {1e-4: 0.3, 1e-3: 0.4, 1e-2: 0.2}.items()
    }
    assert window(runs, BASE, 0, 0.02) == pytest.approx(0.04 + 0.08)
    runs[1e-2][0] = {"diverged": "the loss is nan"}
    assert window(runs, BASE, 0, 0.02) == pytest.approx(0.08)


def test_a_seed_that_never_improves_has_no_window():
    good, none = rates({1e-4: 0.1, 1e-3: 0.4}), rates({1e-4: 0.1, 1e-3: 0.4})
    for runs in none.values():
        runs[2] = run(BASE[2] + 0.1)
    assert window_difference(good, good, BASE, SEEDS, 0.02) is not None
    assert window_difference(none, good, BASE, SEEDS, 0.02) is None
