"""Whatever steps the parameters, however the gradients come: every variant trains alike."""

import copy
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import bitsandbytes
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import lora
from lora import SCHEMES, VARIANTS, Config
from tests.support.models import IDS, shake, small

LR, STEPS, EPS = 0.01, 6, 1e-8
TARGETS = torch.linspace(-1, 1, 12).view(4, 3)
every_variant = pytest.mark.parametrize("variant", VARIANTS)


@pytest.fixture(autouse=True)
def a_bound_scheme_that_needs_no_data(monkeypatch):
    monkeypatch.setitem(SCHEMES, "tsd_init", SCHEMES["pissa"])


def adapted(variant: str, dtype: torch.dtype = torch.float64, **more: Any) -> Any:
    """A model in the middle of its training, launched where its variant needs that."""
    model = small(dtype)
    scheme = "tsd_init" if variant == "tsd" else "init_a"
    options = {"directions": 2} if variant in ("dash", "tsd") else {}
    lora.attach(
        model, Config(rank=3, scheme=scheme, variant=variant, variant_options=options, **more)
    )
    shake(model)
    if options:
        lora.launch(model)
    return model


def trained(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


class ThroughData:
    """AdamW by the book, whose writes go through `.data`: no version counter sees them."""

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self.parameters, self.steps = parameters, 0
        self.moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]

    def step(self) -> None:
        self.steps += 1
        for p, (m, v) in zip(self.parameters, self.moments, strict=True):
            assert p.grad is not None
            m.mul_(0.9).add_(p.grad, alpha=0.1)
            v.mul_(0.999).add_(p.grad.square(), alpha=0.001)
            unbiased = m / (1 - 0.9**self.steps), v / (1 - 0.999**self.steps)
            p.data.sub_(LR * unbiased[0] / (unbiased[1].sqrt() + EPS))


def adamw(**how: Any) -> Callable[[list[nn.Parameter]], Any]:
    return lambda parameters: torch.optim.AdamW(parameters, lr=LR, eps=EPS, weight_decay=0.0, **how)


def in_eight_bits(parameters: list[nn.Parameter]) -> Any:
    """bitsandbytes' kernel; moments of fewer than 4096 numbers are held in float32 by itself."""
    return bitsandbytes.optim.AdamW8bit(parameters, lr=LR, eps=EPS, weight_decay=0.0)


STYLES: dict[str, Callable[[list[nn.Parameter]], Any]] = {
    "foreach": adamw(foreach=True),
    "fused": adamw(fused=True),
    "through .data": ThroughData,
    "8 bits": in_eight_bits,
}


def curve(model: Any, style: Callable[[list[nn.Parameter]], Any], forward: Any = None) -> list:
    optimizer, losses = style(trained(model)), []
    for _ in range(STEPS):
        for p in trained(model):
            p.grad = None
        loss = nn.functional.mse_loss((forward or model)(IDS), TARGETS.to(model.up.weight.dtype))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@every_variant
@pytest.mark.parametrize("style", STYLES)
def test_every_optimiser_trains_to_the_function_of_plain_adamw(variant, style):
    """A value that an optimiser wrote unseen is never replaced by an earlier one."""
    dtype = torch.float32 if style == "8 bits" else torch.float64  # bitsandbytes has no other
    model, other = adapted(variant, dtype), adapted(variant, dtype)
    expected = curve(model, adamw(foreach=False))
    found = curve(other, STYLES[style])
    assert expected[-1] < expected[0]
    # six steps of three layers, each a sum of at most 100 terms; 22 eps were seen
    bound = 6 * 300 * torch.finfo(dtype).eps * max(expected)
    assert bound < (expected[0] - expected[-1]) / 5
    assert max(abs(a - b) for a, b in zip(found, expected, strict=True)) <= bound
    with torch.no_grad():
        now = other(IDS)
        assert torch.equal(copy.deepcopy(other)(IDS), now), "a copy sees the same values"
        lora.merge(other)
        assert (other(IDS) - now).abs().max() <= bound


def gradients(model: Any, forward: Callable[[Any], Any]) -> list[torch.Tensor]:
    for p in trained(model):
        p.grad = None
    forward(IDS).square().sum().backward()
    return [p.grad for p in trained(model) if p.grad is not None]


def same(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> None:
    assert len(ours) == len(theirs) > 0
    for a, b in zip(ours, theirs, strict=True):
        # the same sums of at most 100 terms in three layers, perhaps in another order
        assert (a - b).abs().max() <= 1000 * torch.finfo(b.dtype).eps * (1 + b.abs().max())


@every_variant
@pytest.mark.parametrize("reentrant", [False, True])
def test_activation_checkpointing_changes_no_gradient(variant, reentrant):
    model = adapted(variant)
    expected = gradients(model, model)
    vectors = model.embed(IDS).requires_grad_()

    def tail(x: torch.Tensor) -> torch.Tensor:
        return model.head(model.down(model.up(model.norm(x)).relu()).mean(1))

    found = gradients(model, lambda ids: checkpoint(tail, vectors, use_reentrant=reentrant))
    assert all(map(torch.equal, found, expected))


COMPILED = """
import sys, torch, lora
from tests.lora.variants import test_training as here

lora.SCHEMES["tsd_init"] = lora.SCHEMES["pissa"]
half = here.adapted("dora", torch.bfloat16)
half(here.IDS)  # learns which layers read one tensor
compiled = torch.compile(half, fullgraph=True, backend="aot_eager")
for _ in range(2):
    for a, b in zip(here.gradients(half, compiled), here.gradients(half, half), strict=True):
        # roundings in other places: .02 was seen; the second time every factor is another
        assert (a - b).norm() <= 0.2 * b.norm()
    for p in here.trained(half):
        p.data.mul_(-1)
for variant in sys.argv[1:]:
    model = here.adapted(variant)
    torch.compiler.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    here.same(here.gradients(model, compiled), here.gradients(model, model))
    with torch.no_grad():
        for p in here.trained(model):
            p.data.add_(0.1)
        here.same([compiled(here.IDS)], [model(here.IDS)])
"""


def test_compiled_in_one_graph_every_variant_has_the_same_gradients_and_sees_every_write():
    """In a process of its own, where nothing checks shapes: the checks cannot be compiled."""
    command = [sys.executable, "-c", COMPILED, *VARIANTS]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[3])


@every_variant
def test_exported_and_traced_it_is_the_same_function(variant):
    model = adapted(variant)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both announce their successors
        exported = torch.export.export(model, (IDS,)).module()
        traced: Any = torch.jit.trace(model, IDS)
    for function in (exported, traced):
        assert (function(IDS) - model(IDS)).abs().max() <= 1e-12 * model(IDS).abs().max()


@every_variant
def test_torch_func_differentiates_and_stacks_it(variant):
    model = adapted(variant)
    expected = gradients(model, model)
    named = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}

    def loss(values: dict[str, torch.Tensor], ids: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(model, values, (ids,)).square().sum()

    found = torch.func.grad(loss)(named, IDS)
    same(list(found.values()), expected)
    one_by_one = torch.func.vmap(torch.func.grad(loss), (None, 0))(named, IDS[:, None])
    same([g.sum(0) for g in one_by_one.values()], expected)
    stacked = {name: torch.stack([torch.zeros_like(p), p]) for name, p in named.items()}
    many = torch.func.vmap(torch.func.grad(loss), (0, None))(stacked, IDS)
    same([g[1] for g in many.values()], expected)

    def steepness(gradients: Iterable[torch.Tensor]) -> torch.Tensor:
        return torch.stack([g.square().sum() for g in gradients]).sum()

    second = torch.func.grad(lambda v: steepness(torch.func.grad(loss)(v, IDS).values()))(named)
    model.zero_grad()
    first = torch.autograd.grad(model(IDS).square().sum(), trained(model), create_graph=True)
    same(list(second.values()), list(torch.autograd.grad(steepness(first), trained(model))))
