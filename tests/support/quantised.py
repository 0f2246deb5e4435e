"""Models of quantised layers as bitsandbytes and torchao make them, on the CPU."""

import warnings
from typing import Any

import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what the libraries find on this machine
    import bitsandbytes
    from torchao import quantization as quantisation

TORCHAO = {
    "int8": lambda: quantisation.Int8WeightOnlyConfig(),
    "int4": lambda: quantisation.IntxWeightOnlyConfig(
        weight_dtype=torch.int4,  # type: ignore[attr-defined]
        granularity=quantisation.PerGroup(32),
    ),
    "float8": lambda: quantisation.Float8WeightOnlyConfig(),
}
"""The weight-only configs of torchao that a CPU computes."""
KINDS = ("nf4", "eight bits", *TORCHAO)


def quantise(model: nn.Module, kind: str, skip: tuple[str, ...] = ()) -> Any:
    """Quantise the linear layers of a model, in place."""
    layers = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name not in skip
    }
    if kind in TORCHAO:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quantisation.quantize_(
                model, TORCHAO[kind](), filter_fn=lambda module, name: name in layers
            )
        return model
    for name, linear in layers.items():
        model.set_submodule(name, _of_bitsandbytes(linear, kind))
    return model.requires_grad_(False)


def _of_bitsandbytes(linear: nn.Linear, kind: str) -> nn.Module:
    out, in_ = linear.weight.shape
    bias = linear.bias is not None
    layer = (
        bitsandbytes.nn.Linear4bit(in_, out, bias, quant_type="nf4")
        if kind == "nf4"
        else bitsandbytes.nn.Linear8bitLt(in_, out, bias, has_fp16_weights=False)
    )
    layer.load_state_dict(linear.state_dict())
    return layer.to("cpu").train(linear.training)


def quantised_llama(kind: str) -> LlamaForCausalLM:
    """A small Llama as transformers quantises it: all linear layers but the head.

    It has no dropout, and is in train mode: in eval mode a forward rounds the scales of
    bitsandbytes' four bits, on some CPUs.
    """
    return quantise(dense_llama().train(), kind, skip=("lm_head",))


def dense_llama(inner: int = 128) -> LlamaForCausalLM:
    """A small Llama whose widths are multiples of the blocks that share a scale, but for that
    inside of its blocks, which may be another."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LlamaForCausalLM(
            LlamaConfig(
                vocab_size=64,
                hidden_size=64,
                intermediate_size=inner,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
            )
        )
