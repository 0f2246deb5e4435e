"""The kinds of layer that carry an adapter: quantised ones, and every other kind refused or skipped
by name."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

import lora
from lora import SCHEMES, VARIANTS, Config
from lora.bases import QuantisedLinear
from tests.support.models import IDS, data_for, photograph, shake, small

pytestmark = pytest.mark.filterwarnings("ignore:.*directions asked for:UserWarning")
EPS = torch.finfo(torch.float32).eps


class EightBits(nn.Module):
    """W = diag(scale) Q with Q in int8, held in buffers: nothing here is a parameter but the
    bias."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        W = linear.weight.detach()
        self.out_features, self.in_features = W.shape
        scale = W.abs().amax(1, keepdim=True) / 127
        self.register_buffer("scale", scale)
        self.register_buffer("Q", (W / scale).round().to(torch.int8))
        self.bias = linear.bias

    def dequantised_weight(self) -> Tensor:
        return self.get_buffer("scale") * self.get_buffer("Q")

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.dequantised_weight().to(x.dtype), self.bias)


def eight_bits(dtype: torch.dtype = torch.float32) -> Any:
    model: Any = small(dtype)
    model.up, model.down = EightBits(model.up), EightBits(model.down)
    return model


def config(variant: str = "plain", scheme: str = "init_a", **options: Any) -> Config:
    if variant == "dash":
        options = {"variant_options": {"directions": 2}} | options
    return Config(
        **(
            {"rank": 3, "scheme": scheme, "variant": variant, "target_modules": ("up", "down")}
            | options
        )
    )


def dense(model: Any) -> Any:
    """A model of plain linear layers with the dequantised weights."""
    plain: Any = small()
    with torch.no_grad():
        for name in ("up", "down"):
            plain.get_submodule(name).weight.copy_(model.get_submodule(name).dequantised_weight())
    return plain


def close(ours: Tensor, theirs: Tensor) -> None:
    """Equal up to the order of float32 sums of at most 128 terms in three layers, for outputs below
    10."""
    assert (ours - theirs).abs().max() <= 10 * 3 * 128 * EPS


def test_the_protocol_is_what_a_quantised_layer_has():
    assert isinstance(EightBits(nn.Linear(3, 2)), QuantisedLinear)
    assert not isinstance(nn.Linear(3, 2), QuantisedLinear)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_start_on_a_quantised_base_is_exact_and_that_of_its_dequantised_weight(scheme, dtype):
    model = eight_bits(dtype)
    before, expected = photograph(model), model(IDS)
    report = lora.attach(model, config(scheme=scheme), **data_for(model))
    assert torch.equal(model(IDS), expected)
    assert {layer.path for layer in report.layers} == {"unfused: quantised base"}
    assert [layer.shape for layer in report.layers] == [(16, 12), (12, 16)]
    if SCHEMES[scheme].needs == "weight" and dtype == torch.float32:
        plain = dense(eight_bits())
        lora.attach(plain, config(scheme=scheme))
        for ours, theirs in zip(
            lora.adapters(model).values(), lora.adapters(plain).values(), strict=True
        ):
            assert torch.equal(ours.A, theirs.A)
            assert torch.equal(ours.B, theirs.B)
    shake(model)
    assert not torch.equal(model(IDS), expected)
    lora.detach(model)
    assert photograph(model) == before


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "tsd"])
@pytest.mark.parametrize("scheme", ["init_a", "pissa"])
def test_a_variant_computes_what_it_computes_on_the_dequantised_weight(tmp_path, variant, scheme):
    model = eight_bits()
    before, plain = model(IDS), dense(model)
    for one in (model, plain):
        lora.attach(one, config(variant, scheme))
        if one is model:
            assert torch.equal(model(IDS), before)
        shake(one)
        if variant == "dash":
            lora.launch(one)
            shake(one, seed=2)
    outputs, gradients = [], []
    for one in (model, plain):
        y = one(IDS)
        outputs.append(y)
        gradients.append(
            torch.autograd.grad(y.square().sum(), [p for p in one.parameters() if p.requires_grad])
        )
    close(*outputs)
    for ours, theirs in zip(*gradients, strict=True):
        close(ours / (1 + theirs.abs().max()), theirs / (1 + theirs.abs().max()))
    lora.save(model, tmp_path)
    again = eight_bits()
    lora.load(again, tmp_path)
    close(again(IDS), model(IDS))


def test_a_merge_is_refused_with_the_layer_and_the_way_out_and_changes_nothing():
    model = eight_bits()
    model.up = small().up  # one layer that could be merged, before one that cannot
    lora.attach(model, config())
    before = photograph(shake(model))
    with pytest.raises(
        ValueError, match="down: a quantised weight cannot hold the merged one; save the adapter"
    ):
        lora.merge(model)
    assert photograph(model) == before


def test_a_quantised_layer_that_gives_nan_is_refused():
    model = eight_bits()
    model.down.scale[0] = torch.nan
    before = photograph(model)
    with pytest.raises(ValueError, match="down: W must be finite"):
        lora.attach(model, config(scheme="pissa"))
    assert photograph(model) == before


class Experts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate_up_proj = nn.Parameter(torch.zeros(2, 4, 8))


class Zoo(nn.Module):
    """One linear layer among every other thing that holds a matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(3, 4))
        self.linear = nn.Linear(4, 4)
        self.conv = nn.Conv2d(2, 2, 3)
        self.up = nn.ConvTranspose1d(2, 2, 3)
        self.lstm = nn.LSTM(4, 4)
        self.attention = nn.MultiheadAttention(4, 2)
        self.experts = Experts()
        self.pairs = nn.Bilinear(4, 4, 2)
        self.bag = nn.EmbeddingBag(5, 4)
        self.normed = weight_norm(nn.Linear(4, 4))
        self.embed = nn.Embedding(5, 4)


def test_every_other_matrix_is_skipped_with_its_name_and_why():
    model = Zoo()
    report = lora.attach(model, Config(rank=2))
    assert [layer.name for layer in report.layers] == ["linear"]
    assert report.skipped == {
        "positions": "a parameter of the model itself",
        "conv": "Conv2d is not supported",
        "up": "ConvTranspose1d is not supported",
        "lstm": "LSTM is not supported",
        "attention": "MultiheadAttention is not supported",
        "attention.out_proj": "NonDynamicallyQuantizableLinear is not supported",
        "experts": "Experts is not supported",
        "pairs": "Bilinear is not supported",
        "bag": "EmbeddingBag is not supported",
        "normed": "its weight is computed from other parameters",
        "normed.parametrizations.weight": "ParametrizationList is not supported",
        "embed": "an embedding, adapted only where it is named",
    }


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "conv",
            "conv is a Conv2d, which is not supported; supported are torch.nn.Linear, "
            "transformers' Conv1D, ",
        ),
        ("up", "up is a ConvTranspose1d, which is not supported"),
        ("lstm", "lstm is a LSTM, which is not supported"),
        ("attention", "attention is a MultiheadAttention, which is not supported"),
        (
            "out_proj",
            "attention.out_proj is a NonDynamicallyQuantizableLinear, which is not supported",
        ),
        ("experts", "experts is a Experts, which is not supported"),
        ("pairs", "pairs is a Bilinear, which is not supported"),
        ("bag", "bag is a EmbeddingBag, which is not supported"),
        ("normed", "normed cannot be adapted: its weight is computed from other parameters"),
        (
            "gate_up_proj",
            "target_modules: experts.gate_up_proj is a parameter, not a layer, which is not "
            "supported",
        ),
        (
            "positions",
            "target_modules: positions is a parameter, not a layer, which is not supported",
        ),
    ],
)
def test_every_other_layer_is_refused_where_it_is_named(name, message):
    model = Zoo()
    before = photograph(model)
    with pytest.raises(ValueError, match=message):
        lora.attach(model, Config(rank=2, target_modules=("linear", name)))
    assert photograph(model) == before


@pytest.mark.parametrize("stacked", [False, True])
def test_torch_s_encoder_layer_does_not_pass_its_adapters_by_in_eval_mode(stacked):
    """nn.TransformerEncoderLayer has a fast path for inference, which reads its weights and calls
    no layer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: Any = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        model = nn.TransformerEncoder(model, 2, enable_nested_tensor=False) if stacked else model
    before = photograph(model.train())
    lora.attach(model, Config(rank=2))
    shake(model, 1.0)
    x = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(1))
    for mode in (torch.no_grad, torch.enable_grad):
        with mode():
            close(model.eval()(x), model.train()(x))
    lora.detach(model)
    assert photograph(model) == before
