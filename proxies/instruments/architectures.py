"""Any transformers architecture at several widths, with activations of one size at initialization.

A width n is the model's hidden size. Everything proportional to it in the given configuration stays
so: the inner size of the MLP and the number of heads, whose own size is fixed. Weights are drawn
anew, W_ij ~ N(0, 1/fan_in) and embeddings ~ N(0, 1), so that the input of every linear layer has
entries Theta(1) in n (muP, arXiv:2203.03466): a released initialization of fixed standard deviation
does not give that. Blocks and vocabulary are cut down; no width depends on them. The loss is linear
in the last hidden state, a probe: the gradient of a layer neither vanishes nor turns because the
task has been learned.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn

from lora.bases import is_dense_linear, weight_of

# What grows in proportion to the width, by the names that transformers uses before its attribute
# maps.
PROPORTIONAL = (
    "hidden_size",
    "num_attention_heads",
    "num_key_value_heads",
    "num_kv_heads",
    "intermediate_size",
    "n_inner",
    "ffn_dim",
    "ffn_hidden_size",
    "hidden_dim",
    "word_embed_proj_dim",
    "embedding_size",
)
VOCABULARY = 256
# of the one batch; few, because what aligned gradients add up to falls like 1/sqrt(tokens)
SEQUENCES, TOKENS = 2, 4
SMALL_LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "num_hidden_layers": 2,
    "vocab_size": VOCABULARY,
}


class Setting(NamedTuple):
    """A model, one probe batch of token ids (sequences, tokens), and the direction (sequences,
    tokens, n) of the probe."""

    model: nn.Module
    ids: Tensor
    direction: Tensor

    def loss(self, model: nn.Module, ids: Tensor) -> Tensor:
        """Linear in the last hidden state h (sequences, tokens, n): the mean of h times the
        direction."""
        return (model(input_ids=ids).last_hidden_state * self.direction).mean()


def unit(config: dict[str, Any]) -> int:
    """The smallest width at which every proportional field is a whole number; all others are its
    multiples.

    Raises: ValueError for an architecture that has no width, or is not one stack of blocks that
    reads tokens.
    """
    base = _parsed(config)
    fields = _proportional(base)
    present = {**fields, "vocab_size": getattr(base, "vocab_size", None)}
    if missing := [
        name
        for name in ("hidden_size", "num_attention_heads", "vocab_size")
        if not present.get(name)
    ]:
        raise ValueError(
            f"a {config['model_type']} configuration has no {missing[0]}, which the check needs."
        )
    if base.is_encoder_decoder:
        raise ValueError(
            f"{config['model_type']} is an encoder with a decoder; the check is for one stack of "
            "blocks."
        )
    return fields["hidden_size"] // math.gcd(*fields.values())


def check(config: dict[str, Any], blocks: int) -> None:
    """Check that both sides of every linear layer double with the width.

    Args:
        config: a transformers configuration as a dict.
        blocks: to which the model is cut down.

    Raises: ValueError where they do not.
    """
    small = unit(config)
    shapes = []
    for width in (small, 2 * small):
        with torch.device("meta"):
            model = _bare(config, width, blocks)
        if model.main_input_name != "input_ids":
            raise ValueError(
                f"{config['model_type']} reads {model.main_input_name}; the check needs input_ids."
            )
        for name, module in model.named_modules():
            matrices = any(p.ndim > 1 for p in module.parameters(recurse=False))
            if matrices and not (is_dense_linear(module) or isinstance(module, nn.Embedding)):
                where = f"{name or 'the model itself'} of {config['model_type']}"
                raise ValueError(
                    f"{where} is a {type(module).__name__}; the check knows linear layers and "
                    "embeddings."
                )
        shapes.append(
            {name: weight_of(m).shape for name, m in model.named_modules() if is_dense_linear(m)}
        )
    for name, (out, in_) in shapes[0].items():
        if name not in shapes[1]:
            raise ValueError(
                f"{name} of {config['model_type']} is there at width {small} and not at twice that."
            )
        if shapes[1][name] != (2 * out, 2 * in_):
            raise ValueError(
                f"{name} of {config['model_type']} is {out} x {in_} at width {small} and "
                f"{' x '.join(map(str, shapes[1][name]))} at twice that: a size is not among the "
                "fields known to grow, "
                f"which are {', '.join(PROPORTIONAL)}."
            )


def default_widths(config: dict[str, Any]) -> tuple[int, ...]:
    """The least width from 128 on, and three doublings."""
    least = unit(config) * math.ceil(128 / unit(config))
    return tuple(least * 2**i for i in range(4))


def check_width(config: dict[str, Any], width: int) -> None:
    """Raises ValueError for a width that is no multiple of `unit`."""
    if width < 1 or width % (step := unit(config)):
        raise ValueError(
            f"a width of this {config['model_type']} must be a multiple of {step}, got {width}."
        )


def at_width(config: dict[str, Any], width: int, blocks: int, seed: int) -> Setting:
    """The model of a configuration at a width, with its batch and probe.

    Args:
        config: a transformers configuration as a dict.
        width: the hidden size, a multiple of `unit`.
        blocks: to which the model is cut down.
        seed: of the weights, the batch and the probe; the batch is the same at all widths.

    Raises: ValueError for a width that is no multiple of `unit`.
    """
    rng = Generator().manual_seed(seed)
    words = _vocabulary(_parsed(config))
    # special tokens come first
    ids = torch.randint(words // 2, words, (SEQUENCES, TOKENS), generator=rng)
    model = _bare(config, width, blocks).eval().requires_grad_(False)  # eval: without dropout
    with torch.no_grad():
        for module in model.modules():
            if is_dense_linear(module):
                W = weight_of(module)
                W.copy_(W.shape[1] ** -0.5 * torch.randn(W.shape, generator=rng))
            elif isinstance(module, nn.Embedding):
                module.weight.copy_(torch.randn(module.weight.shape, generator=rng))
        _normalise_embeddings(model, ids)
    return Setting(model, ids, torch.randn(SEQUENCES, TOKENS, width, generator=rng))


def _normalise_embeddings(model: nn.Module, ids: Tensor) -> None:
    """Root mean square 1 for what each embedding gives: some multiply by the root of the width."""

    def divide(module: nn.Embedding, _: Any, output: Tensor) -> Tensor:
        size = output.square().mean().sqrt()
        module.weight.div_(size)
        return output / size

    hooks = [
        m.register_forward_hook(divide) for m in model.modules() if isinstance(m, nn.Embedding)
    ]
    model(input_ids=ids)
    for hook in hooks:
        hook.remove()


def _bare(config: dict[str, Any], width: int, blocks: int) -> Any:
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoModel

    check_width(config, width)
    base = _parsed(config)
    fields, words = _proportional(base), _vocabulary(base)
    names = base.attribute_map
    depth = base.num_hidden_layers
    changed = {
        names.get(field, field): value * width // fields["hidden_size"]
        for field, value in fields.items()
    }
    changed |= {names.get("num_hidden_layers", "num_hidden_layers"): min(blocks, depth)}
    changed |= {"vocab_size": words}
    # words; a special one beyond them, or a list of such, would be refused
    kept = range(words)
    special = ("pad_token_id", "bos_token_id", "eos_token_id")
    changed |= {word: None for word in special if getattr(base, word, None) not in kept}
    # What is listed block by block is cut with the blocks.
    lists = {
        k: v[:blocks] for k, v in base.to_dict().items() if isinstance(v, list) and len(v) == depth
    }
    try:
        with torch.random.fork_rng():  # it draws weights of its own from the global generator
            return AutoModel.from_config(
                type(base).from_dict(base.to_dict() | lists | changed)
            ).float()
    except (NotImplementedError, StrictDataclassError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"transformers cannot build {config['model_type']} at width {width}: {reason}"
        ) from error


def _parsed(config: dict[str, Any]) -> Any:
    from transformers import AutoConfig

    return AutoConfig.for_model(**config)


def _proportional(base: Any) -> dict[str, int]:
    values = {field: getattr(base, field, None) for field in PROPORTIONAL}
    return {field: value for field, value in values.items() if isinstance(value, int)}


def _vocabulary(base: Any) -> int:
    return min(base.vocab_size, VOCABULARY)
