"""The trials that train: the stacked network and its runs against lora itself, the search for a
learning rate, and planted faults."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Generator

import lora
from lora.bases import weight_of
from lora.schemes import Factors
from proxies.families.gradient_signal.trials import tuning
from proxies.families.gradient_signal.trials.rows import moved_ranks
from proxies.families.gradient_signal.trials.tasks import TASKS, Task
from proxies.families.gradient_signal.trials.tasks.pictures import patches

EPS32 = torch.finfo(torch.float32).eps
SEEDS = [0, 1]


@pytest.fixture(scope="module")
def digits() -> Task:
    return TASKS["digits"](SEEDS, 0)


@pytest.fixture(scope="module")
def photographs() -> Task:
    return TASKS["photographs"](SEEDS, 0)


def check_network(task: Task) -> None:
    """The stacked network computes what each seed's module does."""
    x = task.data["test"][0][:, :20]
    together = task.outputs(x)
    for i in range(len(SEEDS)):
        # three layers of 64 terms each, and logits of size ten
        assert (
            together[i] - task.model(i)(x[i])
        ).abs().max() <= 100 * 64 * EPS32 * together.abs().max()


def check_training(task: Task, optimizer: str, scheme: str = "") -> None:
    """Twelve steps in the stacked graph end at the losses of lora.attach and torch's own optimizer,
    run by run."""
    rates, steps = torch.tensor([1e-3, 1e-2] if optimizer == "adam" else [0.02, 0.1]), 12
    factors = random_factors(task) if not scheme else of_scheme(task, scheme)
    found = tuning.train(task, factors, rates, optimizer, [steps], SEEDS)["test"][0]
    for run, (r, s) in {(r, s): (r, s) for r in range(2) for s in range(2)}.items():
        model = task.model(s)
        config = lora.Config(rank=4, alpha=4, target_modules=task.layers, scheme=scheme or "init_a")
        lora.attach(model, config)
        adapters = lora.adapters(model)
        for (_, A), name in zip(factors, task.layers, strict=True):
            if not scheme:
                adapters[name].A.data.copy_(A[s])
        groups = lora.param_groups(model, float(rates[r]))
        method = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer](groups)
        (x, y), rng = task.data["train"], Generator().manual_seed(tuning.STREAM + SEEDS[s])
        for _ in range(steps):
            chosen = torch.randint(x.shape[1], (tuning.BATCH,), generator=rng)
            method.zero_grad()
            task.mean_loss(model, (x[s, chosen], y[s, chosen])).backward()
            method.step()
        with torch.no_grad():
            loss = task.mean_loss(model, (task.data["test"][0][s], task.data["test"][1][s]))
        # float32 through twelve steps: measured 1 eps at most
        assert float(found[run]) == pytest.approx(float(loss), rel=100 * EPS32), run


def of_scheme(task: Task, name: str) -> list[Factors]:
    """B and A of a scheme that reads the weight alone."""
    of = lambda i, layer: lora.SCHEMES[name](
        weight_of(task.model(i).get_submodule(layer)).detach(), 4
    )
    pairs = [[of(i, layer) for i in range(len(SEEDS))] for layer in task.layers]
    return [Factors(*(torch.stack(same) for same in zip(*pair, strict=True))) for pair in pairs]


def random_factors(task: Task) -> list[Factors]:
    """B = 0 and A of every layer for two seeds."""

    def uniform(width: int, seed: int) -> torch.Tensor:
        return torch.rand(4, width, generator=Generator().manual_seed(seed)) / width**0.5

    return [
        Factors(torch.zeros(2, out, 4), torch.stack([uniform(in_, 10 * i + j) for j in range(2)]))
        for i, (out, in_) in enumerate(task.shapes)
    ]


def test_network(digits, photographs):
    check_network(digits)
    check_network(photographs)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_training(digits, optimizer):
    check_training(digits, optimizer)


def test_training_on_photographs(photographs):
    check_training(photographs, "adam")


def test_training_from_b_a_that_is_not_zero(digits):
    """The pretrained function is where it begins, as with lora.attach."""
    check_training(digits, "adam", "olora")
    factors = of_scheme(digits, "olora")
    none = tuning.train(digits, factors, torch.tensor([0.0]), "sgd", [1], SEEDS)["test"][0, 0]
    x, y = digits.data["test"]
    assert torch.allclose(none, digits.loss(digits.outputs(x), y).mean(-1), rtol=100 * EPS32)


def test_no_patch_of_a_photograph_is_in_two_seeds_or_splits():
    task = TASKS["photographs"]([0, 1, 2], 0)
    rows = torch.cat([x.flatten(0, 1) for x, _ in task.data.values()])
    assert len(rows.unique(dim=0)) == len(rows)
    frames, insides = patches("flower.jpg")
    assert frames.shape[1:] == (48,)
    assert insides.shape[1:] == (16,)
    with pytest.raises(ValueError, match="too few for 17 seeds"):
        TASKS["photographs"](list(range(17)), 0)


def test_a_run_that_diverges_harms_no_other(digits):
    rows = random_factors(digits)
    alone = tuning.train(digits, rows, torch.tensor([0.01]), "sgd", [30], SEEDS)["test"]
    beside = tuning.train(digits, rows, torch.tensor([0.01, 1e6]), "sgd", [30], SEEDS)["test"]
    assert not torch.isfinite(beside[0, 1]).any()
    assert torch.allclose(alone[0, 0], beside[0, 0], rtol=1e-3)


def test_a_grid_is_extended_until_the_best_rate_lies_inside(digits):
    # 1e-8 and its neighbours, where nothing is learnt
    grid = replace(tuning.GRIDS["adam"], first=-24, last=-22)
    found = tuning.swept(digits, random_factors(digits), "adam", grid, [20], 1, SEEDS)
    assert len(found["rates"]) == 3 + 4 * 3, "it grew as often as it may, and only upwards"
    assert found["rates"][0] == 1e-8
    assert found["inside"] == [False]
    assert found["best"] == [14]
    assert np.allclose(np.diff(np.log10(found["rates"])), 1 / 3)
    assert found["by rate"][0][-1] < found["by rate"][0][0]
    assert len(found["test"][0]) == 1, "of the seed that did not choose"


def test_the_choosing_seeds_and_their_validation_split_choose(digits, monkeypatch):
    """At 10^-3 the choosing seed's validation loss is least, at 10^-2 its test loss, at 10^-1 the
    validation loss of the compared seed."""
    of = {  # (choose, test) of the choosing and of the compared seed, by the learning rate
        1e-4: ((9, 9), (9, 90)),
        1e-3: ((1, 5), (5, 10)),
        1e-2: ((5, 1), (5, 20)),
        1e-1: ((5, 5), (1, 30)),
        1e0: ((9, 9), (9, 90)),
    }

    def train(task, factors, rates, optimizer, steps, seeds):
        assert len(task.weights[0]) == len(factors[0].A) == len(seeds) == 1
        found = [of[round(float(rate), 6)][seeds[0]] for rate in rates]
        return {
            split: torch.tensor([[[float(pair[i])] for pair in found]])
            for i, split in enumerate(("choose", "test"))
        }

    monkeypatch.setattr(tuning, "train", train)
    grid = tuning.Grid(-4, 0, per_decade=1)
    found = tuning.swept(digits, random_factors(digits), "adam", grid, [20], 1, SEEDS)
    assert found["rates"] == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1])
    assert found["best"] == [1]
    assert found["test"] == [[10]]
    assert found["by rate"] == [[9, 1, 5, 5, 9]]


def test_a_compared_run_that_diverges_counts_with_the_loss_that_it_began_with(digits, monkeypatch):
    def train(task, factors, rates, optimizer, steps, seeds):
        lost = torch.full((1, len(rates), 1), torch.nan)
        kept = (rates.log10().round() + 1).square().view(1, -1, 1)
        return {"choose": kept, "test": kept if seeds == SEEDS[:1] else lost}

    monkeypatch.setattr(tuning, "train", train)
    grid = tuning.Grid(-2, 0, per_decade=1)
    found = tuning.swept(digits, random_factors(digits), "adam", grid, [20], 1, SEEDS)
    x, y = (values[1:] for values in digits.data["test"])
    began = float(digits.of(slice(1, None)).loss(digits.of(slice(1, None)).outputs(x), y).mean())
    assert found["diverged"] == [1]
    assert found["test"][0] == [pytest.approx(began)]


def test_ranks_that_are_not_given_stay_without_effect(digits):
    """Zero rows of A with zero columns of B have zero gradients: padding changes no loss."""
    rows = random_factors(digits)
    pad = torch.nn.functional.pad
    padded = [Factors(pad(B, (0, 4)), pad(A, (0, 0, 0, 4))) for B, A in rows]
    first, second = (
        tuning.train(digits, factors, torch.tensor([0.01]), "adam", [30], SEEDS)["test"]
        for factors in (rows, padded)
    )
    assert torch.allclose(first, second, rtol=1e-3)


def test_ranks_move_to_where_the_variance_is_explained():
    spectra = {"flat": torch.ones(8), "steep": torch.tensor([8.0, 4, *[0.01] * 6])}
    stats = {
        name: lora.Statistics(100, torch.zeros(8).double(), torch.diag(values.double()))
        for name, values in spectra.items()
    }
    assert moved_ranks(stats, 2) == {"flat": 2, "steep": 2}
    stats["steep"] = lora.Statistics(
        100, torch.zeros(8).double(), torch.diag(torch.tensor([4.0, 3, 3, 2, 0, 0, 0, 0]).double())
    )
    assert moved_ranks(stats, 2) == {"flat": 0, "steep": 4}
    assert moved_ranks(stats, 3) == {"flat": 2, "steep": 4}, "at most twice the rank, no zeros"


def test_where_nothing_converges_lower_learning_rates_are_tried(digits):
    grid = replace(tuning.GRIDS["sgd"], first=18, last=20, rounds=1)
    found = tuning.swept(digits, random_factors(digits), "sgd", grid, [20], 1, SEEDS)
    assert found["rates"][0] == pytest.approx(1e5)
    assert found["inside"] == [False]
    assert found["by rate"][0][-1] is None


def test_a_rotation_is_a_symmetry_of_gradient_descent_alone(digits):
    """(B, A) -> (B O^T, O A) leaves the losses of SGD as they are, and not those of Adam."""
    turn = torch.linalg.qr(torch.randn(4, 4, generator=Generator().manual_seed(0))).Q
    rows = random_factors(digits)
    for optimizer, rate, expected in (("sgd", 0.1, True), ("adam", 0.01, False)):
        first, second = (
            tuning.train(digits, A, torch.tensor([rate]), optimizer, [30], SEEDS)["test"]
            for A in (rows, [Factors(B, turn @ A) for B, A in rows])
        )
        assert torch.allclose(first, second, rtol=1e-4) == expected, optimizer


def test_faults_of_the_training_are_caught(digits, monkeypatch):
    correct = tuning.low_rank
    for wrong in (
        lambda A, B: lambda i, x: 2 * correct(A, B)(i, x),  # another scale
        # another layer's A
        lambda A, B: lambda i, x: correct(A[::-1] if i == 0 else A, B)(i, x),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(tuning, "low_rank", wrong)
            with pytest.raises((AssertionError, RuntimeError)):
                check_training(digits, "sgd")
    with monkeypatch.context() as patch:
        patch.setitem(tuning.OPTIMIZERS, "adam", tuning.Descent)
        with pytest.raises(AssertionError):
            check_training(digits, "adam")
    with monkeypatch.context() as patch:
        # the minibatches of another seed
        patch.setattr(tuning, "STREAM", 0)
        found = tuning.train(
            digits, random_factors(digits), torch.tensor([0.01]), "sgd", [12], SEEDS
        )
    same = tuning.train(digits, random_factors(digits), torch.tensor([0.01]), "sgd", [12], SEEDS)
    assert not torch.allclose(found["test"], same["test"], rtol=1e-3)
