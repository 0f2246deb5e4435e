"""The batched engine of the OP-LoRA family against torch's own autograd and optimisers.

Two computations of the same numbers that only add in another order differ by rounding, eps times
the size of what they add up; the worst ratio over the cases here was measured and stands beside
each tolerance.
"""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from proxies.families.matfac.trials import alternating, draws, engine, one_rate, sweep, targets
from proxies.families.matfac.trials.methods import METHODS, Overparam, Sizes
from proxies.families.matfac.trials.optimizers import OPTIMIZERS
from tests.support.trials.matfac import (
    EPS,
    check_diverged,
    check_extension,
    check_gradient,
    check_optimizer,
    check_return,
    check_training,
)
from theory.matfac import generator_network as theory

fresh = settings(max_examples=15, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 2**32 - 1)
shapes = st.tuples(st.integers(2, 7), st.integers(2, 7)).flatmap(
    lambda shape: st.tuples(st.just(shape[0]), st.just(shape[1]), st.integers(1, min(shape)))
)
trained = [name for name in METHODS if "GD" not in name]  # ScaledGD's direction is not a gradient


@pytest.mark.parametrize("name", trained)
@fresh
@given(shapes, seeds)
def test_backward_is_the_gradient(name, shape, seed):
    check_gradient(name, shape, seed)


@pytest.mark.parametrize("name", OPTIMIZERS)
@fresh
@given(seeds)
def test_optimisers_are_torch_optim(name, seed):
    check_optimizer(name, seed)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", trained)
def test_training_is_autograd_and_torch_optim(name, optimizer):
    check_training(name, optimizer)


@pytest.mark.parametrize("name", [*METHODS, "OP match"])
def test_every_method_starts_at_zero_and_from_the_same_a(name):
    M, method = targets.target("gauss", 6, 5, 2, 0), METHODS.get(name, Overparam("match"))
    P = {k: v[None] for k, v in method.initialize(M, 2, Generator().manual_seed(7)).items()}
    B, A, _ = method.factors(P, Sizes(6, 5, 2))
    assert torch.equal(B @ A, torch.zeros(1, 6, 5, dtype=M.dtype))
    if name in ("OP bias", "OP linear", "scalar", "ScaledGD"):
        plain = METHODS["direct"].initialize(M, 2, Generator().manual_seed(7))
        assert torch.equal(A[0], plain["A"])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", ["direct", "OP bias", "Nyström + ScaledGD"])
def test_a_run_does_not_depend_on_its_neighbours(name, optimizer):
    """The same three runs together and one by one, at a rate that is too large for one of them.

    Matrix products of another batch size may add in another order: off by at most 2.4 eps here.
    """
    method, rates = METHODS[name], torch.tensor([1e-3, 1e-2, 1e6], dtype=torch.float64)
    M = torch.stack([targets.target("gauss", 6, 5, 2, seed) for seed in range(3)])
    draws = [method.initialize(M[i], 2, Generator().manual_seed(i)) for i in range(3)]
    initial = {k: torch.stack([s[k] for s in draws]) for k in draws[0]}
    together = engine.train(M, initial, 2, method, OPTIMIZERS[optimizer], rates, 20)
    for i in range(3):
        alone = {k: v[i : i + 1] for k, v in initial.items()}
        single = engine.train(
            M[i : i + 1], alone, 2, method, OPTIMIZERS[optimizer], rates[i : i + 1], 20
        ).loss[:, 0]
        loss = together.loss[:, i]
        if i < 2:
            assert (loss - single).abs().max() <= 50 * EPS * loss.max()
        assert torch.equal(loss.isnan(), single.isnan())


@pytest.mark.parametrize("shared", [False, True])
def test_chunks_give_what_one_batch_gives(monkeypatch, shared):
    """Chunks of two of seven runs, the third of which has diverged runs alone and ends early."""
    method, rates = METHODS["OP bias"], [1e-3, 1e-2, 3e-3, 1e-1, 1e6, 1e7, 2e-3]
    M = torch.stack([targets.target("gauss", 6, 5, 2, seed) for seed in range(7)])
    draws = [method.initialize(M[i], 2, Generator().manual_seed(i)) for i in range(7)]
    initial = {k: torch.stack([s[k] for s in draws]) for k in draws[0]}
    target, rate = M[0] if shared else M, torch.tensor(rates, dtype=M.dtype)
    one = engine.train(target, initial, 2, method, OPTIMIZERS["momentum"], rate, 20)
    numbers = sum(value.numel() for value in draws[0].values())
    monkeypatch.setattr(engine, "CHUNK", 2 * numbers + 1)
    chunks = engine.train(target, initial, 2, method, OPTIMIZERS["momentum"], rate, 20)
    assert torch.equal(chunks.loss.isnan(), one.loss.isnan())
    assert one.loss[-1].isnan().tolist() == [False] * 4 + [True] * 2 + [False]
    finite = ~one.loss[-1].isnan()
    # off by at most 2 eps here
    assert (chunks.loss - one.loss)[:, finite].abs().max() <= 50 * EPS * one.loss[0].max()
    for name, value in one.final.items():
        off = (chunks.final[name] - value)[finite].abs().max()
        assert off <= 50 * EPS * (1 + value[finite].abs().max()), name


@pytest.mark.parametrize(
    ("name", "optimizer"), [(m, o) for m in METHODS for o in ("SGD", "momentum")]
)
def test_a_tall_target_may_be_rotated_for_methods_of_linear_algebra(name, optimizer):
    losses = _tall(name, optimizer)  # off by at most 144 eps
    assert (losses[0] - losses[1]).abs().max() <= 1e3 * EPS * losses[0].max()


def test_adam_is_not_one_of_them():
    losses = _tall("direct", "Adam")  # off by a quarter
    assert (losses[0] - losses[1]).abs().max() > 1e-3 * losses[0].max()


def _tall(name: str, optimizer: str) -> list[Tensor]:
    method, M = METHODS[name], targets.target("gauss", 20, 4, 2, 3)
    found = []
    for target in (M, targets.reduced(M)):
        draw = method.initialize(target, 2, Generator().manual_seed(5))
        initial = {k: v[None] for k, v in draw.items()}
        rate = torch.tensor([0.01], dtype=M.dtype)
        found.append(engine.train(target, initial, 2, method, OPTIMIZERS[optimizer], rate, 30).loss)
    return found


def test_counts_are_those_of_the_theory():
    M, method = torch.zeros(6, 5, dtype=torch.float64), Overparam(width=7, embedding=3)
    initial = method.initialize(M, 2, Generator().manual_seed(0))
    assert sum(v.numel() for v in initial.values()) == theory.parameters(2 * (6 + 5), 7, 3)


def test_matched_start_has_the_variance_of_plain_lora():
    """The A that the generator makes is scaled to 1 / (3 d_in) exactly, up to the rounding of a
    mean over it."""
    M, method = torch.zeros(1, 300, dtype=torch.float64), Overparam("match")
    P = {k: v[None] for k, v in method.initialize(M, 1, Generator().manual_seed(0)).items()}
    A = method.factors(P, Sizes(1, 300, 1))[1]
    assert A.var().item() == pytest.approx(theory.lora_variance(300), rel=1e3 * EPS)


def test_targets_have_the_spectra_they_promise():
    for name, condition in (("ill", 100), ("well", 1)):
        S = torch.linalg.svdvals(targets.target(name, 9, 7, 3, 0))
        assert S[0].item() == pytest.approx(1, rel=50 * EPS)
        assert (S[0] / S[2]).item() == pytest.approx(condition, rel=50 * 100 * EPS)
        assert S[3] <= 50 * EPS
    assert torch.linalg.svdvals(targets.target("gauss", 9, 7, 3, 0))[0].item() == pytest.approx(
        1, rel=50 * EPS
    )
    D = targets.centred_digits()
    assert D.shape == (1797, 64)
    assert D.mean(0).abs().max() <= 50 * EPS
    assert torch.linalg.matrix_norm(D, 2).item() == pytest.approx(1, rel=50 * EPS)


def test_a_diverged_run_is_never_a_number():
    check_diverged()


def test_a_run_that_comes_back_from_infinity_stays_diverged():
    """As one can whose generator network dies: the parameters are finite again, the run is not."""
    check_return()


def test_a_run_at_one_learning_rate_is_lora_at_that_of_its_network():
    """The three LoRAs of OP10 against runs of their own, the factors by the definition of h."""
    found: Any = one_rate.one_rate("gauss", "SGD", 0.01, 6, 5, 2, 3, 40, 7)
    network, plain = (
        sweep.Problem("gauss", name, "SGD", (6, 5, 2), range(7, 10))
        for name in ("OP bias", "direct")
    )
    assert found["OP-LoRA"] == [network.run([0.01], 40)[0].final.tolist()]
    assert found["LoRA"] == [plain.run([0.01], 40)[0].final.tolist()]
    ends = network.train([0.01], 40).final
    for name, P in (("first", network.stacked()), ("last", ends)):
        for i in range(3):
            h = np.maximum((P["W1"][i] @ P["z"][i] + P["b1"][i]).numpy(), 0)
            factor = found[f"{name} factor"][0][i]
            assert factor == pytest.approx(1 + h @ h, rel=100 * EPS)
            single = sweep.Problem("gauss", "direct", "SGD", (6, 5, 2), [7 + i])
            alone = single.run([0.01 * factor], 40)[0].final
            assert found[f"LoRA, {name} step"][0][i] == pytest.approx(alone[0], rel=1e-10)
    assert found["first factor"] != found["last factor"]
    by_adam = one_rate.effective(network.stacked(), "Adam")
    assert by_adam == pytest.approx(
        [
            theory.adam_multiplier(np.maximum((P["W1"] @ P["z"] + P["b1"]).numpy(), 0))
            for P in network.initial
        ],
        rel=100 * EPS,
    )


def test_problems_are_drawn_from_their_seeds():
    """The last problem of a block is the first of a later one."""
    late = sweep.sweep("gauss", "OP bias", "SGD", 6, 5, 2, 1, 20, [0.01], 3, 12)
    block = sweep.sweep("gauss", "OP bias", "SGD", 6, 5, 2, 3, 20, [0.01], 3, 10)
    assert block["final"][0][2] == pytest.approx(late["final"][0][0], rel=1e-10)
    both = sweep.Problem("gauss", "OP bias", "SGD", (6, 5, 2), [3, 4])
    assert not torch.equal(both.initial[0]["z"], both.initial[1]["z"])
    assert not torch.equal(both.targets[0], both.targets[1])
    together = both.run([0.01, 0.05], 20)
    for rate, runs in zip([0.01, 0.05], together, strict=True):
        alone = both.run([rate], 20)[0].final
        assert runs.final == pytest.approx(alone, rel=1e-10), "learning rates and seeds mixed"
    first = draws.draws("balanced", 3, 5, {})["error"]
    assert first[1:] == draws.draws("balanced", 2, 6, {})["error"]


def test_the_grid_is_extended_until_it_holds_the_window():
    check_extension()


def test_best_rate_and_first_step_on_a_table_by_hand():
    runs = lambda *final: sweep.Runs(np.array([[1.0] * len(final), final]), None)
    assert sweep.criterion(runs(1e-9, np.nan))[0] == np.inf, "it diverged for a seed"
    assert sweep.criterion(runs(1e-6, 1e-5))[0] == np.median([1e-6, 1e-5])
    curve = lambda *excess: sweep.Runs(np.array(excess)[:, None], None)
    slower, faster = curve(1, 1, 1e-13), curve(1, 1e-13, 1e-13)
    assert sweep.criterion(faster) < sweep.criterion(slower), "fewer steps decide a tie"
    # the hardest threshold comes first
    early, late = curve(1, 1e-3, 1, 1e-9, 1e-13), curve(1, 1, 1e-9, 1e-9, 1e-13)
    assert sweep.criterion(late) < sweep.criterion(early)
    excess = np.array([[1.0, 1.0], [0.1, np.nan], [0.2, np.nan]])
    assert np.array_equal(sweep.first_step(excess, 0.1), [1, np.nan], equal_nan=True)


def test_alternating_least_squares_ends_at_the_optimum():
    """One sweep on an exact-rank target, whatever its conditioning; a full-rank one takes power
    iterations."""
    assert alternating.alternating("ill", 9, 7, 3, 4, 1, 0)["steps"]["1e-8"] == [[1.0] * 4]
    final = np.array(alternating.alternating("gauss", 9, 7, 3, 4, 3000, 0)["final"])
    assert final.max() <= 1e-8
