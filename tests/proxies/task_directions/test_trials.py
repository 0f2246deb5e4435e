"""The cells of the task-directions family: planted problems, where directions come from, the
training loop, digits."""

import math

import numpy as np
import peft
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator

import lora
from proxies.families.task_directions.trials import (
    digits,
    directions,
    first_step,
    nulls,
    planted,
    recall,
    steps,
    training,
    tuning,
)
from proxies.families.task_directions.trials.planted import LAYER, SIZE
from tests.support.trials.task_directions import (
    EPS32,
    check_finished,
    check_foretold,
    check_invariants,
    check_loop,
    check_planted,
    check_planted_task,
    check_resumed,
    check_smallest,
    check_sources,
    dash,
)
from theory.task_directions import directions as theory


def standard_errors(draws: np.ndarray, expected: float) -> float:
    return abs(draws.mean() - expected) / (draws.std(ddof=1) / np.sqrt(len(draws)))


# --- planted problems
# -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", planted.CASES)
def test_directions_are_planted_where_they_are_said_to_be(case):
    check_planted(case, 1000)


@pytest.mark.parametrize("case", ["random", "random, inputs 1/i"])
def test_a_planted_task_is_the_regression_that_is_stated(case):
    check_planted_task(case, 1000)


# --- where directions come from
# ---------------------------------------------------------------------------------


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
        start = layer.scale * (layer.B0 @ layer.A0).double().numpy()
        picked = directions.SOURCES[source](on, Generator().manual_seed(training.PICK + 1000))[
            LAYER
        ]
        I = theory.top(theory.rates(given.basis, picked.double().numpy()), training.RANK)
        expected = (given.basis.U[:, I] * given.basis.sigma[I]) @ given.basis.Vt[I]
        assert np.abs(start - expected).max() <= 1000 * EPS32


# --- the training loop
# ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["LoRA, r", "LoRA, r + s", "Dash, pre-launch"])
def test_the_loop_is_the_one_that_anybody_would_write(name):
    check_loop(name)


@pytest.mark.parametrize(("count", "launches"), [(100, False), (101, True)])
def test_dash_launches_after_a_hundred_updates(count, launches):
    layer = dash(
        training.trained(planted.task("random", 1000), "Dash, pre-launch", 1e-2, count, 1000)
    )
    assert (int(layer.chosen[0]) >= 0) == launches
    assert bool(layer.d.any()) == launches


def test_a_pre_launch_counts_among_the_updates(monkeypatch):
    fitted = []
    monkeypatch.setattr(
        training, "fit", lambda model, task, rate, steps, *rest, **more: fitted.append(steps)
    )
    monkeypatch.setattr(training, "change", lambda model: {LAYER: torch.eye(SIZE)})
    for name in ("LoRA, r", "Dash, gradient", "Init, pre-launch", "TSD, pre-launch"):
        training.trained(planted.task("random", 1000), name, 1e-2, 300, 1000)
    assert fitted == [300, 300, 100, 200, 100, 200]


def test_tsd_scales_the_directions_of_its_start_and_more(monkeypatch):
    monkeypatch.setattr(training, "fit", lambda *rest, **more: None)
    monkeypatch.setattr(
        training, "change", lambda model: {LAYER: planted.tensor(planted.problem("random", 1000).D)}
    )
    given = planted.problem("random", 1000)
    layer = dash(training.trained(planted.task("random", 1000), "TSD, pre-launch", 1e-2, 300, 1000))
    ranking = theory.top(theory.rates(given.basis, given.D), 8).tolist()
    assert layer.chosen.tolist() == ranking
    assert layer.B0 is not None
    inside = given.basis.U[:, ranking[: training.RANK]]
    outside = layer.B0.double().numpy() - inside @ (inside.T @ layer.B0.double().numpy())
    assert np.abs(outside).max() <= 1000 * EPS32, "the start lies in the first r of them"


def test_every_method_is_trained_from_the_pretrained_function():
    on = planted.task("bottom", 1001)
    x, _ = on.batch(Generator().manual_seed(0))
    expected = on.model()(x)
    for name in training.METHODS:
        if "prelaunch" in (training.METHODS[name].start, training.METHODS[name].dash):
            continue  # the same start, after a hundred updates that it would take to see it
        model = training.trained(on, name, 1e-2, 0, 1001)
        assert (model(x) - expected).abs().max() <= 100 * EPS32 * expected.abs().max(), name


@pytest.mark.parametrize(
    ("name", "rank"), [("Dash, pre-launch", 12), ("Init, gradient", 8), ("TSD, gradient", 16)]
)
def test_each_is_exported_as_plain_lora_and_can_be_resumed(tmp_path, name, rank):
    """Stock PEFT computes the same function from what is saved; a state_dict has all that training
    goes on from."""
    on = planted.task("random", 1000)
    model = training.trained(on, name, 1e-2, 120, 1000)
    x, _ = on.batch(Generator().manual_seed(0))
    expected = model(x).detach()
    lora.save(model, tmp_path)
    theirs = peft.PeftModel.from_pretrained(on.model(), str(tmp_path))
    assert (theirs(x) - expected).abs().max() <= 1000 * EPS32 * expected.abs().max()
    assert theirs.peft_config["default"].r == rank  # type: ignore[union-attr]
    again = training.trained(on, name, 1e-2, 0, 1000)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(x), expected)


# --- rates
# --------------------------------------------------------------------------------------------------


@given(st.integers(-9, 1))
def test_the_search_ends_inside_where_the_best_rate_can_be_reached(best):
    tried = []
    found = tuning.search(lambda i: tried.append(i) or abs(i - best))
    assert found == best
    assert {best - 1, best, best + 1} <= set(tried)


def test_a_search_without_an_end_stops_and_is_not_used(monkeypatch):
    tried: set[int] = set()
    assert tuning.search(lambda i: tried.add(i) or -float(i)) == tuning.MIDDLE + 1 + tuning.MOST
    monkeypatch.setattr(
        tuning, "finished", lambda case, method, rate, steps, seed: {"error": 1 / rate}
    )
    assert tuning.tuned("random", "LoRA, r", [1], 1, 300)["edge"]


def test_rates_are_chosen_on_other_seeds_and_a_diverged_run_is_never_best(monkeypatch):
    seen: dict[int, list[float]] = {}

    def finished(case, method, rate, steps, seed):
        seen.setdefault(seed, []).append(rate)
        return {"error": math.nan if rate > 0.02 else (math.log10(rate) + 2) ** 2 + seed / 1e7}

    monkeypatch.setattr(tuning, "finished", finished)
    found = tuning.tuned("random", "LoRA, r", [7, 8], 2, 300)
    assert found["rate"] == pytest.approx(1e-2)
    assert not found["edge"]
    assert found["validation"][-1] is None
    assert seen[7] == seen[8] == [found["rate"]], "the compared seeds see one rate"
    assert set(seen) == {7, 8, tuning.VALIDATION, tuning.VALIDATION + 1}


def test_a_run_is_held_to_its_bound():
    check_finished(1000)


# --- digits
# --------------------------------------------------------------------------------------------------


def test_a_task_never_trains_on_its_test_images():
    images, labels = digits.images()
    for kind in digits.KINDS:
        (x, y), (x_test, y_test) = digits.data(kind, 1000)
        assert (len(y), len(y_test)) == (digits.TRAIN, len(labels) - digits.TRAIN)
        order = torch.randperm(len(labels), generator=Generator().manual_seed(digits.SPLIT + 1000))
        turned = images.rot90(int(kind[-1]), (-2, -1)) if kind.startswith("turn") else images
        assert torch.equal(x_test, turned[order[digits.TRAIN :]].flatten(1))
        assert torch.equal(x, turned[order[: digits.TRAIN]].flatten(1))
        renamed = dict(zip(labels[order].tolist(), [*y.tolist(), *y_test.tolist()], strict=True))
        pairs = set(zip(labels[order].tolist(), [*y.tolist(), *y_test.tolist()], strict=True))
        assert len(pairs) == 10 == len(set(renamed.values())), "a permutation of the labels"
        assert (renamed == {i: i for i in range(10)}) == kind.startswith("turn")
    assert not torch.equal(digits.data("labels 1", 1000)[0][1], digits.data("labels 2", 1000)[0][1])


def test_the_net_knows_its_digits_and_not_yet_the_task():
    x, y = digits.data("", 1000)[1]
    assert float((digits.base(1000)(x).argmax(1) == y).double().mean()) > 0.93
    on = digits.task("turn 1", 1000)
    assert on.error(on.model()) > 0.5
    model, wanted = on.model(), on.wanted()
    with torch.no_grad():
        for name, change in wanted.items():
            model.get_submodule(name).weight.add_(change)  # type: ignore[union-attr]
    # the head and the biases, which full fine-tuning moved too, are as they were
    assert on.error(model) < 0.5 * on.error(on.model())


def test_what_is_foretold_on_digits():
    check_foretold(1000)


# --- nulls, recall, first steps
# ---------------------------------------------------------------------------------


def test_small_singular_values_of_a_large_weight_need_no_decomposition(monkeypatch):
    check_smallest(1000)
    whole = nulls.smallest(60, np.random.default_rng(3))
    monkeypatch.setattr(nulls, "SMALLEST", 5)
    np.testing.assert_allclose(nulls.smallest(60, np.random.default_rng(3)), whole[-5:], rtol=1e-9)


def test_unrelated_changes_are_counted_as_defined(monkeypatch):
    # the last twenty alone are ever on top
    sigma = np.r_[np.full(100, 1e6), np.arange(20, 0, -1.0)]
    found = nulls.unrelated(sigma, 200, 1000)
    assert 0 < found["bottom_rank"] < 19
    assert found["equal"] < found["accuracy"] <= 1
    assert found["accuracy"] == pytest.approx(found["predicted"], abs=0.05)
    flat = nulls.unrelated(np.ones(64), 300, 1000)
    assert flat["accuracy"] == pytest.approx(16 / 64, abs=0.04)
    assert flat["recall"] == pytest.approx(8 / 64, abs=0.05)
    assert flat["left_out"] == pytest.approx(1 - 8 / 64, abs=0.08)
    assert flat["bottom_rank"] == pytest.approx(63 / 2, abs=2)
    steep = nulls.unrelated(np.arange(512, 0, -1.0) ** 2, 50, 1000)
    assert steep["slope"] == pytest.approx(-2, abs=0.2)


@pytest.mark.skipif(not nulls.available(), reason="needs MiniLM")
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
    assert one["mean"] == pytest.approx(1, abs=5 / (one["snr"] * 4000**0.5))
    two = first_step.speed(24, 4, 200, 1000)
    draws = np.array(two["low_rank"])
    assert standard_errors(draws, two["d"] / two["predicted"]) <= 4.5
    assert two["predicted"] == 3 * 24 / (4 * 4)


# --- laws and steps
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["dash", "tsd"])
@settings(max_examples=30)
@given(st.integers(1000, 2**32))
def test_starts_and_launches_change_nothing(variant, seed):
    check_invariants(variant, seed)


@pytest.mark.parametrize(
    ("loop", "by_forwards"), [("plain", 100), ("checkpointing", 50), ("accumulation", 25)]
)
def test_a_launch_is_by_updates_where_forwards_differ(loop, by_forwards):
    found = steps.launched(loop, 1000)
    assert found["by_forwards"] == by_forwards
    assert found["before"] == 100
    assert found["chosen"] == steps.launched("plain", 1000)["chosen"]


@pytest.mark.parametrize("stop", [1, 99, 100, 101, 119])
def test_a_resumed_run_ends_where_one_that_was_not_stopped_does(stop):
    check_resumed(stop)
