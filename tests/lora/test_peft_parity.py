"""Starts that PEFT has too, from the same random numbers and data; those of `pissa`, `olora` and
`mica` are compared in test_schemes_weight.py, and the options of its files (rsLoRA, patterns, DoRA)
in test_storage.py."""

import dataclasses
import sys
import types
from typing import Any

import peft
import pytest
import torch
from peft.tuners.lora.config import CordaConfig
from torch import Generator, Tensor, nn

from lora import SCHEMES
from lora.testing.trial import statistics_of, tokens

EPS = torch.finfo(torch.float32).eps


def linear(W: Tensor) -> nn.Module:
    layer = nn.Linear(W.shape[1], W.shape[0], bias=False)
    layer.weight = nn.Parameter(W.clone())
    return nn.Sequential(layer)


def config(**options: Any) -> Any:
    return peft.LoraConfig(r=4, lora_alpha=8, target_modules=["0"], **options)


@pytest.mark.parametrize(("name", "theirs"), [("init_a", True), ("gaussian", "gaussian")])
def test_from_one_stream_the_random_starts_are_those_of_peft(name, theirs):
    W = tokens((24, 40))[0].float()
    adapted: Any = peft.get_peft_model(linear(W), config(init_lora_weights=theirs))
    layer = adapted.base_model.model[0]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        layer.reset_lora_parameters("default", theirs)
    B, A = SCHEMES[name](W, 4, Generator().manual_seed(11))
    assert not layer.lora_B["default"].weight.any()
    assert not B.any()
    # a uniform number u is spread as 2 u - 1 here and as u (b - a) + a there
    assert (A - layer.lora_A["default"].weight).abs().max() <= 2 * EPS * A.abs().max()


@pytest.mark.parametrize("mode", ["ipm", "kpm"])
@pytest.mark.parametrize("shape", [(24, 16), (16, 24)])
def test_corda_is_that_of_peft(monkeypatch, mode, shape):
    stub: Any = types.ModuleType("attr")  # which PEFT imports and does not require
    stub.dataclass = dataclasses.dataclass
    monkeypatch.setitem(sys.modules, "attr", stub)
    from peft.tuners.lora.corda import preprocess_corda

    W, x, g = (value.float() for value in tokens(shape))
    model = linear(W)
    settings = config(init_lora_weights="corda", corda_config=CordaConfig(corda_method=mode))
    preprocess_corda(model, settings, lambda: model(x))
    adapted: Any = peft.get_peft_model(model, settings)
    layer, s = adapted.base_model.model[0], 8 / 4
    theirs = layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    B, A = SCHEMES["corda"](W, 4, stats=statistics_of(x.double(), g.double()), scale=s, mode=mode)
    # their P is ours up to a factor, which B A does not feel; in float32, and inverted, of
    # condition 4 here
    bar = 100 * EPS * torch.linalg.matrix_norm(W, 2)
    assert (B @ A - theirs).abs().max() <= bar
    assert (W - s * B @ A - layer.base_layer.weight).abs().max() <= bar
