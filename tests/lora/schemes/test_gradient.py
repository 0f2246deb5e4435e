"""The laws of the schemes that see the gradient."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from lora import SCHEMES, Statistics
from tests.support.models import stats_for

EPS = torch.finfo(torch.float64).eps
SIDES = st.integers(2, 24)
SEEDS = st.integers(0, 2**32)
GRADIENT = [name for name, row in SCHEMES.items() if row.needs == "gradient"]
every_scheme = pytest.mark.parametrize("name", GRADIENT)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=Generator().manual_seed(seed), dtype=torch.float64)


def eye(n: int) -> Tensor:
    return torch.eye(n, dtype=torch.float64)


def with_gradient(G: Tensor) -> Statistics:
    return replace(stats_for(G), gradient=G)


def truncated(M: Tensor, rank: int) -> Tensor:
    U, S, Vh = torch.linalg.svd(M, full_matrices=False)
    return U[:, :rank] * S[:rank] @ Vh[:rank]


@given(SIDES, SIDES, st.data(), SEEDS, st.sampled_from([1.0, 16.0, 100.0]))
def test_the_first_step_of_lora_ga_is_along_the_best_gradient_of_rank_2r(
    out, in_, data, seed, gamma
):
    rank = data.draw(st.integers(1, min(out, in_) // 2))
    G = normal(out, in_, seed=seed)
    B, A = SCHEMES["lora_ga"](normal(out, in_), rank, stats=with_gradient(G), gamma=gamma)
    c2 = out**0.5 / gamma
    for gram in (B.mT @ B, A @ A.mT):
        assert (gram - c2 * eye(rank)).abs().max() <= 100 * EPS * c2
    S = torch.linalg.svdvals(G)
    gap = (
        min(S[rank - 1] - S[rank], S[2 * rank - 1] - (S[2 * rank] if 2 * rank < len(S) else 0))
        / S[0]
    )
    # the two spans move by (rounding / gap), which both products feel in proportion to |G|
    error = B @ B.mT @ G + G @ A.mT @ A - c2 * truncated(G, 2 * rank)
    assert error.norm() <= 100 * EPS * c2 * G.norm() / gap


@pytest.mark.parametrize("shape", [(9, 7), (7, 9)])
def test_lora_ga_gives_a_the_first_directions_and_b_the_next(shape):
    U, V = (torch.linalg.qr(normal(n, 6, seed=n)).Q for n in shape)
    G = U * torch.arange(6, 0, -1) @ V.mT
    B, A = SCHEMES["lora_ga"](normal(*shape), 2, stats=with_gradient(G), gamma=shape[0] ** 0.5)
    # the singular values are 1 apart, of at most 6
    assert (A.mT @ A - V[:, :2] @ V[:, :2].mT).norm() <= 100 * EPS * 6
    assert (B @ B.mT - U[:, 2:4] @ U[:, 2:4].mT).norm() <= 100 * EPS * 6


@given(SIDES, SIDES, st.data(), SEEDS, st.sampled_from([1.0, 128.0]))
def test_lora_one_is_a_descent_step_of_known_size(out, in_, data, seed, gamma):
    rank = data.draw(st.integers(1, min(out, in_)))
    G = normal(out, in_, seed=seed)
    B, A = SCHEMES["lora_one"](normal(out, in_), rank, stats=with_gradient(G), gamma=gamma)
    S = torch.linalg.svdvals(G)
    assert abs(torch.linalg.matrix_norm(B @ A, 2) * gamma - 1) <= 100 * EPS
    gap = (S[rank - 1] - (S[rank] if rank < len(S) else 0)) / S[0]
    assert (gamma * S[0] * B @ A + truncated(G, rank)).norm() <= 100 * EPS * G.norm() / gap
    assert (B @ A * G).sum() < 0


@every_scheme
@given(SEEDS, st.floats(-100, 100))  # Q grows with c^2, and must stay within float64
def test_no_start_depends_on_the_scale_of_the_loss(name, seed, exponent):
    W, c = normal(12, 10, seed=seed), 10.0**exponent
    stats = stats_for(W, seed)
    assert stats.gradient is not None
    assert stats.weighted_second_moment is not None
    louder = replace(
        stats,
        gradient=c * stats.gradient,
        weighted_second_moment=c**2 * stats.weighted_second_moment,
    )
    start = lambda seen: SCHEMES[name](W, 3, stats=seen)
    for before, after in zip(start(stats), start(louder), strict=True):
        # rounding of c G turns singular vectors by eps / gap; the spectra here are spread evenly,
        # Q's at random
        assert (after - before).norm() <= 1e-9 * before.norm()


@every_scheme
def test_a_gradient_too_small_for_float32_counts_in_full(name):
    W = normal(12, 10).float()
    stats = stats_for(W)
    assert stats.gradient is not None
    assert stats.weighted_second_moment is not None
    faint = replace(
        stats,
        gradient=2.0**-200 * stats.gradient,
        weighted_second_moment=2.0**-400 * stats.weighted_second_moment,
    )
    for before, after in zip(
        *(SCHEMES[name](W, 3, stats=seen) for seen in (stats, faint)), strict=True
    ):
        assert torch.equal(after, before), "a power of 2 is exact"


@given(SIDES, SIDES, st.data(), SEEDS)
def test_the_gradient_sketch_spans_what_is_to_be_learnt(out, in_, data, seed):
    """With G = D of rank r, one least-squares solve from the sketch reaches D: D P = D, P on the
    rows of A."""
    rank = data.draw(st.integers(1, min(out, in_)))
    D = normal(out, rank, seed=seed) @ normal(rank, in_, seed=seed + 1)
    stats = with_gradient(D)
    B, A = SCHEMES["nystrom_grad"](normal(out, in_), rank, Generator().manual_seed(seed), stats)
    assert not B.any()
    # solving with A loses its condition number
    bar = 100 * EPS * torch.linalg.cond(A)
    assert (D - D @ torch.linalg.pinv(A) @ A).norm() <= bar * D.norm()
    B, A = SCHEMES["nystrom_grad"](
        normal(out, in_), rank, Generator().manual_seed(seed), stats, side="out"
    )
    assert not A.any()
    assert (D - B @ torch.linalg.pinv(B) @ D).norm() <= 100 * EPS * torch.linalg.cond(B) * D.norm()


@pytest.mark.parametrize("scale", [1.0, 8.0])
def test_the_gradient_sketch_is_as_large_as_the_random_start(scale):
    """|A|^2 has the mean r / 3 of `init_a`, |B|^2 the mean out / 3 of `init_b`, at any s."""
    out, in_, rank, draws = 20, 30, 10, 400
    stats = stats_for(normal(out, in_))
    for side, mean in (("in", rank / 3), ("out", out / 3)):
        sizes = torch.tensor(
            [
                sum(
                    factor.square().sum()
                    for factor in SCHEMES["nystrom_grad"](
                        normal(out, in_),
                        rank,
                        Generator().manual_seed(seed),
                        stats,
                        scale,
                        side=side,
                    )
                )
                for seed in range(draws)
            ]
        )
        assert abs(sizes.mean() - mean) <= 5 * sizes.std() / draws**0.5


@given(SIDES, SIDES, st.data(), SEEDS)
def test_gradient_signal_attains_the_most_that_orthonormal_rows_can(out, in_, data, seed):
    rank = data.draw(st.integers(1, min(out, in_)))
    stats = stats_for(normal(out, in_), seed)
    Q = stats.weighted_second_moment
    assert Q is not None
    B, A = SCHEMES["gradient_signal"](normal(out, in_), rank, stats=stats)
    assert not B.any()
    assert (A @ A.mT - eye(rank)).abs().max() <= 100 * EPS * (in_ * rank) ** 0.5
    signal = lambda rows: (rows @ Q @ rows.mT).trace()
    best = torch.linalg.eigvalsh(Q)[-rank:].sum()
    assert abs(signal(A) - best) <= 100 * EPS * best
    for other in range(20):
        rows = torch.linalg.qr(normal(in_, rank, seed=seed + other)).Q.mT
        assert signal(rows) <= signal(A) * (1 + 100 * EPS)


def test_gradient_signal_is_not_the_variance_of_the_inputs():
    """x1 has the larger variance, and the gradient comes only where |x2| > 2: the signal is along
    x2."""
    M, Q = torch.diag(torch.tensor([4.0, 1.0])), torch.diag(torch.tensor([0.182, 0.26146]))
    stats = Statistics(1.0, torch.zeros(2), M, torch.zeros(2, 2), Q)
    A = SCHEMES["gradient_signal"](torch.zeros(2, 2), 1, stats=stats).A
    assert torch.equal(A, torch.tensor([[0.0, 1.0]]))


def change_rates(W: Tensor, D: Tensor, eps: float) -> list[float]:
    """The definition, direction by direction."""
    U, S, Vh = torch.linalg.svd(W, full_matrices=False)
    return [abs(float(U[:, i] @ D @ Vh[i])) / float(S[i] + eps * S[0]) for i in range(len(S))]


@given(
    SIDES, SIDES, st.data(), SEEDS, st.sampled_from([0.5, 2.0]), st.sampled_from(["rate", "abs"])
)
def test_tsd_init_starts_at_the_directions_that_change_most(out, in_, data, seed, scale, mode):
    rank = data.draw(st.integers(1, min(out, in_)))
    W, G = normal(out, in_, seed=seed), normal(out, in_, seed=seed + 1)
    B, A = SCHEMES["tsd_init"](W, rank, stats=with_gradient(G), scale=scale, mode=mode)
    U, S, Vh = torch.linalg.svd(W, full_matrices=False)
    rates = torch.tensor(change_rates(W, G, 1e-6), dtype=torch.float64)
    score = rates if mode == "rate" else rates * (S + 1e-6 * S[0])
    I = score.argsort(descending=True)[:rank]
    expected = U[:, I] * S[I] @ Vh[I]
    gaps = (S[:, None] - S).abs() + torch.diag(torch.full((len(S),), torch.inf))
    bar = 100 * EPS * S[0] ** 2 / min(S[0], gaps.min())
    assert (scale * B @ A - expected).norm() <= bar
    assert (B.mT @ B - torch.diag(S[I] / scale)).abs().max() <= bar / scale


@pytest.mark.parametrize("planted", [[0, 1, 2], [4, 7, 9], [9, 10, 11]])
@pytest.mark.parametrize("mode", ["rate", "abs"])
def test_planted_directions_are_found(planted, mode):
    n = 12
    U, V = (torch.linalg.qr(normal(n, n, seed=seed)).Q for seed in (0, 1))
    S = torch.linspace(1, 1 / n, n, dtype=torch.float64)
    D = U[:, planted] * S[planted] @ V[:, planted].mT  # each planted direction doubles, rate 1
    noise = normal(n, n, seed=2)
    # coordinates of the noise are at most 4 |noise|_F / n; a planted one is at least 1 / n, rates
    # are below n times
    G = D + noise / noise.norm() * D.norm() * 0.01
    B, A = SCHEMES["tsd_init"](U * S @ V.mT, 3, stats=with_gradient(G), mode=mode)
    assert (B @ A - D).norm() <= 1e3 * EPS * n


def test_a_rank_deficient_weight_gives_its_own_directions_first():
    W = normal(8, 3) @ normal(3, 6, seed=1)
    B, A = SCHEMES["tsd_init"](W, 3, stats=stats_for(W))
    assert (B @ A - W).norm() <= 1e3 * EPS * W.norm()
    with pytest.warns(UserWarning, match="1 of the 4 directions"):
        SCHEMES["tsd_init"](W, 4, stats=stats_for(W))


@pytest.mark.parametrize(("name", "asked"), [("lora_ga", 6), ("gradient_signal", 3)])
def test_a_gradient_of_lower_rank_is_completed_and_said(name, asked):
    x, g = normal(2, 6), normal(2, 8, seed=1)
    Q = (x * g.square().sum(1, keepdim=True)).mT @ x / 2
    stats = Statistics(2.0, x.mean(0), x.mT @ x / 2, g.mT @ x / 2, Q)
    with pytest.warns(UserWarning, match=f"only 2 of the {asked} directions"):
        A = SCHEMES[name](normal(8, 6), 3, stats=stats).A
    gram = A @ A.mT
    assert (gram - gram[0, 0] * eye(3)).abs().max() <= 100 * EPS * gram[0, 0]


@every_scheme
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda F: None, "was not collected"),
        (lambda F: F[:, :-1], "must have shape"),
        (lambda F: F.index_fill(0, torch.tensor([1]), torch.nan), "must be finite, got"),
        (torch.zeros_like, "is zero throughout, so the loss does not depend on this layer"),
    ],
)
def test_bad_statistics_are_refused(name, spoil, message):
    W = normal(7, 6)
    stats = stats_for(W)
    bad = replace(
        stats,
        gradient=spoil(stats.gradient),
        weighted_second_moment=spoil(stats.weighted_second_moment),
    )
    with pytest.raises(
        ValueError, match=rf"{name}.* stats\.\w+ {message}|{name} needs stats\.\w+, which {message}"
    ):
        SCHEMES[name](W, 3, stats=bad)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("lora_ga", {"rank": 4}, r"rank must be at most min\(out, in\) / 2 = 3, got 4"),
        ("lora_ga", {"gamma": 0.0}, "gamma must be positive"),
        ("lora_one", {"gamma": float("inf")}, "gamma must be positive"),
        ("nystrom_grad", {"xi": -1.0}, "xi must be positive"),
        ("nystrom_grad", {"side": "left"}, 'side must be "in" or "out"'),
        ("tsd_init", {"mode": "prelaunch"}, 'mode must be "rate" or "abs"'),
        ("tsd_init", {"eps": 0.0}, "eps must be positive"),
    ],
)
def test_impossible_options_are_refused(name, options, message):
    W = normal(7, 6)
    with pytest.raises(ValueError, match=f"{name}.*{message}"):
        SCHEMES[name](W, **({"rank": 2, "stats": stats_for(W)} | options))
