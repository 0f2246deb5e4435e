"""The batched networks of the asymmetry family against `lora`, their data and learning rates."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import lora
from proxies.families.asymmetry.trials import digits, networks, similarity, tuning
from proxies.families.asymmetry.trials.networks import Schedule, Split


def problem(seed: int, n: int = 40) -> tuple[networks.Nets, Split]:
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(2, n, 64, generator=rng, dtype=torch.float64)
    y = torch.randint(0, 10, (2, n), generator=rng)
    data = Split(x, y)
    return networks.pretrain(data, [seed, seed + 1], steps=3, batch=16), data


def by_lora(nets, initial, which, trained, data, rate, schedule) -> nn.Module:
    """One run as anybody would make it: lora.attach, torch's Adam, the same batches."""
    model = nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    ).double()
    for layer, module in enumerate(m for m in model if isinstance(m, nn.Linear)):
        module.load_state_dict(
            {"weight": nets.weights[layer][which], "bias": nets.biases[layer][which]}
        )
    rank = initial[0].A.shape[1]
    config = lora.Config(
        rank=rank,
        alpha=rank,
        target_modules=("0", "2"),
        train_a="A" in trained,
        train_b="B" in trained,
    )
    lora.attach(model, config)
    for layer, name in enumerate(("0", "2")):
        adapter = lora.adapters(model)[name]
        with torch.no_grad():
            adapter.B.copy_(initial[layer].B[which])
            adapter.A.copy_(initial[layer].A[which])
    optimizer = torch.optim.Adam(lora.param_groups(model, lr=rate))
    for index in schedule.batches(data.y.shape[1]):
        optimizer.zero_grad()
        F.cross_entropy(model(data.x[which, index]), data.y[which, index]).backward()
        optimizer.step()
    return model


def check_engine(method: str) -> None:
    """Both problems and both rates of the engine against four models adapted by `lora`, in
    float64."""
    nets, data = problem(1000)
    trained, rates, schedule = networks.METHODS[method][0], [1e-3, 1e-1], Schedule(6, 16, 7)
    initial = networks.initialized(nets, method, 3, [1000, 1001], range(2))
    factors = networks.train(nets, initial, trained, data, rates, schedule)
    for which in range(2):
        for k, rate in enumerate(rates):
            model = by_lora(nets, initial, which, trained, data, rate, schedule)
            for layer, name in enumerate(("0", "2")):
                adapter = lora.adapters(model)[name]
                for found, expected in zip((adapter.B, adapter.A), factors[layer], strict=True):
                    # Adam divides by |g|, which amplifies the rounding of a gradient near zero.
                    torch.testing.assert_close(
                        found.detach(), expected[which, k], rtol=1e-8, atol=1e-8
                    )
            with torch.no_grad():
                right = (model(data.x[which]).argmax(-1) == data.y[which]).double().mean()
            assert networks.accuracy(nets, factors, data)[which, k] == right


@pytest.mark.parametrize("method", ["BA, random", "B, orthonormal", "A, singular"])
def test_the_engine_is_lora(method):
    check_engine(method)


def test_starts_are_what_they_are_called():
    nets, _ = problem(1002)
    for method, (trained, _) in networks.METHODS.items():
        for layer, (B, A) in networks.initialized(nets, method, 4, [1, 2], [0, 1]).items():
            W = nets.weights[layer]
            frozen = A.mT if "B" in trained else B
            assert not torch.equal(frozen[0], frozen[1]), "each problem has its own draw"
            assert not (B.any() and A.any())
            if "random" not in method:
                one = torch.eye(4, dtype=W.dtype)
                # singular vectors come from PiSSA's rows divided by their lengths
                assert (
                    float((frozen.mT @ frozen - one).abs().max()) <= 100 * torch.finfo(W.dtype).eps
                )
            if "singular" in method:
                U, _, Vh = torch.linalg.svd(W)
                true = Vh[:, :4].mT if trained == "B" else U[..., :4]
                for found, expected in zip(frozen, true, strict=True):
                    assert similarity.overlap(found, expected) == pytest.approx(1, abs=1e-10)


def test_a_run_that_diverged_has_no_right_answer():
    nets, data = problem(1003)
    initial = networks.initialized(nets, "BA, random", 2, [1, 2], range(2))
    broken = {
        k: lora.Factors(B[:, None] * float("nan"), A[:, None]) for k, (B, A) in initial.items()
    }
    assert not networks.accuracy(nets, broken, data).any()


def test_batches_cover_the_samples_and_are_the_whole_where_they_are_larger():
    whole = Schedule(3, 64, 0).batches(10)
    assert [index.tolist() for index in whole] == [list(range(10))] * 3
    parts = Schedule(6, 4, 0).batches(12)
    assert len(parts) == 6
    assert (
        sorted(torch.cat(parts[:3]).tolist())
        == sorted(torch.cat(parts[3:]).tolist())
        == list(range(12))
    )


def test_a_task_never_trains_on_its_test_images():
    seeds, turns = (1000, 1000, 1001), ("flipped", "rotated", "rotated")
    data = digits.task(seeds, turns, 100)
    assert [split.x.shape[1] for split in data] == [100, 300, 497]
    images, labels = digits.digits()
    for i, (seed, turn) in enumerate(zip(seeds, turns, strict=True)):
        train, *held_out = digits.shuffled(seed)
        assert len(set(torch.cat([train, *held_out]).tolist())) == len(labels)
        for split, part in zip(data, (train[:100], *held_out), strict=True):
            assert torch.equal(split.x[i], digits.TURNS[turn](images)[part].flatten(1))
            pairs = set(zip(labels[part].tolist(), split.y[i].tolist(), strict=True))
            assert len(pairs) == 10, "labels are permuted"
    assert not torch.equal(data.test.y[0], data.test.y[1]), (
        "two tasks of one seed have two permutations"
    )


def check_grid(monkeypatch, best: int) -> dict:
    """`adapted` where validation accuracy peaks at the rate 10^(best/2) and the test has another
    peak."""
    monkeypatch.setattr(tuning, "train", lambda nets, initial, trained, data, rates, _: rates)

    def accuracy(nets, rates, data):
        peak = best if data.y.shape[1] == digits.SIZES[1] else best - 1
        score = [1 - abs(2 * np.log10(rate) - peak) / 100 for rate in rates]
        return torch.tensor([score, score], dtype=torch.float64)

    monkeypatch.setattr(tuning, "accuracy", accuracy)
    return tuning.adapted("B, random", 2, 100, 1000, 2, 10, [0])


@pytest.mark.parametrize("best", [-8, -5, 0, 2, 5])
def test_the_rate_is_chosen_on_validation_and_the_grid_grows_to_hold_it(monkeypatch, best):
    found = check_grid(monkeypatch, best)
    assert found["rate"] == pytest.approx(10 ** (best / 2))
    assert not found["edge"]
    assert found["test"] == pytest.approx([0.99, 0.99])
    assert len(found["rates"]) >= 8
    assert found["rates"] == sorted(found["rates"])
    assert found["parameters"] == 2 * 128


def test_a_grid_that_never_holds_the_best_rate_says_so(monkeypatch):
    assert check_grid(monkeypatch, 40)["edge"]
