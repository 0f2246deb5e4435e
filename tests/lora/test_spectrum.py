"""`lora.spectrum`: norms, effective rank and intruder dimensions against dense singular values."""

import importlib
import json
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import lora
from lora import perturbed
from lora.perturbed import above, leading
from tests.support.models import llama

EPS = torch.finfo(torch.float64).eps
SHAPES = st.sampled_from([(8, 8), (6, 20), (20, 6), (40, 30)])
SEEDS = st.integers(0, 2**16)


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def weight(shape: tuple[int, int], seed: int) -> Tensor:
    """Of singular values that differ, so that its vectors are defined."""
    U, _, Vh = torch.linalg.svd(normal(*shape, seed=seed), full_matrices=False)
    return U * torch.linspace(3, 1, min(shape), dtype=torch.float64) @ Vh


def adapted(W: Tensor, L: Tensor, R: Tensor, variant: str = "plain") -> Any:
    """A layer of weight W with the update L R."""
    model: Any = nn.Sequential(nn.Linear(W.shape[1], W.shape[0], bias=False)).double()
    rank = L.shape[1]
    with torch.no_grad():
        model[0].weight.copy_(W)
        lora.attach(model, lora.Config(rank=rank, alpha=2 * rank, variant=variant))
        layer: Any = model[0]
        layer.B.copy_(L / 2)  # the scale is 2
        layer.A.copy_(R)
    return model


def of(W: Tensor, L: Tensor, R: Tensor, **more) -> lora.LayerSpectrum:
    (layer,) = lora.spectrum(adapted(W, L, R), **more).layers
    return layer


def brute(W: Tensor, dW: Tensor, top: int = 10, epsilon: float = 0.5) -> int:
    """Algorithm 1 to the letter."""
    U0, U = (torch.linalg.svd(M, full_matrices=False).U for M in (W, W + dW))
    return sum(bool((U0.mT @ u).abs().max() < epsilon) for u in U.mT[:top])


@given(SHAPES, SEEDS, st.integers(1, 4), st.floats(-2, 2))
@settings(max_examples=60, deadline=None)
def test_norms_rank_and_intruders_are_those_of_dense_matrices(shape, seed, rank, log):
    W = weight(shape, seed)
    L, R = 10**log * normal(shape[0], rank, seed=seed + 1), normal(rank, shape[1], seed=seed + 2)
    s, found = torch.linalg.svdvals(L @ R)[:rank], of(W, L, R, draws=0)
    p = s / s.sum()
    assert found.rank == rank
    # products of norms 10 of vectors of 40 entries, of which each is off by eps
    assert found.update == pytest.approx(float(s.norm()), rel=400 * EPS)
    assert found.update_spectral == pytest.approx(float(s[0]), rel=400 * EPS)
    assert found.weight == pytest.approx(float(W.norm()), rel=400 * EPS)
    assert found.weight_spectral == pytest.approx(3, rel=400 * EPS)
    assert found.effective_rank == pytest.approx(float((-p * p.log()).sum().exp()), rel=1e4 * EPS)
    assert found.intruders == brute(W, L @ R)


@given(SHAPES, SEEDS)
@settings(max_examples=20, deadline=None)
def test_no_update_has_no_intruder(shape, seed):
    found = of(weight(shape, seed), torch.zeros(shape[0], 3), normal(3, shape[1], seed=seed))
    assert (found.update, found.rank, found.effective_rank, found.intruders) == (0, 0, 0, 0)
    assert (found.null, found.null_std) == (0, 0)


@given(SEEDS, st.floats(0.5, 50))
@settings(max_examples=30, deadline=None)
def test_a_large_rank_one_update_orthogonal_to_the_weight_is_one_intruder(seed, size):
    """A tall weight has directions of the output that it never reaches. With (size u) v_1^T on a
    weight of leading triplet (u_1, 3, v_1) the sum's is along 3 u_1 + size u."""
    W = weight((20, 6), seed)
    U = torch.linalg.qr(torch.cat([W, normal(20, 1, seed=seed + 1)], 1)).Q[:, 6:]
    V = torch.linalg.svd(W).Vh[:1]
    found = of(W, size * U, V)
    assert found.intruders == int(3 / math.hypot(3, size) < 0.5)
    # on a direction of the input that the weight hardly reads, it is u alone
    beside = of(W, (3 + size) * U, torch.linalg.svd(W).Vh[5:])
    assert beside.intruders == 1


@given(SHAPES, SEEDS)
@settings(max_examples=20, deadline=None)
def test_rotations_and_signs_change_nothing(shape, seed):
    W, L, R = (
        weight(shape, seed),
        3 * normal(shape[0], 2, seed=seed),
        normal(2, shape[1], seed=seed),
    )
    P, Q = (torch.linalg.qr(normal(n, n, seed=seed)).Q for n in shape)
    one, other, minus = of(W, L, R), of(P @ W @ Q, P @ L, R @ Q), of(-W, -L, R)
    assert one.intruders == other.intruders == minus.intruders
    assert other.effective_rank == pytest.approx(one.effective_rank, rel=1e4 * EPS)
    assert one.null == other.null == minus.null  # the same draws


def test_the_null_is_that_of_random_matrices():
    """The mean count of 300 draws beside that of 300 dense changes: apart by at most 4 standard
    errors."""
    W, L, R = weight((12, 9), 3), normal(12, 2, seed=1), normal(2, 9, seed=2)
    s = torch.linalg.svdvals(L @ R)[:2] * 2
    found = of(W, 2 * L, R, draws=300)
    counts = []
    for seed in range(300):
        Q, P = (torch.linalg.svd(normal(n, n, seed=n * 1000 + seed)).U[:, :2] for n in (12, 9))
        counts.append(brute(W, Q * s @ P.mT))
    wanted = torch.tensor(counts, dtype=torch.float64)
    error = math.sqrt((wanted.var() + found.null_std**2) / 300)
    assert wanted.std() > 0.3  # so that it is a distribution
    assert abs(found.null - float(wanted.mean())) <= 4 * error
    assert abs(found.null_std - float(wanted.std())) <= 4 * error  # of a count of few values


@pytest.mark.parametrize("size", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("law", ["flat", "falling"])
def test_the_quick_eigenvectors_are_those_of_the_whole_matrix(size, law, monkeypatch):
    p, r, count = 400, 4, 10
    D = torch.linspace(2, 1, p, dtype=torch.float64)
    D = D if law == "flat" else D**20
    s = size * torch.linspace(2, 1, r, dtype=torch.float64)
    c, g = (torch.linalg.qr(normal(p, r, seed=i)).Q for i in (1, 2))
    g = D.sqrt()[:, None] * g * s
    K = torch.diag(D) + g @ c.mT + c @ g.mT + c * s.square() @ c.mT
    values, Y = torch.linalg.eigh(K)

    def refuse(*_):
        raise AssertionError("the whole matrix was decomposed")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "diag", lambda x: refuse() if len(x) == p else x.diag())
        found, X = leading(D, g, c, s, count)
    assert torch.allclose(found, values[-count:].flip(0), rtol=0, atol=p * EPS * float(values[-1]))
    gaps = values.diff()[-count:].flip(0) / values[-1]
    cos = (X * Y[:, -count:].flip(1)).sum(0).abs()
    # a vector is off by the residual over the gap to its neighbours
    assert (1 - cos <= (1e-10 / gaps) ** 2 + p * EPS).all()


def test_how_many_eigenvalues_are_above_a_number():
    D, g, c = (
        torch.linspace(1, 2, 30, dtype=torch.float64),
        normal(30, 3, seed=1),
        normal(30, 3, seed=2),
    )
    s = torch.linspace(1, 2, 3, dtype=torch.float64)
    values = torch.linalg.eigvalsh(torch.diag(D) + g @ c.mT + c @ g.mT + c * s.square() @ c.mT)
    for i, between in enumerate((values[1:] + values[:-1]) / 2):
        assert above(D, torch.cat([g, c], 1), s, between) == 29 - i


def test_where_one_was_missed_the_whole_matrix_is_decomposed(monkeypatch):
    D, zeros = torch.linspace(1, 2, 100, dtype=torch.float64), torch.zeros(100, 1).double()
    monkeypatch.setattr(perturbed, "above", lambda *_: 3)
    monkeypatch.setattr(torch, "diag", lambda D: D.flip(0).diag())  # so that it shows
    for count, first in ((4, 99), (3, 0)):
        _, Y = leading(D, zeros, zeros, torch.ones(1).double(), count)
        assert Y[first, 0].abs() > 0.9


def test_an_update_of_full_rank():
    """DoRA rescales the rows of the whole weight."""
    W, L, R = weight((8, 10), 1), normal(8, 2, seed=2), normal(2, 10, seed=3)
    model = adapted(W, L, R, "dora")
    layer: lora.LoRALinear = model[0]
    sum_ = W + L @ R
    magnitudes = layer.magnitudes()
    assert magnitudes is not None
    dW = sum_ * (magnitudes.double() / sum_.norm(dim=1))[:, None] - W
    (found,) = lora.spectrum(model).layers
    assert found.rank == 8
    assert found.update == pytest.approx(float(dW.detach().norm()), rel=1e4 * EPS)
    assert found.intruders == brute(W, dW.detach())
    (before,) = lora.spectrum(adapted(W, torch.zeros(8, 2), R, "dora")).layers
    assert (before.rank, before.update, before.intruders) == (0, 0, 0)


def test_a_model_s_table_prints_and_is_records():
    model = llama()
    lora.attach(model, lora.Config(rank=2, scheme="pissa"))
    table = lora.spectrum(model)
    assert not any(layer.rank or layer.intruders for layer in table.layers)  # nothing learnt yet
    for layer in lora.adapters(model).values():
        nn.init.normal_(layer.B, generator=torch.Generator().manual_seed(0))
    table = lora.spectrum(model, top=4)
    assert [layer.name for layer in table.layers] == list(lora.adapters(model))
    assert json.loads(json.dumps(table.records()))[0]["shape"] == [32, 32]
    lines = str(table).splitlines()
    assert len(lines) == 2 + len(table.layers)
    assert len({len(line.partition("+-")[0]) for line in lines[2:]}) == 1


def test_wrong_arguments_are_one_sentence():
    model = adapted(weight((8, 8), 0), normal(8, 2, seed=0), normal(2, 8, seed=0))
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"top": 0}, "top must be a whole number, at least 1, got 0"),
        ({"draws": -1}, "draws must be a whole number, at least 0, got -1"),
        ({"epsilon": 0.0}, "epsilon must be a cosine above 0 and at most 1, got 0.0"),
    )
    for named, said in wrong:
        with pytest.raises(ValueError, match=said):
            lora.spectrum(model, **named)
    with pytest.raises(ValueError, match="the model has no adapters"):
        lora.spectrum(nn.Linear(2, 2))
    with torch.no_grad():
        model[0].B[0, 0] = math.nan
    with pytest.raises(ValueError, match="0: its weight or its update holds NaN or infinity"):
        lora.spectrum(model)


def test_the_null_has_the_mean_and_the_standard_deviation_of_its_draws(monkeypatch):
    counts = iter([0, 1, 2, 6])
    monkeypatch.setattr(
        importlib.import_module("lora.spectrum"), "_intruders", lambda *_: next(counts)
    )
    found = of(weight((8, 8), 0), normal(8, 1, seed=1), normal(1, 8, seed=2), draws=3)
    assert (found.intruders, found.null) == (0, 3)
    assert found.null_std == pytest.approx(7**0.5)
