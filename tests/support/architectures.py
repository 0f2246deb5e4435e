"""Small transformers configurations, and what tests of coordinate checks do with their models."""

from typing import Any

import torch

import lora
from proxies.instruments.architectures import SMALL_LLAMA

GPT2 = {
    "model_type": "gpt2",
    "n_embd": 48,
    "n_head": 3,
    "n_layer": 3,
    "n_positions": 16,
    "vocab_size": 300,
}
BERT = {
    "model_type": "bert",
    "hidden_size": 32,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 40,
}
ROTATING = {
    **SMALL_LLAMA,
    "model_type": "qwen2",
    "layer_types": ["full_attention"] * 2,
    "num_key_value_heads": 2,
}
MODELS = {"llama": SMALL_LLAMA, "gpt2": GPT2, "bert": BERT, "qwen2": ROTATING}


def adapted(setting, **config) -> dict[str, Any]:
    lora.attach(setting.model, lora.Config(**config))
    return lora.adapters(setting.model)


def rms(value: torch.Tensor) -> float:
    return value.square().mean().sqrt().item()


def keep(seen: dict[str, torch.Tensor], name: str) -> Any:
    return lambda _, inputs: seen.update({name: inputs[0].flatten(0, -2)})
