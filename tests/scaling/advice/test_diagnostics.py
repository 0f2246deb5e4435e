"""The diagnostics of a layer against dense computations."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import lora
from scaling.advice import sample
from scaling.advice.diagnostics import diagnose, explained, outside, signal
from tests.support.probes import DEEP, RANK, Net, data, net, squares
from theory.asymmetry.freezing import which_to_freeze
from theory.gradient_signal import optimum as theory


class Tokens:
    """Inputs x (n, in) and gradients g = n dL/dh (n, out) of one layer on some batches, by plain
    autograd."""

    def __init__(self, model: Net, layer: str, batches: list[dict[str, Tensor]]) -> None:
        x, g = [], []
        for batch in batches:
            h = model.up(batch["x"]).detach().requires_grad_()
            bent = model.bend(h)
            out = model.down(bent)
            loss = (out - batch["y"]).square().mean()
            into, at = {"up": (batch["x"], h), "down": (bent, out)}[layer]
            g.append(len(out) * torch.autograd.grad(loss, at)[0])
            x.append(into.detach())
        self.x, self.g = torch.cat(x).numpy(), torch.cat(g).numpy()

    @property
    def M(self) -> np.ndarray:
        return self.x.T @ self.x / len(self.x)

    @property
    def C(self) -> np.ndarray:
        return np.cov(self.x.T, bias=True)

    @property
    def Q(self) -> np.ndarray:
        return (self.x * (self.g**2).sum(1)[:, None]).T @ self.x / len(self.x)

    @property
    def G(self) -> np.ndarray:
        return self.g.T @ self.x / len(self.x)


# Float64 throughout: what differs is the order of sums and the angle of an eigenvector, eps over
# the relative gap of neighbouring eigenvalues, here 1e-2 at the least. Measured 2e-13.
NEAR: Any = {"rel": 1e-10, "abs": 1e-12}


@pytest.fixture(scope="module", params=["up", "down"])
def looked(request) -> tuple[sample.Layer, Tokens, Tokens, Tokens]:
    """A layer as `probe` shows it, and its tokens on the even batches, the odd ones and all."""
    model, batches, name = net(), data(), request.param
    [layer] = sample.probe(model, [name], batches, squares)
    return layer, *(Tokens(model, name, part) for part in (batches[::2], batches[1::2], batches))  # type: ignore[return-value]


def test_explained_variance_is_judged_by_the_other_half(looked):
    layer, even, odd, _ = looked
    dense = [
        np.trace(theory.top(a.C, RANK) @ b.C @ theory.top(a.C, RANK).T) / np.trace(b.C)
        for a, b in ((even, odd), (odd, even))
    ]
    assert explained(layer, RANK) == pytest.approx(np.mean(dense), **NEAR)


def test_what_centring_loses_lies_outside_the_rows(looked):
    layer, _, _, every = looked
    V, mu = theory.top(every.C, RANK), every.x.mean(0)
    dense = np.sum((mu - V.T @ (V @ mu)) ** 2) / np.trace(every.M)
    assert dense > 1e-4, "the mean lies in the rows, or the test shows nothing"
    assert outside(layer.inputs, RANK) == pytest.approx(dense, **NEAR)


def test_the_signal_is_a_share_of_the_gradient_optimum(looked):
    layer, even, odd, _ = looked
    dense = []
    for a, b in ((even, odd), (odd, even)):
        best = theory.signal(theory.top(a.Q, RANK), b.Q)
        values = [theory.signal(theory.top(S, RANK), b.Q) for S in (a.C, a.M)]
        dense.append([v / best for v in (*values, RANK / len(b.Q) * np.trace(b.Q))])
    assert signal(layer, RANK) == pytest.approx(np.mean(dense, 0), **NEAR)


def test_a_random_start_expects_its_share():
    [layer] = sample.probe(net(), ["up"], data(), squares)
    draws = torch.linalg.qr(
        torch.randn(4000, 6, RANK, generator=torch.Generator().manual_seed(0), dtype=DEEP)
    ).Q
    shares = []
    for fitted, judge in (layer.halves, layer.halves[::-1]):
        Q, best = judge.weighted_second_moment, fitted.signal_axes(RANK)[1]
        assert Q is not None
        shares.append(
            torch.einsum("nir,ij,njr->n", draws, Q, draws)
            / torch.einsum("ir,ij,jr->", best, Q, best)
        )
    mean = torch.stack(shares).mean(0)
    assert abs(mean.mean() - signal(layer, RANK)[2]) < 4 * mean.std() / len(mean) ** 0.5


def test_which_factor_to_freeze_is_the_theorys_from_dense_moments(looked):
    layer, even, odd, every = looked
    [found] = diagnose([layer], lora.Config(rank=RANK, target_modules=(layer.name,)))
    expected = which_to_freeze(every.M, every.g.T @ every.g, (even.G, odd.G), RANK)
    # The same formula divides by eigenvalues down to 1e-3 of the largest, of H and of M: eps times
    # both, and sums.
    assert found.tune_b == pytest.approx(expected.tune_b, rel=1e-8)
    assert found.tune_a == pytest.approx(expected.tune_a, rel=1e-8)
    assert found.sign == pytest.approx(expected.sign, rel=1e-8)
    assert found.freeze == expected.freeze
    assert found.tokens == len(every.x)
