"""The laws of the schemes that see the weight, and their parity with PEFT where the formulas
agree."""

from typing import Any

import peft
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor, nn

import lora
from lora import SCHEMES

EPS = torch.finfo(torch.float64).eps
SIDES = st.integers(1, 24)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=Generator().manual_seed(seed), dtype=dtype)


def rotation(n: int, seed: int) -> Tensor:
    return torch.linalg.qr(normal(n, n, seed=seed)).Q


@given(SIDES, SIDES, st.data(), st.integers(0, 2**32))
def test_olora_is_the_leading_part_of_a_full_qr(out, in_, data, seed):
    rank = data.draw(st.integers(1, min(out, in_)))
    W = normal(out, in_, seed=seed)
    Q, R = torch.linalg.qr(W)
    sign = torch.where(R.diagonal()[:rank] < 0, -1, 1)
    B, A = SCHEMES["olora"](W, rank)
    # Q is found to eps cond(first columns); R = Q^T W then has that error times |W|
    bar = 100 * EPS * torch.linalg.cond(W[:, :rank])
    assert (B - Q[:, :rank] * sign).abs().max() <= bar
    assert (A - R[:rank] * sign[:, None]).abs().max() <= bar * torch.linalg.matrix_norm(W, 2)
    assert (B @ A - W)[:, :rank].abs().max() <= bar * torch.linalg.matrix_norm(W, 2), (
        "the first r columns are exact"
    )


def test_olora_depends_on_the_order_of_the_inputs():
    """B spans the first r columns of W, whatever they are: it follows a rotation of the outputs,
    not of the inputs."""
    W, L, R = normal(12, 9), rotation(12, 1), rotation(9, 2)
    product = lambda M: torch.linalg.multi_dot(SCHEMES["olora"](M, 3))
    assert (product(L @ W) - L @ product(W)).norm() <= 1e3 * EPS * W.norm()
    assert (product(W @ R.mT) - product(W) @ R.mT).norm() > 0.1 * W.norm()


def test_olora_at_s_2_reflects_the_weight():
    """As published B A is not divided by s. At s = 2 what is left, W - 2 Q Q^T W, is a reflection
    as large as W."""
    W = normal(12, 9)
    B, A = SCHEMES["olora"](W, 3, scale=2.0)
    assert abs((W - 2 * B @ A).norm() / W.norm() - 1) <= 100 * EPS


def test_olora_of_dependent_columns_still_has_an_orthonormal_frame():
    W = normal(8, 6)
    W[:, 1] = W[:, 0]
    W[:, 2] = 0
    B, A = SCHEMES["olora"](W, 4)
    assert (B.mT @ B - torch.eye(4)).abs().max() <= 100 * EPS
    assert A.isfinite().all()


@given(SIDES, SIDES, st.data(), st.integers(0, 2**32))
def test_mica_is_where_the_weight_writes_least(out, in_, data, seed):
    rank = data.draw(st.integers(1, min(out, in_)))
    W = normal(out, in_, seed=seed)
    S = torch.linalg.svdvals(W)
    B, A = SCHEMES["mica"](W, rank)
    assert not A.any()
    assert (B.mT @ B - torch.eye(rank)).abs().max() <= 100 * EPS * (out * rank) ** 0.5
    assert abs((B.mT @ W).norm() - S[-rank:].norm()) <= 100 * EPS * S[0] * max(out, in_) ** 0.5


def spiked(n: int) -> Tensor:
    U, V = (torch.linalg.qr(normal(n, 64, seed=seed)).Q for seed in (1, 2))
    return normal(n, n) / n**0.5 / 2 + U * (8 * torch.arange(1, 65) ** -0.7) @ V.mT


@given(SIDES, SIDES, st.data(), st.integers(0, 2**32))
def test_pissa_in_a_random_basis_has_the_size_of_pissa_alone(out, in_, data, seed):
    rank = data.draw(st.integers(1, min(out, in_)))
    W, rng = normal(out, in_, seed=seed), Generator().manual_seed(seed)
    B, A = SCHEMES["pissa"](W, rank, rng, scale=2.0, basis="random")
    S = torch.linalg.svdvals(W)[:rank]
    least, bar = torch.finfo(torch.float64).tiny, 100 * EPS * (out + in_) ** 0.5
    for gram in (B.mT @ B, A @ A.mT):
        assert (gram - torch.diag(S / 2)).abs().max() <= bar * max(S[0], least)
    again = SCHEMES["pissa"](W, rank, rng, scale=2.0, basis="random")
    assert out == in_ == 1 or not torch.equal(B @ A, again.B @ again.A)


def test_a_random_basis_knows_nothing_of_the_weight():
    """Of a Haar-distributed direction the mean square along a fixed one is 1 / out."""
    W, rng = spiked(64), Generator().manual_seed(0)
    top = torch.linalg.svd(W).U[:, 0]
    draws = [SCHEMES["pissa"](W, 4, rng, basis="random").B for _ in range(400)]
    squares = torch.stack([(top @ B).square() / B.square().sum(0) for B in draws])
    # of one draw the square has variance 2 (n - 1) / (n^2 (n + 2)), n = 64
    error = (2 * 63 / (64**2 * 66) / squares.numel()) ** 0.5
    assert abs(squares.mean() - 1 / 64) <= 4 * error
    first = SCHEMES["pissa"](W, 4).B[:, 0]
    assert abs(top @ first) >= (1 - 100 * EPS) * first.norm()


def test_a_large_pissa_is_drawn_and_an_exact_one_is_not():
    W = spiked(640)
    least = torch.linalg.svdvals(W)[8:].norm()
    misses = lambda **options: torch.linalg.matrix_norm(
        W - torch.linalg.multi_dot(SCHEMES["pissa"](W, 8, **options))
    )
    assert abs(misses(exact=True) - least) <= 100 * EPS * W.norm()
    assert least < misses() <= 1.001 * least  # 1.00001 was measured at 1024
    drawn, other = (SCHEMES["pissa"](W, 8, Generator().manual_seed(seed)).B for seed in (0, 1))
    assert not torch.equal(drawn, other)
    # Balanced all the same: both come from orthonormal frames and the same roots.
    B, A = SCHEMES["pissa"](W, 8)
    assert (B.mT @ B - A @ A.mT).norm() <= 1e3 * EPS * B.norm() ** 2


def in_peft(W: Tensor, rank: int, alpha: float, init: Any) -> tuple[Tensor, Tensor, Tensor]:
    """(W_res, B, A) of a linear layer with this weight in PEFT."""
    linear = nn.Linear(W.shape[1], W.shape[0], bias=False)
    linear.weight = nn.Parameter(W.clone())
    config = peft.LoraConfig(r=rank, lora_alpha=alpha, target_modules=["0"], init_lora_weights=init)  # type: ignore
    model: Any = peft.get_peft_model(nn.Sequential(linear), config)
    layer = model.base_model.model[0]
    return tuple(
        p.weight.detach()
        for p in (layer.base_layer, layer.lora_B["default"], layer.lora_A["default"])
    )


@pytest.mark.parametrize("shape", [(24, 40), (40, 24), (30, 30)])
@pytest.mark.parametrize("name", ["pissa", "olora"])
def test_the_start_is_that_of_peft(name, shape):
    rank, alpha = 4, 8
    W = normal(*shape, dtype=torch.float32)
    W_res, B, A = in_peft(W, rank, alpha, name)
    s = alpha / rank
    ours = SCHEMES[name](W, rank, scale=s)
    # float32 factorisations of one well-conditioned matrix in two ways: 100 eps |W| (some 3 eps are
    # measured)
    bar = 100 * torch.finfo(torch.float32).eps * torch.linalg.matrix_norm(W, 2)
    assert (ours.B @ ours.A - B @ A).abs().max() <= bar
    assert (W - s * ours.B @ ours.A - W_res).abs().max() <= bar
    for ours_gram, gram in ((ours.B @ ours.B.mT, B @ B.mT), (ours.A.mT @ ours.A, A.mT @ A)):
        assert (ours_gram - gram).abs().max() <= bar * torch.linalg.matrix_norm(W, 2).clamp(min=1)


@pytest.mark.parametrize("shape", [(24, 40), (40, 24)])
def test_mica_is_that_of_peft(shape):
    W = normal(*shape, dtype=torch.float32)
    W_res, B, A = in_peft(W, 4, 8, "mica")
    ours = SCHEMES["mica"](W, 4)
    assert torch.equal(W_res, W)
    assert not A.any()
    assert not ours.A.any()
    S = torch.linalg.svdvals(W)
    # a singular subspace moves by (rounding / gap)
    bar = 100 * torch.finfo(torch.float32).eps * S[0] / (S[-5] - S[-4])
    assert (ours.B @ ours.B.mT - B @ B.mT).abs().max() <= bar


def test_a_large_pissa_adapter_of_peft_loads_to_its_function(tmp_path):
    """PEFT subtracted the exact start from W, so what is added back must be exact too."""
    build = lambda: nn.Sequential(nn.Linear(640, 640, bias=False))
    W, x = (
        normal(640, 640, dtype=torch.float32) / 640**0.5,
        normal(5, 640, seed=1, dtype=torch.float32),
    )
    base, ours = build(), build()
    for model in (base, ours):
        model[0].weight = nn.Parameter(W.clone())
    config = peft.LoraConfig(r=8, target_modules=["0"], init_lora_weights="pissa")
    theirs: Any = peft.get_peft_model(base, config)
    with torch.no_grad():
        theirs.base_model.model[0].lora_B["default"].weight.mul_(2)
    theirs.save_pretrained(str(tmp_path))
    lora.load(ours, tmp_path)
    # float32 sums over 640 terms of size 1: some 1e-6 where the starts agree, 0.1 where they are
    # drawn
    assert (ours(x) - theirs(x)).abs().max() <= 1e-4


def test_orthogonal_departs_from_peft_whose_factors_have_half_the_rank():
    """PEFT splits one random rotation of r x r between the factors; the source asks for orthonormal
    rows of A."""
    W = normal(24, 40, dtype=torch.float32)
    _, B, A = in_peft(W, 8, 8, "orthogonal")
    assert int(torch.linalg.matrix_rank(A)) == int(torch.linalg.matrix_rank(B)) == 4
    ours = SCHEMES["orthogonal"](W, 8)
    assert int(torch.linalg.matrix_rank(ours.A)) == 8
    assert not ours.B.any()
