"""Models that cannot be adapted as they stand: one sentence with the name, before anything is
changed or read."""

import sys
from types import ModuleType
from typing import Any

import peft
import pytest
import torch
from torch import nn

import lora
from lora import Config
from lora.initialization import statistics_for
from tests.support.models import IDS, TOKENS, llama, photograph, small

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")


def never() -> Any:
    """Batches that must not be read."""
    raise AssertionError("a batch was read")
    yield


def state(model: nn.Module) -> tuple:
    """What can be compared of a model whose weights may have no values."""
    return (
        [(name, id(module), module.training) for name, module in model.named_modules()],
        [(name, id(p), p.requires_grad) for name, p in model.named_parameters()],
        sorted(vars(model)),
    )


def with_weight(weight: torch.Tensor) -> nn.Module:
    """Two linear layers, the second with this weight."""
    model = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6))
    model[1].weight = nn.Parameter(weight, requires_grad=False)
    return model


def meta() -> nn.Module:
    with torch.device("meta"):
        return small()


def partly_meta() -> nn.Module:
    model = small()
    model.down.to("meta")
    return model


def offloaded() -> nn.Module:
    import accelerate

    return accelerate.cpu_offload(small(), torch.device("cpu"))


def inference() -> nn.Module:
    with torch.inference_mode():
        return small()


def inference_norm() -> nn.Module:
    model = small()
    with torch.inference_mode():
        model.norm = nn.LayerNorm(12)
    return model


def packed(module: str, name: str, layer: type[nn.Module] = nn.Module) -> nn.Module:
    """A model with a layer of the class that another library calls so, which is not installed."""
    model: Any = small()
    model.up = type(name, (layer,), {"__module__": module})()
    return model


class HalfBytes(nn.Module):
    """A packed linear layer of nobody that we know."""

    def __init__(self) -> None:
        super().__init__()
        self.in_features, self.out_features = 12, 16
        self.qweight = nn.Parameter(torch.zeros(16, 6, dtype=torch.uint8), requires_grad=False)


def unknown_packing() -> nn.Module:
    model: Any = small()
    model.up = HalfBytes()
    return model


BIT = torch.ones(6, 6)
REFUSED = {
    "meta": (meta, "up cannot be adapted: its weight is on the meta device"),
    "partly meta": (partly_meta, "down cannot be adapted: its weight is on the meta device"),
    "offloaded": (offloaded, "up cannot be adapted: its weight is on the meta device.*offload"),
    "inference": (inference, r"embed.weight was made under torch.inference_mode"),
    "inference norm": (inference_norm, r"norm.weight was made under torch.inference_mode"),
    "lazy": (
        lambda: nn.Sequential(nn.Linear(6, 6), nn.LazyLinear(3)),
        r"1.weight has no shape yet; run the model on a batch first",
    ),
    "lazy convolution": (
        lambda: nn.Sequential(nn.Linear(6, 6), nn.LazyConv1d(3, 2)),
        r"1.weight has no shape yet; run the model on a batch first",
    ),
    "int8": (lambda: with_weight(BIT.to(torch.int8)), "1 cannot be adapted: .*torch.int8"),
    "bool": (lambda: with_weight(BIT.bool()), "1 cannot be adapted: .*torch.bool"),
    "complex": (
        lambda: with_weight(BIT.to(torch.complex64)),
        "1 cannot be adapted: .*torch.complex64",
    ),
    "float8": (
        lambda: with_weight(BIT.to(torch.float8_e4m3fn)),
        "1 cannot be adapted: .*torch.float8_e4m3fn",
    ),
    "sparse": (lambda: with_weight(BIT.to_sparse()), "1 cannot be adapted: .*torch.sparse_coo"),
    "partitioned": (
        lambda: with_weight(torch.ones(0)),
        r"1 cannot be adapted: its weight has shape \(0,\)",
    ),
    "GPTQ": (
        lambda: packed("gptqmodel.nn_modules.qlinear.torch", "TorchQuantLinear"),
        "up is a TorchQuantLinear of gptqmodel.*bitsandbytes.*torchao",
    ),
    "AWQ": (
        lambda: packed("awq.modules.linear.gemm", "WQLinear_GEMM"),
        "up is a WQLinear_GEMM of awq.*bitsandbytes.*torchao",
    ),
    "HQQ": (
        lambda: packed("hqq.core.quantize", "HQQLinear"),
        "up is a HQQLinear of hqq.*bitsandbytes.*torchao",
    ),
    "EETQ": (
        lambda: packed("transformers.integrations.eetq", "EetqLinear"),
        "up is a EetqLinear of transformers.*bitsandbytes.*torchao",
    ),
    "quanto": (
        lambda: packed("optimum.quanto.nn.qlinear", "QLinear"),
        "up is a QLinear of optimum.*bitsandbytes.*torchao",
    ),
    "unknown packing": (unknown_packing, "up is a HalfBytes.*bitsandbytes.*torchao"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("named", [False, True], ids=["all-linear", "named"])
def test_a_model_that_is_not_ready_is_refused_before_a_batch_is_read(case, named):
    build, message = REFUSED[case]
    model = build()
    names = ("up", "down") if hasattr(model, "up") else ("0", "1")
    if case == "lazy convolution":
        names = names[:1]
    config = Config(rank=2, scheme="eva", target_modules=names if named else "all-linear")
    before = state(model)
    for attempt in (
        lambda: lora.attach(model, config, never()),
        lambda: statistics_for(model, config, never()),
    ):
        with pytest.raises(ValueError, match=f"^{message}"):
            attempt()
        assert state(model) == before


def test_an_unready_layer_that_is_excluded_is_in_nobody_s_way():
    for build in (partly_meta, unknown_packing):
        model = build()
        excluded = ("down",) if build is partly_meta else ("up",)
        report = lora.attach(model, Config(rank=2, exclude_modules=excluded))
        assert report.skipped[excluded[0]] == "in exclude_modules"


@pytest.mark.parametrize(("in_", "out"), [(20, 0), (0, 5)])
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors:UserWarning")
def test_a_layer_without_a_weight_is_skipped_or_refused_where_it_is_named(in_, out):
    model = nn.ModuleDict({"empty": nn.Linear(in_, out), "full": nn.Linear(4, 3)})
    reason = rf"its weight is empty \({out}x{in_}\)"
    with pytest.raises(ValueError, match=f"^empty cannot be adapted: {reason}"):
        lora.attach(model, Config(rank=2, target_modules=("empty", "full")))
    report = lora.attach(model, Config(rank=2))
    assert [layer.name for layer in report.layers] == ["full"]
    assert report.skipped["empty"] == reason.replace("\\", "")


def peft_lora() -> nn.Module:
    return peft.get_peft_model(llama(), peft.LoraConfig(r=2, target_modules=["q_proj"]))


def added() -> nn.Module:
    model = llama()
    model.add_adapter(peft.LoraConfig(r=2, target_modules=["v_proj"]))
    return model


def injected() -> nn.Module:
    return peft.inject_adapter_in_model(
        peft.IA3Config(target_modules=["up"], feedforward_modules=[]), small()
    )


def prompted() -> nn.Module:
    return peft.get_peft_model(
        llama(), peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2)
    )


@pytest.mark.parametrize("build", [peft_lora, added, injected, prompted])
def test_a_model_that_carries_an_adapter_of_peft_is_refused_with_the_way_out(build):
    model = build()
    before = photograph(model)
    for attempt in (
        lambda: lora.attach(model, Config(rank=2)),
        lambda: lora.attach(model, Config(rank=2, scheme="eva"), never()),
        lambda: lora.attach(model, Config(rank=2, target_modules=(".*up.*",))),
    ):
        with pytest.raises(ValueError, match=r"adapter of PEFT.*lora\.initialize_peft.*unload\(\)"):
            attempt()
        assert photograph(model) == before


def test_an_adapter_of_peft_cannot_be_loaded_onto_one(tmp_path):
    model = llama()
    lora.attach(model, Config(rank=2))
    lora.save(model, tmp_path)
    with pytest.raises(ValueError, match="adapter of PEFT"):
        lora.load(peft_lora(), tmp_path)


def test_a_model_that_peft_gave_back_is_adapted():
    model: Any = peft_lora()
    base = model.unload()
    report = lora.attach(base, Config(rank=2))
    assert len(report.layers) == 14
    assert base(TOKENS).logits.shape == (2, 10, 64)


def test_peft_and_the_quantisers_are_looked_up_and_not_imported(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] in ("peft", "torchao")]:
        monkeypatch.delitem(sys.modules, name)

    class Never:
        def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> None:
            assert name.split(".")[0] not in ("peft", "torchao", "bitsandbytes"), name

    monkeypatch.setattr(sys, "meta_path", [Never(), *sys.meta_path])
    model = small()
    lora.attach(model, Config(rank=2))
    assert model(IDS).shape == (4, 3)


@pytest.mark.parametrize("model", [None, 3, "model"])
def test_what_is_no_model_and_no_config_is_named(model):
    with pytest.raises(ValueError, match=r"model must be a torch.nn.Module, got"):
        lora.attach(model, Config(rank=2))
    with pytest.raises(ValueError, match=r"config must be a lora.Config, got dict"):
        lora.attach(small(), {"rank": 2})  # type: ignore[arg-type]
