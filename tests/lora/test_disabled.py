"""`lora.disabled`: the base model's function for a moment, whatever happens within."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

import lora
from lora import SCHEMES, VARIANTS, Config
from tests.support.models import IDS, photograph, shake, small

every_variant = pytest.mark.parametrize("variant", VARIANTS)


@pytest.fixture(autouse=True)
def a_bound_scheme_that_needs_no_data(monkeypatch):
    monkeypatch.setitem(SCHEMES, "tsd_init", SCHEMES["pissa"])


def trained(variant: str = "plain", **more: Any) -> tuple[Any, torch.Tensor]:
    """A model in the middle of its training, and what its base model gives."""
    model = small()
    base = model(IDS)
    options = {"variant_options": {"directions": 2}} if variant in ("dash", "tsd") else {}
    scheme = "tsd_init" if variant == "tsd" else "pissa"
    lora.attach(model, Config(rank=2, scheme=scheme, variant=variant, **options, **more))
    return shake(model), base


@every_variant
@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("saved", [(), ("head", "norm")])
def test_it_is_the_base_model_bit_for_bit_and_then_the_adapted_one_again(variant, merged, saved):
    model, base = trained(variant, modules_to_save=saved)
    if merged:
        lora.merge(model)
    adapted, before = model(IDS), photograph(model)
    assert not torch.equal(adapted, base)
    with lora.disabled(model):
        assert torch.equal(model(IDS), base)
        with lora.disabled(model):
            assert torch.equal(model(IDS), base)
        assert torch.equal(model(IDS), base), "leaving the inner one enables nothing"
    assert torch.equal(model(IDS), adapted)
    assert photograph(model) == before


def test_an_exception_enables_the_adapters_again():
    model, _ = trained(modules_to_save=("head",))
    adapted, before = model(IDS), photograph(model)
    with pytest.raises(ZeroDivisionError), lora.disabled(model), lora.disabled(model):
        raise ZeroDivisionError
    assert torch.equal(model(IDS), adapted)
    assert photograph(model) == before


def test_a_reference_within_a_training_step_changes_no_gradient():
    """DPO's use: the reference is computed between the forward and the backward."""
    gradients = []
    for reference in (False, True):
        model, base = trained(modules_to_save=("head",))
        loss = model(IDS).square().sum()
        if reference:
            with torch.no_grad(), lora.disabled(model):
                assert torch.equal(model(IDS), base)
        loss.backward()
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    for name, gradient in gradients[0].items():
        other = gradients[1][name]
        assert (gradient is None) == (other is None), name
        assert gradient is None or torch.equal(gradient, other), name


def test_dropout_of_the_adapter_is_off_and_buffers_of_the_base_model_are_not_spent():
    model: Any = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Linear(6, 2))
    x = torch.randn(8, 6, generator=torch.Generator().manual_seed(0))
    base = copy.deepcopy(model).train()(x)
    lora.attach(model, Config(rank=2, dropout=0.5, modules_to_save=("1",), target_modules=("0",)))
    shake(model.train())
    for _ in range(2):  # the second time from the same running means
        with lora.disabled(model):
            assert torch.equal(model(x), base)
    trained_means = model[1].running_mean.clone()
    assert not trained_means.any(), "what ran within left nothing in the trained module"


def test_after_a_cast_it_is_the_base_model_in_the_new_type():
    model, _ = trained("dora", modules_to_save=("head",))
    bare = small().to(torch.float64)
    with lora.disabled(model.to(torch.float64)):
        assert torch.equal(model(IDS), bare(IDS))


@pytest.mark.parametrize(
    "action",
    [
        lora.merge,
        lora.unmerge,
        lora.detach,
        lambda model: lora.param_groups(model, 1e-3),
        lambda model: lora.save(model, "/nowhere"),
    ],
)
def test_what_would_read_the_wrong_values_is_refused_within(action):
    model, base = trained(modules_to_save=("head",))
    with lora.disabled(model):
        with pytest.raises(ValueError, match=r"leave `with lora\.disabled"):
            action(model)
        assert torch.equal(model(IDS), base)


def test_a_base_model_that_is_gone_is_said():
    model, _ = trained()
    lora.merge(model, keep_base=False)
    with (
        pytest.raises(ValueError, match=r"^up: .* the original weight is gone"),
        lora.disabled(model),
    ):
        pass
    with pytest.raises(ValueError, match="carries no adapter"), lora.disabled(small()):
        pass
