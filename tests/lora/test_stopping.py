"""When a pass has seen enough: the estimate against the true loss of populations that can be
computed."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lora import Statistics, collect
from lora.stopping import capture_loss

WIDTH, AXES = 24, 3


def spectrum(power: float) -> Tensor:
    return torch.arange(1, WIDTH + 1, dtype=torch.float64) ** -power


def batches(power: float, size: int, seed: int) -> Iterator[Tensor]:
    """Gaussian rows of diagonal covariance, without end."""
    rng = torch.Generator().manual_seed(seed)
    scales = spectrum(power).sqrt()
    while True:
        yield torch.randn(size, WIDTH, generator=rng, dtype=torch.float64) * scales + 1


def model_of(width: int = WIDTH) -> nn.Module:
    return nn.Sequential(nn.Linear(width, 1)).double()


def gathered(rows: Any, **keywords: Any) -> Statistics:
    every: Any = {"axes": AXES} | keywords
    return collect(model_of(), ["0"], rows, **every)["0"]


def lost(stats: Statistics, power: float) -> float:
    """Of the population's variance, by the axes that the sample gives."""
    V, C = stats.axes(AXES)[1], spectrum(power)
    return 1 - ((V.square() * C[:, None]).sum() / C[:AXES].sum()).item()


@pytest.mark.parametrize(("power", "tokens"), [(1.0, 3200), (2.0, 1600), (3.0, 800)])
def test_the_estimate_is_the_true_loss_on_average(power, tokens):
    size = tokens // 16
    pairs = []
    for seed in range(1000, 1120):
        stats = gathered(batches(power, size, seed), tolerance=1e-12, max_batches=16)
        assert stats.capture_loss is not None
        assert stats.count == tokens
        pairs.append((stats.capture_loss, lost(stats, power)))
    estimate, true = torch.tensor(pairs, dtype=torch.float64).mean(0).tolist()
    difference = torch.tensor([a - b for a, b in pairs])
    error = (difference.std() / math.sqrt(len(pairs))).item()
    # (2) holds to leading order; the next one is smaller by about the relative noise of a gap, (2 /
    # N)^1/2 over the gap
    gap = 1 - (AXES / (AXES + 1)) ** power
    assert abs(estimate - true) <= 4 * error + true * math.sqrt(2 / tokens) / gap
    assert true > 0


def test_swapping_the_halves_changes_nothing_and_one_half_is_no_estimate():
    first, second = (
        gathered(itertools.islice(batches(1.0, 100, seed), 2)) for seed in (1000, 1001)
    )
    assert capture_loss([first, second], AXES) == capture_loss([second, first], AXES) > 0
    assert capture_loss([first], AXES) == math.inf
    # A quarter of 1 minus a ratio of two equal sums over AXES axes, of eigenvalues and of v^T C v.
    # Either way a term is a sum of WIDTH products, relative to the largest eigenvalue at most 1,
    # and each of them is rounded to eps.
    assert capture_loss([first, first], AXES) <= AXES * WIDTH * torch.finfo(torch.float64).eps


@pytest.mark.parametrize("tolerance", [0.03, 0.01])
def test_a_slow_power_law_is_not_left_too_early(tolerance):
    """A half of the spectrum's variance beyond the axes; the first look, after two batches, is far
    off."""
    losses, drawn = [], []
    for seed in range(1000, 1030):
        stats = gathered(batches(0.5, 40, seed), tolerance=tolerance)
        assert stats.capture_loss is not None
        assert stats.capture_loss <= tolerance
        losses.append(lost(stats, 0.5))
        drawn.append(int(stats.count) // 40)
    assert min(drawn) > 2
    # an estimate stops it that is right on average, so some stop too soon and others too late
    assert sum(losses) / len(losses) <= tolerance
    assert max(losses) <= 3 * tolerance


def test_a_fast_one_is_left_early_and_only_after_a_power_of_two():
    drawn = []
    endless = (drawn.append(i) or batch for i, batch in enumerate(batches(4.0, 200, 1000)))
    stats = gathered(endless, tolerance=0.01)
    assert len(drawn) in (2, 4, 8)
    assert stats.count == 200 * len(drawn)
    assert stats.capture_loss is not None
    assert stats.capture_loss <= 0.01


def test_the_worst_layer_decides():
    model: Any = nn.ModuleDict({"fast": nn.Linear(WIDTH, 1), "slow": nn.Linear(WIDTH, 1)}).double()
    model.forward = lambda x: (model["fast"](x * spectrum(4.0).sqrt()), model["slow"](x))
    rows = batches(0.5, 50, 1000)
    found = collect(model, ["fast", "slow"], rows, axes=AXES, tolerance=0.02)
    alone = collect(model, ["fast"], batches(0.5, 50, 1000), axes=AXES, tolerance=0.02)
    assert found["fast"].count == found["slow"].count > alone["fast"].count
    fast, slow = (found[name].capture_loss for name in ("fast", "slow"))
    assert fast is not None
    assert slow is not None
    assert fast < slow <= 0.02


def test_a_layer_that_a_half_has_not_seen_is_not_converged():
    model: Any = nn.ModuleDict(
        {"always": nn.Linear(WIDTH, 1), "even": nn.Linear(WIDTH, 1)}
    ).double()
    calls = itertools.count()
    model.forward = lambda x: (
        model["always"](x) + (model["even"](2 * x) if next(calls) % 2 == 0 else 0)
    )
    rows = batches(4.0, 200, 1000)
    found = collect(model, ["always", "even"], rows, axes=AXES, tolerance=0.5, max_batches=8)
    assert (found["always"].count, found["even"].count) == (1600, 800), "all eight"
    assert found["even"].capture_loss == math.inf


def test_sums_of_two_halves_are_those_of_all():
    rows = list(itertools.islice(batches(1.0, 30, 1000), 5))
    halves, whole = gathered(rows, tolerance=1e-12), gathered(rows)
    assert halves.count == whole.count == halves.tokens == 150
    eps = torch.finfo(torch.float64).eps
    for a, b in ((halves.mean, whole.mean), (halves.second_moment, whole.second_moment)):
        assert (a - b).abs().max() <= 150 * eps * b.abs().max()
    assert whole.capture_loss is None


def test_wide_inputs_are_judged_by_their_sketches():
    wide = 160
    mixing = torch.randn(
        WIDTH, wide, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    model: Any = model_of(wide)
    model.forward = lambda x: model[0](x @ mixing)
    rows = list(itertools.islice(batches(1.0, 100, 1000), 4))
    keywords: Any = {"axes": AXES, "tolerance": 1e-12}
    exact = collect(model, ["0"], rows, **keywords)["0"].capture_loss
    sketched = collect(model, ["0"], rows, sketch_above=100, **keywords)["0"]
    assert sketched.covariance_sketch is not None
    assert exact is not None
    # 24 directions in a sketch of 64 columns: exact
    assert sketched.capture_loss == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize(
    "keywords",
    [
        {"axes": None},
        {"tolerance": 0.0},
        {"tolerance": math.nan},
        {"need": "gradient"},
        {"tolerance": -1},
    ],
)
def test_what_a_tolerance_needs(keywords):
    with pytest.raises(ValueError, match="tolerance must be positive, and needs axes and"):
        gathered([torch.ones(2, WIDTH).double()], **({"tolerance": 0.1} | keywords))
