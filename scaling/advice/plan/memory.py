"""The memory of a device in a run. It is the sum of

    the weights that are not trained, in their precision, or quantised,
    what is trained, its gradients, and two numbers of AdamW's state for each, in float32,
    the activations of a micro-batch (`activations`), and
    what lives for a moment: the larger of a chunk of logits, and of the block that is computed
    again with the temporary tensors of one MLP; a quantised weight that is unpacked; or the
    temporary tensors of the optimizer's step, as far as they are more than the activations.

Weights, gradients, state and the activations of Llama's blocks are counted exactly, the rest is
bounded. What the device's own context and its allocator take comes on top.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import torch

from scaling.advice.plan.activations import Kept, Micro, activations
from scaling.advice.plan.adapters import FLOAT, STATE, Trained
from scaling.advice.plan.decoder import Decoder
from scaling.core.settings import Quantize
from scaling.evaluation.cross_entropy import chunk_of

HALF = ("bfloat16", "float16")


def nf4(size: int, rows: int) -> int:
    """Bytes of a weight in four bits with scales that are quantised too (arXiv:2305.14314): a byte
    for each block of 64, and for each 256 of these a float32."""
    del rows
    scales = ceil(size / 64)
    return ceil(size / 2) + scales + FLOAT * ceil(scales / 256)


def int8(size: int, rows: int) -> int:
    """Bytes of a weight in eight bits with a float32 scale for each row."""
    return size + FLOAT * rows


QUANTISED: dict[Quantize, Callable[[int, int], int]] = {"nf4": nf4, "int8": int8}


@dataclass(frozen=True)
class Memory:
    """Bytes on one device.

    Args:
        weights: that are not trained.
        trained: what is trained, and the fixed tensors of adapters.
        gradients, optimizer: of what is trained.
        kept: activations, by kind.
        moment: what lives for a moment only.
    """

    weights: int
    trained: int
    gradients: int
    optimizer: int
    kept: Kept
    moment: int

    @property
    def activations(self) -> int:
        return sum(self.kept.values())

    @property
    def total(self) -> int:
        fixed = self.weights + self.trained + self.gradients + self.optimizer
        return fixed + self.activations + self.moment


@dataclass(frozen=True)
class Run:
    """How a run is trained: what its memory depends on, besides the micro-batch.

    Args:
        model: its sizes.
        layers: what is trained, by name.
        length: tokens of an example.
        precision: of the run, decided.
        quantize: how the linear layers are held, but the head; None for as the precision says.
        full: whether it is full fine-tuning.
        checkpointing: whether blocks are computed again in the backward pass.
        padded: whether examples are filled up to one length.
        devices: how many share the batch.
        sharded: whether each of them holds a part of the weights that are not trained.
    """

    model: Decoder
    layers: dict[str, Trained]
    length: int
    precision: str
    quantize: Quantize | None = None
    full: bool = False
    checkpointing: bool = False
    padded: bool = True
    devices: int = 1
    sharded: bool = False

    @property
    def trained(self) -> int:
        return sum(layer.trained for layer in self.layers.values()) + self.model.whole

    @property
    def held(self) -> int:
        """Bytes of a number of the weights that are not trained."""
        return 2 if self.precision == "bfloat16" and not self.full else FLOAT


def memory(run: Run, examples: int) -> Memory:
    """Of a device with micro-batches of so many examples."""
    model, half = run.model, run.precision in HALF
    autocast = half and (run.full or run.precision == "float16")
    micro = Micro(examples, run.length, half, autocast, run.padded)
    acts = activations(model, micro, run.layers, run.checkpointing)
    carried = FLOAT * (sum(layer.carried for layer in run.layers.values()) + model.whole)
    # DistributedDataParallel has buckets of the gradients' size
    copies = 1 if run.devices == 1 else 2
    own = FLOAT * run.trained
    moment = max(loss(model, micro) + acts.cast, acts.again + temporary(model, micro))
    return Memory(
        weights(run),
        own if run.full else carried,
        copies * own,
        STATE * own,
        acts.kept,
        # AdamW's step has the roots of its second moments at once, but no activations
        max(moment + unpacked(run), own - sum(acts.kept.values())),
    )


def weights(run: Run) -> int:
    """Bytes of the weights that are not trained."""
    model = run.model
    if run.full:
        return FLOAT * (model.parameters - run.trained)
    inside = [layer for layer in model.linear if layer.block is not None]
    quantised = inside if run.quantize is not None else []
    rest = model.parameters - model.whole - sum(layer.size for layer in quantised)
    # the modules that are trained whole have a copy of what they were
    whole = run.held * rest + FLOAT * model.whole
    if run.quantize is not None:
        whole += sum(QUANTISED[run.quantize](layer.size, layer.out) for layer in quantised)
    if not run.sharded:
        return whole
    # a part of all, the block that is gathered and the next one, and what is in no block
    outside = model.parameters - model.layers * model.largest_block
    return whole // run.devices + run.held * (2 * model.largest_block + max(outside, 0))


def unpacked(run: Run) -> int:
    """Bytes of the largest quantised weight when it is unpacked for a product."""
    inside = (layer.size for layer in run.model.linear if layer.block is not None)
    return 0 if run.quantize is None else run.held * max(inside, default=0)


def loss(model: Decoder, micro: Micro) -> int:
    """A bound of the bytes that the loss takes for a moment: of a chunk the logits, their
    logarithms, those of the chunk before and their gradients; the rows that have labels; and the
    head's weight where autocast casts it."""
    rows = min(micro.tokens, chunk_of(model.vocabulary, torch.device("cuda")))
    cast = 2 * model.vocabulary * model.width if micro.autocast else 0
    chunk = (3 * FLOAT + 2 * micro.e) * rows * model.vocabulary
    return chunk + cast + 2 * FLOAT * micro.tokens * model.width


def temporary(model: Decoder, micro: Micro) -> int:
    """A bound of what one block's backward pass makes besides: gradients of the MLP's three tensors
    and of two of the residual stream."""
    return micro.tokens * (3 * micro.e * model.inner + 2 * FLOAT * model.width)
