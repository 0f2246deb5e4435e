"""The batched networks of the asymmetry family against `lora`, their data and learning rates."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import lora
from proxies.families.asymmetry.trials import networks, populations, similarity, tuning
from proxies.families.asymmetry.trials.networks import Schedule, Split

WIDTHS = (64, 128, 128, 10)


def problem(seed: int, n: int = 40) -> tuple[networks.Nets, Split]:
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(2, n, 64, generator=rng, dtype=torch.float64)
    y = torch.randint(0, 10, (2, n), generator=rng)
    data = Split(x, y)
    return networks.pretrain(data, WIDTHS, [seed, seed + 1], steps=3, batch=16), data


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
                logits = model(data.x[which])
                right = (logits.argmax(-1) == data.y[which]).double().mean()
            loss, accuracy = networks.scores(nets, factors, data)
            assert accuracy[which, k] == right
            torch.testing.assert_close(loss[which, k], F.cross_entropy(logits, data.y[which]))


@pytest.mark.parametrize("method", ["BA, random", "B, orthonormal", "A, singular"])
def test_the_engine_is_lora(method):
    check_engine(method)


def test_starts_are_what_they_are_called():
    nets, _ = problem(1002)
    for method, (trained, _) in networks.METHODS.items():
        first = "A" if "B" in trained and method != "BA, mirrored" else "B"  # the other is zero
        for layer, (B, A) in networks.initialized(nets, method, 4, [1, 2], [0, 1]).items():
            W = nets.weights[layer]
            frozen = A.mT if first == "A" else B
            assert frozen.any()
            assert not torch.equal(frozen[0], frozen[1]), "each problem has its own draw"
            assert not (B.any() and A.any())
            if "random" not in method and "mirrored" not in method:
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
    loss, accuracy = networks.scores(nets, broken, data)
    assert not accuracy.any()
    assert loss.isinf().all()


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


@pytest.mark.parametrize("name", populations.POPULATIONS)
def test_a_task_never_trains_on_its_test_samples(name):
    seeds, turns = (0, 0, 1), ("flipped", "rotated", "rotated")
    population = populations.POPULATIONS[name]
    first, last = population.sizes[0], sum(population.sizes)
    data = populations.task(name, seeds, turns, 100)
    assert [split.x.shape[1] for split in data] == [100, *population.sizes[1:]]
    for i, (seed, turn) in enumerate(zip(seeds, turns, strict=True)):
        x, y = populations.samples_of(name, seed)
        assert len(x) == last
        turned = populations.TURNS[turn](x.unflatten(-1, population.picture)).flatten(1)
        ends = (
            slice(100),
            slice(first, first + population.sizes[1]),
            slice(-population.sizes[2], last),
        )
        for split, part in zip(data, ends, strict=True):
            assert torch.equal(split.x[i], turned[part])
            pairs = set(zip(y[part].tolist(), split.y[i].tolist(), strict=True))
            assert len(pairs) == len(set(y[part].tolist())), "labels are permuted"
            assert any(old != new for old, new in pairs)
    assert not torch.equal(data.test.x[0], data.test.x[1])


def test_two_tasks_of_one_seed_have_two_permutations():
    data = populations.task("digits", (0, 0), ("flipped", "rotated"), 100)
    assert not torch.equal(data.test.y[0], data.test.y[1])


def test_two_classes_are_always_exchanged():
    for stream in range(10):
        assert populations.permutation(2, stream).tolist() == [1, 0]


def test_pieces_of_a_pool_are_disjoint_and_those_of_a_population_new():
    pieces = [populations.piece_of("digits", 0, i, 6)[0] for i in range(6)]
    assert [len(piece) for piece in pieces] == [299] * 6
    every = torch.cat(pieces)
    known, _ = populations.pool("digits")
    assert len(every.unique(dim=0)) == len(known[populations.order(10**6)][: 6 * 299].unique(dim=0))
    one, two = (populations.piece_of("synthetic", 0, i, 6)[0] for i in range(2))
    assert len(one) == 300
    assert not torch.isclose(one, two).any(1).any()


def made_up_scores(monkeypatch, best: int) -> dict:
    """`adapted` where the validation accuracy of the other networks peaks at the learning rate
    10^(best/2), on the compared networks and on the test elsewhere."""
    seen = {}
    population = populations.POPULATIONS["digits"]

    def train(nets, initial, trained, data, rates, schedule):
        seen[schedule.seed] = len(rates), nets.weights[0].shape[0]
        seen["rates"] = rates
        return {0: lora.Factors(*(f[:, None] for f in initial[0]))}

    def scores(nets, factors, data):
        peak = best if data.y.shape[1] == population.sizes[1] else best - 1
        found = [1 - abs(2 * np.log10(rate) - peak) / 100 for rate in seen["rates"]]
        accuracy = torch.tensor([found] * len(data.y), dtype=torch.float64)
        return 1 - accuracy, accuracy

    monkeypatch.setattr(tuning, "train", train)
    monkeypatch.setattr(tuning, "scores", scores)
    found = tuning.adapted("digits", "B, random", 2, 100, 0, 2, 10, [0])
    assert seen[tuning.APART] == (len(tuning.RATES), tuning.CHOOSERS)
    assert seen[0] == (1, 2)
    return found


@pytest.mark.parametrize(("best", "edge"), [(-6, True), (-3, False), (0, False), (1, True)])
def test_the_rate_is_chosen_on_validation_of_other_networks(monkeypatch, best, edge):
    found = made_up_scores(monkeypatch, best)
    assert found["rate"] == pytest.approx(10 ** (best / 2))
    assert found["edge"] == edge
    assert found["test"] == pytest.approx([0.99, 0.99])
    assert found["parameters"] == 2 * 128


def test_of_equally_right_rates_the_one_of_the_least_loss_is_chosen():
    accuracy = torch.tensor([[0.5, 0.9, 0.7, 0.9], [0.5, 0.7, 0.9, 0.7]])
    loss = torch.tensor([[0.1, 2.0, 1.0, 1.5], [0.1, 2.0, 1.2, 1.5]])
    assert tuning.chosen(loss, accuracy) == 2
    assert tuning.chosen(loss[:1], accuracy[:1]) == 3
    loss[0, 3] = torch.inf
    assert tuning.chosen(loss[:1], accuracy[:1]) == 1
