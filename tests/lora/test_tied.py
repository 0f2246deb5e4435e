"""A weight that two modules hold: adapted in one of them alone, and only where that is asked
for."""

import json
from typing import Any

import peft
import pytest
import torch
from torch import nn
from transformers import GPT2LMHeadModel

import lora
from lora import Config
from tests.support.models import TOKENS, gpt2, llama, photograph, shake

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to:UserWarning"),
    pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`:UserWarning"),
    pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`:UserWarning"),
]
EPS = torch.finfo(torch.float32).eps
either_end = pytest.mark.parametrize(
    ("target", "other"),
    [("lm_head", "transformer.wte"), ("transformer.wte", "lm_head")],
    ids=["head", "embedding"],
)


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """Equal up to the order of float32 sums of at most 128 terms in three layers, for outputs below
    10."""
    assert (ours - theirs).abs().max() <= 10 * 3 * 128 * EPS


def adapted(target: str, scheme: str = "pissa", **options: Any) -> Any:
    model = gpt2()
    lora.attach(model, Config(rank=3, target_modules=(target,), scheme=scheme, tie=True, **options))
    return shake(model)


@either_end
def test_a_tied_layer_is_refused_with_both_names(target, other):
    model = gpt2()
    before = photograph(model)
    with pytest.raises(
        ValueError, match=rf"{target} shares its weight with {other}, .* Config\(tie=True\)"
    ):
        lora.attach(model, Config(rank=2, target_modules=(target,)))
    assert photograph(model) == before


def test_a_data_driven_start_on_a_tied_layer_is_refused_before_the_data_are_read():
    def unread():
        raise AssertionError("the batches were read")
        yield

    with pytest.raises(ValueError, match="lm_head shares its weight"):
        lora.attach(
            gpt2(), Config(rank=2, target_modules=("lm_head",), scheme="eva"), batches=unread()
        )


def test_a_parameter_that_the_model_itself_holds_too_is_a_tie():
    model = nn.Sequential(nn.Linear(4, 4))
    model.register_parameter("tied", model[0].get_parameter("weight"))
    with pytest.raises(ValueError, match="0 shares its weight with the model itself"):
        lora.attach(model, Config(rank=2))


def test_a_tied_bias_and_a_module_held_twice_are_no_ties():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].bias = model[0].bias
    model.append(model[0])
    assert len(lora.attach(model, Config(rank=2)).layers) == 2


def test_all_linear_works_on_a_tied_model():
    model = gpt2()
    assert lora.attach(model, Config(rank=2)).skipped["lm_head"] == "the output head"


@either_end
@pytest.mark.parametrize("variant", ["plain", "dora"])
def test_d12_merging_a_tied_layer_leaves_the_other_end_alone(target, other, variant):
    """PEFT adds the merged update to the one shared tensor, so that it acts at both ends."""
    model = adapted(target, variant=variant)
    shared, bits = gpt2_weight(model, other), gpt2_weight(model, other).clone()
    expected = model(TOKENS).logits
    assert (expected - gpt2()(TOKENS).logits).abs().max() > 0.1, "the adapter does something"
    lora.merge(model)
    close(model(TOKENS).logits, expected)
    assert gpt2_weight(model, other) is shared
    assert torch.equal(shared, bits)
    assert gpt2_weight(model, target) is not shared
    lora.unmerge(model)
    assert gpt2_weight(model, target) is gpt2_weight(model, other) is shared
    assert torch.equal(shared, bits)
    assert torch.equal(model(TOKENS).logits, expected)


def gpt2_weight(model: Any, name: str) -> nn.Parameter:
    return model.get_submodule(name).weight


@either_end
def test_detach_gives_the_tied_model_back(target, other):
    model = gpt2()
    before = photograph(model)
    lora.attach(model, Config(rank=2, target_modules=(target,), tie=True))
    shake(model)
    lora.merge(model)
    lora.unmerge(model)
    lora.detach(model)
    assert photograph(model) == before
    assert gpt2_weight(model, target) is gpt2_weight(model, other)


@either_end
@pytest.mark.parametrize("keep_base", [True, False])
def test_a_merged_model_is_not_tied_again_by_a_save(tmp_path, target, other, keep_base):
    model = adapted(target)
    expected = model(TOKENS).logits
    lora.merge(model, keep_base=keep_base)
    before = photograph(model)
    with pytest.raises(
        ValueError, match=f"{target} is merged into a weight of its own, but .*tie_word_embeddings"
    ):
        lora.detach(model)
    assert photograph(model) == before
    model.config.tie_word_embeddings = False
    lora.detach(model)
    assert all(p.requires_grad for p in model.parameters()), (
        "as before attach, the split weight too"
    )
    model.save_pretrained(tmp_path)
    again: Any = GPT2LMHeadModel.from_pretrained(tmp_path)
    close(again(TOKENS).logits, expected)
    assert gpt2_weight(again, target) is not gpt2_weight(again, other)


def test_a_tied_model_whose_other_layers_are_merged_detaches_as_ever():
    model: Any = gpt2()
    lora.attach(model, Config(rank=2, tie=True))
    lora.merge(shake(model))
    lora.detach(model)
    assert model.lm_head.weight is model.transformer.wte.weight


@either_end
def test_ours_and_peft_s_adapters_of_a_tied_layer_load(tmp_path, target, other):
    model = adapted(target)
    lora.save(model, tmp_path / "ours")
    again = gpt2()
    lora.load(again, tmp_path / "ours")
    assert torch.equal(again(TOKENS).logits, model(TOKENS).logits)
    theirs: Any = peft.PeftModel.from_pretrained(gpt2(), str(tmp_path / "ours"))
    close(theirs(TOKENS).logits, model(TOKENS).logits)
    theirs = shake(
        peft.get_peft_model(gpt2(), peft.LoraConfig(r=2, target_modules=[target]))
    ).eval()
    theirs.save_pretrained(str(tmp_path / "theirs"))
    ours = gpt2()
    lora.load(ours, tmp_path / "theirs")
    close(ours(TOKENS).logits, theirs(TOKENS).logits)


def test_an_adapter_that_peft_tied_at_both_ends_is_refused(tmp_path):
    peft.get_peft_model(llama(), peft.LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(
        str(tmp_path)
    )
    file = tmp_path / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"ensure_weight_tying": True}))
    with pytest.raises(ValueError, match="ensure_weight_tying = True is not supported"):
        lora.load(llama(), tmp_path)


def test_an_earlier_config_without_the_field_is_read():
    values = json.loads(Config(rank=3).to_json())
    assert values.pop("tie") is False
    assert Config.from_json(json.dumps(values)) == Config(rank=3)
    assert Config.from_json(Config(tie=True).to_json()).tie
    with pytest.raises(ValueError, match="tie must be True or False, got 1"):
        Config(tie=1)  # type: ignore[arg-type]
