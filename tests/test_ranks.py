"""Ranks by score: the budget is spent, the sum of scores is the largest, and every scale stays what was asked for."""

import itertools
import math

import peft
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from models import TOKENS, data_for, llama, photograph, shake, small, stats_for, twin
from torch import nn

import lora
from lora import Config, Statistics
from lora.ranks import distribute, signal_scores, variance_scores, with_ranks

EPS64 = torch.finfo(torch.float64).eps
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")
descending = st.lists(st.integers(0, 9).map(float), max_size=4).map(lambda values: sorted(values, reverse=True))
offers = st.lists(descending, min_size=1, max_size=3).map(lambda lists: {f"l{i}": v for i, v in enumerate(lists)})


@given(offers, st.integers(0, 12))
def test_the_budget_is_spent_on_the_largest_sum(scores, budget):
    ranks = distribute(scores, budget)
    assert list(ranks) == list(scores)
    assert sum(ranks.values()) == min(budget, sum(map(len, scores.values())))
    gain = lambda ranks: sum(sum(values[:rank]) for rank, values in zip(ranks, scores.values(), strict=True))
    every = itertools.product(*(range(len(values) + 1) for values in scores.values()))
    assert gain(ranks.values()) == max(gain(choice) for choice in every if sum(choice) <= budget)


@given(offers, st.integers(0, 40), st.lists(st.integers(1, 7), min_size=3, max_size=3))
def test_a_budget_of_parameters_is_kept_and_nothing_that_fits_is_left(scores, budget, costs):
    cost = dict(zip(scores, costs, strict=False))
    ranks = distribute(scores, budget, cost)
    spent = sum(ranks[name] * cost[name] for name in scores)
    assert spent <= budget
    for name, values in scores.items():
        assert ranks[name] == len(values) or spent + cost[name] > budget


def test_equal_layers_differ_by_one_at_most_and_the_first_is_preferred():
    assert distribute({name: [0.5, 0.5, 0.1] for name in "abc"}, 7) == {"a": 3, "b": 2, "c": 2}


def test_cost_turns_the_choice():
    scores = {"wide": [3.0], "narrow": [2.0]}
    assert distribute(scores, 1) == {"wide": 1, "narrow": 0}
    assert distribute(scores, 20, {"wide": 20, "narrow": 10}) == {"wide": 0, "narrow": 1}


@pytest.mark.parametrize(
    ("scores", "message"),
    [([1.0, 2.0], "a: scores must be in descending"), ([math.nan], "a: scores must be"), ([-1.0], "a: scores must be")],
)
def test_scores_that_mean_nothing_are_refused(scores, message):
    with pytest.raises(ValueError, match=message):
        distribute({"a": scores}, 1)
    with pytest.raises(ValueError, match="a: the cost of a rank must be positive"):
        distribute({"a": [1.0]}, 1, {"a": 0.0})


def test_the_signal_takes_both_ranks_where_explained_variance_takes_one_each():
    """Spectra (10, 9, .1) and (1, .1, .01) under equal E|g|^2: 19 is the most that two ranks can catch."""
    zero = torch.zeros(3, dtype=torch.float64)
    layers = {
        name: Statistics(100, zero, torch.tensor(values).double().diag(), None, torch.tensor(values).double().diag())
        for name, values in {"large": [10, 9, 0.1], "small": [1, 0.1, 0.01]}.items()
    }
    assert distribute({name: variance_scores(s, 3) for name, s in layers.items()}, 2) == {"large": 1, "small": 1}
    assert distribute({name: signal_scores(s, 3) for name, s in layers.items()}, 2) == {"large": 2, "small": 0}
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
    assert variance_scores(Statistics(3, stats.mean * 0, stats.second_moment * 0), 2) == [0.0] * min(2, width)


@pytest.mark.parametrize("rank_stabilized", [False, True])
def test_d3_the_scale_stays_what_the_user_asked_for(rank_stabilized):
    config = Config(rank=4, alpha=8.0, rank_stabilized=rank_stabilized, rank_pattern={"up": 2}, alpha_pattern={"up": 3})
    new = {"a.up": 1, "a.down": 3, "b.up": 0, "b.down": 8}
    changed = with_ranks(config, new)
    for name, rank in new.items():
        if rank:
            assert changed.rank_of(name) == rank
            asked = config.scale_of(name, config.rank_of(name))
            assert abs(changed.scale_of(name, rank) / asked - 1) <= 8 * EPS64
    assert changed.exclude_modules == r"b\.up"
    with pytest.raises(ValueError, match="every layer would get rank 0"):
        with_ranks(config, {"a.up": 0})


@pytest.mark.parametrize("excluded", [(), ("x", "a.y"), ".*x|a.y"])
def test_exactly_the_layers_of_rank_0_are_excluded_as_well(excluded):
    layer = lambda: nn.Linear(3, 3)
    model = nn.ModuleDict({"up": layer(), "in": nn.ModuleDict({"up": layer(), "x": layer()})})
    model["a"] = nn.ModuleDict({"y": layer(), "z": layer()})
    changed = with_ranks(Config(rank=2, exclude_modules=excluded), {"up": 0, "in.up": 1, "a.z": 2})
    lora.attach(model, changed)
    kept = {name: a.rank for name, a in lora.adapters(model).items()}
    rest = {} if excluded else {"in.x": 2, "a.y": 2}
    assert kept == {"in.up": 1, "a.z": 2} | rest


@pytest.mark.parametrize("rank_stabilized", [False, True])
def test_eva_shares_the_ranks_out_and_a_saved_adapter_has_them(tmp_path, rank_stabilized):
    model = llama()
    config = Config(rank=3, alpha=6.0, scheme="eva", scheme_options={"rho": 2.0}, rank_stabilized=rank_stabilized)
    report = lora.attach(model, config, **data_for(model))
    ranks = {layer.name: layer.rank for layer in report.layers}
    assert sum(ranks.values()) == 3 * 14, "the budget"
    assert max(ranks.values()) <= 6
    assert len(set(ranks.values())) > 1, "and it was shared out"
    for layer in report.layers:
        assert abs(layer.scale / (6 / math.sqrt(3) if rank_stabilized else 2) - 1) <= 8 * EPS64
    lora.save(shake(model), tmp_path)
    again = llama()
    loaded = lora.load(again, tmp_path)
    assert loaded.layers == report.layers
    assert torch.equal(again(TOKENS).logits, model(TOKENS).logits)
    theirs = peft.PeftModel.from_pretrained(llama(), str(tmp_path))(TOKENS).logits
    # float32 sums of at most 48 terms through two blocks of seven layers, outputs below 10
    assert (theirs - model(TOKENS).logits).abs().max() <= 10 * 14 * 48 * torch.finfo(torch.float32).eps


def test_a_layer_of_rank_0_is_not_adapted_and_comes_back_so(tmp_path):
    """Sixteen inputs of equal variance offer shares near 1/16; two explain all that the other reads."""

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.flat, self.steep = nn.Linear(16, 16), nn.Linear(4, 16)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.flat(x) + self.steep(x[..., :4] * torch.tensor([1.0, 1.0, 0.01, 0.01]))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Two()
    original, X = twin(model), torch.linalg.qr(torch.randn(64, 16, generator=torch.Generator().manual_seed(3))).Q
    X = X - X.mean(0)
    config = Config(rank=1, scheme="eva", scheme_options={"rho": 2.0})
    report = lora.attach(model, config, [X])
    assert {layer.name: layer.rank for layer in report.layers} == {"steep": 2}
    assert report.skipped == {"flat": "in exclude_modules"}
    lora.save(shake(model), tmp_path)
    lora.load(original, tmp_path)
    assert torch.equal(original(X), model(X))
    lora.detach(model)
    assert not lora.adapters(model)


@pytest.mark.parametrize("rho", [0.5, math.nan, math.inf, "2", True])
def test_a_rho_below_1_is_refused_before_the_pass(rho):
    model = small()
    before = photograph(model)

    def never():
        raise AssertionError("the data is not read")
        yield

    with pytest.raises(ValueError, match="rho must be a finite number of at least 1"):
        lora.attach(model, Config(scheme="eva", scheme_options={"rho": rho}), never())
    assert photograph(model) == before


def test_rho_1_moves_no_rank():
    model = small()
    config = Config(rank=3, scheme="eva", scheme_options={"rho": 1.0}, rank_pattern={"up": 2})
    report = lora.attach(model, config, **data_for(model))
    assert {layer.name: layer.rank for layer in report.layers} == {"up": 2, "down": 3, "head": 3}
