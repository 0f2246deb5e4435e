"""K adapters at once are K adapters: each trial goes where it would have gone alone."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import lora
from lora import Config
from tests.support.models import IDS, gpt2, llama, photograph, small

EPS = torch.finfo(torch.float32).eps
RATES = [1e-3, 1e-2, 0.0, 3e-3]
CONFIGS = [
    Config(rank=4, seed=0),
    Config(rank=4, seed=1, alpha=32),
    Config(rank=4, seed=2, rank_stabilized=True),
    Config(rank=4, scheme="pissa"),
]
TRIALS = len(CONFIGS)


def batch(trial: int, step: int, shape: tuple[int, int] = (2, 10)) -> tuple[Tensor, Tensor]:
    """Tokens, and labels of which each trial ignores others."""
    rng = torch.Generator().manual_seed(100 * trial + step)
    ids = torch.randint(0, 64, shape, generator=rng)
    ignored = torch.rand(shape, generator=rng) < 0.2 * (trial + 1)
    return ids, ids.masked_fill(ignored, -100)


def batches(step: int) -> tuple[Tensor, Tensor]:
    ids, labels = zip(*(batch(trial, step) for trial in range(TRIALS)), strict=True)
    return torch.cat(ids), torch.cat(labels)


def losses(model: Any, ids: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Of each token, and which of them count. Tokens 0 to 9 are padding."""
    logits = model(input_ids=ids, attention_mask=(ids > 9).long()).logits[:, :-1]
    wanted = labels[:, 1:]
    return F.cross_entropy(logits.mT, wanted, reduction="none"), wanted != -100


def train(stacked: lora.Stack, optimizer: Any, steps: int = 4) -> Tensor:
    """The losses (steps, K)."""
    found = []
    for step in range(steps):
        loss = stacked.means(*losses(stacked.model, *batches(step)))
        loss.sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        found.append(loss.detach())
    return torch.stack(found)


def adamw(parameters: Any, lr: float = 1.0) -> torch.optim.Optimizer:
    # an eps of the size of the gradients: without it Adam makes a step of the rate out of the sign
    # of a gradient, which where that is rounding is another one
    return torch.optim.AdamW(parameters, lr=lr, weight_decay=0.1, eps=1e-3)


def alone(trial: int, build: Any, optimizer: Any = adamw, steps: int = 4) -> tuple[Any, Tensor]:
    """The oracle: the trial by `lora.attach` and a torch optimizer."""
    model, found = build(), []
    lora.attach(model, CONFIGS[trial])
    own = optimizer([p for p in model.parameters() if p.requires_grad], lr=RATES[trial])
    for step in range(steps):
        values, counted = losses(model, *batch(trial, step))
        loss = values[counted].mean()
        loss.backward()
        own.step()
        own.zero_grad()
        found.append(loss.detach())
    return model, torch.stack(found)


def sgd(parameters: Any, lr: float = 1.0) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=lr, momentum=0.9, weight_decay=0.01)


@pytest.mark.parametrize("build", [llama, gpt2])
@pytest.mark.parametrize("optimizer", [adamw, sgd])
def test_each_trial_goes_where_it_goes_alone(build, optimizer, tmp_path):
    model = build()
    stacked = lora.stack(model, CONFIGS)
    found = train(stacked, stacked.with_rates(optimizer(stacked.parameters()), RATES))
    for k in range(TRIALS):
        expected, path = alone(k, build, optimizer)
        # the same sums in another order, of some 100 terms of the size of 1, through 4 steps: at
        # most 10 eps is measured for the losses
        assert (found[:, k] - path).abs().max() <= 100 * EPS * path.abs().max()
        with stacked.trial(k):
            for name, layer in lora.adapters(model).items():
                other = lora.adapters(expected)[name]
                assert layer.scale == other.scale
                assert (layer.B0 is None) == (other.B0 is None)
                for ours, theirs in ((layer.B, other.B), (layer.A, other.A)):
                    assert (ours - theirs).abs().max() <= 1e3 * EPS * theirs.abs().max()
            lora.save(model, tmp_path / f"{k}")
        loaded = build()
        lora.load(loaded, tmp_path / f"{k}")
        ids, _ = batch(k, 99)
        with torch.no_grad(), stacked.trial(k):
            assert torch.equal(loaded(ids).logits, model(ids).logits)
            wanted = expected(ids).logits
            assert (model(ids).logits - wanted).abs().max() <= 1e3 * EPS * wanted.abs().max()


@pytest.mark.parametrize("harm", ["nan", "huge"])
def test_a_trial_that_breaks_does_not_touch_another(harm):
    """Bit for bit: the trials meet only in products whose rows are each their own."""

    def run(broken: bool) -> tuple[Tensor, list[Tensor]]:
        stacked = lora.stack(llama(), CONFIGS)
        rates = [*RATES]
        if broken and harm == "huge":
            rates[1] = 1e30
        if broken and harm == "nan":
            with torch.no_grad():
                next(iter(stacked.layers.values())).A[1] = float("nan")
        found = train(stacked, stacked.with_rates(adamw(stacked.parameters()), rates))
        return found, [p.detach() for p in stacked.parameters()]

    (path, parameters), (hurt, others) = run(False), run(True)
    assert not hurt[-1, 1].isfinite()
    kept = [0, 2, 3]
    assert torch.equal(hurt[:, kept], path[:, kept])
    for ours, theirs in zip(others, parameters, strict=True):
        assert torch.equal(ours[kept], theirs[kept])


def test_a_rate_of_zero_leaves_its_trial_as_it_was():
    stacked = lora.stack(llama(), CONFIGS)
    before = [p.detach().clone() for p in stacked.parameters()]
    train(stacked, stacked.with_rates(adamw(stacked.parameters()), RATES), 2)
    for old, p in zip(before, stacked.parameters(), strict=True):
        assert torch.equal(old[2], p[2])
        assert not torch.equal(old[0], p[0])


def test_a_schedule_of_the_optimizer_multiplies_every_rate():
    stacked, halved = (lora.stack(llama(), CONFIGS) for _ in range(2))
    train(stacked, stacked.with_rates(sgd(stacked.parameters(), 0.5), RATES), 1)
    train(halved, halved.with_rates(sgd(halved.parameters()), [r / 2 for r in RATES]), 1)
    for one, other in zip(stacked.parameters(), halved.parameters(), strict=True):
        assert (one - other).abs().max() <= 10 * EPS * other.abs().max()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_function_at_step_0_is_the_base_models(dtype):
    model = llama().to(dtype)
    ids, _ = batches(0)
    before = model(ids).logits
    stacked = lora.stack(model, CONFIGS)
    assert torch.equal(model(ids).logits, before)
    assert {p.dtype for p in stacked.parameters()} == {torch.float32}, "masters are wide"


@pytest.mark.parametrize("shape", [(4,), (8,), (4, 3), (8, 2, 3)])
def test_the_loss_of_a_trial_is_the_mean_of_its_own(shape):
    stacked = lora.stack(small(), [Config(rank=2, seed=k) for k in range(4)])
    values = torch.arange(float(torch.Size(shape).numel())).view(shape)
    counted = values % 3 != 1
    values[~counted] = float("nan")
    parts = values.reshape(4, -1), counted.reshape(4, -1)
    for mean, row, some in zip(stacked.means(values, counted), *parts, strict=True):
        assert mean == row[some].mean() or (mean.isnan() and not some.any())
    assert torch.equal(stacked.means(values.nan_to_num(0)), parts[0].nan_to_num(0).mean(1))


def test_data_driven_and_frozen_factors_stack_too():
    x = [torch.arange(20).view(4, 5), torch.arange(20).flip(0).view(4, 5)]
    configs = [Config(rank=2, scheme="eva", train_a=False, seed=s) for s in (0, 1)]
    stacked = lora.stack(small(), configs, batches=x)
    assert len(stacked.parameters()) == len(stacked.layers), "B alone"
    model = small()
    lora.attach(model, configs[0], batches=x)
    for name, layer in lora.adapters(model).items():
        assert torch.equal(layer.A, stacked.layers[name].A[0])


def test_taking_the_trials_off_gives_the_model_back():
    model = small()
    model.embed.weight.requires_grad_(False)
    before = photograph(model)
    stacked = lora.stack(model, [Config(rank=2), Config(rank=2, seed=1)])
    with stacked.trial(1):
        assert len(lora.adapters(model)) == len(stacked.layers)
    assert not lora.adapters(model)
    stacked.detach()
    assert photograph(model) == before
    with pytest.raises(ValueError, match="not on the model"):
        stacked.detach()
    stacked = lora.stack(model, [Config(rank=2), Config(rank=2, seed=1)])
    stacked.detach(1)
    lora.detach(model)
    assert photograph(model) == before


GOOD = Config(rank=2)


@pytest.mark.parametrize(
    ("configs", "sentence"),
    [
        ([], "at least one config"),
        ([{"rank": 2}], "must hold lora.Config, got dict"),
        ([GOOD, replace(GOOD, rank=3)], "trial 1 has rank=3, but stacked trials share 2"),
        ([GOOD, replace(GOOD, target_modules=("up",))], "trial 1 has target_modules"),
        ([GOOD, replace(GOOD, train_a=False)], "trial 1 has train_a=False"),
        ([GOOD, replace(GOOD, variant="dora")], "trial 1: .* of variant 'plain'"),
        ([replace(GOOD, dropout=0.1)], "without dropout"),
        ([replace(GOOD, modules_to_save=("head",))], "modules_to_save"),
        ([replace(GOOD, target_modules=("embed",))], "embed is an embedding"),
        ([GOOD, replace(GOOD, scheme="eva")], "needs batches"),
    ],
)
def test_what_cannot_be_stacked_is_said_and_changes_nothing(configs, sentence):
    model = small()
    before = photograph(model)
    with pytest.raises(ValueError, match=sentence):
        lora.stack(model, configs)
    assert photograph(model) == before


def test_other_misuse_is_said():
    model = small()
    stacked = lora.stack(model, [GOOD, GOOD])
    with pytest.raises(ValueError, match="carries stacked trials"):
        lora.attach(model, GOOD)
    with pytest.raises(ValueError, match="carries no adapter"):
        lora.merge(model)
    with pytest.raises(ValueError, match="3 rows, which 2 trials cannot share"):
        model(IDS[:3])
    with pytest.raises(ValueError, match="2 trials need as many learning rates"):
        stacked.with_rates(sgd(stacked.parameters()), [1.0])
    with pytest.raises(ValueError, match="no first dimension of 2"):
        stacked.with_rates(sgd(model.head.parameters()), [1.0, 1.0])
    with pytest.raises(ValueError, match="trials 0 to 1, got 2"), stacked.trial(2):
        pass
    mixing = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    with pytest.raises(ValueError, match="1 normalizes over the batch"):
        lora.stack(mixing, [GOOD])


def test_a_stacked_model_survives_a_copy():
    stacked = lora.stack(small(), [Config(rank=2, scheme="pissa", seed=s) for s in (0, 1)])
    twin = copy.deepcopy(stacked)
    with torch.no_grad():
        for p in twin.parameters():
            p.add_(0.1)
    assert not torch.equal(twin.model(IDS), stacked.model(IDS))
    with twin.trial(0):
        assert lora.adapters(twin.model)
    assert not lora.adapters(stacked.model)
