"""Layers that bitsandbytes and torchao quantise: adapted on a CPU as they are, and by PEFT."""

from typing import Any

import peft
import pytest
import torch
from torch import Tensor, nn

import lora
from lora import SCHEMES, VARIANTS, Config
from lora.bases import base_of, weight_of
from lora.four_bits import PACKS
from tests.support.models import TOKENS, data_for, shake
from tests.support.quantised import (
    KINDS,
    TORCHAO,
    bitsandbytes,
    dense_llama,
    quantisation,
    quantise,
)
from tests.support.quantised import quantised_llama as llama

pytestmark = pytest.mark.filterwarnings("ignore")  # the libraries' own, of this machine and of use
EPS = torch.finfo(torch.float32).eps
WIDTH = 64


def pair(kind: str) -> tuple[Any, nn.Linear]:
    """A model of one quantised layer, and the layer that it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        linear = nn.Linear(WIDTH, WIDTH)
    model = nn.Sequential(nn.Linear(WIDTH, WIDTH))
    model.load_state_dict({f"0.{name}": value for name, value in linear.state_dict().items()})
    return quantise(model, kind), linear


def inputs() -> Tensor:
    return torch.randn(5, WIDTH, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", KINDS)
def test_the_report_and_the_card_count_weights_not_what_they_are_packed_into(tmp_path, kind):
    model, dense = llama(kind), dense_llama()
    report = lora.attach(model, Config(rank=2))
    assert report.total == lora.attach(dense, Config(rank=2)).total
    lora.save(model, tmp_path)
    card = (tmp_path / "README.md").read_text()
    assert f"| trained parameters | {report.trainable:,} of {report.total:,} |" in card
    kinds = {"nf4": "bitsandbytes' Linear4bit", "eight bits": "bitsandbytes' Linear8bitLt"}
    assert f"| base weights | {kinds.get(kind, 'torchao')}" in card


# half of the widest gap between the numbers of a format, as a part of the row's largest: nf4's is
# 0.304, int4 has 16 levels and int8 256, float8 has a step of 1/8 of the number
HALF_GAP = {"nf4": 0.152, "eight bits": 1 / 254, "int8": 1 / 254, "int4": 1 / 14, "float8": 1 / 16}


@pytest.mark.parametrize("kind", KINDS)
def test_the_weight_that_is_read_is_the_one_that_was_quantised(kind):
    model, linear = pair(kind)
    W = weight_of(model[0])
    # the scales are rounded too, and bitsandbytes' eight bits are of the weight in float16
    bound = (HALF_GAP[kind] * (1 + 2**-6) + 2**-11) * linear.weight.abs().max()
    assert (W - linear.weight).abs().max() <= bound
    assert base_of(model[0]).quantised


@pytest.mark.parametrize("nested", [True, False])
def test_four_bits_that_a_forward_has_packed_anew_are_read_as_they_are(nested):
    """A forward in eval mode changes the layer in place, on a CPU that has the instructions."""
    layer = bitsandbytes.nn.Linear4bit(
        WIDTH, WIDTH, quant_type="nf4", compress_statistics=nested
    ).to("cpu")
    model = nn.Sequential(layer.requires_grad_(False)).eval()
    before, x = weight_of(layer), torch.eye(WIDTH)
    W = (model(x) - layer.bias).mT  # the weight that the forward multiplies by
    # scales in bfloat16, and the product in float32 or in bfloat16
    assert (weight_of(layer) - before).abs().max() <= 2**-8 * before.abs().max()
    assert (weight_of(layer) - W).abs().max() <= 2**-7 * W.abs().max()


def test_evaluation_between_steps_takes_no_gradient_from_layers_of_four_bits():
    """Those without an adapter too: on a CPU that has the instructions they would be packed anew,
    and the first layer's adapter would learn nothing any more."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH))
    quantise(model, "nf4")
    W, before = weight_of(model[1]), [getattr(layer, PACKS) for layer in model]
    lora.attach(model, Config(rank=2, target_modules=("0",)))
    shake(model)
    with torch.no_grad():
        model.eval()(inputs())
    assert torch.equal(weight_of(model[1]), W)
    model.train()(inputs()).square().sum().backward()
    B = lora.adapters(model)["0"].B
    assert B.grad is not None
    assert B.grad.any()
    lora.detach(model)
    assert [getattr(layer, PACKS) for layer in model] == before, "as it was"


@pytest.mark.parametrize("use", ["attach", "load"])
def test_layers_of_four_bits_that_were_packed_anew_are_refused(tmp_path, use):
    model, _ = pair("nf4")
    lora.attach(model, Config(rank=2))
    lora.save(model, tmp_path)
    packed, _ = pair("nf4")
    packed.eval()(inputs())
    # what the forward leaves on a processor that has the instructions
    packed[0].weight.quant_state.packing_format_for_cpu = True
    act = {"attach": lambda: lora.attach(packed, Config(rank=2))}
    act["load"] = lambda: lora.load(packed, tmp_path)
    with pytest.raises(ValueError, match="0: a forward in eval mode has packed its four bits anew"):
        act[use]()
    assert not lora.adapters(packed)


@pytest.mark.parametrize("kind", KINDS)
def test_statistics_leave_a_quantised_layer_as_it_is(kind):
    model, _ = pair(kind)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    W = weight_of(model[0])
    lora.collect(model, ["0"], [inputs()])
    assert torch.equal(weight_of(model[0]), W)
    for name, value in model.state_dict().items():
        assert torch.equal(
            value.dequantize() if kind in TORCHAO else value,
            (before[name].dequantize() if kind in TORCHAO else before[name]),
        ), name


@pytest.mark.parametrize("scheme", ["pissa", "init_a"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_quantised_layer_is_adapted_trained_saved_and_loaded(tmp_path, kind, scheme):
    model, _ = pair(kind)
    x, W = inputs(), weight_of(model[0])
    expected = model(x)
    report = lora.attach(model, Config(rank=4, scheme=scheme))
    assert report.layers[0].path == "unfused: quantised base"
    assert torch.equal(model(x), expected)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.01)
    before = (model(x) - 1).square().mean()
    before.backward()
    optimizer.step()
    assert (model(x) - 1).square().mean() < before
    shake(model)
    adapter = lora.adapters(model)["0"]
    L, R = adapter.update()
    # sums of 64 terms of values below 10
    assert (model(x) - expected - adapter.scale * x @ R.mT @ L.mT).abs().max() <= 10 * 64 * EPS
    with pytest.raises(ValueError, match="0: a quantised weight cannot hold"):
        lora.merge(model)
    lora.save(model, tmp_path)
    again, _ = pair(kind)
    lora.load(again, tmp_path)
    assert torch.equal(again(x), model(x))
    assert torch.equal(weight_of(adapter.base_layer), W), "where the forward has moved the scales"
    lora.detach(model)
    assert torch.equal(model(x), expected)


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "tsd"])
@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_a_variant_begins_at_the_quantised_function_and_is_saved(tmp_path, kind, variant):
    model, _ = pair(kind)
    x = inputs()
    expected = model(x)
    lora.attach(model, Config(rank=4, variant=variant))
    assert torch.equal(model(x), expected)
    shake(model)
    if variant == "dash":
        lora.launch(model)
    model(x).square().sum().backward()
    lora.save(model, tmp_path)
    again, _ = pair(kind)
    lora.load(again, tmp_path)
    # sums of at most 64 terms in float32, outputs below 10
    assert (again(x) - model(x)).abs().max() <= 10 * 64 * EPS


@pytest.mark.parametrize("kind", KINDS)
def test_a_gradient_passes_a_quantised_layer_to_those_before_it(kind):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH))
    quantise(model, kind)
    lora.attach(model, Config(rank=2))
    shake(model)
    model(inputs()).square().sum().backward()
    first, second = lora.adapters(model).values()
    x, G = inputs(), 2 * model(inputs()).detach()
    # the gradient at the first layer's output, through the second's dequantised weight and update
    L, R = second.update()
    g = G @ (weight_of(second.base_layer) + second.scale * L @ R)
    A = first.A
    expected = first.scale * g.mT @ (x @ A.mT)
    error = (first.B.grad - expected).norm() / expected.norm()  # type: ignore[operator]
    # bitsandbytes and float8 round the product's operands to eight bits and more; the others none
    assert error <= (0.02 if kind in ("nf4", "eight bits", "float8") else 64 * EPS * WIDTH)


@pytest.mark.parametrize("kind", ["int8 of both", "intx of both"])
def test_torchao_s_quantised_inputs_are_refused_with_the_way_out(kind):
    config = (
        quantisation.Int8DynamicActivationInt8WeightConfig()
        if kind == "int8 of both"
        else quantisation.Int8DynamicActivationIntxWeightConfig()
    )
    model = nn.Sequential(nn.Linear(WIDTH, WIDTH))
    quantisation.quantize_(model, config)
    for targets in ("all-linear", ("0",)):
        with pytest.raises(
            ValueError, match=r"^0 cannot be adapted: .*passes no gradient.*weight-only config"
        ):
            lora.attach(model, Config(rank=2, target_modules=targets))


def test_a_layer_of_bitsandbytes_that_is_not_quantised_yet_is_refused():
    for layer in (bitsandbytes.nn.Linear4bit(64, 64), bitsandbytes.nn.Linear8bitLt(64, 64)):
        with pytest.raises(ValueError, match=r"^0 cannot be adapted: it is not quantised yet"):
            lora.attach(nn.Sequential(layer), Config(rank=4, scheme="eva"), iter(()))


def test_a_weight_of_another_subclass_is_refused():
    from torchao.quantization import to_nf4

    model = nn.Sequential(nn.Linear(WIDTH, WIDTH))
    model[0].weight = nn.Parameter(to_nf4(torch.ones(WIDTH, WIDTH), 64, 16), requires_grad=False)
    with pytest.raises(ValueError, match=r"^0 cannot be adapted: its weight is a NF4Tensor"):
        lora.attach(model, Config(rank=2))


def wrapped(kind: str, prepare: bool, **options: Any) -> Any:
    model: Any = llama(kind)
    if prepare:
        model.is_loaded_in_4bit = kind == "nf4"
        model.is_loaded_in_8bit = kind == "eight bits"
        model = peft.prepare_model_for_kbit_training(model)
    settings: Any = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear"} | options
    return peft.get_peft_model(model, peft.LoraConfig(**settings))


ZERO = [name for name, scheme in SCHEMES.items() if scheme.zero_product]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", ZERO)
def test_peft_s_adapter_on_a_quantised_model_is_initialized_as_attach_does(scheme, kind):
    model, ours = wrapped(kind, prepare=False), llama(kind)
    output = model(TOKENS).logits
    config = Config(rank=4, alpha=8.0, scheme=scheme, seed=3)
    lora.attach(ours, config, **data_for(ours))
    report = lora.initialize_peft(model, scheme, **data_for(ours), seed=3)
    assert torch.equal(model(TOKENS).logits, output), "the function at step 0 is unchanged"
    assert [layer.name for layer in report.layers] == list(lora.adapters(ours))
    for name, layer in lora.adapters(ours).items():
        theirs: Any = model.get_base_model().get_submodule(name)
        assert torch.equal(theirs.lora_A["default"].weight, layer.A)
        assert torch.equal(theirs.lora_B["default"].weight, layer.B)


# with DoRA the forward of PEFT fails by itself on eight bits
@pytest.mark.parametrize(
    ("kind", "use_dora"), [("nf4", False), ("nf4", True), ("eight bits", False)]
)
def test_a_model_prepared_for_training_in_few_bits_is_initialized_trained_and_saved(
    tmp_path, kind, use_dora
):
    model = wrapped(kind, prepare=True, use_dora=use_dora)
    output = model(TOKENS).logits
    lora.initialize_peft(model, "eva", [TOKENS], rho=2.0)
    assert torch.equal(model(TOKENS).logits, output)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model(input_ids=TOKENS, labels=TOKENS).loss.backward()
    optimizer.step()
    assert not torch.equal(model(TOKENS).logits, output)
    model.save_pretrained(str(tmp_path))
    again = peft.PeftModel.from_pretrained(
        peft.prepare_model_for_kbit_training(_marked(llama(kind), kind)), str(tmp_path)
    ).train()
    assert torch.equal(again(TOKENS).logits, model(TOKENS).logits)


def _marked(model: Any, kind: str) -> Any:
    model.is_loaded_in_4bit, model.is_loaded_in_8bit = kind == "nf4", kind == "eight bits"
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_a_scheme_that_would_change_the_quantised_weight_is_refused(kind):
    model = wrapped(kind, prepare=False)
    with pytest.raises(ValueError, match=r"pissa starts at B A != 0.*use lora\.attach"):
        lora.initialize_peft(model, "pissa")


def test_every_config_of_torchao_is_accounted_for():
    """A new one must be tried: it is among those that work, is refused, or needs another machine
    (to quantise at all)."""
    known = {type(make()).__name__ for make in TORCHAO.values()} | {
        "Int8DynamicActivationInt8WeightConfig",  # refused: quantises its inputs too
        "Int8DynamicActivationIntxWeightConfig",
        "Int8StaticActivationInt8WeightConfig",
        "Float8DynamicActivationInt4WeightConfig",  # need a GPU, or packages that need one
        "Float8DynamicActivationFloat8WeightConfig",
        "Float8StaticActivationFloat8WeightConfig",
        "Int4WeightOnlyConfig",
        "AOPerModuleConfig",  # of which layer gets which config
        "FqnToConfig",
        "ModuleFqnToConfig",
        "Float8MMConfig",
    }
    assert {name for name in dir(quantisation) if name.endswith("Config")} <= known
