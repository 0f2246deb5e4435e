"""Inputs too wide to keep whole: the sketch is below the truth, its trace exact, its axes nearly
the best."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import lora
from lora import Config, Statistics, collect, merged
from lora.ranks import signal_scores, variance_scores
from lora.sketch import columns

WIDTH, OUT, AXES = 160, 3, 8
EPS64 = torch.finfo(torch.float64).eps
# `collect` with these keeps the 160-wide inputs as a sketch of 64 columns
SKETCHED: Any = {"axes": AXES, "sketch_above": WIDTH - 1}


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rows(n: int, power: float, seed: int, rank: int = WIDTH, mean: float = 3.0) -> Tensor:
    """Of covariance spectrum j^-power in a random frame (the same for all n), `rank` of them, about
    a mean."""
    frame = torch.linalg.qr(normal(WIDTH, WIDTH, seed=seed)).Q[:, :rank]
    scales = torch.arange(1, rank + 1, dtype=torch.float64) ** (-power / 2)
    return (
        normal(n, rank, seed=seed + 1) * scales @ frame.mT
        + mean * normal(WIDTH, seed=seed + 2) / WIDTH**0.5
    )


def model_of(width: int = WIDTH) -> Any:
    model: Any = nn.Sequential(nn.Linear(width, OUT, bias=False)).double()
    with torch.no_grad():
        model[0].weight.copy_(normal(OUT, width, seed=99) / width**0.5)
    return model


def quadratic(model: nn.Module, batch: Tensor) -> Tensor:
    return model(batch).square().sum(-1).mean() / 2


def gathered(batches: Any, need: str = "inputs", **keywords: Any) -> Statistics:
    return collect(model_of(), ["0"], batches, need, quadratic, **keywords)["0"]


def dense(stats: Statistics) -> Tensor:
    assert stats.covariance_sketch is not None
    F = stats.covariance_sketch.factor
    return F @ F.mT


def captured(V: Tensor, C: Tensor, count: int = AXES) -> float:
    """The part of the best possible."""
    return ((V.mT @ C @ V).trace() / torch.linalg.eigvalsh(C)[-count:].sum()).item()


def test_the_columns_follow_the_axes():
    assert [columns(axes) for axes in (1, 8, 9, 100)] == [64, 64, 72, 800]


@settings(max_examples=20)
@given(
    power=st.sampled_from([0.0, 0.5, 1.0, 2.0, 6.0]),
    seed=st.integers(1000, 2000),
    size=st.integers(2, 70),
    need=st.sampled_from(["inputs", "gradient"]),
)
def test_the_sketch_is_below_and_its_error_is_exactly_what_is_missing(power, seed, size, need):
    batches = rows(400, power, seed).split(size)
    ours, exact = gathered(batches, need, **SKETCHED), gathered(batches, need)
    pairs = [(ours.covariance_sketch, exact.covariance)]
    if need == "gradient":
        assert exact.weighted_second_moment is not None
        pairs.append((ours.weighted_sketch, exact.weighted_second_moment))
        assert ours.gradient is not None
        assert exact.gradient is not None
        assert torch.equal(ours.gradient, exact.gradient)
    for sketch, C in pairs:
        assert sketch is not None
        F, top = sketch.factor, torch.linalg.eigvalsh(C)[-1].item()
        # products of float64 rows: rounding of C, of Omega^T C Omega and of its inverse root, each
        # about width eps
        slack = 10 * WIDTH * EPS64 * top
        assert torch.linalg.eigvalsh(C - F @ F.mT).min() >= -slack
        assert abs(sketch.trace - C.trace().item()) <= WIDTH * slack
        assert abs(sketch.error - torch.linalg.svdvals(C - F @ F.mT).sum().item()) <= WIDTH * slack
        assert F.shape == (WIDTH, columns(AXES))
    # what both keep whole is the same to the last bit
    assert torch.equal(ours.mean, exact.mean)
    for center in (True, False):
        assert abs(ours.variance(center) / exact.variance(center) - 1) <= 100 * EPS64


@settings(max_examples=10)
@given(rank=st.integers(1, columns(AXES) - 2), seed=st.integers(1000, 2000), center=st.booleans())
def test_exact_where_the_data_have_fewer_directions_than_the_sketch(rank, seed, center):
    batches = rows(300, 1.0, seed, rank).split(75)
    ours, exact = gathered(batches, **SKETCHED), gathered(batches)
    count = min(rank, AXES)
    top = exact.axes(1, center)[0].item()
    assert (
        ours.axes(count, center)[0] - exact.axes(count, center)[0]
    ).abs().max() <= 10 * WIDTH * EPS64 * top
    assert (dense(ours) - exact.covariance).abs().max() <= 10 * WIDTH * EPS64 * top


# What a Nystroem sketch of l columns loses in nuclear norm is at most (1 + j/(l - j - 1)) times the
# tail after j of the spectrum in expectation over a Gaussian test matrix; half of ours is Gaussian,
# so l = 32. The best j, and 3 for luck.
def most_lost(C: Tensor) -> float:
    l, tail = columns(AXES) // 2, torch.linalg.eigvalsh(C).flip(0)
    return 3 * min((1 + j / (l - j - 1)) * tail[j:].sum().item() for j in range(l - 1))


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0])
@pytest.mark.parametrize(
    "arrangement", ["mixed", "sorted", "first batch tiny", "first batch elsewhere"]
)
def test_the_axes_capture_nearly_the_best_whatever_the_first_batch(power, arrangement):
    X = rows(2000, power, 1234)
    if arrangement == "sorted":
        X = X[X[:, 0].argsort()]
    sizes = [3, 997, 1000] if arrangement == "first batch tiny" else [200] * 10
    batches = list(X.split(sizes))
    # only in the 100 directions that the others vary in least
    if arrangement == "first batch elsewhere":
        last = torch.linalg.eigh(torch.cov(X[200:].mT)).eigenvectors[:, :100]
        batches[0] = 1e-3 * normal(200, 100, seed=4321) @ last.mT + X.mean(0)
    ours, exact = gathered(batches, **SKETCHED), gathered(batches).covariance
    best = torch.linalg.eigvalsh(exact)[-AXES:].sum().item()
    lost = (1 - captured(ours.axes(AXES)[1], exact)) * best
    assert lost <= most_lost(exact)
    # and as measured: 8 columns an axis lose little of the best
    assert lost <= 0.02 * best
    uncentred = gathered(batches).second_moment
    assert captured(ours.axes(AXES, center=False)[1], uncentred) >= 0.98


@settings(max_examples=5)
@given(st.permutations(range(8)), st.integers(1, 7))
def test_order_and_split_change_the_captured_variance_only_within_the_error(order, cut):
    batches = list(rows(800, 1.5, 1500).split(100))
    gather = lambda batches: gathered(batches, **SKETCHED)
    straight, exact = gather(batches), gathered(batches).covariance
    shuffled = gather([batches[i] for i in order])
    shards = merged(
        gather([batches[i] for i in order[:cut]]), gather([batches[i] for i in order[cut:]])
    )
    best = torch.linalg.eigvalsh(exact)[-AXES:].sum().item()
    slack = 10 * WIDTH * EPS64 * best
    for other in (straight, shuffled, shards):
        assert other.covariance_sketch is not None
        assert (other.mean - straight.mean).abs().max() <= 100 * EPS64 * straight.mean.abs().max()
        assert abs(other.variance() / straight.variance() - 1) <= 100 * EPS64
        assert torch.linalg.eigvalsh(exact - dense(other)).min() >= -slack, "still below"
        # V is the best for F F^T <= C, which is short of C by `error` in the trace, so of the best
        # by no more
        assert (
            0
            <= best - captured(other.axes(AXES)[1], exact) * best + slack
            <= other.covariance_sketch.error + slack
        )
        assert captured(other.axes(AXES)[1], exact) >= 0.98
    assert shards.covariance_sketch is not None
    assert len(shards.covariance_sketch.values) == columns(AXES)


def test_merging_weighs_the_parts_and_needs_one_kind():
    X = rows(300, 1.0, 1700, rank=20)
    part = lambda X, **keywords: gathered([X], "gradient", **keywords)
    whole = merged(part(X[:250] + 1, **SKETCHED), part(X[250:], **SKETCHED))
    exact = merged(part(X[:250] + 1), part(X[250:]))
    assert exact.weighted_second_moment is not None
    assert whole.weighted_sketch is not None
    F = whole.weighted_sketch.factor
    for ours, theirs in (
        (dense(whole), exact.covariance),
        (F @ F.mT, exact.weighted_second_moment),
    ):
        assert (ours - theirs).abs().max() <= 10 * WIDTH * EPS64 * theirs.abs().max()
    with pytest.raises(ValueError, match="moment is missing in some parts"):
        merged(part(X), part(X, **SKETCHED))


def test_narrow_inputs_and_no_axes_stay_exact():
    X = [rows(50, 1.0, 1000)]
    assert gathered(X, axes=AXES).covariance_sketch is None, "narrower than sketch_above"
    assert gathered(X, sketch_above=10).covariance_sketch is None, "no axes"
    assert gathered(X, axes=9, sketch_above=10).covariance_sketch is not None
    assert gathered(X, axes=10, sketch_above=10).covariance_sketch is None, (
        "a sketch of 80 columns is no smaller"
    )
    with pytest.raises(ValueError, match=r"0: its input is 160 wide, above max_width = 100.*axes="):
        gathered(X, max_width=100)
    assert (
        gathered(X, max_width=100, **(SKETCHED | {"sketch_above": 100})).covariance_sketch
        is not None
    )


def test_what_needs_the_whole_matrix_says_so():
    stats = gathered([rows(400, 1.0, 1000)], "gradient", **SKETCHED)
    with pytest.raises(ValueError, match="160 wide, only a sketch was stored"):
        _ = stats.second_moment
    with pytest.raises(ValueError, match="160 wide, only a sketch was stored"):
        _ = stats.covariance
    for count in (AXES + 1, None):
        with pytest.raises(ValueError, match="of a sketch that is good for 8"):
            stats.axes(count)
    with pytest.raises(ValueError, match="of a sketch that is good for 8"):
        stats.signal_axes(AXES + 1)
    with pytest.raises(ValueError, match="corda needs the whole second moment"):
        lora.SCHEMES["corda"](model_of()[0].weight, 2, stats=stats)
    with pytest.raises(ValueError, match="axes must be at least 1"):
        gathered([rows(4, 1.0, 1000)], axes=0)


@pytest.mark.parametrize(
    ("bad", "message"), [(torch.nan, "1 entries of its input are NaN"), (1e200, "too large")]
)
def test_rows_that_are_not_finite_are_refused(bad, message):
    X = rows(20, 1.0, 1000)
    X[3, 4] = bad
    with pytest.raises(ValueError, match=f"0: .*{message}"):
        gathered([X], **SKETCHED)


@pytest.mark.parametrize("constant", [0.0, 2.0])
def test_inputs_that_do_not_vary(constant):
    stats = gathered([torch.full((5, WIDTH), constant, dtype=torch.float64)] * 2, **SKETCHED)
    values, V = stats.axes(3)
    assert values.abs().max() == stats.variance() == 0
    assert (V.mT @ V - torch.eye(3)).abs().max() <= 100 * EPS64
    with pytest.warns(UserWarning, match="only 0 of the 2 directions"):
        lora.SCHEMES["eva"](torch.ones(4, WIDTH).double(), 2, stats=stats)


def test_the_schemes_and_scores_are_those_of_the_whole():
    X = rows(1200, 2.0, 1900).split(300)
    ours, exact = gathered(X, "gradient", **SKETCHED), gathered(X, "gradient")
    W = model_of()[0].weight
    for scheme, matrix in (
        ("eva", exact.covariance),
        ("gradient_signal", exact.weighted_second_moment),
    ):
        assert matrix is not None
        A = lora.SCHEMES[scheme](W, OUT, stats=ours).A.detach()
        assert (A @ A.mT - torch.eye(OUT)).abs().max() <= 100 * EPS64
        assert captured(A.mT, matrix, OUT) >= 0.999
    for scores in (variance_scores, signal_scores):
        # a lower bound: below, and by no more than the whole error
        for a, b in zip(scores(ours, AXES), scores(exact, AXES), strict=True):
            assert 0.95 * b <= a <= b * (1 + 1e3 * EPS64)


def test_attach_sketches_for_the_most_axes_that_a_layer_can_need(monkeypatch):
    seen = {}

    def spy(*args: Any, **keywords: Any) -> Any:
        seen.update(keywords)
        return collect(*args, **keywords)

    monkeypatch.setattr("lora.initialization.collect", spy)
    config = Config(
        rank=1,
        scheme="eva",
        scheme_options={"rho": 1.5},
        rank_pattern={"0": 2},
        target_modules=("0",),
    )
    model = model_of()
    lora.attach(model, config, [rows(90, 1.0, 1000)], max_batches=1)
    assert seen["axes"] == round(1.5 * 2)
    assert seen["max_batches"] == 1
