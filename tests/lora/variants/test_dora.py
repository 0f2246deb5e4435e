"""DoRA against the formula written out, rows that vanish included."""

import json
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

import lora
from lora import Config
from tests.support.models import IDS, small


def adapted(
    W: Tensor, bias: Tensor, seed: int, scheme: str = "pissa", **options: Any
) -> tuple[nn.Module, Any]:
    linear = nn.Linear(W.shape[1], W.shape[0], dtype=W.dtype)
    linear.weight, linear.bias = nn.Parameter(W.clone()), nn.Parameter(bias.clone())
    model = nn.Sequential(linear)
    lora.attach(model, Config(rank=1, scheme=scheme, variant="dora", seed=seed, **options))
    return model, lora.adapters(model)["0"]


def literal(layer: Any, x: Tensor) -> Tensor:
    """y = m (W + s (B A - B0 A0)) x / n + b with the matrix formed and n a constant."""
    V = layer.weight + layer.scale * (
        layer.B @ layer.A - (layer.B0 @ layer.A0 if layer.B0 is not None else 0)
    )
    return F.linear(x, (layer.magnitude / V.norm(dim=1).detach())[:, None] * V, layer.bias)


@pytest.mark.parametrize("scheme", ["init_a", "pissa"])
@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32))
def test_values_and_gradients_are_those_of_the_formula(scheme, tokens, out, in_, seed):
    rng = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=rng, dtype=torch.float64)
    model, layer = adapted(draw(out, in_), draw(out), seed, scheme)
    with torch.no_grad():
        for p in (layer.B, layer.A, layer.magnitude):
            p += 0.3 * draw(*p.shape)
    x, dy = draw(tokens, in_).requires_grad_(), draw(tokens, out)
    leaves = [x, layer.B, layer.A, layer.magnitude]
    ours = [y := model(x), *torch.autograd.grad(y, leaves, dy)]
    theirs = [y := literal(layer, x), *torch.autograd.grad(y, leaves, dy)]
    # how far a row's norm may have cancelled
    shrunk = (layer.weight.norm(dim=1) / layer.dense().norm(dim=1)).max()
    for a, b in zip(ours, theirs, strict=True):
        # two orders of the same sums of at most 9 terms; worst of 5000 values: 3 eps of this size
        size = (1 + shrunk) ** 2 * (1 + b.abs().max()) ** 2
        assert (a - b).abs().max() <= 100 * torch.finfo(torch.float64).eps * size


def test_the_magnitude_starts_at_the_row_norms_and_sets_those_of_the_merged_weight():
    model: Any = small(torch.float64)
    W = model.up.weight.clone()
    lora.attach(model, Config(rank=3, variant="dora"))
    layer: Any = lora.adapters(model)["up"]
    assert torch.equal(layer.magnitude, W.norm(dim=1))
    with torch.no_grad():
        layer.B.add_(1.0)
        layer.magnitude.mul_(1.7)
    lora.merge(model)
    # a norm of 12 entries, each rounded a few times
    torch.testing.assert_close(layer.weight.norm(dim=1), 1.7 * W.norm(dim=1), rtol=1e-14, atol=0)


def test_a_row_that_is_zero_stays_finite_and_exact_at_the_start():
    W = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    W[1] = 0
    bias, x = torch.arange(4.0), torch.eye(3)
    model, layer = adapted(W, bias, 0, "init_a")
    assert torch.equal(model(x), F.linear(x, W, bias))
    optimizer = torch.optim.SGD(lora.param_groups(model, 0.1))
    for _ in range(3):
        optimizer.zero_grad()
        (model(x) - 1).square().sum().backward()
        optimizer.step()
    assert all(p.isfinite().all() for p in layer.parameters())
    assert model(x).isfinite().all()


def test_a_magnitude_that_does_not_fit_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    model = small()
    lora.attach(model, Config(rank=3, variant="dora"))
    lora.save(model, tmp_path)
    file = tmp_path / "adapter_model.safetensors"
    tensors = load_file(file)
    tensors["base_model.model.up.lora_magnitude_vector.weight"] = torch.ones(5)
    save_file(tensors, file, {"format": "pt"})  # as PEFT's, with its settings
    settings = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings | {"auto_mapping": None}))
    with pytest.raises(
        ValueError, match=r"up: stored is a magnitude \(5,\), but this layer needs \(16,\)"
    ):
        lora.load(small(), tmp_path)


def test_a_round_trip_is_bit_equal(tmp_path):
    model = small()
    lora.attach(model, Config(rank=3, scheme="pissa", variant="dora"))
    with torch.no_grad():
        for layer in lora.adapters(model).values():
            for _, p in layer.trained():
                p.mul_(1.1)
    lora.save(model, tmp_path)
    again = small()
    assert lora.load(again, tmp_path).variant == "dora"
    assert torch.equal(again(IDS), model(IDS))
