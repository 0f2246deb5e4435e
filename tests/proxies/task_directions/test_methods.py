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
from proxies.families.task_directions.trials import networks, planted, training, tuning
from proxies.families.task_directions.trials.planted import LAYER, SIZE
from proxies.instruments import digits
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
        return tuning.tuned("random", "LoRA, r", [1], [7], 300)


def test_rates_are_chosen_on_other_seeds_and_a_diverged_run_is_never_best(monkeypatch):
    seen: dict[int, list[float]] = {}

    def finished(case, method, rate, steps, seed):
        seen.setdefault(seed, []).append(rate)
        return {"error": math.nan if rate > 0.02 else (math.log10(rate) + 2) ** 2 + seed / 1e7}

    monkeypatch.setattr(tuning, "finished", finished)
    found = tuning.tuned("random", "LoRA, r", [7, 8], [507, 508], 300)
    assert found["rate"] == pytest.approx(1e-2)
    assert not found["edge"]
    assert found["validation"][-1] is None
    assert seen[7] == seen[8] == [found["rate"]], "the compared seeds see one rate"
    assert set(seen) == {7, 8, 507, 508}


def test_a_run_is_held_to_its_bound():
    check_finished(1000)


# --- networks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("pool", networks.POOLS)
@pytest.mark.parametrize("kind", networks.KINDS)
def test_a_task_renames_or_turns_the_data_of_its_seed(pool, kind):
    train, test = networks.data(pool, kind, 1000)
    before = networks.data(pool, "", 1000)
    assert len(train[1]) == networks.POOLS[pool].train
    pairs: set[tuple[int, int]] = set()
    for (x, y), (x_before, y_before) in zip((train, test), before, strict=True):
        if len(x):
            assert torch.equal(x, x_before) == kind.startswith("labels")
        norms = (x.norm(dim=1), x_before.norm(dim=1))
        torch.testing.assert_close(*norms, rtol=1e-5, atol=1e-6)
        pairs |= set(zip(y_before.tolist(), y.tolist(), strict=True))
    assert len(pairs) == networks.CLASSES == len(dict(pairs)) == len({b for _, b in pairs})
    assert all(a == b for a, b in pairs) == kind.startswith("turn")
    other = networks.data(pool, kind[:-1] + {"1": "2", "2": "1"}[kind[-1]], 1000)[0]
    assert not (torch.equal(other[0], train[0]) and torch.equal(other[1], train[1]))


def test_a_split_of_the_digits_never_trains_on_its_test_images():
    images, _ = digits.digits(-0.3, 0.7)
    (x, _), (x_test, _) = networks.data("digits", "", 1000)
    assert (len(x), len(x_test)) == (1200, 597)
    order = digits.order(networks.SPLIT + 1000)
    assert torch.equal(torch.cat([x, x_test]), images[order].flatten(1))


def test_parts_of_the_digits_are_disjoint_within_a_block():
    order = digits.order(networks.SPLIT + 1000)
    images, labels = digits.digits(-0.3, 0.7)
    for part in range(networks.PARTS):
        (x, y), (x_test, _) = networks.data("disjoint digits", "", 1000 + part)
        of = order[149 * part : 149 * (part + 1)]
        assert torch.equal(x, images[of].flatten(1))
        assert torch.equal(y, labels[of])
        assert len(x_test) == 0
    with pytest.raises(ValueError, match="12 disjoint parts, got a seed for part 13"):
        networks.data("disjoint digits", "", 1012)
    other = networks.data("disjoint digits", "", 2000)[0][0]
    assert not torch.equal(other, networks.data("disjoint digits", "", 1000)[0][0])


def test_every_seed_draws_clusters_of_its_own():
    (x, y), (x_test, y_test) = networks.data("clusters", "", 1000)
    assert (len(x), len(x_test)) == (1200, 2000)
    assert not torch.equal(x, networks.data("clusters", "", 1001)[0][0])
    assert set(y.tolist()) == set(y_test.tolist()) == set(range(10))
    # centres of variance 0.49 and noise of variance 1 in 64 dimensions, all times 0.4
    assert float((x / 0.4).square().mean()) == pytest.approx(1.49, rel=0.15)


@pytest.mark.parametrize("pool", ["clusters", "digits"])
def test_the_net_knows_its_data_and_not_yet_the_task(pool):
    x, y = networks.data(pool, "", 1000)[1]
    assert float((networks.base(pool, 1000)(x).argmax(1) == y).double().mean()) > 0.85
    on = networks.task(pool, "turn 1", 1000)
    assert on.error(on.model()) > 0.5
    model, wanted = on.model(), on.wanted()
    with torch.no_grad():
        for name, change in wanted.items():
            model.get_submodule(name).weight.add_(change)  # type: ignore[union-attr]
    # the head and the biases, which full fine-tuning moved too, are as they were
    assert on.error(model) < 0.6 * on.error(on.model())


def test_another_run_has_other_batches_and_the_same_task():
    one, other = (
        networks.full_change("clusters", "turn 1", 1000, stream)[networks.MIDDLE]
        for stream in (networks.LABELS, networks.AGAIN)
    )
    assert not torch.equal(one, other)
    cosine = float((one * other).sum() / (one.norm() * other.norm()))
    assert cosine > 0.5


def test_kinds_of_tasks_take_turns():
    seeds = range(1000, 1004)
    kinds = [tuning.task("clusters", seed).batch(Generator().manual_seed(0)) for seed in seeds]
    for kind, seed, (x, _) in zip(networks.KINDS, seeds, kinds, strict=True):
        expected = networks.task("clusters", kind, seed).batch(Generator().manual_seed(0))
        assert torch.equal(x, expected[0])
    assert tuning.task("random", 1000).layers == (LAYER,)


def test_what_is_predicted_on_networks():
    check_predicted(1000)
