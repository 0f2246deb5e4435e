"""Any scheme on a model that PEFT has wrapped."""

from typing import Any

import peft
import pytest
import torch
from models import TOKENS, data_for, gpt2, llama, photograph

import lora
from lora import SCHEMES, Config

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*directions asked for.*:UserWarning"),
]


def wrapped(build=llama, **options: Any) -> Any:
    settings = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear"} | options
    return peft.get_peft_model(build(), peft.LoraConfig(**settings)).eval()


@pytest.mark.parametrize("build", [llama, gpt2])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_start_is_the_one_that_attach_gives_or_is_refused_with_the_way_out(scheme, build):
    model, ours = wrapped(build), build()
    lora.attach(ours, Config(rank=4, alpha=8.0, scheme=scheme, seed=3), **data_for(ours))
    before, output = photograph(model), model(TOKENS).logits
    if any(layer.B0 is not None for layer in lora.adapters(ours).values()):
        with pytest.raises(ValueError, match=rf"{scheme} starts at B A != 0.*use lora\.attach"):
            lora.initialize_peft(model, scheme, **data_for(ours), seed=3)
        assert photograph(model) == before
        return
    report = lora.initialize_peft(model, scheme, **data_for(ours), seed=3)
    assert [layer.name for layer in report.layers] == list(lora.adapters(ours))
    assert torch.equal(model(TOKENS).logits, output), "the function at step 0 is unchanged"
    for name, layer in lora.adapters(ours).items():
        theirs: Any = model.get_base_model().get_submodule(name)
        assert torch.equal(theirs.lora_A["default"].weight, layer.A)
        assert torch.equal(theirs.lora_B["default"].weight, layer.B)


def test_the_saved_adapter_holds_the_start(tmp_path):
    model = wrapped()
    lora.initialize_peft(model, "orthogonal")
    model.save_pretrained(str(tmp_path))
    ours = llama()
    lora.load(ours, tmp_path)
    A = lora.adapters(ours)["model.layers.0.mlp.up_proj"].A
    # orthonormal to a small multiple of float32's eps
    torch.testing.assert_close(A @ A.mT, torch.eye(4), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("build", "arguments", "message"),
    [
        (llama, ("orthogonal",), "must be a peft.PeftModel, got LlamaForCausalLM"),
        (wrapped, ("orthagonal",), "unknown scheme 'orthagonal'"),
        (wrapped, ("eva",), "scheme 'eva' needs batches"),
        (lambda: wrapped(use_dora=True), ("orthogonal",), "made with use_dora"),
        (lambda: wrapped(init_lora_weights="pissa"), ("orthogonal",), "made with init_lora_weights='pissa'"),
        (lambda: wrapped(target_modules=["embed_tokens"]), ("orthogonal",), "embed_tokens adapts a Embedding"),
        (lambda: wrapped(r=17), ("orthogonal",), r"k_proj: rank must be an integer from 1 to min"),
    ],
)
def test_what_cannot_be_started_is_refused_and_left_as_it_was(build, arguments, message):
    model = build()
    before = photograph(model)
    with pytest.raises(ValueError, match=message):
        lora.initialize_peft(model, *arguments)
    assert photograph(model) == before


def test_ranks_are_not_redistributed_behind_pefts_back():
    with pytest.raises(ValueError, match="rho redistributes ranks"):
        lora.initialize_peft(wrapped(), "eva", [], rho=2.0)


def test_a_trained_adapter_is_not_overwritten():
    model = wrapped()
    with torch.no_grad():
        model.get_base_model().model.layers[0].mlp.up_proj.lora_B["default"].weight.fill_(0.1)
    before = photograph(model)
    with pytest.raises(ValueError, match="B A is not zero"):
        lora.initialize_peft(model, "orthogonal")
    assert photograph(model) == before
