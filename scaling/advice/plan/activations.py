"""Bytes that one micro-batch keeps for backward in a decoder's blocks, derived by walking through a
block of Llama and noting the tensors that each operation saves.

Per token, with h the width, f that of the MLP, a heads and g key heads of width d, e bytes in a
number of the products (2 in bfloat16, 4 in float32):

    two RMSNorms      2 (4 h + 4)        x in float32 and 1 / rms
    attention (sdpa)  e (2 a + 2 g) d + 4 a     q, k, v, the output and log sum exp: no n x n scores
    MLP               3 e f              gate, silu(gate) and up
    adapters          e (2 h + f)        inputs of q, k, v and of gate, up, once each; that of down;
                                         that of o is attention's output, which is kept already
                      e r                R x, of each adapted layer                              (1)

and per adapted layer e r (in + out) for L and R in the type of the products, where that is not
float32. (1) is for gradients that flow through everything. They do not before the first adapted
layer, so of the first block less is kept: R and the inputs of the first norm. With A frozen no
input is kept for an adapter, with B frozen no R x.

With checkpointing a block keeps its input, e h a token, and (1) is there for one block at a time,
when it is computed again.

Examples that are filled up to one length bring a mask, with which keys and values are repeated for
all heads (a for g above) and the mask is kept by each block, e n a token for n tokens an example:
this is counted unless told otherwise, as a bound. `eager` attention keeps scores: (4 + e) a n more.
Under autocast (float16, and full fine-tuning below float32) the residual stream is float32, each
product keeps its weight in half precision, 2 bytes a number, and each weight that is trained its
input.

Exact for Llama, Mistral, Qwen 2 and whatever else has their blocks; with 4 (h + 1) more for each
further norm of the residual stream, and 4 (a + g) (d + 1) for those of heads (Qwen 3, Gemma). Of
others, such as those with one layer for q, k and v, `estimate`. Source: derived, from the
operations of transformers 5.23.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scaling.advice.plan.adapters import Trained
from scaling.advice.plan.decoder import LLAMA, Decoder, Linear

FLOAT = 4
Q, K, V, O, GATE, UP, DOWN = LLAMA
Kept = dict[str, int]
WRITTEN_OUT = {"gelu_new": 9, "gelu_fast": 9}  # tensors that a formula of many operations keeps
KINDS = ("norms", "attention", "MLP", "inputs of trained layers", "products of adapters", "copies")


@dataclass(frozen=True)
class Micro:
    """A micro-batch, and in what it is computed.

    Args:
        examples: at once on a device.
        length: tokens of each.
        half: whether products are in 16 bits.
        autocast: whether they are so by autocast, over float32 weights.
        padded: whether a mask tells what fills examples up.
    """

    examples: int
    length: int
    half: bool
    autocast: bool = False
    padded: bool = True

    @property
    def tokens(self) -> int:
        return self.examples * self.length

    @property
    def e(self) -> int:
        """Bytes of a number in the products."""
        return 2 if self.half else FLOAT

    @property
    def stream(self) -> int:
        """Bytes of a number of the residual stream."""
        return FLOAT if self.autocast else self.e


def block(
    decoder: Decoder,
    micro: Micro,
    layers: Mapping[str, Linear],
    trained: Mapping[str, Trained],
    flows: bool,
) -> tuple[Kept, bool]:
    """(1) of one block, by kind, and whether gradients flow through what comes after it.

    Args:
        decoder: the sizes.
        micro: the micro-batch.
        layers: of the block, by part.
        trained: those of them that are trained, by name.
        flows: whether something before the block is trained.
    """
    n, e, h = micro.tokens, micro.e, decoder.width
    kept: Kept = dict.fromkeys(KINDS, 0)

    def norm(flowing: bool) -> None:
        kept["norms"] += FLOAT * n * (h + 1) * flowing

    def linear(parts: Sequence[str], flowing: bool, held: bool = False) -> list[bool]:
        """Layers that read one tensor, which something else holds or not."""
        own = [(layers[part], trained.get(layers[part].name)) for part in parts]
        reading = [a for _, a in own if a is not None and a.inputs]
        if reading and not held:
            # autocast casts the input of each weight anew, and that of adapters once
            apart = micro.autocast and len(parts) > 1 and not reading[0].rank
            copies = len(reading) if apart else 1
            kept["inputs of trained layers"] += copies * e * n * own[0][0].in_
        for layer, a in own:
            if micro.autocast and flowing:
                kept["copies"] += 2 * layer.size
            if a is not None:
                _adapter(kept, micro, layer, a, flowing)
        return [flowing or a is not None for _, a in own]

    norm(flows)
    qkv = linear((Q, K, V), flows)
    if any(qkv):
        kept["attention"] += attention(decoder, micro)
        kept["norms"] += of_heads(decoder, micro)
    [through] = linear((O,), any(qkv), held=any(qkv))
    norm(after := flows or through)
    gate, up = linear((GATE, UP), after)
    f = layers[UP].out
    kept["MLP"] += e * n * f * (2 * gate + up)
    [down] = linear((DOWN,), gate or up)
    if after or down:  # norms after attention and after the MLP
        kept["norms"] += FLOAT * n * (h + 1) * (decoder.norms.count(h) - 2)
    return kept, after or down


def of_heads(decoder: Decoder, micro: Micro) -> int:
    """Bytes that norms of each head's q and k keep, where a block has them."""
    heads = (decoder.heads, decoder.key_heads) if decoder.head in decoder.norms else ()
    return FLOAT * micro.tokens * sum(heads) * (decoder.head + 1)


def attention(decoder: Decoder, micro: Micro) -> int:
    """Bytes that attention keeps: q, k, v, the output and log sum exp, the mask or the scores."""
    n, e = micro.tokens, micro.e
    scores = decoder.heads * micro.length * n
    repeated = micro.padded or decoder.attention == "eager"
    keys = decoder.heads if repeated else decoder.key_heads
    kept = e * n * decoder.head * (2 * decoder.heads + 2 * keys)
    if decoder.attention == "eager":  # softmax in float32, and as the products have it
        return kept + (FLOAT + (e if e != FLOAT else 0)) * scores
    return kept + FLOAT * n * decoder.heads + (e * n * micro.length if micro.padded else 0)


def _adapter(kept: Kept, micro: Micro, layer: Linear, a: Trained, flowing: bool) -> None:
    """Add what one trained layer keeps besides its input."""
    n, e = micro.tokens, micro.e
    if a.images:
        kept["products of adapters"] += e * n * a.rank
    if micro.half or a.made:
        left = layer.out if a.inputs or flowing else 0
        copies = e * a.rank * (left + (layer.in_ if flowing else 0))
        kept["copies"] += 2 * copies if a.dropout else copies
    if a.rescaled:  # the output before it is, its factors, the norms and which of them are not 0
        kept["products of adapters"] += (e * (n + 1) + FLOAT + 1) * layer.out
    if a.dropout:  # the change of the input, the mask (less on a GPU), and the second product
        kept["inputs of trained layers"] += (1 + flowing) * e * n * layer.in_
        kept["products of adapters"] += e * n * a.rank


def estimate(
    decoder: Decoder, micro: Micro, layers: Mapping[str, Linear], trained: Mapping[str, Trained]
) -> Kept:
    """What a block of another kind keeps, about: (1) with its own norms, of an MLP with a gate, and
    with the inputs of what is trained each by itself."""
    n, e = micro.tokens, micro.e
    kept: Kept = dict.fromkeys(KINDS, 0)
    for width in decoder.norms:
        kept["norms"] += FLOAT * n * (width + 1)
    kept["attention"] = attention(decoder, micro)
    inner = max((layer.in_ for layer in layers.values()), default=0)
    kept["MLP"] = WRITTEN_OUT.get(decoder.activation, 3) * e * n * inner
    for layer in layers.values():
        a = trained.get(layer.name)
        if micro.autocast:
            kept["copies"] += 2 * layer.size
        if a is not None:
            kept["inputs of trained layers"] += e * n * layer.in_ if a.inputs else 0
            _adapter(kept, micro, layer, a, True)
    return kept


@dataclass(frozen=True)
class Activations:
    """What a micro-batch keeps for backward, in bytes.

    Args:
        kept: at the end of the forward pass, by kind.
        again: for a moment, with checkpointing: what the largest block keeps when it is computed
            again.
        cast: a bound of what is held until the forward pass ends: factors in the type of the
            products, and trained weights that autocast has cast.
    """

    kept: Kept
    again: int = 0
    cast: int = 0


def activations(
    decoder: Decoder,
    micro: Micro,
    trained: Mapping[str, Trained],
    checkpointing: bool = False,
) -> Activations:
    """Of the whole model, without its head, whose loss is made in chunks.

    Args:
        decoder: the sizes.
        micro: the micro-batch.
        trained: the layers that are trained, by name.
        checkpointing: whether blocks are computed again in the backward pass.
    """
    n, h = micro.tokens, decoder.width
    blocks, flows = list[Kept](), False
    for number in range(decoder.layers):
        layers = decoder.of_block(number)
        if decoder.known:
            kept, flows = block(decoder, micro, layers, trained, flows)
        else:
            kept, flows = estimate(decoder, micro, layers, trained), True
        blocks.append(kept)
    whole = {kind: sum(kept[kind] for kept in blocks) for kind in KINDS}
    adapters = [(layer, trained[layer.name].rank) for layer in decoder.linear if layer.rank]
    cast = sum(micro.e * rank * (layer.out + layer.in_) for layer, rank in adapters)
    if micro.autocast:  # those whose input has no gradient are kept for no longer
        cast += 2 * decoder.largest_block
    again = 0
    if checkpointing:
        again = max((sum(kept.values()) for kept in blocks), default=0)
        whole = dict.fromkeys(KINDS, 0) | {"norms": micro.stream * n * h * decoder.layers}
        if micro.autocast:
            cast += 2 * sum(a.trained for a in trained.values() if not a.rank)
    # the last norm, and the gradient of the head's input, which the loss makes in float32
    whole["norms"] += FLOAT * n * (h + 1)
    whole["head"] = FLOAT * n * h
    positions = 2 * micro.length * decoder.head * (FLOAT if micro.autocast else micro.e)
    whole["positions and labels"] = positions + 8 * (n + micro.length)
    return Activations(whole, again, cast)
