"""What a token costs until backward: the memory that a frozen A saves, counted to the byte
(arXiv:2308.03303)."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from transformers import LlamaConfig, LlamaForCausalLM

import lora
from lora import Config

TRAINED = {"both": {}, "A frozen": {"train_a": False}, "B frozen": {"train_b": False}}


def bytes_per_token(forward: Callable[[int], Tensor]) -> float:
    """What autograd keeps for one token more: memory of its own once, however many operations keep
    it."""

    def kept(tokens: int) -> int:
        storages: dict[int, int] = {}

        def pack(t: Tensor) -> Tensor:
            storages[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
            return t  # and so alive with the graph: no address comes twice

        with saved_tensors_hooks(pack, lambda t: t):
            output = forward(tokens)
        del output
        return sum(storages.values())

    few, many = 32, 64  # more than the columns of an update: fewer would be cast to float32
    return (kept(many) - kept(few)) / (many - few)


@pytest.mark.parametrize("trained", TRAINED)
@pytest.mark.parametrize(
    ("scheme", "columns"),
    [("init_a", 1), ("init_b", 1), ("pissa", 2)],
    ids=["A", "B", "frozen pair"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_layer_keeps_r_numbers_a_token_and_its_input_only_while_a_trains(
    trained, scheme, columns, dtype
):
    d, out, r = 96, 64, 8
    model = nn.Sequential(nn.Linear(d, out).to(dtype))
    lora.attach(model, Config(rank=r, scheme=scheme, **TRAINED[trained]))
    size = torch.finfo(dtype).bits // 8
    x, low = size * d, size * columns * r  # a frozen pair doubles the columns of the update
    expected = {"both": x + low, "A frozen": low, "B frozen": x}[trained]
    found = bytes_per_token(
        lambda tokens: model(torch.randn(tokens, d, dtype=dtype, requires_grad=True))
    )
    assert found == expected


def test_a_block_keeps_three_inputs_less_while_a_is_frozen():
    """q, k and v read one tensor, gate and up another, down a third; attention itself keeps what
    o_proj reads."""
    d, d_ff = 64, 160
    config = LlamaConfig(
        vocab_size=8,
        hidden_size=d,
        intermediate_size=d_ff,
        num_hidden_layers=1,
        num_attention_heads=4,
    )

    def cost(train_a: bool) -> float:
        whole: Any = LlamaForCausalLM(config).model
        block, rotary = whole.layers[0], whole.rotary_emb
        assert len(lora.attach(block, Config(rank=4, train_a=train_a)).layers) == 7

        def forward(tokens: int) -> Tensor:
            x = torch.randn(1, tokens, d, requires_grad=True)
            return block(x, position_embeddings=rotary(x, torch.arange(tokens)[None]))

        return bytes_per_token(forward)

    with torch.random.fork_rng(devices=[]):
        assert cost(train_a=True) - cost(train_a=False) == 4 * (2 * d + d_ff)


def test_dropout_keeps_as_much_as_its_input_again():
    """Its mask is of the size of the input, so a frozen A saves nothing beside it."""
    d, r = 96, 8
    model = nn.Sequential(nn.Linear(d, d))
    lora.attach(model, Config(rank=r, dropout=0.05, train_a=False))
    with torch.random.fork_rng(devices=[]):
        found = bytes_per_token(lambda tokens: model(torch.randn(tokens, d, requires_grad=True)))
    assert found > 4 * d
