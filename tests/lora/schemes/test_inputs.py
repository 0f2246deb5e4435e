"""The laws of the schemes that see inputs: what they are the best at, and what they do with poor
data."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator

import lora
from lora import SCHEMES, Config, Statistics
from lora.targets import targets
from tests.support.models import IDS, TOKENS, llama, photograph, small, stats_for

EPS = torch.finfo(torch.float64).eps
SHAPES = st.tuples(st.integers(1, 16), st.integers(1, 16))


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=Generator().manual_seed(seed), dtype=torch.float64)


def of(X: torch.Tensor) -> Statistics:
    return Statistics(len(X), X.mean(0), X.mT @ X / len(X))


@given(SHAPES, st.data(), st.integers(0, 2**32), st.booleans())
def test_eva_takes_what_the_singular_vectors_of_the_inputs_give(shape, data, seed, center):
    """Captured variance is compared, not vectors, so that no gap in the spectrum is asked for."""
    rank = data.draw(st.integers(1, min(shape)))
    X = normal(4 * shape[1] + 2, shape[1], seed=seed) * torch.linspace(1, 3, shape[1]) + 1
    A = SCHEMES["eva"](normal(*shape), rank, stats=of(X), center=center).A
    assert (A @ A.mT - torch.eye(rank)).abs().max() <= 10 * EPS * shape[1], "rows are orthonormal"
    centred = X - X.mean(0) if center else X
    singular = np.linalg.svd(centred.numpy(), compute_uv=False)
    best = (singular[:rank] ** 2).sum()
    # the Gram matrix loses eps of its largest eigenvalue and |mean|^2, here below 4 times the sum
    # of all
    assert (
        abs((centred @ A.mT).square().sum().item() - best)
        <= 200 * EPS * shape[1] * X.square().sum().item()
    )


@given(st.integers(2, 12), st.integers(0, 2**32))
def test_eva_captures_at_least_what_random_orthonormal_rows_do(width, seed):
    C, rank = stats_for(torch.zeros(width, width), seed).covariance, width // 2
    captured = lambda A: (A @ C @ A.mT).trace().item()
    A = SCHEMES["eva"](
        torch.zeros(width, width).double(), rank, stats=stats_for(torch.zeros(width, width), seed)
    ).A
    for other in range(20):
        rival = SCHEMES["orthogonal"](
            torch.zeros(width, width).double(), rank, Generator().manual_seed(other)
        ).A
        assert captured(A) >= captured(rival) - 100 * EPS * C.trace().item()


@given(st.integers(1, 12), st.integers(0, 2**32), st.booleans())
def test_whitened_rows_have_unit_variance_and_one_sign_is_chosen(width, seed, center):
    X = normal(5 * width + 5, width, seed=seed) * torch.linspace(1, 3, width) + 1
    plain, white = (
        SCHEMES["eva"](
            torch.zeros(20, width).double(), width, stats=of(X), center=center, whiten=w
        ).A
        for w in (False, True)
    )
    Y = (X - X.mean(0) if center else X) @ white.mT
    # dividing by sqrt(lambda_j) turns an error of eps lambda_1 into eps lambda_1 / lambda_j, the
    # condition number
    cond = torch.linalg.cond(X - X.mean(0) if center else X).item() ** 2
    assert (Y.mT @ Y / len(X) - torch.eye(width)).abs().max() <= 200 * width * EPS * cond
    assert (plain.gather(1, plain.abs().argmax(1, keepdim=True)) > 0).all()
    assert (white * white.norm(dim=1, keepdim=True) ** -1 - plain).abs().max() <= 10 * EPS


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("spread", [0, 1, 3])
def test_poor_inputs_keep_their_own_directions_and_the_rest_is_random(spread, whiten):
    X = normal(50, spread) @ normal(spread, 7, seed=1) if spread else torch.ones(50, 7).double()
    W = normal(6, 7)
    with pytest.warns(UserWarning, match=f"vary in only {spread} of the 5"):
        A, again, other = (
            SCHEMES["eva"](W, 5, Generator().manual_seed(s), of(X), whiten=whiten).A
            for s in (0, 0, 1)
        )
    assert torch.equal(A, again)
    assert torch.equal(A[:spread], other[:spread])
    assert not torch.equal(A[spread:], other[spread:])
    unit = A / A.norm(dim=1, keepdim=True)
    assert (unit @ unit.mT - torch.eye(5)).abs().max() <= 100 * EPS
    Z = X - X.mean(0)
    assert (Z @ unit[spread:].mT).abs().max() <= 1e4 * EPS * 10, (
        "the random ones see nothing, up to the basis' error"
    )


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("tokens", [1, 2, 4])
def test_a_few_tokens_span_one_direction_less_about_their_mean(tokens, center):
    """Whatever the moment says: its rounding may look like directions of its own."""
    full = Statistics(tokens, torch.zeros(9).double(), torch.eye(9).double())
    spanned = tokens - center
    with pytest.warns(UserWarning, match=rf"only {spanned} of the 5 .* \({tokens} tokens\)"):
        A = SCHEMES["eva"](normal(6, 9), 5, stats=full, center=center).A
    assert (A @ A.mT - torch.eye(5)).abs().max() <= 100 * EPS


def test_layers_that_read_one_input_get_the_same_whitened_rows():
    """q, k and v: rows of one variance, where dividing a shared tensor in place would compound."""
    model = llama()
    stats = lora.collect(model, targets(model, Config())[0], [TOKENS])
    lora.attach(model, Config(rank=4, scheme="eva", scheme_options={"whiten": True}), [TOKENS])
    layers = lora.adapters(model)
    for i in range(2):
        q, k, v = (layers[f"model.layers.{i}.self_attn.{n}_proj"].A for n in "qkv")
        assert torch.equal(q, k)
        assert torch.equal(q, v)
    for name, layer in layers.items():
        A = layer.A.detach().double()
        variance = (A @ stats[name].covariance @ A.mT).diagonal()
        # rows cast to float32 once; their small entries meet the largest variance
        assert (variance - 1).abs().max() <= 1000 * torch.finfo(torch.float32).eps, name


@given(SHAPES, st.data(), st.integers(0, 2**32), st.sampled_from([0.5, 1.0, 3.0]))
def test_corda_is_the_best_approximation_in_its_own_metric(shape, data, seed, scale):
    rank = data.draw(st.integers(1, min(shape)))
    W, stats, identity = (
        normal(*shape, seed=seed),
        stats_for(torch.zeros(shape), seed),
        torch.eye(shape[1], dtype=torch.float64),
    )
    C = stats.second_moment / stats.second_moment.diagonal().mean() + 0.01 * identity
    values, Q = torch.linalg.eigh(C)
    for mode, P in {"ipm": C, "sqrt": Q * values.sqrt() @ Q.mT}.items():
        factors = SCHEMES["corda"](W, rank, stats=stats, scale=scale, mode=mode)
        error = torch.linalg.matrix_norm((W - scale * torch.linalg.multi_dot(factors)) @ P)
        S = torch.linalg.svdvals(W @ P)
        # P is applied and taken back, which costs its condition number
        bar = 100 * EPS * max(shape) * torch.linalg.cond(P) * S[0]
        assert abs(error - S[rank:].norm()) <= bar
        rivals = (SCHEMES["pissa"](W, rank, scale=scale), SCHEMES["nystrom"](W, rank, scale=scale))
        for rival in rivals:
            assert torch.linalg.matrix_norm((W - scale * rival.B @ rival.A) @ P) >= error - bar
        gram = factors.B.mT @ factors.B
        assert (gram - torch.diag(S[:rank] / scale)).abs().max() <= 100 * EPS * max(shape) * S[
            0
        ] / scale


@given(SHAPES, st.data(), st.integers(0, 2**32))
def test_the_two_ends_of_corda_share_out_the_weight(shape, data, seed):
    rank = data.draw(st.integers(0, min(shape)))
    W, stats = normal(*shape, seed=seed), stats_for(torch.zeros(shape), seed)
    total = torch.zeros_like(W)
    if rank:
        total += torch.linalg.multi_dot(SCHEMES["corda"](W, rank, stats=stats))
    if rank < min(shape):
        total += torch.linalg.multi_dot(
            SCHEMES["corda"](W, min(shape) - rank, stats=stats, mode="kpm")
        )
    # the damping bounds the condition of P by in / 0.01
    assert (total - W).abs().max() <= 100 * EPS * shape[1] / 0.01 * torch.linalg.matrix_norm(W, 2)


@pytest.mark.parametrize("mode", ["ipm", "kpm", "sqrt"])
def test_corda_does_not_depend_on_the_unit_of_the_inputs_and_survives_none(mode):
    W, stats = normal(6, 5), stats_for(torch.zeros(6, 5))
    double = Statistics(stats.count, 4 * stats.mean, 16 * stats.second_moment)
    for ours, theirs in zip(
        *(SCHEMES["corda"](W, 2, stats=s, mode=mode) for s in (stats, double)), strict=True
    ):
        assert (ours - theirs).abs().max() <= 1000 * EPS * ours.abs().max()
    nothing = Statistics(3, torch.zeros(5).double(), torch.zeros(5, 5).double())
    product = torch.linalg.multi_dot(SCHEMES["corda"](W, 2, stats=nothing, mode=mode))
    other = torch.linalg.multi_dot(SCHEMES["milora" if mode == "kpm" else "pissa"](W, 2))
    assert (product - other).abs().max() <= 1000 * EPS * W.norm(), (
        "no inputs at all: the weight alone decides"
    )


def test_corda_takes_a_moment_that_rounding_left_indefinite():
    """As the sums of half-precision products may be, where one eigenvalue is far above the rest."""
    W = normal(6, 4, seed=3)
    M = torch.diag(torch.tensor([-2.0, 100.0, 1.0, 1.0], dtype=torch.float64))
    stats = Statistics(9.0, torch.zeros(4, dtype=torch.float64), M)
    rounded = Statistics(9.0, stats.mean, M.clamp(min=0))
    found, expected = (
        torch.linalg.multi_dot(SCHEMES["corda"](W, 2, stats=s, mode="sqrt"))
        for s in (stats, rounded)
    )
    # the damping is all that is left of the first direction, and the two traces differ by 2 %
    assert (found - expected).abs().max() <= 0.05 * expected.abs().max()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("corda", {"mode": "kpn"}, 'mode must be "ipm", "kpm" or "sqrt", got \'kpn\''),
        ("corda", {"damping": 0.0}, "damping must be positive and finite"),
        ("eva", {"stats": stats_for(torch.zeros(4, 3))}, "inputs of width 3, W has 5 columns"),
        ("corda", {"stats": stats_for(torch.zeros(4, 3))}, "inputs of width 3, W has 5 columns"),
        (
            "eva",
            {"stats": of(torch.full((4, 5), torch.nan))},
            "the second moment has 25 entries that are NaN",
        ),
        (
            "corda",
            {"stats": of(torch.full((4, 5), torch.inf))},
            "the second moment has 25 entries that are NaN",
        ),
        ("eva", {"stats": None}, "needs the statistics of the layer"),
    ],
)
def test_bad_options_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        SCHEMES[name](normal(4, 5), 2, **({"stats": stats_for(torch.zeros(4, 5))} | options))


@pytest.mark.parametrize(
    "scheme", [name for name in SCHEMES if SCHEMES[name].needs in ("inputs", "gradient")]
)
def test_a_scheme_that_needs_data_says_so_and_touches_nothing(scheme):
    model = small()
    before = photograph(model)
    with pytest.raises(ValueError, match=f"scheme '{scheme}' needs batches"):
        lora.attach(model, Config(rank=1, scheme=scheme))
    with pytest.raises(ValueError, match="batches is empty"):
        lora.attach(model, Config(rank=1, scheme=scheme), [])
    with pytest.raises(ValueError, match="up: rank must be"):
        lora.attach(
            model, Config(scheme=scheme, rank=13), [IDS], lambda m, ids: m(ids).square().mean()
        )
    assert photograph(model) == before
