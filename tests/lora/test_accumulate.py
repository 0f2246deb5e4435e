"""Sums of bfloat16 rows against the same in float64, and no sum that nobody asked for."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lora
from lora import SCHEMES, collect
from lora.accumulate import GradientMoments, Moments, squares, total_like
from lora.initialization import prepare
from lora.sketch import Frame
from tests.support.models import data_for, llama

BATCHES, TOKENS, WIDTH, OUT = 4, 64, 300, 20
EPS = 2.0**-8  # twice the rounding to bfloat16
READING = [name for name, scheme in SCHEMES.items() if scheme.reads]


def rows(width: int, seed: int, dtype: torch.dtype = torch.bfloat16) -> list[Tensor]:
    """Batches of columns of very different sizes, with a mean."""
    rng = torch.Generator().manual_seed(seed)
    sizes = torch.logspace(0, -3, width)
    X = torch.randn(BATCHES, TOKENS, width, generator=rng) * sizes + sizes
    return list(X.to(dtype))


def moments(batches: list[Tensor], columns: int | None) -> Moments:
    frame = Frame()
    sums = Moments(batches[0], squares(batches[0], columns, frame), frame)
    for X in batches:
        sums.add(X, None)
    return sums


def test_products_of_bfloat16_are_rounded_once_a_batch_and_no_more():
    X = rows(WIDTH, 1000)
    sums = moments(X, None)
    shift = sums.frame.shift
    assert shift is not None
    stats, Z = sums.statistics(), torch.cat(X).double() - shift.double()
    exact = torch.cov(torch.cat(X).double().mT, correction=0)
    # every entry of z is rounded once and every batch's sum once, each by half of EPS; the sums
    # themselves are of float32
    bar = 3 * EPS * (Z.abs().mT @ Z.abs()) / len(Z)
    assert ((stats.covariance - exact).abs() <= bar).all()
    assert torch.equal(stats.second_moment, stats.second_moment.mT)
    assert ((stats.mean - torch.cat(X).double().mean(0)).abs() <= EPS * Z.abs().mean(0)).all()
    # the signs are random, over the tokens as over the batches: a small part of that is left
    assert (stats.covariance - exact).norm() <= bar.norm() / TOKENS**0.5


def test_a_sketch_of_bfloat16_rows_captures_what_that_of_float32_does():
    X, axes = rows(WIDTH, 1001), 8
    exact = torch.cov(torch.cat(X).double().mT, correction=0)
    best = torch.linalg.eigvalsh(exact)[-axes:].sum()
    captured = []
    for dtype in (torch.bfloat16, torch.float32):
        sketch = moments([part.to(dtype) for part in X], 64).statistics().covariance_sketch
        assert sketch is not None
        V = sketch.axes(axes)[1]
        captured.append((V.mT @ exact @ V).trace() / best)
        assert abs(sketch.trace / exact.trace() - 1) <= EPS
        # (1) up to the rounding, which is relative to the largest variance
        least = torch.linalg.eigvalsh(exact - sketch.factor @ sketch.factor.mT)[0]
        assert least >= -EPS * exact.diagonal().max()
    assert captured[0] >= captured[1] - EPS**2


def test_a_few_enormous_directions_do_not_drown_the_others():
    """Ten thousand times the spread, as of the first token of a language model."""
    X, axes = rows(WIDTH, 1002, torch.float32), 8
    for part in X:
        part[::16, 3] *= 1e4
    exact = torch.cov(torch.cat(X).double().mT, correction=0)
    sketch = moments(X, 64).statistics().covariance_sketch
    assert sketch is not None
    V = sketch.axes(axes)[1]
    spectrum = torch.linalg.eigvalsh(exact).flip(0)[:axes]
    lost = spectrum.sum() - (V.mT @ exact @ V).trace()
    assert lost <= 0.02 * spectrum[1:].sum()


def test_gradients_of_bfloat16_are_as_exact_as_the_grad_of_a_weight():
    X, g = rows(WIDTH, 1003), [1e-4 * part for part in rows(OUT, 1004)]
    sums = GradientMoments(total_like(X[0], OUT, WIDTH), squares(X[0], None, Frame()))
    for x, y in zip(X, g, strict=True):
        sums.add(y, x, None, TOKENS)
    G, Q = sums.means(BATCHES * TOKENS)
    assert isinstance(G, Tensor)
    assert isinstance(Q, Tensor)
    assert G.dtype == torch.float32
    x, y = torch.cat(X).double(), torch.cat(g).double() * TOKENS
    n = len(x)
    assert ((G - y.mT @ x / n).abs() <= EPS * (y.abs().mT @ x.abs()) / n).all()
    z = y.norm(dim=1, keepdim=True) * x
    assert ((Q - z.mT @ z / n).abs() <= 3 * EPS * (z.abs().mT @ z.abs()) / n).all()


def test_only_what_was_asked_for_is_summed_and_it_is_the_same():
    model = llama()
    data: Any = data_for(model)
    names = [name for name, module in model.named_modules() if "_proj" in name]
    gather = lambda need: collect(model, names, data["batches"], need, data.get("loss_fn"))
    everything = gather("gradient")
    for need, field, other in (
        ("G", "gradient", "weighted_second_moment"),
        ("Q", "weighted_second_moment", "gradient"),
    ):
        for name, stats in gather(need).items():
            assert torch.equal(getattr(stats, field), getattr(everything[name], field))
            assert getattr(stats, other) is stats.moment is stats.covariance_sketch is None
            assert torch.equal(stats.mean, everything[name].mean)
            with pytest.raises(ValueError, match='needs statistics of need="inputs"'):
                stats.axes(1)
    both = gather(["G", "inputs"])
    assert all(stats.moment is not None for stats in both.values())
    assert all(stats.weighted_second_moment is None for stats in both.values())


@pytest.mark.parametrize("scheme", READING)
def test_what_a_scheme_reads_is_all_that_it_needs(scheme):
    model = llama()
    config = lora.Config(rank=2, scheme=scheme)
    layers = {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear) and "_proj" in n}
    data: Any = data_for(model)
    stats = prepare(model, layers, config, **data)[1]
    whole = collect(model, layers, data["batches"], "gradient", data.get("loss_fn"))
    for name, layer in layers.items():
        few, all_ = (SCHEMES[scheme](layer.weight, 2, stats=s[name]) for s in (stats, whole))
        assert torch.equal(few.A, all_.A)
        assert torch.equal(few.B, all_.B)
        assert stats[name].moment is None, "no more was gathered"


@pytest.mark.parametrize("need", ["G", "Q"])
@pytest.mark.parametrize("side", ["input", "output gradient"])
def test_what_is_not_finite_is_named(need, side):
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)).bfloat16()
    X = torch.ones(5, 4).bfloat16()
    X[2, 1] = torch.nan if side == "input" else 1

    class Bad(torch.autograd.Function):
        @staticmethod
        def forward(ctx, y: Tensor) -> Tensor:
            return y.clone()

        @staticmethod
        def backward(ctx, g: Tensor) -> Tensor:
            return torch.full_like(g, torch.inf)

    loss = lambda model, X: Bad.apply(model(X)).nan_to_num().sum()
    with pytest.raises(ValueError, match=f"of its {side} are NaN or infinite"):
        collect(model, ["0"], [X], need, loss)
