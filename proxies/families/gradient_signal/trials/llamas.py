"""What the comparisons with PEFT run on: small Llamas with random weights, Markov text, and EVA of
either side."""

import contextlib
import io
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

import lora
from lora import Statistics

PARTS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
VOCABULARY = 512
SMALL = (64, 160, 2)  # width, inner width and layers
Batch = dict[str, Tensor]


class Endless(Exception):
    """PEFT asked for more forward passes than it was allowed."""


class Counted(NamedTuple):
    state: dict[str, Tensor]
    forwards: int


def llama(width: int, inner: int, layers: int, seed: int) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sizes: dict[str, Any] = {
            "hidden_size": width,
            "intermediate_size": inner,
            "num_hidden_layers": layers,
        }
        heads: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 2}
        config = LlamaConfig(vocab_size=VOCABULARY, max_position_embeddings=512, **sizes, **heads)
        return LlamaForCausalLM(config).eval().requires_grad_(False)


def text(count: int, sequences: int, length: int, seed: int) -> list[Batch]:
    """Batches of a Markov chain with four successors a token, left with probability 0.4 for a Zipf
    draw."""
    rng = Generator().manual_seed(seed)
    follow = torch.randint(VOCABULARY, (VOCABULARY, 4), generator=Generator().manual_seed(0))
    zipf = (1 / torch.arange(1.0, VOCABULARY + 1)).expand(count * sequences, -1)
    ids = torch.multinomial(zipf, length, replacement=True, generator=rng)
    stays = torch.rand(ids.shape, generator=rng) < 0.6
    which = torch.randint(4, ids.shape, generator=rng)
    for t in range(1, length):
        ids[:, t] = torch.where(stays[:, t], follow[ids[:, t - 1], which[:, t]], ids[:, t])
    return [
        {"input_ids": piece, "attention_mask": torch.ones_like(piece)}
        for piece in ids.split(sequences)
    ]


def masked(batch: Batch) -> Batch:
    """The batch without a token that counts."""
    return batch | {"attention_mask": batch["attention_mask"] * 0}


def layers_of(model: Any) -> dict[str, Any]:
    """The linear layers that are adapted, by name."""
    return {
        name: module for name, module in model.named_modules() if name.rsplit(".", 1)[-1] in PARTS
    }


def own_rows(stats: Statistics, rank: int) -> Tensor:
    """The library's rows."""
    return lora.SCHEMES["eva"](torch.zeros(rank, len(stats.mean)), rank, stats=stats).A


def peft_rows(
    model: Any, batches: list[Batch], rank: int, limit: int = 300, **options: Any
) -> Counted:
    """PEFT's rows by layer, and how often it ran the model.

    Args:
        model: a Llama; it is left without any hook.
        batches: what PEFT goes round, until its rule stops it.
        rank: r, before ranks are moved between layers.
        limit: the most forward passes.
        options: of PEFT's EvaConfig.

    Raises: Endless beyond the limit; ImportError without PEFT.
    """
    try:
        from peft import EvaConfig, LoraConfig, get_eva_state_dict
    except ImportError as error:
        raise ImportError(
            "E6 and E8b need PEFT: pip install 'loralab[llm]', or pass --no-peft."
        ) from error

    forwards = 0

    def forward(model: Any, batch: Batch) -> None:
        nonlocal forwards
        if forwards == limit:
            raise Endless
        forwards += 1
        model(**batch)

    config = LoraConfig(
        r=rank, target_modules=list(PARTS), init_lora_weights="eva", eva_config=EvaConfig(**options)
    )
    try:
        # it prints a line for every layer that it skips
        with contextlib.redirect_stdout(io.StringIO()):
            state = get_eva_state_dict(
                model, batches, config, forward_fn=forward, show_progress_bar=False
            )
    finally:
        for module in model.modules():
            module._forward_hooks.clear()  # PEFT leaves its hooks behind when the forward raises
    return Counted({name: rows.float() for name, rows in state.items()}, forwards)
