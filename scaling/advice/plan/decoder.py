"""A causal language model without its weights: built on the meta device from its configuration,
which is all that is read, or fetched."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn

import lora
from lora import initialization
from lora.bases import find_base, shape_of
from lora.targets import output_head, saved_modules, targets
from scaling.core.placement import blocks
from scaling.core.quiet import quiet
from scaling.models import packaged

FILE = "config.json"
ACTIVATIONS = ("hidden_act", "hidden_activation", "activation_function")  # in configurations
# activations of one operation
KERNELS = ("silu", "swish", "gelu", "gelu_pytorch_tanh", "relu")
LLAMA = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class Linear:
    """A linear layer: its weight's shape and, of an adapted one, the rank (0 is none).

    Args:
        name: in the model.
        out, in_: of the weight (out, in).
        rank: of its adapter.
        block: the number of the block that it is in, None outside of all.
    """

    name: str
    out: int
    in_: int
    rank: int
    block: int | None

    @property
    def part(self) -> str:
        """What it is called in its block."""
        return self.name.rpartition(".")[2]

    @property
    def size(self) -> int:
        return self.out * self.in_


@dataclass(frozen=True)
class Decoder:
    """Sizes of a model.

    Args:
        kind: transformers' model_type.
        parameters: all, a shared one once.
        largest_block: parameters of the largest block.
        whole: parameters of the modules that are trained whole.
        width: of the residual stream.
        heads, key_heads, head: attention heads, those of keys and values, the width of one.
        vocabulary: logits of a token.
        positions: tokens that the model reads, None where nothing says how many.
        layers: blocks.
        linear: every linear layer but the output head, in order.
        norms: the widths of the norms of a block.
        activation: of the MLP, as transformers calls it.
        attention: "sdpa" or another implementation.
        known: whether the blocks are those of Llama, for which the formula of `activations` is
            exact.
    """

    kind: str
    parameters: int
    largest_block: int
    whole: int
    width: int
    heads: int
    key_heads: int
    head: int
    vocabulary: int
    positions: int | None
    layers: int
    linear: tuple[Linear, ...]
    norms: tuple[int, ...]
    activation: str
    attention: str
    known: bool

    def of_block(self, number: int) -> dict[str, Linear]:
        return {layer.part: layer for layer in self.linear if layer.block == number}

    @property
    def inner(self) -> int:
        """The width of the widest layer of a block."""
        return max((max(layer.out, layer.in_) for layer in self.linear), default=self.width)


def configuration(source: str, trust_remote_code: bool = False) -> Any:
    """transformers' configuration of a causal language model.

    Args:
        source: a folder, a file, a name of `loralab models`, a GGUF file, or a name on the hub, of
            which only the configuration is fetched.
        trust_remote_code: as the run's.

    Raises: ValueError where there is none, it is damaged, of an unknown kind, or of another model.
    """
    named, more = _place(source)
    if trust_remote_code:
        more["trust_remote_code"] = True
    try:
        with quiet():
            found = transformers.AutoConfig.from_pretrained(named, **more)
    except Exception as error:  # of a file that may hold anything
        raise ValueError(f"cannot plan for {source}: {_why(named, error)}") from error
    _check_causal(source, found)
    return found


def _place(source: str) -> tuple[str, dict[str, Any]]:
    """What transformers is asked for, and what else it is told: no weights are read for it."""
    if source in packaged.MODELS:
        kept = packaged.kept_in(source)
        if kept is None or kept.exists() or packaged.MODELS[source].package is None:
            return packaged.located(source), {}
        source = str(packaged.installed(source))
    path = Path(source)
    if source.endswith(packaged.GGUF) and path.is_file():
        return str(path.parent), {"gguf_file": path.name}
    if path.is_dir() and not (path / FILE).is_file():
        raise ValueError(f"cannot plan for {source}: the folder has no {FILE}")
    return source, {}


def _why(source: str, error: Exception) -> str:
    first = str(error).strip().partition("\n")[0].strip() or type(error).__name__
    path = Path(source)
    if not path.exists():
        return "there is no such folder or file, and it is not on the hub or it is unreachable"
    kind = _kind(path if path.is_file() else path / FILE)
    if kind is not None and kind not in transformers.CONFIG_MAPPING:
        return f"its model_type {kind!r} is unknown to transformers {transformers.__version__}"
    return first[:200]


def _kind(file: Path) -> str | None:
    try:
        found = json.loads(file.read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError):
        return None
    return found if isinstance(found, str) else None


def _check_causal(source: str, found: Any) -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as NAMES

    own = getattr(found, "architectures", None) or ()
    if "AutoModelForCausalLM" in (getattr(found, "auto_map", None) or {}):
        return  # its own code knows
    known: Any = NAMES.get(found.model_type)
    if known is None or (own and not {*own} & {*([known] if isinstance(known, str) else known)}):
        raise ValueError(
            f"cannot plan for {source}: {own[0] if own else found.model_type} is no causal "
            "language model"
        )


def decoder(source: str, adapter: lora.Config, trust_remote_code: bool = False) -> Decoder:
    """The sizes of the model of a configuration.

    Args:
        source: as for `configuration`.
        adapter: which of its layers have an adapter, and of which rank.
        trust_remote_code: as the run's.

    Raises: ValueError as `configuration`, for an adapter that this model cannot have, and for a
        model without attention, or with experts, of which the plan knows nothing.
    """
    found = configuration(source, trust_remote_code)
    try:
        with quiet(), torch.device("meta"):
            model = transformers.AutoModelForCausalLM.from_config(
                found, trust_remote_code=trust_remote_code
            )
    except Exception as error:  # of a configuration that may hold anything
        first = str(error).strip().partition("\n")[0].strip() or type(error).__name__
        raise ValueError(f"cannot plan for {source}: {first[:200]}") from error
    return sizes_of(source, model, adapter)


def sizes_of(source: str, model: Any, adapter: lora.Config) -> Decoder:
    text = model.config.get_text_config()
    width, heads = (getattr(text, name, None) for name in ("hidden_size", "num_attention_heads"))
    if not isinstance(width, int) or not isinstance(heads, int):
        raise ValueError(
            f"cannot plan for {source}: a {text.model_type} is no transformer of one width"
        )
    for name in ("num_experts", "num_local_experts", "n_routed_experts"):
        if getattr(text, name, None):
            raise ValueError(
                f"cannot plan for {source}: it has {getattr(text, name)} experts a layer, and the "
                "plan is of models whose layers all work on every token"
            )
    adapted, _ = targets(model, adapter, loaded=False)
    initialization.check(adapter, {name: shape_of(m) for name, m in adapted.items()})
    whole = saved_modules(model, adapter)
    every, head = blocks(model), output_head(model)
    places = {id(m): i for i, block in enumerate(every) for m in block.modules()}
    linear = tuple(
        Linear(
            name,
            *shape_of(module),
            adapter.rank_of(name) if name in adapted else 0,
            places.get(id(module)),
        )
        for name, module in model.named_modules()
        if name in adapted or (_is_linear(module) and module is not head)
    )
    norms = tuple(_norms(every[0])) if every else ()
    head_width = getattr(text, "head_dim", None) or width // heads
    acts = (getattr(text, name, None) for name in ACTIVATIONS)
    act = next((name for name in acts if name), None) or ""
    found = {layer.part for layer in linear if layer.block == 0}
    known = (
        {layer.part for layer in linear} == found == {*LLAMA}
        and norms.count(width) in (2, 4)
        and sorted({*norms} - {width}) in ([], [head_width])
        and act in KERNELS
        and not getattr(text, "attn_logit_softcapping", None)
    )
    return Decoder(
        text.model_type,
        sum(p.numel() for p in model.parameters()),
        max((sum(p.numel() for p in block.parameters()) for block in every), default=0),
        sum(p.numel() for m in whole.values() for p in m.parameters()),
        width,
        heads,
        getattr(text, "num_key_value_heads", None) or heads,
        head_width,
        text.vocab_size,
        getattr(text, "max_position_embeddings", None),
        len(every),
        linear,
        norms,
        act,
        text._attn_implementation,
        known,
    )


def _is_linear(module: nn.Module) -> bool:
    base = find_base(module)
    return base is not None and not base.reads_ids


def _norms(block: nn.Module) -> Iterator[int]:
    """The widths of the modules that have vectors alone."""
    for module in block.modules():
        own = [p for p in module._parameters.values() if p is not None]
        if own and all(p.ndim == 1 for p in own):
            yield own[0].numel()
