"""A weight for every token: 2 is the token twice, 0 is the token left out."""

from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import lora
from lora import Statistics, collect

OUT, WIDTH = 4, 5
EPS32, EPS64 = torch.finfo(torch.float32).eps, torch.finfo(torch.float64).eps


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def model_of(width: int = WIDTH, dtype: torch.dtype = torch.float64) -> Any:
    model: Any = nn.Sequential(nn.Linear(width, OUT, bias=False)).to(dtype)
    with torch.no_grad():
        model[0].weight.copy_(normal(OUT, width, seed=99))
    model.forward = lambda x, attention_mask=None, w=None: model[0](x)
    return model


def loss(model: nn.Module, batch: Any) -> Tensor:
    """The mean over the tokens that the mask leaves."""
    each = model(batch["x"]).square().sum(-1) / 2
    mask = batch.get("attention_mask", torch.ones(each.shape))
    return (each * mask).sum() / mask.sum()


def gathered(batches: list[dict[str, Tensor]], **keywords: Any) -> Statistics:
    width, dtype = batches[0]["x"].shape[-1], batches[0]["x"].dtype
    return collect(model_of(width, dtype), ["0"], batches, "gradient", loss, **keywords)["0"]


def moments(stats: Statistics) -> dict[str, Tensor]:
    sketches = {"C": stats.covariance_sketch, "Q": stats.weighted_sketch}
    wholes = {
        "M": stats.moment,
        "G": stats.gradient,
        "Q": stats.weighted_second_moment,
        "mean": stats.mean,
    }
    dense = {name: s.factor @ s.factor.mT for name, s in sketches.items() if s is not None}
    return dense | {name: value for name, value in wholes.items() if value is not None}


@settings(max_examples=40)
@given(
    counts=st.lists(
        st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=2, max_size=4
    ).filter(lambda rows: any(map(any, rows))),
    masked=st.booleans(),
    wide=st.booleans(),
    seed=st.integers(1000, 2000),
)
def test_a_token_of_weight_two_is_the_token_twice(counts, masked, wide, seed):
    width = 160 if wide else WIDTH
    # a sketch of 64 columns holds what at most 36 tokens span
    keywords: Any = {"axes": 8, "sketch_above": 100} if wide else {}
    w = torch.tensor(counts)
    x = normal(*w.shape, width, seed=seed) + 2
    batch = {"x": x, "w": w}
    if masked:
        batch["attention_mask"] = (normal(*w.shape, seed=seed + 1) > -0.5).long()
        w = w * batch["attention_mask"]
        assume(w.any())
    ours = gathered([batch], weights=lambda batch: batch["w"].double(), **keywords)
    copies = x.flatten(0, 1).repeat_interleave(w.flatten(), 0)
    theirs = gathered([{"x": copies[None]}], **keywords)
    assert (ours.count, ours.tokens) == (w.sum(), (w > 0).sum())
    a, b = moments(ours), moments(theirs)
    assert a.keys() == b.keys() == ({"C", "Q", "G", "mean"} if wide else {"M", "Q", "G", "mean"})
    for name in a:
        # the same sums in another order, of at most 36 products; a sketch of them loses some more,
        # as in its own test
        assert (a[name] - b[name]).abs().max() <= 10 * width * EPS64 * b[name].abs().max().clamp(
            min=EPS64
        ), name


@given(scale=st.sampled_from([1e-6, 0.5, 1e6]), seed=st.integers(1000, 2000))
def test_the_unit_of_the_weights_matters_to_the_count_alone(scale, seed):
    batches = [
        {"x": normal(2, 6, WIDTH, seed=seed + i), "w": normal(2, 6, seed=-seed - i).abs()}
        for i in range(3)
    ]
    one = gathered(batches, weights=lambda batch: batch["w"])
    other = gathered(batches, weights=lambda batch: scale * batch["w"])
    assert abs(other.count / one.count / scale - 1) <= 100 * EPS64
    for name, value in moments(one).items():
        assert (moments(other)[name] - value).abs().max() <= 1000 * EPS64 * value.abs().max(), name
    # the axes of what was seen, whatever the count: not the random ones of "fewer tokens than
    # directions"
    W = model_of()[0].weight
    A, B = (lora.SCHEMES["eva"](W, 3, stats=stats).A for stats in (one, other))
    assert (A.mT @ A - B.mT @ B).abs().max() <= 1e-6


def test_float32_rows_keep_their_accuracy_and_a_token_of_weight_zero_may_be_anything():
    x, w = normal(4, 50, WIDTH) + 3, normal(4, 50, seed=1).abs()
    w[1, 2] = 0
    spoilt = x.float()
    spoilt[1, 2] = torch.nan
    model = model_of(dtype=torch.float32)
    ours = collect(model, ["0"], [{"x": spoilt, "w": w}], weights=lambda batch: batch["w"])["0"]
    X, v = x.float().double().flatten(0, 1), w.flatten() / w.sum()
    mean = v @ X
    C = ((X - mean) * v[:, None]).mT @ (X - mean)
    assert (ours.covariance - C).abs().max() <= 30 * EPS32 * C.abs().max()


def test_a_pooled_layer_counts_every_row_once():
    model: Any = nn.ModuleDict(
        {"token": nn.Linear(WIDTH, 2), "pooled": nn.Linear(WIDTH, 2)}
    ).double()
    model.forward = lambda x, w: (model["token"](x), model["pooled"](x.mean(1)))
    batch = {"x": normal(2, 3, WIDTH), "w": torch.full((2, 3), 2.0)}
    found = collect(model, ["token", "pooled"], [batch], weights=lambda batch: batch["w"])
    assert (found["token"].count, found["pooled"].count) == (12, 2)


@pytest.mark.parametrize(
    ("w", "message"),
    [
        (
            torch.tensor([[1.0, -1, 1], [1, 1, 1]]),
            "weights must be finite and not negative, got 1 that are not",
        ),
        (
            torch.tensor([[1.0, torch.nan, 1], [torch.inf, 1, 1]]),
            "not negative, got 2 that are not",
        ),
        (torch.ones(3), r"weights must have shape \(2, 3\) like the mask, got \(3,\)"),
        (torch.ones(3, 2), r"weights must have shape \(2, 3\) like the mask, got \(3, 2\)"),
        (torch.zeros(2, 3), "0: no token counts, the masks and weights exclude them all"),
    ],
)
def test_weights_that_make_no_sense_are_refused(w, message):
    batch = {"x": normal(2, 3, WIDTH), "attention_mask": torch.ones(2, 3), "w": w}
    with pytest.raises(ValueError, match=message):
        gathered([batch], weights=lambda batch: batch["w"])


def test_weights_that_fit_no_layer_are_refused():
    batch = {"x": normal(2, 3, WIDTH), "w": torch.ones(2, 4)}
    with pytest.raises(ValueError, match=r"weights of shape \(2, 4\) fit the rows of no layer"):
        gathered([batch], weights=lambda batch: batch["w"])
