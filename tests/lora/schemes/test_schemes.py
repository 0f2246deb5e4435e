"""The contract of every row of SCHEMES, and the laws of those that have one of their own."""

import warnings

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Generator

from lora import SCHEMES
from tests.support.models import stats_for

SHAPES = st.tuples(st.integers(1, 24), st.integers(1, 24))
SCALES = st.sampled_from([0.5, 1.0, 2.0, 16 / 3**0.5])
EPS = torch.finfo(torch.float64).eps
every_scheme = pytest.mark.parametrize("name", SCHEMES)


def rng(seed: int) -> Generator:
    return Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=rng(seed), dtype=dtype)


@every_scheme
@given(shape=SHAPES, data=st.data(), seed=st.integers(0, 2**32), scale=SCALES)
def test_contract(name, shape, data, seed, scale):
    most = min(shape) // 2 if name == "lora_ga" else min(shape)
    assume(most)
    rank = data.draw(st.integers(1, most))
    W = normal(*shape, seed=seed)
    before, state = W.clone(), torch.get_rng_state()
    (B, A), (B2, A2) = (
        SCHEMES[name](W, rank, rng(seed), stats_for(W, seed), scale=scale) for _ in range(2)
    )
    assert B.shape == (shape[0], rank)
    assert A.shape == (rank, shape[1])
    assert B.dtype == A.dtype == W.dtype
    assert B.isfinite().all()
    assert A.isfinite().all()
    assert torch.equal(B, B2), "a function of its generator alone"
    assert torch.equal(A, A2), "a function of its generator alone"
    assert torch.equal(W, before), "the weight is not touched"
    assert torch.equal(state, torch.get_rng_state()), "the global generator is not touched"
    assert A.any() or B.any(), "B = A = 0 is a saddle: no gradient reaches either factor"


@every_scheme
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision_is_the_float32_result_rounded_once(name, dtype):
    W = normal(12, 8, dtype=dtype)
    stats = stats_for(W)
    for half, full in zip(
        SCHEMES[name](W, 3, rng(1), stats), SCHEMES[name](W.float(), 3, rng(1), stats), strict=True
    ):
        assert half.dtype == dtype
        assert torch.equal(half, full.to(dtype))


@every_scheme
@pytest.mark.parametrize(
    "W", [torch.zeros(6, 7), torch.outer(torch.arange(6.0), torch.ones(7))], ids=["zero", "rank 1"]
)
def test_no_direction_is_dead_whatever_the_weight(name, W):
    """At a direction i with B_i = 0 and A_i = 0 neither factor ever gets a gradient."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        B, A = SCHEMES[name](W.double(), 3, rng(0), stats_for(W))
    assert (B.norm(dim=0) + A.norm(dim=1) > 0).all()


def test_a_vanishing_singular_value_is_said():
    with pytest.warns(UserWarning, match="2 of the 3 directions"):
        SCHEMES["pissa"](torch.outer(torch.arange(1.0, 7), torch.ones(5)), 3)


@every_scheme
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rank": 0}, "rank must be an integer from 1 to min"),
        ({"rank": 6}, "rank must be an integer from 1 to min"),
        ({"rank": True}, "rank must be an integer from 1 to min"),
        ({"scale": 0.0}, "scale must be positive"),
        ({"scale": float("nan")}, "scale must be positive"),
        ({"W": torch.zeros(3)}, "W must be a matrix"),
    ],
)
def test_bad_input_is_refused(name, change, message):
    arguments = {
        "W": normal(7, 5),
        "rank": 2,
        "scale": 1.0,
        "stats": stats_for(normal(7, 5)),
    } | change
    with pytest.raises(ValueError, match=message):
        SCHEMES[name](**arguments)


@every_scheme
def test_a_weight_that_is_read_must_be_finite(name):
    W = normal(7, 5)
    W[2, 3] = torch.nan
    if SCHEMES[name].needs == "nothing":
        assert SCHEMES[name](W, 2).A.isfinite().all()
    else:
        with pytest.raises(ValueError, match="1 entries that are NaN"):
            SCHEMES[name](W, 2)


def test_unknown_side_and_scale_of_the_sketch_are_refused():
    with pytest.raises(ValueError, match='side must be "in" or "out"'):
        SCHEMES["nystrom"](normal(7, 5), 2, side="left")
    with pytest.raises(ValueError, match="xi must be positive"):
        SCHEMES["nystrom"](normal(7, 5), 2, xi=0.0)


@given(SHAPES, st.integers(0, 2**32), SCALES)
def test_orthogonal_rows_are_orthonormal(shape, seed, scale):
    rank = min(shape)
    A = SCHEMES["orthogonal"](normal(*shape), rank, rng(seed), scale=scale).A
    # Householder QR is orthonormal to a small multiple of eps sqrt(rows * rank); the worst of 1000
    # draws was 3.
    assert (A @ A.mT - torch.eye(rank)).abs().max() <= 10 * EPS * (shape[1] * rank) ** 0.5


def test_uniform_starts_have_the_variance_of_their_fan_in():
    W, rank = normal(200, 300), 150
    for factor, fan_in in (
        (SCHEMES["init_a"](W, rank).A, 300),
        (SCHEMES["init_b"](W, rank).B, rank),
    ):
        bound, n = fan_in**-0.5, factor.numel()
        assert factor.abs().max() <= bound
        # a uniform variable on [-b, b] has variance b^2/3, and its square has variance 4 b^4 / 45
        error = 5 * (4 / 45 / n) ** 0.5 * bound**2
        assert abs(factor.square().mean() - bound**2 / 3) <= error


@pytest.mark.parametrize("rank", [1, 5, 40])
def test_gaussian_is_normal_with_the_variance_of_its_rank(rank):
    z = SCHEMES["gaussian"](normal(50, 4000), rank).A * rank
    # of n standard normals the mean, mean square and mean fourth power, to 5 standard errors
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (4, 3, 96)):
        assert abs((z**power).mean() - mean) <= 5 * (variance / z.numel()) ** 0.5


def test_orthogonal_rows_have_no_preferred_sign():
    """Under Haar's measure A and -A are equally likely, so every entry has mean 0."""
    A = torch.stack([SCHEMES["orthogonal"](normal(6, 8), 3, rng(seed)).A for seed in range(400)])
    assert (A.mean(0).abs() <= 5 * A.std(0) / len(A) ** 0.5).all()


@given(SHAPES, st.data(), st.integers(0, 2**32), SCALES)
def test_pissa_is_the_best_approximation_and_balanced(shape, data, seed, scale):
    rank = data.draw(st.integers(1, min(shape)))
    W = normal(*shape, seed=seed)
    S = torch.linalg.svdvals(W)
    B, A = SCHEMES["pissa"](W, rank, scale=scale)
    bar = 100 * EPS * S[0]  # an SVD is backward stable to a modest multiple of eps |W|
    assert (torch.linalg.matrix_norm(W - scale * B @ A) - S[rank:].norm()).abs() <= bar * max(
        shape
    ) ** 0.5
    for gram in (B.mT @ B, A @ A.mT):
        assert (gram - torch.diag(S[:rank] / scale)).abs().max() <= bar / scale


@given(SHAPES, st.data(), st.integers(0, 2**32), SCALES)
def test_pissa_and_milora_share_out_the_spectrum(shape, data, seed, scale):
    rank = data.draw(st.integers(0, min(shape)))
    W = normal(*shape, seed=seed)
    total = torch.zeros_like(W)
    if rank:
        total += scale * torch.linalg.multi_dot(SCHEMES["pissa"](W, rank, scale=scale))
    if rank < min(shape):
        total += scale * torch.linalg.multi_dot(
            SCHEMES["milora"](W, min(shape) - rank, scale=scale)
        )
    assert (total - W).abs().max() <= 100 * EPS * torch.linalg.matrix_norm(W, 2)


@given(SHAPES, st.data(), st.integers(0, 2**32), st.floats(0.01, 100), SCALES)
def test_nystrom_sketches_the_weight_linearly_on_the_side_asked_for(shape, data, seed, xi, scale):
    rank = data.draw(st.integers(1, min(shape)))
    W = normal(*shape, seed=seed)
    B, A = SCHEMES["nystrom"](W, rank, rng(seed), scale=scale, xi=xi)
    assert not B.any()
    N = A @ torch.linalg.pinv(W)
    bar = 100 * EPS * torch.linalg.cond(W) * A.norm()
    assert (N @ W - A).norm() <= bar, "the rows of A lie in the row space of W"
    double = SCHEMES["nystrom"](2 * W, rank, rng(seed), scale=scale, xi=xi).A
    assert torch.equal(double, 2 * A), "A grows with W exactly"
    other = SCHEMES["nystrom"](W, rank, rng(seed), scale=4 * scale, xi=xi).A
    assert torch.equal(4 * other, A), "s cancels in s A"
    B, A = SCHEMES["nystrom"](W.mT, rank, rng(seed), scale=scale, xi=xi, side="out")
    assert not A.any()
    P = W.mT @ torch.linalg.pinv(W.mT)
    assert (P @ B - B).norm() <= 100 * EPS * torch.linalg.cond(W) * B.norm(), (
        "range(B) lies in range(W)"
    )


@pytest.mark.parametrize("name", ["pissa", "milora"])
@given(st.integers(2, 12), st.integers(2, 12), st.integers(0, 2**32))
def test_spectral_starts_follow_rotations_of_the_weight(name, out, in_, seed):
    """s B A (L W R^T) = L (s B A (W)) R^T where the chosen and the other singular values differ."""
    W, L, R = (
        normal(*shape, seed=seed + i)
        for i, shape in enumerate([(out, in_), (out, out), (in_, in_)])
    )
    L, R = torch.linalg.qr(L).Q, torch.linalg.qr(R).Q
    rank = min(out, in_) // 2
    S = torch.linalg.svdvals(W)
    gap = (S[rank - 1] - S[rank] if name == "pissa" else S[-rank - 1] - S[-rank]) / S[0]
    product = L @ torch.linalg.multi_dot(SCHEMES[name](W, rank)) @ R.mT
    rotated = torch.linalg.multi_dot(SCHEMES[name](L @ W @ R.mT, rank))
    # a singular subspace moves by (perturbation / gap), and the rotation perturbs W by a multiple
    # of eps |W|
    assert (rotated - product).norm() <= 200 * EPS * S[0] / gap
