"""Features of adapted layers against plain autograd, and the growth that is fitted to them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import lora
from proxies.instruments.architectures import SMALL_LLAMA, at_width
from proxies.instruments.coordinates import QUANTITIES, coordinates, fitted, growth, trajectory
from tests.support.architectures import BERT, GPT2, adapted, keep, rms

pytest.importorskip("transformers")


@pytest.mark.parametrize("scheme", ["init_a", "init_b", "pissa"])
def test_a_trajectory_is_what_plain_autograd_gives(scheme):
    """One layer's own Adam written out, on the weight W + s (B A - B0 A0) in place of the
    adapter."""
    setting, steps, rates, beta = (
        at_width(SMALL_LLAMA, 64, 1, seed=1000),
        4,
        (0.02, 0.1),
        (0.9, 0.999),
    )
    layers = adapted(setting, rank=3, alpha=6, scheme=scheme)
    name = "layers.0.mlp.up_proj"
    found = trajectory(setting, [name], rates, steps)[name]

    layer = layers[name]
    s, B, A = 2.0, *(factor.detach().clone().requires_grad_() for factor in layer.factors())
    B0, A0 = B.detach().clone(), A.detach().clone()
    W = layer.base_layer.weight
    lora.detach(setting.model)
    seen: dict[str, torch.Tensor] = {}
    setting.model.get_submodule(name).register_forward_pre_hook(keep(seen, "x"))
    moments = [torch.zeros_like(p) for p in (A, B, A, B)]
    for t in range(1, steps + 1):
        weight = W + s * (B @ A - B0 @ A0)
        model, weights = setting.model, {f"{name}.weight": weight}
        h = torch.func.functional_call(
            model, weights, (), {"input_ids": setting.ids}
        ).last_hidden_state
        gradients = torch.autograd.grad((h * setting.direction).mean(), (A, B))
        old = {"A": A.detach().clone(), "B": B.detach().clone()}
        with torch.no_grad():
            for i, (p, g) in enumerate(zip((A, B), gradients, strict=True)):
                moments[i] = beta[0] * moments[i] + (1 - beta[0]) * g
                moments[2 + i] = beta[1] * moments[2 + i] + (1 - beta[1]) * g.square()
                direction = (
                    moments[i]
                    / (1 - beta[0] ** t)
                    / ((moments[2 + i] / (1 - beta[1] ** t)).sqrt() + 1e-30)
                )
                p -= rates[i] * direction
            x = seen["x"]
            dA, dB = A - old["A"], B - old["B"]
            expected = {
                "Z_A": x @ A.mT,
                "Z_B": s * x @ (B @ A - B0 @ A0).mT,
                "delta1": s * x @ (old["B"] @ dA).mT,
                "delta2": s * x @ (dB @ old["A"]).mT,
                "delta3": s * x @ (dB @ dA).mT,
            }
        # float32: 100 eps times sums of 64 terms; Adam magnifies an entry's error where its
        # gradient nearly vanishes
        assert {q: found[q][t - 1] for q in QUANTITIES} == pytest.approx(
            {q: rms(value) for q, value in expected.items()}, rel=2e-3, abs=1e-6
        )


@pytest.mark.parametrize("together", [False, True])
def test_training_moves_what_is_named_and_puts_it_back(together):
    setting = at_width(SMALL_LLAMA, 64, 2, seed=1000)
    layers = adapted(setting, rank=2, scheme="init_b")
    before = {name: [f.detach().clone() for f in layer.factors()] for name, layer in layers.items()}
    moved, trained = set(), list(layers) if together else ["layers.1.self_attn.k_proj"]

    def watch(module, _):
        moved.update(n for n, layer in layers.items() if not torch.equal(layer.A, before[n][1]))

    handle = setting.model.register_forward_pre_hook(watch)
    found = trajectory(setting, trained, (0.1, 0.1), 3)
    handle.remove()
    assert moved == set(trained) == found.keys()
    for name, layer in layers.items():
        assert all(torch.equal(a, b) for a, b in zip(layer.factors(), before[name], strict=True))
    assert not any(layer._forward_pre_hooks for layer in layers.values())


def test_layers_that_the_probe_does_not_see_are_left_out():
    found = coordinates(BERT, 32, 1000, "init_a", [-0.5, -0.5], 1, 2, 0.3, 1, False)
    assert found
    assert not any("pooler" in name for name in found)


def test_rates_are_powers_of_the_width():
    """Adam's first step moves every entry of B by k n^c_B, so that delta2 = s k n^c_B times a sum
    of +-Z_A."""
    ratios = []
    for c in (-1.0, 0.0):
        cell = coordinates(GPT2, 96, 1000, "init_a", [-0.5, c], 1, 1, 0.3, 1, False)
        ratios.append(np.array([series["delta2"][0] for series in cell.values()]))
    assert np.divide(*ratios) == pytest.approx(1 / 96, rel=1e-5)
    series = coordinates(GPT2, 96, 1000, "init_a", [-0.5, 0.0], 1, 1, 0.3, 1, False)[
        "h.0.attn.c_attn"
    ]
    # rank 1 and s = 1
    assert np.divide(series["delta2"][0], series["Z_A"][0]) == pytest.approx(0.3, rel=1e-5)  # type: ignore[arg-type]


# --- slopes


@given(
    c=st.floats(-2, 2),
    size=st.floats(1e-6, 1e6),
    widths=st.lists(st.integers(1, 5000), min_size=2, unique=True),
)
def test_growth_recovers_powers(c, size, widths):
    found = growth(widths, np.array([[size * n**c, 0.0] for n in widths]))
    # eps times the logarithms, which are below 40, over the spread of log n, which is above 1e-4
    assert found[0] == pytest.approx(c, abs=1e-7)
    assert found[1] == -math.inf


def test_growth_says_what_has_none():
    found = growth(
        [1, 2, 4], np.array([[1.0, 0.0, 1.0], [1.0, 1.0, math.inf], [math.nan, 1.0, 1.0]])
    )
    assert found[0] == found[2] == math.inf
    assert math.isnan(found[1])


def test_fitted_keeps_its_axes_apart():
    def cell(n: int, seed: int) -> dict:
        return {
            layer: {
                q: [n ** (0.1 * i + seed + layer / 4 + t / 8) for t in range(2)]
                for i, q in enumerate(QUANTITIES)
            }
            for layer in range(3)
        }

    found = fitted([8, 16, 64], [[cell(n, seed) for seed in (0, 1)] for n in (8, 16, 64)])
    seed, layer, i, t = np.indices((2, 3, 5, 2))
    assert found == pytest.approx(0.1 * i + seed + layer / 4 + t / 8)
