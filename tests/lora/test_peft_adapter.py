"""What PEFT puts into a model beside plain LoRA on linear layers: initialized, left alone and
reported, or refused in one sentence."""

from typing import Any

import peft
import pytest
import torch
from torch import nn
from transformers import MixtralConfig, MixtralForCausalLM

import lora
from lora import SCHEMES, Config
from tests.support.models import TOKENS, data_for, gpt2, llama, photograph, shake, small

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*directions asked for.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to:UserWarning"),
    pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`:UserWarning"),
    # PEFT looks for such a key among modules alone, and applies it to parameters too
    pytest.mark.filterwarnings("ignore:The following rank_pattern keys:RuntimeWarning"),
]
ZERO = [name for name, scheme in SCHEMES.items() if scheme.zero_product]
ATTENTION = ["q_proj", "v_proj"]


def never() -> Any:
    """Batches that must not be read."""
    raise AssertionError("a batch was read")
    yield


def settings(**options: Any) -> peft.LoraConfig:
    return peft.LoraConfig(**({"r": 4, "lora_alpha": 8, "target_modules": ATTENTION} | options))


def wrapped(base: Any = None, **options: Any) -> Any:
    return peft.get_peft_model(llama() if base is None else base, settings(**options)).eval()


def factors(model: nn.Module) -> dict[str, Any]:
    """PEFT's factors of linear layers, by the layer's name in its own model."""
    inner: Any = model.get_base_model() if isinstance(model, peft.PeftModel) else model
    return {
        name: module
        for name, module in inner.named_modules()
        if isinstance(module, peft.tuners.lora.LoraLayer) and module.lora_A
    }


def same_as_attach(model: nn.Module, ours: Any) -> None:
    found = factors(model)
    for name, layer in lora.adapters(ours).items():
        assert torch.equal(found[name].lora_A["default"].weight, layer.A), name
        assert torch.equal(found[name].lora_B["default"].weight, layer.B), name


@pytest.mark.parametrize("build", [llama, gpt2])
@pytest.mark.parametrize("scheme", ZERO)
def test_dora_is_initialized_and_its_function_is_unchanged_bit_for_bit(scheme, build):
    model, ours = wrapped(build(), target_modules="all-linear", use_dora=True), build()
    output = model(TOKENS).logits
    lora.attach(ours, Config(rank=4, alpha=8.0, scheme=scheme, seed=3), **data_for(ours))
    report = lora.initialize_peft(model, scheme, **data_for(ours), seed=3)
    assert report.variant == "dora"
    assert torch.equal(model(TOKENS).logits, output)
    same_as_attach(model, ours)


def test_dora_with_shared_ranks_is_saved_and_loaded_by_peft(tmp_path):
    model = wrapped(target_modules="all-linear", use_dora=True)
    output = model(TOKENS).logits
    report = lora.initialize_peft(model, "eva", [TOKENS], rho=2.0)
    assert torch.equal(model(TOKENS).logits, output)
    assert len({layer.rank for layer in report.layers}) > 1
    shake(model)
    model.save_pretrained(str(tmp_path))
    again = peft.PeftModel.from_pretrained(llama(), str(tmp_path))
    assert torch.equal(again(TOKENS).logits, model(TOKENS).logits)


@pytest.mark.parametrize("scheme", ["orthogonal", "eva"])
def test_an_embedding_is_left_alone_and_reported(tmp_path, scheme):
    model = wrapped(target_modules=[*ATTENTION, "embed_tokens"])
    ours, output = llama(), model(TOKENS).logits
    embedding = model.get_base_model().model.embed_tokens
    before = {name: value.clone() for name, value in embedding.state_dict().items()}
    config = Config(rank=4, alpha=8.0, scheme=scheme, target_modules=tuple(ATTENTION))
    lora.attach(ours, config, **data_for(ours))
    report = lora.initialize_peft(model, scheme, **data_for(ours))
    assert report.skipped == {
        "model.embed_tokens": "Embedding, which keeps PEFT's own initialization"
    }
    same_as_attach(model, ours)
    assert torch.equal(model(TOKENS).logits, output)
    for name, value in embedding.state_dict().items():
        assert torch.equal(value, before[name])
    shake(model)
    model.save_pretrained(str(tmp_path))
    again = peft.PeftModel.from_pretrained(llama(), str(tmp_path))
    assert torch.equal(again(TOKENS).logits, model(TOKENS).logits)


def one_direction(model: Any) -> dict[str, Any]:
    """Statistics by which the first q_proj gets every rank and its v_proj none."""
    stats = {}
    for name, layer in factors(model).items():
        width = layer.in_features
        size = 1.0 if "q_proj" in name else 0.0
        M = torch.diag(torch.linspace(2, 1, width).double())
        spread = M if size else torch.eye(width).double()
        stats[name] = lora.Statistics(1000, torch.zeros(width).double(), spread)
    return stats


def test_ranks_are_shared_out_beside_an_embedding_that_keeps_its_own(tmp_path):
    model = wrapped(
        r=1, target_modules=[*ATTENTION, "embed_tokens"], rank_pattern={"embed_tokens": 3}
    )
    report = lora.initialize_peft(model, "eva", stats=one_direction(model), rho=2.0)
    gone = {name for name, reason in report.skipped.items() if reason == "rank 0"}
    assert gone == {f"model.layers.{i}.self_attn.v_proj" for i in range(2)}
    shake(model)
    model.save_pretrained(str(tmp_path))
    again: Any = peft.PeftModel.from_pretrained(llama(), str(tmp_path))
    assert again.get_base_model().model.embed_tokens.r == {"default": 3}
    assert torch.equal(again(TOKENS).logits, model(TOKENS).logits)


def mixtral() -> MixtralForCausalLM:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return MixtralForCausalLM(
            MixtralConfig(
                vocab_size=64,
                hidden_size=32,
                intermediate_size=48,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                num_local_experts=2,
            )
        ).eval()


def parameters(model: Any) -> list[Any]:
    """PEFT's layers on parameters."""
    kind = peft.tuners.lora.layer.ParamWrapper
    return [module for module in model.modules() if isinstance(module, kind)]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_parameters_of_experts_are_left_alone_and_reported(tmp_path):
    experts = ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]
    model = wrapped(mixtral(), target_parameters=experts, rank_pattern={"experts.down_proj": 2})
    output, ours = model(TOKENS).logits, mixtral()
    config = Config(rank=4, alpha=8.0, scheme="eva", target_modules=tuple(ATTENTION))
    lora.attach(ours, config, [TOKENS])
    report = lora.initialize_peft(model, "eva", [TOKENS])
    assert report.skipped == {
        f"model.layers.{i}.{name}": "a parameter, which keeps PEFT's own initialization"
        for i in range(2)
        for name in experts
    }
    assert len(report.layers) == 4
    own = {layer.parameter_name: layer.r["default"] for layer in parameters(model)}
    assert own == {"gate_up_proj": 4, "down_proj": 2}
    assert torch.equal(model(TOKENS).logits, output)
    same_as_attach(model, ours)
    lora.initialize_peft(model, "eva", [TOKENS], rho=2.0)
    shake(model)
    model.save_pretrained(str(tmp_path))
    again = peft.PeftModel.from_pretrained(mixtral(), str(tmp_path))
    assert torch.equal(again(TOKENS).logits, model(TOKENS).logits)


@pytest.mark.parametrize("options", [{}, {"rho": 3.0}], ids=["ranks as asked", "ranks shared"])
def test_layers_to_transform_are_initialized_and_saved(tmp_path, options):
    model = wrapped(r=1, layers_to_transform=[1])
    ours = llama()
    names = tuple(f"model.layers.1.self_attn.{end}" for end in ATTENTION)
    config = Config(rank=1, alpha=8.0, scheme="eva", scheme_options=options, target_modules=names)
    lora.attach(ours, config, [TOKENS])
    report = lora.initialize_peft(model, "eva", [TOKENS], **options)
    assert {layer.name for layer in report.layers} == set(lora.adapters(ours))
    same_as_attach(model, ours)
    shake(model)
    model.save_pretrained(str(tmp_path))
    again = peft.PeftModel.from_pretrained(llama(), str(tmp_path))
    assert list(factors(again)) == list(factors(model))
    assert torch.equal(again(TOKENS).logits, model(TOKENS).logits)


def test_a_layer_to_transform_that_loses_its_rank_stays_without(tmp_path):
    model = wrapped(r=1, layers_to_transform=[1])
    report = lora.initialize_peft(model, "eva", stats=one_direction(model), rho=2.0)
    assert report.skipped == {"model.layers.1.self_attn.v_proj": "rank 0"}
    shake(model)
    model.save_pretrained(str(tmp_path))
    again = peft.PeftModel.from_pretrained(llama(), str(tmp_path))
    assert list(factors(again)) == list(factors(model)) == ["model.layers.1.self_attn.q_proj"]
    assert torch.equal(again(TOKENS).logits, model(TOKENS).logits)


def added(**options: Any) -> Any:
    model: Any = llama()
    model.add_adapter(settings(**options))
    return model.eval()


def injected(**options: Any) -> Any:
    return peft.inject_adapter_in_model(settings(**options), llama()).eval()


@pytest.mark.parametrize("scheme", ["orthogonal", "eva", "gradient_signal"])
@pytest.mark.parametrize("build", [added, injected])
def test_layers_without_peft_s_wrapper_are_initialized(build, scheme):
    model, ours = build(), llama()
    output = model(TOKENS).logits
    config = Config(rank=4, alpha=8.0, scheme=scheme, target_modules=tuple(ATTENTION))
    expected = lora.attach(ours, config, **data_for(ours))
    report = lora.initialize_peft(model, scheme, **data_for(ours))
    assert [layer.name for layer in report.layers] == [layer.name for layer in expected.layers]
    assert torch.equal(model(TOKENS).logits, output)
    same_as_attach(model, ours)


def test_what_transformers_saves_of_shared_ranks_loads(tmp_path):
    model = added(target_modules="all-linear")
    lora.initialize_peft(model, "eva", [TOKENS], rho=2.0)
    assert len({layer.r["default"] for layer in factors(model).values()}) > 1
    shake(model)
    model.save_pretrained(str(tmp_path))
    again = peft.PeftModel.from_pretrained(llama(), str(tmp_path))
    assert torch.equal(again(TOKENS).logits, model(TOKENS).logits)


def packed() -> Any:
    """An adapter on a layer that another library packs."""
    model: Any = small()
    layer = type(
        "QuantLinear", (nn.Linear,), {"forward": lambda self, x: nn.Linear.forward(self, x)}
    )
    layer.__module__ = "gptqmodel.nn_modules.qlinear"
    model.up = layer(12, 16)
    return wrapped(model, target_modules=["up"])


def on_meta() -> Any:
    return peft.get_peft_model(llama(), settings(), low_cpu_mem_usage=True)


def after_offloading() -> Any:
    model = wrapped()
    model.get_base_model().model.layers[1].self_attn.v_proj.base_layer.to("meta")
    return model


REFUSED = {
    "AdaLoRA": (
        lambda: peft.get_peft_model(
            llama(), peft.AdaLoraConfig(target_modules=ATTENTION, total_step=10)
        ),
        "the active adapter must be LoRA, got AdaLoraConfig",
    ),
    "prompts": (
        lambda: peft.get_peft_model(
            llama(), peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2)
        ),
        "the active adapter must be LoRA, got PromptTuningConfig",
    ),
    "injected IA3": (
        lambda: peft.inject_adapter_in_model(
            peft.IA3Config(target_modules=ATTENTION, feedforward_modules=[]), llama()
        ),
        "the active adapter must be LoRA, got IA3Config",
    ),
    "factors on meta": (on_meta, "q_proj: its factors are on the meta device"),
    "a weight on meta": (
        after_offloading,
        "layers.1.self_attn.v_proj cannot be adapted: its weight is on the meta device",
    ),
    "GPTQ": (packed, "up is a QuantLinear of gptqmodel, whose quantised weight cannot be read"),
    "convolutions alone": (
        lambda: wrapped(nn.Sequential(nn.Conv2d(2, 2, 3)), target_modules=["0"]),
        "no linear layer to initialize; it adapts 0, which keep PEFT's own",
    ),
    "KaSA": (
        lambda: wrapped(kasa_config=peft.KasaConfig()),
        "q_proj: PEFT's KasaLinearVariant has more to initialize than two factors",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_adapter_that_cannot_be_initialized_is_refused_before_a_batch_is_read(case):
    build, message = REFUSED[case]
    model = build()
    before = [(name, id(p), p.requires_grad) for name, p in model.named_parameters()]
    with pytest.raises(ValueError, match=message):
        lora.initialize_peft(model, "eva", never())
    assert [(name, id(p), p.requires_grad) for name, p in model.named_parameters()] == before


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("eva", 5), {}, "batches must be an iterable of batches, got int"),
        (("eva", [None]), {}, "batches: batch 0 is a NoneType"),
        (("eva", [{"wrong": TOKENS}]), {}, "batches: batch 0 does not fit the model's forward"),
        (("eva", never()), {"bogus": 1}, "eva has no option 'bogus'"),
        (("eva", never()), {"center": 1}, "eva: center must be True or False, got 1"),
        (("eva", never()), {"rho": "2"}, "rho must be a finite number of at least 1"),
        (("nystrom_grad", never()), {"side": "up"}, 'side must be "in" or "out"'),
        (("nystrom_grad", never(), 3), {}, r"loss_fn must be a function .*, got int"),
        (("eva", never(), None, "0"), {}, "seed must be a non-negative integer, got '0'"),
        (("lora_ga", never()), {}, "lora_ga starts at B A != 0.*use lora.attach"),
        ((["eva"],), {}, r"unknown scheme \['eva'\]"),
        (("evaa",), {}, "unknown scheme 'evaa'; did you mean 'eva'"),
        (("eva",), {"stats": 3}, "stats must be a mapping"),
    ],
)
def test_a_malformed_argument_is_named(arguments, options, message):
    model = small()
    model = wrapped(model, target_modules=["up", "down"])
    before = photograph(model)
    with pytest.raises(ValueError, match=message):
        lora.initialize_peft(model, *arguments, **options)
    assert photograph(model) == before


def test_a_rank_that_the_layer_cannot_have_is_refused_before_a_batch_is_read():
    model = wrapped(r=17, target_modules="all-linear")
    with pytest.raises(ValueError, match=r"k_proj: rank must be an integer from 1 to min.* = 16"):
        lora.initialize_peft(model, "eva", never())


@pytest.mark.parametrize("model", [None, 3])
def test_what_is_no_model_is_named(model):
    with pytest.raises(ValueError, match=r"model must be a torch.nn.Module, got"):
        lora.initialize_peft(model, "eva", [TOKENS])
