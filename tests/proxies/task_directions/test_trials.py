"""The trials of the task-directions family: planted problems, where directions come from, the
training loop, digits."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator

import lora
from proxies.families.task_directions.claims import chance
from proxies.families.task_directions.trials import (
    directions,
    first_step,
    nulls,
    planted,
    recall,
    training,
)
from proxies.families.task_directions.trials.planted import LAYER
from proxies.instruments import optional
from tests.support.trials.task_directions import (
    EPS32,
    check_invariants,
    check_planted,
    check_planted_task,
    check_resumed,
    check_smallest,
    check_sources,
    launches,
)
from theory.task_directions import directions as theory


def standard_errors(draws: np.ndarray, expected: float) -> float:
    return abs(draws.mean() - expected) / (draws.std(ddof=1) / np.sqrt(len(draws)))


# --- planted problems -----------------------------------------------------------------------------


@pytest.mark.parametrize("case", planted.CASES)
def test_directions_are_planted_where_they_are_said_to_be(case):
    check_planted(case, 1000)


@pytest.mark.parametrize("case", ["random", "random, inputs 1/i"])
def test_a_planted_task_is_the_regression_that_is_stated(case):
    check_planted_task(case, 1000)


# --- where directions come from -------------------------------------------------------------------


def test_sources_are_what_they_are_called():
    check_sources(1000)


@given(st.integers(2, 16), st.integers(2, 16), st.integers(1000, 2**32))
def test_a_change_can_be_given_any_ranking(out, in_, seed):
    rng = Generator().manual_seed(seed)
    W, change = torch.randn(2, out, in_, generator=rng, dtype=torch.float64)
    score = torch.randperm(min(out, in_), generator=rng) + 1.0
    basis = theory.core(W)
    found = theory.rates(basis, directions.ranked(W, score.double()).numpy(), eps=0)
    # a square Gaussian weight may have a small last sigma
    np.testing.assert_allclose(found, score, rtol=1e-6)
    by_size = theory.rates(basis, directions.by_size(W, change).numpy(), eps=0)
    expected = np.abs(theory.coordinates(basis, change.numpy()))
    np.testing.assert_allclose(by_size, expected, atol=1e-6 * expected.max())


def test_the_start_of_lora_init_takes_the_directions_of_its_source():
    for name, source in (("Init, oracle", "oracle"), ("Init, random", "random")):
        on, given = planted.task("random", 1000), planted.problem("random", 1000)
        layer = lora.adapters(training.trained(on, name, 1e-3, 1, 1000))[LAYER]
        assert layer.B0 is not None
        assert layer.A0 is not None
        initial = layer.scale * (layer.B0 @ layer.A0).double().numpy()
        picked = directions.SOURCES[source](on, Generator().manual_seed(training.PICK + 1000))[
            LAYER
        ]
        I = theory.top(theory.rates(given.basis, picked.double().numpy()), training.RANK)
        expected = (given.basis.U[:, I] * given.basis.sigma[I]) @ given.basis.Vt[I]
        assert np.abs(initial - expected).max() <= 1000 * EPS32


# --- nulls, recall, first steps -------------------------------------------------------------------


def test_small_singular_values_of_a_large_weight_need_no_decomposition(monkeypatch):
    check_smallest(1000)
    whole = nulls.smallest(60, np.random.default_rng(3))
    monkeypatch.setattr(nulls, "SMALLEST", 5)
    np.testing.assert_allclose(nulls.smallest(60, np.random.default_rng(3)), whole[-5:], rtol=1e-9)


def test_unrelated_changes_are_counted_as_defined():
    def means(sigma: np.ndarray, draws: int) -> dict[str, float]:
        found = nulls.unrelated(sigma, draws, 1000)
        assert len(found["accuracy"]) == draws
        return {name: float(np.mean(found[name])) for name in found}

    # the last twenty alone are ever on top
    sigma = np.r_[np.full(100, 1e6), np.arange(20, 0, -1.0)]
    found, exact = means(sigma, 200), nulls.exact(sigma)
    assert found["equal"] < found["accuracy"] <= 1
    # the standard deviations of one draw are below 0.15, 1.6 and 0.15
    assert found["accuracy"] == pytest.approx(exact["accuracy"], abs=0.05)
    assert found["bottom_rank"] == pytest.approx(exact["bottom_rank"], abs=0.5)
    assert found["root"] == pytest.approx(exact["root"], abs=0.05)
    assert exact["root"] < exact["accuracy"]
    flat = means(np.ones(64), 300)
    assert flat["accuracy"] == pytest.approx(16 / 64, abs=0.04)
    assert flat["equal"] == pytest.approx(8 / 64, abs=0.04)
    assert flat["bottom_rank"] == pytest.approx(63 / 2, abs=2)
    steep = np.arange(512, 0, -1.0) ** 2
    assert means(steep, 50)["slope"] == pytest.approx(-2, abs=0.2)
    assert nulls.exact(steep)["slope"] == pytest.approx(-2, abs=0.1)


def test_a_drawn_weight_has_the_means_over_its_changes():
    found = nulls.drawn("rectangular", 60, 5, 1000)
    sigma = nulls.spectrum("rectangular", 60, 1000)
    whole = nulls.unrelated(sigma, 5, 1000)
    assert sigma.shape == (60,)
    assert found["accuracy"] == np.mean(whole["accuracy"])
    flat = nulls.spectrum("flat", 5, 0)
    assert flat.tolist() == [1, 0.875, 0.75, 0.625, 0.5]


PREDICTED = {
    f"{claim.id}/{check.key}": check.predicted
    for claim in chance.CLAIMS
    for check in claim.checks
    if check.predicted
}


@pytest.mark.skipif(not optional.minilm(), reason="needs MiniLM")
def test_what_is_predicted_of_the_trained_weights_is_the_exact_mean():
    exact: dict[bool, list[dict[str, float]]] = {True: [], False: []}
    for W in nulls.trained_weights().values():
        square = W.shape[0] == W.shape[1]
        exact[square].append(nulls.exact(np.linalg.svd(W, compute_uv=False)))
    for name, square, trait in (
        ("T2b/MiniLM", True, "accuracy"),
        ("T2b/MiniLM, root of sigma", True, "root"),
        ("T3/MiniLM", False, "accuracy"),
        ("T4/place, MiniLM", True, "bottom_rank"),
    ):
        expected = float(np.mean([found[trait] for found in exact[square]]))
        assert PREDICTED[name].low <= expected <= PREDICTED[name].high, name


def test_what_is_predicted_of_drawn_weights_is_their_exact_mean():
    flat = nulls.exact(nulls.spectrum("flat", 256, 0))["accuracy"]
    assert PREDICTED["T3/flat"].low <= flat <= PREDICTED["T3/flat"].high
    for kind, size, names in (
        ("rectangular", 256, {"T3/rectangular": "accuracy"}),
        (
            "bidiagonal",
            4096,
            {"T2b/Gaussian": "accuracy", "T4/place": "bottom_rank", "T4/slope": "slope"},
        ),
    ):
        exact = [nulls.exact(nulls.spectrum(kind, size, 1000 + i)) for i in range(4)]
        for name, trait in names.items():
            values = [found[trait] for found in exact]
            within = PREDICTED[name]
            middle, margin = (within.low + within.high) / 2, within.high - within.low
            # four weights beside what was taken from fifty (24): 5 of their standard errors
            assert abs(np.mean(values) - middle) <= 5 * margin, name


@pytest.mark.parametrize("law", nulls.HIDDEN)
def test_overlaps_on_the_edge_have_the_exact_mean(law):
    found = nulls.edge(law, 8, 16, 64, 2000, 1000)
    assert standard_errors(np.array(found["overlaps"]), found["exact"]) <= 4.5


@pytest.mark.skipif(not optional.minilm(), reason="needs MiniLM")
def test_the_trained_weights_are_those_of_six_blocks():
    weights = nulls.trained_weights()
    square = [name for name, W in weights.items() if W.shape == (384, 384)]
    assert (len(square), len(weights)) == (24, 36)
    assert all("attention" in name for name in square)
    records = nulls.transformer(2, 1000)
    assert [r["square"] for r in records] == [name in square for name in weights]


def test_recall_is_perfect_for_the_oracle_of_a_clear_plan_and_low_for_what_knows_nothing():
    found = [recall.recall("middle", 8, seed) for seed in range(1000, 1004)]
    mean = lambda name: float(np.mean([r[name] for r in found]))
    assert mean("oracle, abs") == 1
    assert mean("inputs") < 0.4
    assert mean("LoRA 1, rate") < mean("LoRA 100, rate")
    assert float(np.mean([r["null"]["abs"] for r in found])) == pytest.approx(8 / 64, abs=0.06)


def test_the_first_step_of_a_layer_is_the_formulas():
    one = first_step.identified(24, 4, 4000, 1000)
    assert one["snr"] == pytest.approx(one["predicted"], rel=5 * 3 / 4000**0.5)
    assert one["gaussian"] < one["predicted"]
    assert one["mean"] == pytest.approx(1, abs=5 / (one["snr"] * 4000**0.5))
    two = first_step.speed(24, 4, 200, 1000)
    draws = np.array(two["low_rank"])
    assert standard_errors(draws, two["d"] / two["predicted"]) <= 4.5
    assert two["predicted"] == 3 * 24 / (4 * 4)


# --- laws and steps -------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["dash", "tsd"])
@settings(max_examples=30)
@given(st.integers(1000, 2**32))
def test_starts_and_launches_change_nothing(variant, seed):
    check_invariants(variant, seed)


@pytest.mark.parametrize(
    ("loop", "by_forwards"), [("plain", 100), ("checkpointing", 50), ("accumulation", 25)]
)
def test_a_launch_is_by_updates_where_forwards_differ(loop, by_forwards):
    found = launches.launched(loop, 1000)
    assert found["by_forwards"] == by_forwards
    assert found["before"] == 100
    assert found["chosen"] == launches.launched("plain", 1000)["chosen"]


@pytest.mark.parametrize("stop", [1, 99, 100, 101, 119])
def test_a_resumed_run_ends_where_one_that_was_not_stopped_does(stop):
    check_resumed(stop)
