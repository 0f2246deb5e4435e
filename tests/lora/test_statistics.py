"""`attach` with the statistics of an earlier pass, or with keywords for its own."""

from typing import Any

import pytest
import torch

import lora
from lora import Config, collect
from lora.targets import targets
from tests.support.models import TOKENS, llama, photograph, small

BATCHES = [TOKENS, TOKENS.flip(1)]
LABELLED = [{"input_ids": ids, "labels": ids} for ids in BATCHES]


def factors(model: Any) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{kind}": p
        for name, layer in lora.adapters(model).items()
        for kind, p in layer.trained()
    }


@pytest.mark.parametrize("scheme", ["eva", "corda", "lora_ga", "gradient_signal"])
def test_one_pass_serves_every_scheme(scheme):
    given, own = llama(), llama()
    shared = collect(given, targets(given, Config())[0], LABELLED, "gradient")
    config = Config(rank=2, scheme=scheme)
    lora.attach(given, config, stats=shared)
    lora.attach(own, config, LABELLED)
    # a pass for inputs alone and one with gradients add up the same products
    for (name, ours), theirs in zip(factors(given).items(), factors(own).values(), strict=True):
        assert (ours - theirs).abs().max() <= 1e-4 * theirs.abs().max().clamp(min=1e-30), name


def test_more_layers_than_the_targets_may_have_been_seen():
    model = llama()
    shared = collect(model, targets(model, Config())[0], BATCHES)
    report = lora.attach(
        model, Config(rank=2, scheme="eva", target_modules=("q_proj",)), stats=shared
    )
    assert len(report.layers) == 2


def test_the_keywords_of_collect_reach_the_pass():
    one, other = llama(), llama()
    config = Config(rank=2, scheme="eva")
    lora.attach(one, config, BATCHES, max_batches=1)
    lora.attach(other, config, BATCHES[:1])
    assert all(
        torch.equal(a, b)
        for a, b in zip(factors(one).values(), factors(other).values(), strict=True)
    )


@pytest.mark.parametrize(
    ("scheme", "keywords", "message"),
    [
        (
            "eva",
            {"batches": [TOKENS], "max_batch": 1},
            "unknown argument 'max_batch'; lora.collect takes axes,",
        ),
        ("pissa", {"max_batch": 1}, "unknown argument 'max_batch'"),
        ("eva", {}, "'eva' needs batches"),
        ("eva", {"batches": [TOKENS], "stats": {}}, "or stats from lora.collect, and not both"),
        ("eva", {"stats": {}}, "layers.0.self_attn.q_proj: stats has no statistics of this layer"),
        ("eva", {"stats": "of another model"}, "q_proj: its inputs are 32 wide, those of stats 12"),
        (
            "lora_ga",
            {"stats": "without gradients"},
            "q_proj: lora_ga needs stats.gradient, which was not collected",
        ),
        ("eva", {"batches": [TOKENS], "max_batches": 0}, "max_batches must be at least 1"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_changed(
    scheme: str, keywords: Any, message: str
):
    model = llama()
    names = targets(model, Config())[0]
    if keywords.get("stats") == "of another model":
        keywords = {"stats": dict.fromkeys(names, collect(small(), ["up"], [TOKENS % 8])["up"])}
    if keywords.get("stats") == "without gradients":
        keywords = {"stats": collect(model, names, BATCHES)}
    before = photograph(model)
    with pytest.raises(ValueError, match=message):
        lora.attach(model, Config(rank=2, scheme=scheme), **keywords)
    assert photograph(model) == before


def test_schemes_that_need_no_data_read_neither():
    keywords: Any
    for keywords in ({"batches": BATCHES}, {"stats": {}}, {"max_batches": 3}):
        lora.attach(llama(), Config(rank=2), **keywords)
