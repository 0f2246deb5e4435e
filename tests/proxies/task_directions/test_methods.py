"""The methods of the task-directions family: the training loop, the search for a learning rate, and
the networks on digits."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import peft
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator

import lora
from proxies.families.task_directions.trials import digits, planted, training, tuning
from proxies.families.task_directions.trials.planted import LAYER, SIZE
from tests.support.trials.task_directions import (
    EPS32,
    check_finished,
    check_loop,
    check_predicted,
    dash,
)
from theory.task_directions import directions as theory

# --- the training loop ----------------------------------------------------------------------------


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
    assert np.abs(outside).max() <= 1000 * EPS32, "the initialization lies in the first r of them"


def test_every_method_is_trained_from_the_pretrained_function():
    on = planted.task("bottom", 1001)
    x, _ = on.batch(Generator().manual_seed(0))
    expected = on.model()(x)
    for name in training.METHODS:
        if "prelaunch" in (training.METHODS[name].init, training.METHODS[name].dash):
            continue  # initialized alike, after a hundred updates that it would take to see it
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


# --- learning rates -------------------------------------------------------------------------------


@given(st.integers(-9, 1))
def test_the_search_ends_inside_where_the_best_rate_can_be_reached(best):
    found = search_for(lambda rate: abs(2 * math.log10(rate) - best))
    assert found["rate"] == pytest.approx(10 ** (best / 2))
    assert not found["edge"]
    tried = [round(2 * math.log10(rate)) for rate in found["rates"]]
    assert {best - 1, best, best + 1} <= set(tried)


def test_a_search_without_an_end_stops_and_is_not_used():
    found = search_for(lambda rate: 1 / rate)
    assert found["edge"]
    assert len(found["rates"]) == 3 + tuning.GRID.rounds


def test_a_search_goes_on_below_what_diverged():
    found = search_for(lambda rate: math.inf if rate > 10**-2.6 else 1 / rate)
    assert found["rate"] == pytest.approx(10**-3)
    assert found["validation"][1:] == [pytest.approx(10**3), None, None, None]
    assert not found["edge"]


def search_for(error: Callable[[float], float]) -> dict[str, Any]:
    """What `tuned` finds where the error is a function of the learning rate."""
    with pytest.MonkeyPatch.context() as patch:
        finished = lambda case, method, rate, steps, seed: {"error": error(rate)}
        patch.setattr(tuning, "finished", finished)
        return tuning.tuned("random", "LoRA, r", [1], 1, 300)


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


# --- digits ---------------------------------------------------------------------------------------


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
    check_predicted(1000)
