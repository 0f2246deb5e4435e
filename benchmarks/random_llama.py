"""The small Llama that several benchmarks adapt: random weights, hidden 512, 4 layers, 28 linear
layers in them."""

from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

VOCABULARY = 2048


def random_llama(dtype: torch.dtype = torch.float32) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=512,
        intermediate_size=1408,
        num_hidden_layers=4,
        num_attention_heads=8,
    )
    model: Any = LlamaForCausalLM(config)
    return model.to(dtype)
