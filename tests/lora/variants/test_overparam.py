"""The generator: plain LoRA at step 0, the naive graph's gradients, one evaluation a step, one
backward on request."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import lora
from lora import Config
from lora.variants.hypernetwork import HyperNetwork
from tests.support.models import IDS, small

EPS = torch.finfo(torch.float64).eps


def adapted(variant: str = "overparam", dtype: torch.dtype = torch.float64, **options: Any) -> Any:
    model = small(dtype)
    lora.attach(model, Config(rank=3, variant=variant, variant_options=options))
    return model


def made(
    seed: int = 0, width: int = 5, embedding: int = 4, **shapes: tuple[int, ...]
) -> HyperNetwork:
    """A generator whose every parameter is random."""
    rng = torch.Generator().manual_seed(seed)
    values = {
        name: torch.zeros(shape, dtype=torch.float64)
        for name, shape in (shapes or {"B": (6, 2)}).items()
    }
    generator = HyperNetwork(values, width, embedding, rng)
    with torch.no_grad():
        for p in generator.parameters():
            p.copy_(torch.randn(p.shape, generator=rng, dtype=p.dtype))
    return generator


def naive(generator: Any) -> dict[str, Tensor]:
    h = (generator.W1 @ generator.z + generator.b1).relu()
    return {
        name: (head.weight @ h + head.bias).view(head.shape)
        for name, head in generator.heads.items()
    }


@pytest.mark.parametrize("scheme", ["init_a", "orthogonal", "pissa", "nystrom"])
def test_the_default_start_has_the_factors_of_plain_lora_bit_for_bit(scheme):
    models = []
    for variant in ("plain", "overparam"):
        model = small()
        lora.attach(model, Config(rank=3, scheme=scheme, variant=variant, seed=4))
        models.append(lora.adapters(model))
    for ours, theirs in zip(*(m.values() for m in models), strict=True):
        assert torch.equal(ours.B, theirs.B)
        assert torch.equal(ours.A, theirs.A)


@pytest.mark.parametrize("variant", ["overparam", "op_dora"])
@pytest.mark.parametrize(("width", "embedding"), [(32, None), (7, 3)])
def test_the_number_of_parameters_is_the_stated_one(variant, width, embedding):
    """p (m + 1) + m (k + 1) + k for p generated numbers, hidden width m and embedding k,
    arXiv:2412.10362."""
    r, m, k = 3, width, embedding or width
    model = small()
    report = lora.attach(
        model, Config(rank=r, variant=variant, variant_options={"width": m, "embedding": embedding})
    )
    expected = {}
    for layer in report.layers:
        out, in_ = layer.shape
        p = r * (in_ + out) + (out if variant == "op_dora" else 0)
        expected[layer.name] = p * (m + 1) + m * (k + 1) + k
    counted = {
        name: sum(p.numel() for _, p in layer.trained())
        for name, layer in lora.adapters(model).items()
    }
    assert counted == expected
    assert report.trainable == sum(expected.values())


def test_layers_and_seeds_have_generators_of_their_own():
    z = lambda seed, layer: lora.adapters(attached(seed))[layer].get_parameter("generator.z")

    def attached(seed):
        model = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)})
        lora.attach(model, Config(rank=2, variant="overparam", seed=seed))
        return model

    assert torch.equal(z(0, "a"), z(0, "a"))
    assert not torch.equal(z(0, "a"), z(0, "b"))
    assert not torch.equal(z(0, "a"), z(1, "a"))


@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(0, 2**32),
)
def test_values_and_gradients_are_those_of_the_naive_graph(width, embedding, out, r, seed):
    generator = made(seed, width, embedding, B=(out, r), A=(r, 3))
    parameters = list(generator.parameters())
    results = []
    for values in (generator(), naive(generator)):
        loss = (values["B"] @ values["A"]).square().sum() + values["B"].sin().sum()
        results.append([*values.values(), *torch.autograd.grad(loss, parameters)])
    size = max(1, *(float(b.detach().abs().max()) for b in results[1]))
    for ours, theirs in zip(*results, strict=True):
        # the same sums of at most 30 terms in another order
        assert (ours - theirs).abs().max() <= 100 * EPS * size


def test_the_backward_agrees_with_finite_differences():
    generator = made(1)
    parameters = [p.detach().requires_grad_() for p in generator.parameters()]

    def value(*tensors: Tensor) -> Tensor:
        return torch.func.functional_call(generator, dict(zip(names, tensors, strict=True)))["B"]

    names = [name for name, _ in generator.named_parameters()]
    assert torch.autograd.gradcheck(value, parameters)
    assert torch.autograd.gradgradcheck(value, parameters)


@pytest.fixture
def evaluations(monkeypatch):
    counted = []
    original = HyperNetwork.hidden
    monkeypatch.setattr(HyperNetwork, "hidden", lambda self: counted.append(self) or original(self))
    return counted


@pytest.mark.parametrize("variant", ["overparam", "op_dora"])
def test_the_generator_is_evaluated_once_a_forward_pass(evaluations, variant):
    model = adapted(variant)
    evaluations.clear()
    model(IDS)
    with torch.no_grad():
        model(IDS)
    assert len(evaluations) == 2 * len(lora.adapters(model))


def test_gathered_micro_batches_share_one_evaluation_and_the_one_of_the_backward(evaluations):
    model = adapted()
    evaluations.clear()
    optimizer = torch.optim.AdamW(lora.param_groups(model, 1e-3))
    for _ in range(3):
        optimizer.zero_grad()
        with lora.accumulate(model):
            for _ in range(4):
                model(IDS).square().sum().backward()
        optimizer.step()
    assert len(evaluations) == 3 * 2 * len(lora.adapters(model))


@pytest.mark.parametrize("gathered", [False, True])
def test_micro_batches_give_the_gradients_of_the_whole_batch(gathered):
    whole, parts = adapted(), adapted()
    for model in (whole, parts):
        torch.optim.SGD(lora.param_groups(model, 0.05)).step()
        with torch.no_grad():
            for p in (p for p in model.parameters() if p.requires_grad):
                p.add_(0.1 * torch.ones_like(p))
    whole(IDS).square().sum().backward()
    if gathered:
        with lora.accumulate(parts):
            for row in IDS:
                parts(row[None]).square().sum().backward()
            generator = lora.adapters(parts)["up"].get_submodule("generator")
            assert all(p.grad is None for p in generator.parameters()), (
                "nothing has gone through it yet"
            )
    else:
        for row in IDS:
            parts(row[None]).square().sum().backward()
    for (name, p), q in zip(whole.named_parameters(), parts.parameters(), strict=True):
        if p.requires_grad:
            assert p.grad is not None
            assert q.grad is not None
            assert (p.grad - q.grad).abs().max() <= 1000 * EPS * p.grad.abs().max(), name


def test_gathering_refuses_a_step_within_and_is_clean_after_an_error():
    model = adapted()
    optimizer = torch.optim.SGD(lora.param_groups(model, 0.1))
    model(IDS).sum().backward()

    def gather(then):
        with lora.accumulate(model):
            model(IDS).sum().backward()
            then()

    with pytest.raises(ValueError, match="step after, not within"):
        gather(optimizer.step)
    optimizer.zero_grad()
    with pytest.raises(ZeroDivisionError):
        gather(lambda: 1 / 0)
    assert all(p.grad is None for p in model.parameters())
    model(IDS).sum().backward()
    assert lora.adapters(model)["up"].get_parameter("generator.heads.B.bias").grad is not None


def test_every_write_is_seen():
    model = adapted()
    layer: Any = lora.adapters(model)["up"]
    bias = layer.generator.head("B").bias
    assert not layer.B.any()
    with torch.no_grad():
        bias.add_(1.0)
    assert (layer.B == 1).all()
    layer.generator.head("B").bias = nn.Parameter(torch.full_like(bias, 2.0))
    assert (layer.B == 2).all()
    layer.generator.head("B").bias.data.fill_(3.0)
    assert (layer.B == 3).all()
    model.float()
    assert layer.B.dtype == torch.float32


def test_checkpointing_changes_nothing():
    model = adapted()
    with torch.no_grad():
        for p in (p for p in model.parameters() if p.requires_grad):
            p.add_(0.1 * torch.ones_like(p))
    gradients = []
    for run in (model, lambda ids: checkpoint(model, ids, use_reentrant=False)):
        model.zero_grad()
        run(IDS).square().sum().backward()
        gradients.append([p.grad for p in model.parameters() if p.requires_grad])
    for ours, theirs in zip(*gradients, strict=True):
        assert torch.equal(ours, theirs)


def test_a_dead_generator_still_learns_by_its_last_bias():
    model = adapted()
    layer: Any = lora.adapters(model)["up"]
    with torch.no_grad():
        layer.generator.b1.fill_(-100.0)
    model(IDS).square().sum().backward()
    assert layer.generator.head("B").bias.grad.any()
    assert not layer.generator.head("B").weight.grad.any()


def test_the_variance_of_a_drawn_start_is_the_stated_one():
    linear = nn.Sequential(nn.Linear(3000, 8))
    for start in ("match", "default"):
        model = nn.Sequential(nn.Linear(3000, 8))
        model.load_state_dict(linear.state_dict())
        lora.attach(model, Config(rank=8, variant="overparam", variant_options={"start": start}))
        layer: Any = lora.adapters(model)["0"]
        assert not layer.B.any()
        squares = layer.A.detach().square()
        stated = (
            1 / (3 * 3000)
            if start == "match"
            else float(1 + layer.generator.hidden().detach().square().sum()) / (3 * 32)
        )
        # the mean of 24000 squares, 5 standard errors (the entries are independent given h)
        assert abs(squares.mean() - stated) <= 5 * squares.std() / squares.numel() ** 0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"variant_options": {"width": 0}}, "width must be a positive integer, got 0"),
        ({"variant_options": {"embedding": 1.5}}, "embedding must be a positive integer, got 1.5"),
        (
            {"variant_options": {"start": "bais"}},
            "start must be one of bias, match, default, got 'bais'",
        ),
        (
            {"variant_options": {"widht": 8}},
            "unknown option of variant 'overparam': 'widht'; did you mean 'width'",
        ),
        (
            {"variant_options": {"start": "match"}, "scheme": "pissa"},
            "it needs scheme 'init_a', got 'pissa'",
        ),
        ({"train_a": False}, "a generated factor cannot be frozen"),
    ],
)
def test_an_impossible_setting_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Config(variant="overparam", **settings)


def test_op_dora_starts_as_dora_and_follows_its_formula():
    models = []
    for variant in ("dora", "op_dora"):
        model = adapted(variant)
        models.append(lora.adapters(model)["up"])
    dora, ours = models
    for name in ("B", "A"):
        assert torch.equal(getattr(ours, name), getattr(dora, name))
    assert torch.equal(ours.magnitudes(), dora.magnitudes())
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _, p in ours.trained():
            p.add_(0.1 * torch.randn(p.shape, generator=rng, dtype=p.dtype))
    x, dy = (torch.randn(5, n, generator=rng, dtype=torch.float64) for n in (12, 16))
    leaves = [p for _, p in ours.trained()]
    values = naive(ours.generator)
    W = ours.weight
    V = W + ours.scale * values["B"] @ values["A"]
    m = W.norm(dim=1) + values["magnitude"]
    literal = x @ ((m / V.norm(dim=1).detach())[:, None] * V).mT + ours.bias
    for a, b in zip(
        (ours(x), *torch.autograd.grad(ours(x), leaves, dy)),
        (literal, *torch.autograd.grad(literal, leaves, dy)),
        strict=True,
    ):
        # the same sums of at most 100 terms in another order
        assert (a - b).abs().max() <= 1000 * EPS * (1 + b.abs().max())
