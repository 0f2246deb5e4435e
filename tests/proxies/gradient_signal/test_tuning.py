"""The trials that train: the stacked network and its runs against lora itself, the search for a
learning rate, and planted faults."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Generator

import lora
from proxies.families.gradient_signal.trials import tasks, tuning

EPS32 = torch.finfo(torch.float32).eps
SEEDS = [1000, 1001]


@pytest.fixture(scope="module")
def digits() -> tasks.Task:
    return tasks.digits(SEEDS)


def check_network(task: tasks.Task) -> None:
    """The stacked network computes what each seed's module does."""
    x = task.data["test"][0][:, :20]
    together = task.logits(x, lambda i, x: x.new_zeros(()))
    for i in range(len(SEEDS)):
        # three layers of 64 terms each, and logits of size ten
        assert (
            together[i] - task.model(i)(x[i])
        ).abs().max() <= 100 * 64 * EPS32 * together.abs().max()


def check_training(task: tasks.Task, optimizer: str) -> None:
    """Twelve steps in the stacked graph end at the losses of lora.attach and torch's own optimizer,
    run by run."""
    rates, steps = torch.tensor([1e-3, 1e-2] if optimizer == "adam" else [0.05, 0.2]), 12
    rows = random_rows(task)
    found = tuning.train(task, rows, rates, optimizer, [steps], SEEDS)["test"][0]
    for run, (r, s) in {(r, s): (r, s) for r in range(2) for s in range(2)}.items():
        model = task.model(s)
        lora.attach(model, lora.Config(rank=4, alpha=4, target_modules=task.layers))
        adapters = lora.adapters(model)
        for A, name in zip(rows, task.layers, strict=True):
            adapters[name].A.data.copy_(A[s])
        groups = lora.param_groups(model, float(rates[r]))
        method = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer](groups)
        (x, y), rng = task.data["train"], Generator().manual_seed(tuning.STREAM + SEEDS[s])
        for _ in range(steps):
            chosen = torch.randint(x.shape[1], (tuning.BATCH,), generator=rng)
            method.zero_grad()
            tasks.loss_of(model, (x[s, chosen], y[s, chosen])).backward()
            method.step()
        with torch.no_grad():
            loss = tasks.loss_of(model, (task.data["test"][0][s], task.data["test"][1][s]))
        # float32 through twelve steps: measured 1 eps at most
        assert float(found[run]) == pytest.approx(float(loss), rel=100 * EPS32), run


def random_rows(task: tasks.Task) -> list[torch.Tensor]:
    """A of every layer for two seeds."""

    def uniform(width: int, seed: int) -> torch.Tensor:
        return torch.rand(4, width, generator=Generator().manual_seed(seed)) / width**0.5

    return [
        torch.stack([uniform(in_, 10 * i + j) for j in range(2)])
        for i, (_, in_) in enumerate(task.shapes)
    ]


def test_network(digits):
    check_network(digits)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_training(digits, optimizer):
    check_training(digits, optimizer)


def test_a_run_that_diverges_harms_no_other(digits):
    rows = random_rows(digits)
    alone = tuning.train(digits, rows, torch.tensor([0.01]), "sgd", [30], SEEDS)["test"]
    beside = tuning.train(digits, rows, torch.tensor([0.01, 1e6]), "sgd", [30], SEEDS)["test"]
    assert not torch.isfinite(beside[0, 1]).any()
    assert torch.allclose(alone[0, 0], beside[0, 0], rtol=1e-3)


def test_a_grid_is_extended_until_the_best_rate_lies_inside(digits, monkeypatch):
    # 1e-8 and its neighbours, where nothing is learnt
    monkeypatch.setitem(tuning.GRIDS, "adam", replace(tuning.GRIDS["adam"], first=-24, last=-22))
    found = tuning.swept(digits, random_rows(digits), "adam", [20], SEEDS)
    assert len(found["rates"]) == 3 + 4 * 3, "it grew as often as it may, and only upwards"
    assert found["rates"][0] == 1e-8
    assert found["inside"] == [False]
    assert found["best"] == [14]
    assert np.allclose(np.diff(np.log10(found["rates"])), 1 / 3)
    assert found["by rate"][0][-1] < found["by rate"][0][0]
    assert np.mean(found["test"][0]) == pytest.approx(found["by rate"][0][14])


def test_where_nothing_converges_lower_learning_rates_are_tried(digits, monkeypatch):
    monkeypatch.setitem(
        tuning.GRIDS, "sgd", replace(tuning.GRIDS["sgd"], first=18, last=20, rounds=1)
    )
    found = tuning.swept(digits, random_rows(digits), "sgd", [20], SEEDS)
    assert found["rates"][0] == pytest.approx(1e5)
    assert found["inside"] == [False]
    assert found["by rate"][0][-1] is None


def test_a_rotation_is_a_symmetry_of_gradient_descent_alone(digits):
    """(B, A) -> (B O^T, O A) leaves the losses of SGD as they are, and not those of Adam."""
    turn = torch.linalg.qr(torch.randn(4, 4, generator=Generator().manual_seed(0))).Q
    rows = random_rows(digits)
    for optimizer, rate, expected in (("sgd", 0.2, True), ("adam", 0.01, False)):
        first, second = (
            tuning.train(digits, A, torch.tensor([rate]), optimizer, [30], SEEDS)["test"]
            for A in (rows, [turn @ a for a in rows])
        )
        assert torch.allclose(first, second, rtol=1e-4) == expected, optimizer


def test_faults_of_the_training_are_caught(digits, monkeypatch):
    correct = tuning.low_rank
    for wrong in (
        lambda A, B: lambda i, x: 2 * correct(A, B)(i, x),  # another scale
        lambda A, B: lambda i, x: correct(A[::-1] if i == 0 else A, B)(i, x),  # another layer's A
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
        found = tuning.train(digits, random_rows(digits), torch.tensor([0.01]), "sgd", [12], SEEDS)
    same = tuning.train(digits, random_rows(digits), torch.tensor([0.01]), "sgd", [12], SEEDS)
    assert not torch.allclose(found["test"], same["test"], rtol=1e-3)
