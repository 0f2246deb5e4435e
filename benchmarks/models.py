"""The models that are measured: SmolLM2-135M from its package, and Llamas of random weights.

SmolLM2 is the one that scaling.models.packaged keeps, in bfloat16.
"""

import copy
import inspect
import re
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

from benchmarks.harness.rows import NotMeasured, Setting
from scaling.models.packaged import located

SMOLLM2 = "SmolLM2"
SHAPES: dict[str, dict[str, Any]] = {
    "toy": {
        "vocab_size": 64,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    },
    "small": {
        "vocab_size": 2048,
        "hidden_size": 512,
        "intermediate_size": 1408,
        "num_hidden_layers": 4,
        "num_attention_heads": 8,
    },
    "1B": {
        "vocab_size": 128256,
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "tie_word_embeddings": True,
        "max_position_embeddings": 8192,
    },
    "8B": {
        "vocab_size": 128256,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "max_position_embeddings": 8192,
    },
}
"""of random Llamas: one for tests, one of 28 layers, and those of Llama-3.2-1B and 3.1-8B"""
TEXT = (
    "numpy",
    "numpy.linalg",
    "scipy.optimize",
    "scipy.stats",
    "scipy.signal",
    "torch",
    "torch.nn",
    "torch.linalg",
)
"""packages whose documentation is the text: it is there without a network"""

Batches = list[dict[str, Tensor]]


def folder() -> str:
    """Of SmolLM2, which is read into it where it is not there."""
    try:
        return located("smollm2")
    except ValueError as error:
        raise NotMeasured(str(error)) from error


@cache
def _smollm2() -> Any:
    logging.disable_progress_bar()
    return AutoModelForCausalLM.from_pretrained(folder(), dtype=torch.bfloat16)


@cache
def _random(shape: str, dtype: torch.dtype, device: str) -> Any:
    with torch.random.fork_rng(), torch.device(device):
        torch.manual_seed(0)
        return LlamaForCausalLM._from_config(LlamaConfig(**SHAPES[shape]), dtype=dtype)


def base(shape: str, setting: Setting, dtype: torch.dtype = torch.bfloat16) -> Any:
    """A model of its own parameters over the one set of values in memory.

    Args:
        shape: "SmolLM2", or one of `SHAPES`. In a toy setting it is always "toy".
        setting: has the device.
        dtype: of all weights; SmolLM2 is in bfloat16.
    """
    if setting.toy:
        shape = "toy"
    if shape != SMOLLM2:
        return shared(_random(shape, dtype, setting.device))
    return shared(_smollm2()).to(setting.device)


def shared(model: Any) -> Any:
    """A copy with parameters of its own over the same storage: nothing that writes into a weight
    in place may be done to it."""
    memo: dict[int, Any] = {id(p): nn.Parameter(p.detach()) for p in model.parameters()}
    return copy.deepcopy(model, memo)


def linears(model: nn.Module) -> list[str]:
    """The names of the linear layers but the head."""
    named = model.named_modules()
    return [n for n, module in named if isinstance(module, nn.Linear) and n != "lm_head"]


def sentences() -> list[str]:
    """Distinct sentences of what the packages document, in an order of their own."""
    found: dict[str, None] = {}
    for name in TEXT:
        module = import_module(name)
        for member in sorted(vars(module)):
            text = re.sub(r"\s+", " ", inspect.getdoc(getattr(module, member)) or "")
            found |= dict.fromkeys(
                part for part in re.split(r"(?<=[.!?]) ", text) if 20 < len(part) < 400
            )
    texts = list(found)
    order = torch.randperm(len(texts), generator=torch.Generator().manual_seed(0))
    return [texts[i] for i in order.tolist()]


@cache
def _text() -> Tensor:
    tokenizer: Any = AutoTokenizer.from_pretrained(folder())
    return torch.tensor(tokenizer(" ".join(sentences()), verbose=False)["input_ids"])


def texts(count: int, rows: int, length: int, setting: Setting) -> Batches:
    """Batches of real text, (rows, length) each, as SmolLM2 reads it."""
    if setting.toy:
        return noise(count, rows, length, "toy", setting)
    ids = _text()
    needed = count * rows * length
    ids = ids.repeat(-(-needed // len(ids)))[:needed].view(count, rows, length)
    return [{"input_ids": batch} for batch in ids.to(setting.device)]


def noise(count: int, rows: int, length: int, shape: str, setting: Setting) -> Batches:
    """Batches of random tokens, shorter in a toy setting."""
    rng = torch.Generator().manual_seed(0)
    if setting.toy:
        shape, rows, length = "toy", min(rows, 2), min(length, 8)
    vocabulary = 49152 if shape == SMOLLM2 else SHAPES[shape]["vocab_size"]
    ids = torch.randint(0, vocabulary, (count, rows, length), generator=rng)
    return [{"input_ids": batch} for batch in ids.to(setting.device)]


def labelled(batches: Batches) -> Batches:
    return [batch | {"labels": batch["input_ids"]} for batch in batches]
