"""The findings on real models: each quantity, and the whole family, on outcomes of which all is
known."""

from typing import Any

import numpy as np
import pytest

from loralab.memo import Memo
from loralab.store import Store
from paper_figs import findings as figures
from scaling.comparison import trials
from scaling.core.config import Config as Run
from scaling.studies import evidence, findings
from scaling.studies.evidence import optimum, rate_ratio, steps_ratio, width_difference
from tests.support.sweeps import here, outcome

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

    found = rate_ratio(runs(parabola((-2.9, -3.1))), runs(parabola((-3.2, -3.4))), (0, 1))
    assert found.value == pytest.approx(10**0.3)
    assert found.high - found.low < 1e-6, "a ratio that no seed changes"


def falling(tau: float, steps: int = 40) -> dict:
    return {"losses": [[t + 1, float(np.exp(-t / tau))] for t in range(steps)]}


def test_steps_are_to_the_loss_that_the_other_ends_at():
    slow, fast = ({seed: falling(tau) for seed in (0, 1)} for tau in (20.0, 10.0))
    # Smoothed exponentials are shifted by the same window: to the same loss the fast one takes half
    # the steps.
    assert 0.45 < steps_ratio(fast, slow).value < 0.65
    assert steps_ratio(slow, slow).value == 1
    never = steps_ratio(slow, fast)
    assert never.value == 40 / evidence.steps_needed(fast[0], fast[0])[1], (
        "one that never gets there needs all, at least"
    )


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


ACCURACY = {"overparam": 0.75, "A alone": 0.4}


class Known:
    """Cells of made-up outcomes: every method as good as LoRA but OP-LoRA, which is better, and A
    alone, worse."""

    def __call__(self, settings, peft=None):
        config = Run.of(**settings)
        adapter, lr = config.adapter, config.training.lr
        name = "A alone" if not adapter.train_b else adapter.variant
        rng = np.random.default_rng([config.seed, int(1e7 * lr)])
        away = abs(np.log10(lr / 1e-3)) + 0.1 * rng.normal() * 0.1
        made = outcome(rng, ACCURACY.get(name, 0.6) - 0.1 * away, 0.5 + away**2)
        made["trained_parameters"] = (
            100 * adapter.rank * (1 + (adapter.train_a and adapter.train_b))
        )
        return made | {"test_data": f"of {config.seed}"}


@pytest.fixture
def known(monkeypatch):
    made: Any = Known()
    made.__name__ = "fine_tuned"
    monkeypatch.setattr(trials, "fine_tuned", made)
    sizes = lambda settings, peft: 3.0 if settings["scheme"] == "init_a" else 1.5
    sizes.__name__ = "inner_features"
    monkeypatch.setattr(findings, "inner_features", sizes)


def test_every_claim_is_measured_from_the_sweep(known, tmp_path):
    memo = Memo(Store(tmp_path / "store.sqlite"), "findings", "code", compute=here)
    found: Any = findings.measure(findings.Config(confirm=6), memo)
    assert {id: len(values) for id, values in found.measured.items()} == {
        claim.id: len(claim.checks) for claim in findings.CLAIMS
    }
    assert all(value is not None for values in found.measured.values() for value in values)
    assert found.measured["S3"][0].value == 1
    assert found.measured["S1b"][0].value == pytest.approx(2.0)
    assert found.measured["S3"][1].low > 0, "B alone is better than A alone here"
    assert found.measured["S5b"][0].low > 0
    assert found.measured["S2b"][0].low < 0 < found.measured["S2b"][0].high
    assert list(figures.figures(found.data)) == ["rates", "differences"]


def test_the_reduced_size_compares_the_budgets(known, tmp_path):
    memo = Memo(Store(tmp_path / "store.sqlite"), "findings", "code", compute=here)
    found: Any = findings.measure(findings.PROXY.quick, memo)
    measured = {id: values for id, values in found.measured.items() if any(values)}
    assert list(measured) == ["S3"]
    assert measured["S3"][0].value == 1
    assert measured["S3"][1] is None
    assert figures.figures(found.data) == {}


@pytest.mark.parametrize(("field", "value"), [("steps", 0), ("seeds", 0), ("confirm", -1)])
def test_impossible_sizes_are_refused(field, value):
    with pytest.raises(ValueError, match=f"--{field} must be at least"):
        findings.Config(**{field: value})
