"""Leading singular triplets: exact where they claim to be, and close where they are drawn."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from lora.linalg import SMALL, noise, svd, top_svd

EPS = torch.finfo(torch.float64).eps


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=rng(seed), dtype=dtype)


def spiked(n: int) -> Tensor:
    """Half a Gaussian bulk and 128 spikes 8 j^-0.7, in float32."""
    U, V = (torch.linalg.qr(normal(n, 128, seed=seed, dtype=torch.float32)).Q for seed in (1, 2))
    return (
        normal(n, n, dtype=torch.float32) / n**0.5 / 2
        + U * (8 * torch.arange(1, 129) ** -0.7) @ V.mT
    )


def cos2(found: Tensor, true: Tensor) -> float:
    """The mean squared cosine between two subspaces, given by orthonormal columns."""
    return float((true.mT @ found).square().sum() / true.shape[1])


@pytest.fixture(scope="module")
def large() -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    W = spiked(1024)
    return W, torch.linalg.svd(W, full_matrices=False)


@pytest.mark.parametrize("quick", [False, True])
def test_the_drawn_triplets_of_a_spiked_spectrum_are_the_true_ones(large, quick):
    W, (U, S, Vh) = large
    u, s, vh = top_svd(W, 16, rng(), quick=quick)
    # at this size the mean cos^2 is 1 - 3e-7, and 0.9998 where quick, with the worst singular value
    # 0.06 % off; the bars are those of the claim
    assert cos2(u, U[:, :16]) >= 0.998
    assert cos2(vh.mT, Vh[:16].mT) >= 0.998
    assert ((s - S[:16]) / S[:16]).abs().max() <= 0.01
    for frame in (u.mT @ u, vh @ vh.mT):
        # 10 eps sqrt(rows * rank), as for the QR that made them
        assert (frame - torch.eye(16)).abs().max() <= 10 * torch.finfo(torch.float32).eps * (
            1024 * 16
        ) ** 0.5


def test_a_sketch_without_oversampling_is_worse(large):
    """What PEFT's pissa_niter_4 does: as many columns as vectors."""
    W, (U, S, _) = large
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        u, s, _ = torch.svd_lowrank(W, q=16, niter=4)
    assert cos2(u, U[:, :16]) < 0.97
    for quick in (False, True):
        ours = (top_svd(W, 16, rng(), quick=quick)[1] - S[:16]).abs().max()
        assert (s - S[:16]).abs().max() > 10 * ours


def test_a_krylov_space_holds_more_than_power_iterations_find(large):
    """The plain oracle: 4 power iterations on 4 r columns, which take more products."""
    W, (U, _, _) = large
    Q = torch.linalg.qr(W @ normal(1024, 64, dtype=torch.float32)).Q
    for _ in range(4):
        Q = torch.linalg.qr(W @ torch.linalg.qr(W.mT @ Q).Q).Q
    u = Q @ torch.linalg.svd(Q.mT @ W, full_matrices=False).U[:, :16]
    missed = lambda found: 1 - cos2(found, U[:, :16])
    # 2e-4 to 5e-4 by power iterations, by the seed, and 1e-6 at most here
    assert missed(top_svd(W, 16, rng())[0]) < missed(u) / 10


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("kind", ["zero", "one", "identity", "steep"])
def test_what_is_drawn_has_orthonormal_frames_whatever_the_spectrum(kind, quick):
    """Also where a block adds nothing to the earlier ones but rounding, or nothing at all."""
    n = 600
    U, V = (torch.linalg.qr(normal(n, n, seed=seed, dtype=torch.float32)).Q for seed in (1, 2))
    S = {
        "zero": torch.zeros(n),
        "one": torch.eye(n)[0],
        "identity": torch.ones(n),
        "steep": torch.arange(1, n + 1) ** -4.0,
    }[kind]
    W = torch.diag(S) if kind == "identity" else U * S @ V.mT
    u, s, vh = top_svd(W, 32, rng(), quick=quick)
    bar = 10 * torch.finfo(torch.float32).eps * (n * 32) ** 0.5  # as above
    for frame in (u.mT @ u, vh @ vh.mT):
        assert (frame - torch.eye(32)).abs().max() <= bar
    # no Ritz value is above the singular value of its place but by rounding
    assert (s <= S[:32] + 100 * torch.finfo(torch.float32).eps).all()
    # and what they miss is the rest of the spectrum, whose triplets are all as good in an identity
    assert (u * s @ vh - W).norm() <= S[32:].norm() + 100 * torch.finfo(
        torch.float32
    ).eps * S.norm()


@pytest.mark.parametrize("shape", [(600, 700), (700, 600)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_matrix_of_low_rank_is_found_whole(shape, dtype):
    W = normal(shape[0], 5, dtype=dtype) @ normal(5, shape[1], seed=1, dtype=dtype)
    generator = rng()
    U, S, Vh = top_svd(W, 6, generator)
    assert not torch.equal(generator.get_state(), rng().get_state()), "this one is drawn"
    size = S[0]
    # every product and QR is backward stable to a modest multiple of eps |W|
    assert torch.linalg.matrix_norm(U * S @ Vh - W) <= 100 * torch.finfo(dtype).eps * size
    assert S[5] <= 100 * torch.finfo(dtype).eps * size


def test_drawing_is_by_its_own_generator():
    W, state = normal(600, 600), torch.get_rng_state()
    first, again, other = (top_svd(W, 3, rng(seed)) for seed in (0, 0, 1))
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize(
    ("shape", "rank", "exact"),
    [((SMALL, 2000), 4, False), ((2000, SMALL), 4, False), ((600, 600), 4, True)],
)
def test_small_matrices_and_those_asked_for_are_done_in_full(shape, rank, exact):
    W, generator = normal(*shape, dtype=torch.float32), rng()
    U, S, Vh = svd(W)
    found = top_svd(W, rank, generator, exact)
    assert all(
        torch.equal(a, b) for a, b in zip(found, (U[:, :rank], S[:rank], Vh[:rank]), strict=True)
    )
    assert torch.equal(generator.get_state(), rng().get_state()), "nothing is drawn"


@pytest.mark.parametrize(
    ("rank", "quick", "drawn"),
    [(32, False, True), (33, False, False), (48, True, True), (49, True, False)],
)
def test_a_krylov_space_of_more_than_half_the_matrix_is_not_worth_it(rank, quick, drawn):
    generator = rng()
    # 7 or 5 blocks of 16, 32, 48 ... columns of 520
    top_svd(normal(520, 520, dtype=torch.float32), rank, generator, quick=quick)
    assert torch.equal(generator.get_state(), rng().get_state()) != drawn


@pytest.mark.parametrize("shape", [(3, 3), (3, 200), (200, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_counts_as_rounding_is_what_torch_counts_in_a_rank(shape, dtype):
    for size in (1.0, 1e-20, 1e20):
        bar = size * max(shape) * torch.finfo(dtype).eps
        S = torch.tensor([size, 2 * bar, bar / 2], dtype=dtype)
        W = torch.zeros(shape, dtype=dtype)
        W.fill_diagonal_(1)[:3, :3] *= S
        assert int((noise(S, W.shape) < S).sum()) == int(torch.linalg.matrix_rank(W)) == 2


@given(st.tuples(st.integers(1, 30), st.integers(1, 30)), st.integers(0, 2**32))
def test_signs_are_fixed_and_change_nothing(shape, seed):
    W = normal(*shape, seed=seed)
    U, S, Vh = svd(W)
    # an SVD is backward stable to a modest multiple of eps |W|
    assert torch.linalg.matrix_norm(U * S @ Vh - W) <= 100 * EPS * S[0]
    for row in Vh:
        assert row[row.abs().argmax()] > 0
    # the singular vectors of -W are those of W up to signs, which are fixed by V alone
    assert (svd(-W)[2] - Vh).abs().max() <= 1e3 * EPS * S[0] / _gap(S)


def _gap(S: Tensor) -> Tensor:
    """How far apart the singular values are, which bounds how far rounding turns their vectors."""
    return torch.cat([S[:-1] - S[1:], S[-1:]]).min()
