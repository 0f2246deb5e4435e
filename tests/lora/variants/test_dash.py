"""Dash: the directions of the paper's formula, a launch that changes nothing, and only when it is
called."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import lora
from lora import SCHEMES, Config
from lora.variants.dash import change_rates
from tests.support.models import IDS, gpt2, photograph, shake, small, twin

EPS = torch.finfo(torch.float64).eps


def attached(dtype: torch.dtype = torch.float64, directions: int = 3, **options: Any) -> Any:
    model = small(dtype)
    lora.attach(
        model, Config(rank=2, variant="dash", variant_options={"directions": directions}, **options)
    )
    return model


def reference_rates(layer: Any) -> np.ndarray:
    """|u_i^T s (B A - B0 A0) v_i| / (sigma_i + 1e-6 sigma_1), entry by entry with the change
    formed."""
    number = lambda t: t.detach().numpy()
    U, S, Vt = np.linalg.svd(number(layer.weight), full_matrices=False)
    change = number(layer.B) @ number(layer.A)
    if layer.B0 is not None:
        change = change - number(layer.B0) @ number(layer.A0)
    change = layer.scale * change
    return np.array([abs(U[:, i] @ change @ Vt[i]) / (S[i] + 1e-6 * S[0]) for i in range(len(S))])


@pytest.mark.parametrize("scheme", ["init_a", "pissa"])
@given(st.integers(3, 12), st.integers(3, 12), st.integers(0, 2**32))
def test_the_directions_are_those_with_the_highest_rates(scheme, out, in_, seed):
    rng = torch.Generator().manual_seed(seed)
    linear = nn.Linear(in_, out, bias=False, dtype=torch.float64)
    linear.weight = nn.Parameter(torch.randn(out, in_, generator=rng, dtype=torch.float64))
    model = nn.Sequential(linear)
    lora.attach(
        model, Config(rank=2, scheme=scheme, variant="dash", variant_options={"directions": 3})
    )
    shake(model, 1.0, seed)
    layer: Any = lora.adapters(model)["0"]
    rates = reference_rates(layer)
    chosen = lora.launch(model)["0"]
    # Two directions change places only where their rates agree to rounding, here 1e-9 of the
    # largest.
    assert np.allclose(rates[chosen], np.sort(rates)[::-1][:3], rtol=0, atol=1e-9 * rates.max())
    U, S, Vt = np.linalg.svd(layer.weight.detach().numpy(), full_matrices=False)
    # up to the sign of the pair; the gaps of a random spectrum are of order 1
    for k, i in enumerate(chosen.tolist()):
        pair = np.outer(layer.U[:, k].numpy(), layer.Vt[k].numpy())
        gap = np.abs(np.delete(S, i) - S[i]).min() / S[0]
        assert np.abs(pair - np.outer(U[:, i], Vt[i])).max() <= 100 * EPS / gap


@pytest.mark.parametrize("unit", [2.0**-60, 2.0**60])
def test_the_rates_are_free_of_the_unit_of_the_weight(unit):
    """A change that grows with W is the same change, also where a singular value is 0."""
    rng = torch.Generator().manual_seed(0)
    U, L, R, V = (torch.randn(*shape, generator=rng).double() for shape in [(5, 3)] * 3 + [(3, 3)])
    S = torch.tensor([2.0, 1.0, 0.0]).double()
    rates = change_rates(U, S, V, L, R.mT[:, :3])
    assert rates.all()
    assert torch.equal(change_rates(U, unit * S, V, unit * L, R.mT[:, :3]), rates)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_the_launch_leaves_the_function_as_it_is(dtype):
    model = shake(attached(dtype))
    before = model(IDS)
    lora.launch(model)
    assert torch.equal(model(IDS), before)


def test_after_the_launch_the_scales_act_without_s():
    model = attached(alpha=7.0)
    layer: Any = lora.adapters(model)["up"]
    shake(model)
    before = layer.dense()
    lora.launch(model)
    with torch.no_grad():
        layer.d.copy_(torch.tensor([1.0, -2.0, 0.5]))
    added = layer.U @ layer.d.diag() @ layer.Vt
    assert (layer.dense() - before - added).abs().max() <= 100 * EPS * added.abs().max()


def test_the_gradient_of_a_scale_is_that_of_the_weight_along_its_direction():
    model = shake(attached())
    lora.launch(model)
    layer: Any = lora.adapters(model)["up"]
    x, dy = (
        torch.randn(5, n, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
        for n in (12, 16)
    )
    (ours,) = torch.autograd.grad(layer(x), layer.d, dy)
    expected = ((dy @ layer.U) * (x @ layer.Vt.mT)).sum(0)
    assert (ours - expected).abs().max() <= 100 * EPS * expected.abs().max()


def test_nothing_but_the_call_launches():
    model = attached().train()
    for _ in range(300):
        model(IDS)
    layer: Any = lora.adapters(model)["up"]
    assert (layer.chosen == -1).all()
    model(IDS).sum().backward()
    assert layer.d.grad is not None, (
        "the optimiser and a distributed wrapper see it from the first step"
    )
    assert not layer.d.grad.any()


def test_an_optimiser_built_before_the_launch_trains_the_scales_from_their_first_step():
    model = attached()
    optimizer = torch.optim.AdamW(lora.param_groups(model, 1e-3))

    def step():
        optimizer.zero_grad()
        model(IDS).square().sum().backward()
        optimizer.step()

    for _ in range(5):
        step()
    layer: Any = lora.adapters(model)["up"]
    assert not layer.d.any()
    lora.launch(model, optimizer)
    step()
    # Adam's first step is lr g / (|g| + 1e-8)
    g = layer.d.grad
    torch.testing.assert_close(layer.d.detach(), -1e-3 * g / (g.abs() + 1e-8), rtol=1e-12, atol=0)


def test_a_checkpoint_keeps_the_directions():
    model = shake(attached())
    chosen = lora.launch(model)
    again = attached(seed=5)
    again.load_state_dict(model.state_dict())
    for name, layer in lora.adapters(again).items():
        assert torch.equal(layer.get_buffer("chosen"), chosen[name])
    with pytest.raises(ValueError, match="up: it was launched already"):
        lora.launch(again)


def test_a_refused_launch_changes_nothing():
    model = attached()
    layers = lora.adapters(model)
    with pytest.raises(ValueError, match="up: its update is still zero"):
        lora.launch(model)
    with torch.no_grad():
        layers["up"].B.fill_(1.0)
    before = photograph(model)
    with pytest.raises(ValueError, match="down: its update is still zero"):
        lora.launch(model)
    assert photograph(model) == before
    shake(model)
    lora.merge(model)
    with pytest.raises(ValueError, match="up: it is merged"):
        lora.launch(model)
    with pytest.raises(ValueError, match="no layer to launch"):
        lora.launch(small())


def test_a_rank_deficient_weight_is_ranked_without_nan():
    model = small(torch.float64)
    with torch.no_grad():
        model.up.weight[:, 4:] = 0
        model.head.weight.zero_()
    lora.attach(
        model,
        Config(rank=2, variant="dash", variant_options={"directions": 2}, target_modules=("up",)),
    )
    shake(model)
    lora.launch(model)
    assert all(p.isfinite().all() for p in (*model.parameters(), *model.buffers()))


def test_conv1d_is_read_as_out_by_in():
    model = gpt2()
    lora.attach(model, Config(rank=2, variant="dash", variant_options={"directions": 4}))
    shake(model)
    lora.launch(model)
    layer: Any = lora.adapters(model)["transformer.h.0.mlp.c_fc"]
    assert (layer.U.shape, layer.Vt.shape) == ((128, 4), (4, 32))
    S = torch.linalg.svdvals(layer.weight)
    # u_i^T W v_i = sigma_i: the pairs belong to the weight the right way round
    diagonal = (layer.U * (layer.weight.mT @ layer.Vt.mT)).sum(0)
    torch.testing.assert_close(
        diagonal, S[layer.chosen], rtol=0, atol=100 * 128 * torch.finfo(torch.float32).eps
    )


def test_copies_launch_apart():
    model = shake(attached())
    copy = twin(model)
    lora.launch(copy)
    assert int(lora.adapters(model)["up"].get_buffer("chosen")[0]) == -1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"variant": "dash", "variant_options": {"directions": 0}},
            "directions must be a positive integer, got 0",
        ),
        (
            {"variant": "dash", "variant_options": {"index": 8}},
            "unknown option of variant 'dash': 'index'",
        ),
        (
            {"variant": "tsd"},
            "variant 'tsd' is 'dash' on the scheme 'tsd_init', got scheme 'init_a'",
        ),
    ],
)
def test_an_impossible_setting_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Config(**settings)


def test_more_directions_than_the_weight_has_are_refused_by_layer():
    model = small()
    before = photograph(model)
    with pytest.raises(
        ValueError, match=r"up: directions must be at most min\(out, in\) = 12, got 13"
    ):
        lora.attach(model, Config(rank=2, variant="dash", variant_options={"directions": 13}))
    assert photograph(model) == before


def test_tsd_is_dash_on_its_scheme(monkeypatch):
    monkeypatch.setitem(SCHEMES, "tsd_init", SCHEMES["milora"])
    outputs = []
    for variant, scheme in (("tsd", "tsd_init"), ("dash", "milora")):
        model = small()
        options = {"directions": 3}
        lora.attach(model, Config(rank=2, variant=variant, scheme=scheme, variant_options=options))
        shake(model)
        lora.launch(model)
        outputs.append(shake(model, seed=4)(IDS))
    assert torch.equal(*outputs)
