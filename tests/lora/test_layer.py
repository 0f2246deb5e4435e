"""One layer among the user's own modules: how it is called, cast, shared and merged."""

import copy
import functools
import pickle
from typing import Any

import pytest
import torch
from torch import nn

import lora
from lora import SCHEMES, VARIANTS, Config
from tests.support.models import IDS, gpt2, shake, small

every_variant = pytest.mark.parametrize("variant", VARIANTS)
HALF = [torch.float16, torch.bfloat16]


@pytest.fixture(autouse=True)
def a_bound_scheme_that_needs_no_data(monkeypatch):
    monkeypatch.setitem(SCHEMES, "tsd_init", SCHEMES["pissa"])


def attach(model: nn.Module, variant: str, **more: Any) -> Any:
    options = {"variant_options": {"directions": 2}} if variant in ("dash", "tsd") else {}
    scheme = "tsd_init" if variant == "tsd" else "init_a"
    lora.attach(model, Config(rank=2, scheme=scheme, variant=variant, **options, **more))
    return model


class ByName(nn.Module):
    """Calls each kind of layer by the name that it gives its input."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.linear = nn.Embedding(9, 6), nn.Linear(6, 5)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.linear(input=self.embed(input=ids))


@every_variant
def test_a_layer_may_be_called_by_the_name_of_its_input(variant):
    model, ids = ByName(), torch.arange(9)
    before = model(ids)
    attach(model, variant, target_modules=("linear",))
    assert torch.equal(model(ids), before)
    linear: Any = model.linear
    x = model.embed(ids)
    assert torch.equal(linear(x), linear(input=x))
    for wrong in ({}, {"input": x, "scale": 2}):
        with pytest.raises(TypeError, match="takes one input, got"):
            linear(**wrong)


def test_embeddings_and_transposed_layers_may_be_called_by_name():
    model = attach(ByName(), "plain", target_modules=("embed", "linear"))
    shake(model)
    embed: Any = model.embed
    assert torch.equal(embed(torch.arange(9)), embed(input=torch.arange(9)))
    conv: Any = attach(gpt2(), "plain", target_modules=("c_fc",)).transformer.h[0].mlp.c_fc
    x = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(conv(x), conv(x=x))


@every_variant
@pytest.mark.parametrize("dtype", HALF, ids=str)
@pytest.mark.parametrize("build", [small, gpt2])
def test_cast_to_half_after_attach_it_is_still_the_base_model(variant, dtype, build):
    """The weights of the base model are rounded, and DoRA's magnitudes follow their norms."""
    ids = IDS
    bare = build()
    model = attach(copy.deepcopy(bare), variant)
    masters = [p.detach().clone() for _, p in lora_parameters(model)]
    bare.to(dtype)
    model.to(dtype)
    with torch.no_grad():
        ours, theirs = model(ids), bare(ids)
    assert torch.equal(getattr(ours, "logits", ours), getattr(theirs, "logits", theirs))
    for (kind, p), before in zip(lora_parameters(model), masters, strict=True):
        assert p.dtype == torch.float32, "what is trained keeps its precision"
        assert torch.equal(p, before) or kind == "magnitude"


def lora_parameters(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [pair for layer in lora.adapters(model).values() for pair in layer.trained()]


@every_variant
def test_a_trained_model_cast_to_half_stays_within_one_rounding_of_itself(variant):
    model = attach(small(), variant)
    shake(model)
    with torch.no_grad():
        exact = model(IDS)
        rounded = model.to(torch.bfloat16)(IDS).float()
        # three layers of at most 20 terms; each weight, input and sum is rounded once
        scale = max(10.0, float(exact.abs().max()))
        assert (rounded - exact).abs().max() <= 3 * 20 * torch.finfo(torch.bfloat16).eps * scale
    model.to(torch.float64)
    assert all(p.dtype == torch.float64 for _, p in lora_parameters(model))


@every_variant
def test_merging_does_not_touch_a_layer_that_another_model_holds(variant):
    shared = nn.Linear(6, 6)
    one, two = nn.Sequential(shared, nn.ReLU()), nn.Sequential(nn.Tanh(), shared)
    x = torch.randn(4, 6, generator=torch.Generator().manual_seed(2))
    before, weight = two(x), shared.weight
    attach(one, variant)
    shake(one)
    adapted = one(x)
    lora.merge(one)
    # a sum of 6 + 2 terms in another order
    assert (one(x) - adapted).abs().max() <= 100 * torch.finfo(x.dtype).eps * adapted.abs().max()
    assert not torch.equal(one(x), nn.Sequential(shared, nn.ReLU())(x))
    assert torch.equal(two(x), before)
    lora.unmerge(one)
    assert torch.equal(one(x), adapted)
    lora.merge(one, keep_base=False)
    lora.detach(one)
    assert torch.equal(two(x), before)
    assert shared.weight is weight
    assert one[0] is not shared


def test_two_adapters_on_one_layer_are_each_their_own():
    shared = nn.Linear(6, 6)
    models = [attach(nn.Sequential(shared), "plain", seed=seed) for seed in (0, 1)]
    x = torch.ones(2, 6)
    for model in models:
        shake(model, seed=int(model is models[0]))
    outputs = [model(x) for model in models]
    lora.merge(models[0])
    assert torch.equal(models[1](x), outputs[1])
    lora.merge(models[1])
    for model, output in zip(models, outputs, strict=True):
        assert (model(x) - output).abs().max() <= 1e-5 * output.abs().max()
        lora.unmerge(model)
        assert torch.equal(model(x), output)
        lora.detach(model)
        assert model[0] is shared


def test_a_layer_whose_forward_was_replaced_merges_and_comes_back():
    """As accelerate does it: the new forward is bound to the layer, which holds the old one."""
    layer: Any = nn.Linear(5, 4)
    layer.calls = []

    def forward(module: Any, x: torch.Tensor) -> torch.Tensor:
        module.calls.append(len(x))
        return module._old_forward(x)

    layer._old_forward = layer.forward
    layer.forward = functools.partial(forward, layer)
    model = attach(nn.Sequential(layer), "plain")
    shake(model)
    x = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    adapted = model(x)
    assert len(layer.calls) == 1, "the layer's own forward runs"
    lora.merge(model)
    assert (model(x) - adapted).abs().max() <= 1e-5 * adapted.abs().max()
    lora.unmerge(model)
    assert torch.equal(model(x), adapted)
    assert model[0].get_submodule("base_layer") is layer


@every_variant
@pytest.mark.parametrize("merged", [False, True])
def test_a_model_survives_pickling(variant, merged):
    model = shake(attach(small(), variant))
    if merged:
        lora.merge(model)
    read: Any = pickle.loads(pickle.dumps(model))
    assert torch.equal(read(IDS), model(IDS))
    if merged:
        lora.unmerge(read)
        lora.unmerge(model)
    assert torch.equal(read(IDS), model(IDS))


def test_a_merged_weight_is_frozen():
    model = shake(attach(small(), "plain"))
    lora.merge(model)
    own = {id(p) for _, p in lora_parameters(model)}
    assert not any(p.requires_grad for p in model.parameters() if id(p) not in own)
