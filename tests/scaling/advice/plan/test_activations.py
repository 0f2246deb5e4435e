"""What the formula says a forward pass keeps for backward, against the tensors that are alive after
it."""

from contextlib import nullcontext
from typing import Any, NamedTuple

import pytest
import torch

pytest.importorskip("transformers")

from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

import lora
from scaling.advice.plan import memory as bounds
from scaling.advice.plan.activations import Activations, Micro, activations
from scaling.advice.plan.adapters import adapted, on_weight
from scaling.advice.plan.decoder import Decoder, sizes_of
from scaling.evaluation.label_loss import mean_loss
from tests.support import live

SIZES: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 48,
    "intermediate_size": 112,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
TOKENS, HIDDEN = 20, 32  # of an example; of a generator network
BF16: dict[str, Any] = {"dtype": torch.bfloat16}
F32: dict[str, Any] = {"dtype": torch.float32}


class Seen(NamedTuple):
    """Bytes: predicted, and alive after the forward pass; what came on top for a moment in it, and
    in the backward pass, beside the gradients; and what is predicted of labels that are not
    there."""

    decoder: Decoder
    micro: Micro
    predicted: Activations
    kept: int
    forward: int
    backward: int
    unused: int


def seen(
    model: Any = None,
    *,
    dtype: torch.dtype = torch.float32,
    autocast: bool = False,
    full: bool = False,
    checkpointing: bool = False,
    padded: bool = False,
    examples: int = 2,
    length: int = TOKENS,
    peaks: bool = True,
    **adapter: Any,
) -> Seen:
    """Of one step after the first, in which layers learn what they share."""
    model = model or LlamaForCausalLM(LlamaConfig(**SIZES))
    model.to(dtype).train()
    config = lora.Config(rank=4, **adapter)
    decoder = sizes_of("it", model, config)
    if full:
        layers = [layer for layer in decoder.linear if layer.rank]
        model.requires_grad_(False)
        for layer in layers:
            model.get_submodule(layer.name).weight.requires_grad_(True)
        trained = {layer.name: on_weight(layer.out, layer.in_) for layer in layers}
    else:
        lora.attach(model, config)
        trained = adapted(config, decoder.linear)
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.config.use_cache = False
    ids = torch.randint(0, 64, (examples, length), generator=torch.Generator().manual_seed(0))
    batch = {"input_ids": ids, "labels": ids.clone()}
    if padded:
        batch["attention_mask"] = torch.ones_like(ids)
        batch["attention_mask"][0, -3:] = 0
        batch["labels"][0, -3:] = -100
    labels = int((batch["labels"][:, 1:] != -100).sum())

    def loss() -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16) if autocast else nullcontext():
            return mean_loss(model, **batch)["loss"]

    loss().backward()
    model.zero_grad()
    with live.of(model, batch, peaks) as alive:
        of_step = loss()
        kept = alive.now()
        forward, alive.peak = alive.peak - kept, 0
        of_step.backward()
    gradients = sum(4 * p.numel() for p in model.parameters() if p.requires_grad)
    half = autocast or dtype == torch.bfloat16
    micro = Micro(examples, length, half, autocast, padded)
    predicted = activations(decoder, micro, trained, checkpointing)
    # a label is a row of 4 h bytes and a number of 8; with checkpointing the positions stay
    positions = 0 if checkpointing else 8 * length
    unused = (micro.tokens - labels) * (4 * decoder.width + 8) + positions
    backward = alive.peak - kept - gradients
    return Seen(decoder, micro, predicted, kept - of_step.nbytes, forward, backward, unused)


CASES: dict[str, dict[str, Any]] = {
    "bfloat16": BF16,
    "float32": F32,
    "checkpointing": BF16 | {"checkpointing": True},
    "checkpointing in float32": F32 | {"checkpointing": True},
    "padded": BF16 | {"padded": True},
    "padded in float32": F32 | {"padded": True},
    "q alone": BF16 | {"target_modules": ("q_proj",)},
    "v alone": BF16 | {"target_modules": ("v_proj",)},
    "o alone": BF16 | {"target_modules": ("o_proj",)},
    "up alone": BF16 | {"target_modules": ("up_proj",)},
    "down alone": BF16 | {"target_modules": ("down_proj",)},
    "no A": BF16 | {"train_a": False, "scheme": "orthogonal"},
    "no A in float32": F32 | {"train_a": False, "scheme": "orthogonal"},
    "no B": BF16 | {"train_b": False, "scheme": "init_b"},
    "autocast": {"autocast": True},
    "full": {"full": True},
    "full, autocast": {"full": True, "autocast": True},
    "full, checkpointing": {"full": True, "checkpointing": True},
    "full, both": {"full": True, "autocast": True, "checkpointing": True},
    "dora": BF16 | {"variant": "dora"},
    "dora in float32": F32 | {"variant": "dora"},
    "dash": BF16 | {"variant": "dash"},
    "pissa": BF16 | {"scheme": "pissa"},
    "pissa in float32": F32 | {"scheme": "pissa"},
    "dropout": BF16 | {"dropout": 0.1},
    "dropout in float32": F32 | {"dropout": 0.1},
}


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing_enable`:FutureWarning")
@pytest.mark.parametrize("case", CASES)
def test_what_is_kept_is_predicted_to_the_byte_and_what_lives_for_a_moment_is_bounded(case):
    found = seen(**CASES[case])
    assert sum(found.predicted.kept.values()) - found.unused == found.kept
    acts, sizes = found.predicted, (found.decoder, found.micro)
    moment = max(bounds.loss(*sizes) + acts.cast, acts.again + bounds.temporary(*sizes))
    assert max(found.forward, found.backward) <= moment


@pytest.mark.parametrize("variant", ["overparam", "op_dora"])
def test_of_generated_factors_the_hidden_layers_alone_are_left_out(variant):
    found = seen(variant=variant, **BF16)
    hidden = 4 * HIDDEN * len(found.decoder.linear)
    assert sum(found.predicted.kept.values()) - found.unused == found.kept - hidden


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_attention_keeps_scores_only_where_it_is_eager(attention):
    def kept(length: int) -> int:
        model = LlamaForCausalLM(LlamaConfig(**SIZES | {"attn_implementation": attention}))
        found = seen(model, length=length, **BF16)
        assert sum(found.predicted.kept.values()) - found.unused == found.kept
        return found.predicted.kept["attention"]

    scores = 3 * 2 * 4 * 40 * 40 * 6  # layers x examples x heads x tokens^2 x (4 + 2) bytes
    grown = kept(40) - 2 * kept(20)
    assert grown == (scores // 2 if attention == "eager" else 0)


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [
        ("mistral", 1.0, 1.0),
        ("qwen2", 1.0, 1.0),
        ("qwen3", 1.0, 1.0),
        ("gemma", 0.98, 1.02),  # its norms keep 1 + w, which has no tokens
        ("gemma3_text", 0.98, 1.02),
        ("phi3", 0.95, 1.1),  # an estimate: q, k and v are one layer
    ],
)
def test_other_decoders_are_predicted_too(kind, least, most):
    special = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"), 0)
    config = AutoConfig.for_model(kind, **SIZES, head_dim=12, **special)
    found = seen(AutoModelForCausalLM.from_config(config), **BF16)
    assert found.decoder.known == (kind != "phi3")
    ratio = (sum(found.predicted.kept.values()) - found.unused) / found.kept
    assert least <= ratio <= most


def test_smollm2_keeps_what_is_predicted():
    """Of its shape, with random weights: 30 layers, nine heads, three of keys and values."""
    shape: dict[str, Any] = SIZES | {
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
    }
    shape |= {"num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49152}
    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(**shape, tie_word_embeddings=True)).bfloat16()
    model.to_empty(device="cpu")
    model.tie_weights()
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data.fill_(0.01)
    found = seen(model, length=48, examples=1, peaks=False, **BF16)
    assert found.decoder.parameters == 134_515_008
    assert sum(found.predicted.kept.values()) - found.unused == found.kept
