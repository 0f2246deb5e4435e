"""Ranks by score: the budget is spent, the sum of scores is the largest, and every scale stays what
was asked for."""

import itertools
import math
from dataclasses import fields, replace

import peft
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import lora
from lora import SCHEMES, Config, Statistics
from lora.layer import weight_of
from lora.ranks import (
    SCORES,
    Sharing,
    distribute,
    redistributed,
    signal_scores,
    variance_scores,
    with_ranks,
)
from tests.support.models import TOKENS, data_for, llama, photograph, shake, small, stats_for, twin

EPS64 = torch.finfo(torch.float64).eps
SPELT = {"rho": 2.0, "per_parameter": "yes"}
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")
descending = st.lists(st.integers(0, 9).map(float), max_size=4).map(
    lambda values: sorted(values, reverse=True)
)
offers = st.lists(descending, min_size=1, max_size=3).map(
    lambda lists: {f"l{i}": v for i, v in enumerate(lists)}
)


def gain(scores: dict[str, list[float]], ranks: dict[str, int]) -> float:
    return sum(sum(values[: ranks[name]]) for name, values in scores.items())


def best_gain(scores: dict[str, list[float]], budget: float, cost: dict[str, float]) -> float:
    """The largest sum of scores within the budget, over every choice of ranks."""
    every = itertools.product(*(range(len(values) + 1) for values in scores.values()))
    choices = (dict(zip(scores, choice, strict=True)) for choice in every)
    return max(
        gain(scores, ranks) for ranks in choices if sum(ranks[n] * cost[n] for n in ranks) <= budget
    )


@given(offers, st.integers(0, 12))
def test_the_budget_is_spent_on_the_largest_sum(scores, budget):
    ranks = distribute(scores, budget)
    assert list(ranks) == list(scores)
    assert sum(ranks.values()) == min(budget, sum(map(len, scores.values())))
    assert gain(scores, ranks) == best_gain(scores, budget, dict.fromkeys(scores, 1))


@settings(max_examples=300)
@given(offers, st.integers(0, 40), st.lists(st.sampled_from([1, 3, 10]), min_size=3, max_size=3))
def test_a_budget_of_parameters_is_spent_to_within_one_component_of_the_best(scores, budget, costs):
    cost = dict(zip(scores, costs, strict=False))
    ranks = distribute(scores, budget, cost)
    spent = sum(ranks[name] * cost[name] for name in scores)
    assert spent <= budget
    for name, values in scores.items():
        assert ranks[name] == len(values) or spent + cost[name] > budget, (
            "nothing that fits is left"
        )
    best, got = best_gain(scores, budget, cost), gain(scores, ranks)
    left = [
        (values[ranks[name]], cost[name])
        for name, values in scores.items()
        if ranks[name] < len(values)
    ]
    if not left:
        assert got == best
        return
    density = max(score / each for score, each in left)
    # strictly less, but for a component that scores nothing: the room left is less than it costs
    first = max(score for score, each in left if score / each == density)
    assert got == best or best - got < first


def test_by_parameters_the_greedy_choice_can_miss_the_best_one():
    """A small component of high density takes the room that a large one would have filled."""
    scores, cost = {"small": [2.0], "large": [9.0]}, {"small": 1.0, "large": 9.0}
    assert distribute(scores, 9, cost) == {"small": 1, "large": 0}
    assert best_gain(scores, 9, cost) - 2.0 == 7.0 < 9.0, (
        "but by less than the component without room"
    )


def test_equal_layers_differ_by_one_at_most_and_the_first_is_preferred():
    assert distribute({name: [0.5, 0.5, 0.1] for name in "abc"}, 7) == {"a": 3, "b": 2, "c": 2}


def test_cost_turns_the_choice():
    scores = {"wide": [3.0], "narrow": [2.0]}
    assert distribute(scores, 1) == {"wide": 1, "narrow": 0}
    assert distribute(scores, 20, {"wide": 20, "narrow": 10}) == {"wide": 0, "narrow": 1}


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([1.0, 2.0], "a: scores must be in descending"),
        ([math.nan], "a: scores must be"),
        ([-1.0], "a: scores must be"),
    ],
)
def test_scores_that_mean_nothing_are_refused(scores, message):
    with pytest.raises(ValueError, match=message):
        distribute({"a": scores}, 1)
    with pytest.raises(ValueError, match="a: the cost of a rank must be positive"):
        distribute({"a": [1.0]}, 1, {"a": 0.0})


def test_the_signal_takes_both_ranks_where_explained_variance_takes_one_each():
    """Spectra (10, 9, .1) and (1, .1, .01) under equal E|g|^2: 19 is the most that two ranks can
    catch."""
    zero = torch.zeros(3, dtype=torch.float64)
    layers = {
        name: Statistics(
            100,
            zero,
            torch.tensor(values).double().diag(),
            None,
            torch.tensor(values).double().diag(),
        )
        for name, values in {"large": [10, 9, 0.1], "small": [1, 0.1, 0.01]}.items()
    }
    assert distribute({name: variance_scores(s, 3) for name, s in layers.items()}, 2) == {
        "large": 1,
        "small": 1,
    }
    assert distribute({name: signal_scores(s, 3) for name, s in layers.items()}, 2) == {
        "large": 2,
        "small": 0,
    }
    with pytest.raises(ValueError, match="needs statistics collected"):
        signal_scores(Statistics(1, zero, zero.diag()), 1)


@given(st.integers(1, 12), st.floats(0.01, 100), st.integers(0, 99))
def test_explained_variance_is_a_share_free_of_the_unit(width, unit, seed):
    stats = stats_for(torch.zeros(3, width), seed)
    scaled = Statistics(stats.count, unit * stats.mean, unit**2 * stats.second_moment)
    for center in (True, False):
        scores, others = (variance_scores(s, width, center) for s in (stats, scaled))
        # an eigenvalue is good to a small multiple of width eps of the largest
        assert abs(sum(scores) - 1) <= 10 * width * EPS64
        assert max(abs(a - b) for a, b in zip(scores, others, strict=True)) <= 40 * width * EPS64
    assert variance_scores(Statistics(3, stats.mean * 0, stats.second_moment * 0), 2) == [
        0.0
    ] * min(2, width)


def test_exactly_the_layers_of_rank_0_are_left_alone():
    layer = lambda: nn.Linear(3, 3)
    model = nn.ModuleDict({"up": layer(), "in": nn.ModuleDict({"up": layer(), "x": layer()})})
    report = lora.attach(
        model, with_ranks(Config(rank=2, rank_pattern={"x": 0}), {"up": 0, "in.up": 1})
    )
    assert {name: a.rank for name, a in lora.adapters(model).items()} == {"in.up": 1}
    assert report.skipped == {"up": "rank 0", "in.x": "rank 0"}
    before = photograph(other := nn.Sequential(layer()))
    with pytest.raises(ValueError, match="every layer has rank 0"):
        lora.attach(other, Config(rank_pattern={"0": 0}))
    assert photograph(other) == before


@pytest.mark.parametrize("rank_stabilized", [False, True])
@pytest.mark.parametrize(
    ("scheme", "options"),
    [("eva", {}), ("gradient_signal", {}), ("gradient_signal", {"per_parameter": True})],
)
def test_ranks_are_shared_out_and_a_saved_adapter_has_them(
    tmp_path, scheme, options, rank_stabilized
):
    model, per_parameter, options = llama(), bool(options), {"rho": 2.0} | options
    config = Config(
        rank=3, alpha=6.0, scheme=scheme, scheme_options=options, rank_stabilized=rank_stabilized
    )
    report = lora.attach(model, replace(config, rank_pattern={"q_proj": 4}), **data_for(model))
    ranks = {layer.name: layer.rank for layer in report.layers}
    cost = {layer.name: sum(layer.shape) if per_parameter else 1 for layer in report.layers}
    every = {name: module for name, module in llama().named_modules() if name.endswith("_proj")}
    asked = {name: 4 if name.endswith("q_proj") else 3 for name in every}
    assert set(report.skipped) >= set(every) - set(ranks)
    assert all(report.skipped[name] == "rank 0" for name in set(every) - set(ranks))
    spent = sum(ranks[name] * cost[name] for name in ranks)
    if per_parameter:
        budget = sum(rank * sum(weight_of(every[name]).shape) for name, rank in asked.items())
        assert budget - max(cost.values()) < spent <= budget
        assert report.trainable == spent
    else:
        assert spent == sum(asked.values()), "the budget"
    assert all(rank <= 2 * asked[name] for name, rank in ranks.items())
    assert len(set(ranks.values())) > 2, "and it was shared out"
    for layer in report.layers:
        plain = math.sqrt(asked[layer.name]) if rank_stabilized else asked[layer.name]
        assert abs(layer.scale * plain / 6 - 1) <= 8 * EPS64
    lora.save(shake(model), tmp_path)
    again = llama()
    loaded = lora.load(again, tmp_path)
    assert loaded == report
    assert torch.equal(again(TOKENS).logits, model(TOKENS).logits)
    theirs = peft.PeftModel.from_pretrained(llama(), str(tmp_path))(TOKENS).logits
    # float32 sums of at most 48 terms through two blocks of seven layers, outputs below 10
    assert (theirs - model(TOKENS).logits).abs().max() <= 10 * 14 * 48 * torch.finfo(
        torch.float32
    ).eps


def test_a_layer_of_rank_0_is_not_adapted_and_comes_back_so(tmp_path):
    """Sixteen inputs of equal variance offer shares near 1/16; two explain all that the other
    reads."""

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.flat, self.steep = nn.Linear(16, 16), nn.Linear(4, 16)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.flat(x) + self.steep(x[..., :4] * torch.tensor([1.0, 1.0, 0.01, 0.01]))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Two()
    original, X = (
        twin(model),
        torch.linalg.qr(torch.randn(64, 16, generator=torch.Generator().manual_seed(3))).Q,
    )
    X = X - X.mean(0)
    config = Config(rank=1, scheme="eva", scheme_options={"rho": 2.0})
    report = lora.attach(model, config, [X])
    assert {layer.name: layer.rank for layer in report.layers} == {"steep": 2}
    assert report.skipped == {"flat": "rank 0"}
    lora.save(shake(model), tmp_path)
    assert lora.load(original, tmp_path).skipped == {"flat": "rank 0"}
    assert torch.equal(original(X), model(X))
    lora.detach(model)
    assert not lora.adapters(model)


def test_by_parameters_a_rank_costs_in_plus_out():
    """Of equal scores the layer with the fewest parameters a rank comes first, though its longest
    side is the longer one."""
    shapes = {"square": (10, 10), "flat": (2, 14)}
    signal = lambda width: torch.eye(width, dtype=torch.float64)
    stats = {
        name: Statistics(9, torch.zeros(i).double(), signal(i), signal(i)[:o], signal(i))
        for name, (o, i) in shapes.items()
    }
    options = {"rho": 2.0, "per_parameter": True}
    config = Config(rank=1, scheme="gradient_signal", scheme_options=options)
    found = redistributed(config, stats, shapes)
    # of 20 + 16 parameters two components of the second leave 4
    assert {name: found.rank_of(name) for name in shapes} == {"square": 0, "flat": 2}


@pytest.mark.parametrize("scheme", ["eva", "gradient_signal"])
@pytest.mark.parametrize(
    "options", [{"rho": rho} for rho in (0.5, math.nan, math.inf, "2", True)] + [SPELT]
)
def test_bad_options_are_refused_before_the_pass(scheme, options):
    model = small()
    before = photograph(model)

    def never():
        raise AssertionError("the data is not read")
        yield

    with pytest.raises(
        ValueError,
        match=r"rho must be a finite number of at least 1|per_parameter must be True or F"
        "|eva has no option 'per_parameter'",
    ):
        lora.attach(model, Config(scheme=scheme, scheme_options=options), never())
    assert photograph(model) == before


def test_the_schemes_that_share_ranks_are_those_with_options_for_it():
    options = {field.name for field in fields(Sharing)}
    sharing = {name: set(scheme.sharing) for name, scheme in SCHEMES.items() if scheme.sharing}
    assert sharing.keys() == SCORES.keys()
    assert all(names <= options for names in sharing.values())


@pytest.mark.parametrize("scheme", ["eva", "gradient_signal"])
def test_rho_1_moves_no_rank(scheme):
    model = small()
    config = Config(rank=3, scheme=scheme, scheme_options={"rho": 1.0}, rank_pattern={"up": 2})
    report = lora.attach(model, config, **data_for(model))
    assert {layer.name: layer.rank for layer in report.layers} == {"up": 2, "down": 3, "head": 3}


def paired(x: torch.Tensor, g: torch.Tensor) -> Statistics:
    """Statistics of tokens that are every pair of a row of x and a row of g: |g|^2 is independent
    of x."""
    M, weight = x.mT @ x / len(x), g.square().sum(1).mean()
    X, G = x.repeat_interleave(len(g), 0), g.repeat(len(x), 1)
    Q = (G.square().sum(1, keepdim=True) * X).mT @ X / len(X)
    assert (Q - weight * M).norm() <= 100 * EPS64 * Q.norm()
    return Statistics(len(X), x.mean(0), M, G.mT @ X / len(X), Q)


@given(st.integers(0, 2**32), st.integers(1, 5))
def test_where_the_gradients_size_ignores_the_input_the_signal_is_that_size_times_the_spectrum(
    seed, budget
):
    """E|g|^2 lambda_j, the form that assumes as much, shares the ranks out in the same way."""
    rng = torch.Generator().manual_seed(seed)
    normal = lambda *shape: torch.randn(*shape, generator=rng, dtype=torch.float64)
    tokens = {
        name: (size * normal(12, 3), normal(4, 2)) for name, size in {"a": 1.0, "b": 2.0}.items()
    }
    stats = {name: paired(*pair) for name, pair in tokens.items()}
    signal = {name: signal_scores(layer, 3) for name, layer in stats.items()}
    assumed = {
        name: [
            (g.square().sum(1).mean() * value).item() for value in layer.axes(3, center=False)[0]
        ]
        for (name, layer), (_, g) in zip(stats.items(), tokens.values(), strict=True)
    }
    for name, values in signal.items():
        assert (
            max(abs(a - b) for a, b in zip(values, assumed[name], strict=True))
            <= 1000 * EPS64 * values[0]
        )
    assert distribute(signal, budget) == distribute(assumed, budget)


def test_the_ranks_of_the_signal_catch_the_most_that_the_budget_can():
    """E|dL/dB|^2 = s^2 tr(A Q A^T) summed over the layers, against every other choice of ranks."""
    model = small()
    layers = {"up": model.up, "down": model.down, "head": model.head}
    stats = lora.collect(model, layers, need="gradient", **data_for(model))
    config = Config(rank=2, scheme="gradient_signal", scheme_options={"rho": 2.0})
    lora.attach(model, config, **data_for(model))
    got = sum(
        (layer.A.double() @ Q(stats[name]) @ layer.A.double().mT).trace().item()
        for name, layer in lora.adapters(model).items()
    )
    spectra = {
        name: torch.linalg.eigvalsh(Q(layer)).flip(0).tolist() for name, layer in stats.items()
    }
    offered = {name: spectra[name][: 3 if name == "head" else 4] for name in spectra}
    best = best_gain(offered, 6, dict.fromkeys(offered, 1))
    assert abs(got / best - 1) <= 100 * torch.finfo(torch.float32).eps, (
        "the rows are cast to float32"
    )


def Q(stats: Statistics) -> torch.Tensor:
    assert stats.weighted_second_moment is not None
    return stats.weighted_second_moment
