"""The loss of a causal language model, with logits only where labels are and in chunks.

The hidden states of the places whose next token has a label go through the head a chunk at a time
(`cross_entropy`); all else is the model's own forward pass, called as it is wrapped: under
autocast, DistributedDataParallel, fully_shard, gradient checkpointing. The loss and its gradients
are those of the model to rounding.

That the model's loss is the mean (or the sum over `num_items_in_batch`) of the cross entropy of its
shifted labels, and what it does to the head's output (`AFTER`), is found out by one forward pass of
a few tokens of the first batch, in which both must agree. Of a model where they do not (a loss of
two terms, logits of another shape, a head that is not called once), the model's own loss is taken.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from accelerate.utils import extract_model_from_parallel
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from scaling.core.records import Record
from scaling.core.task import IGNORED
from scaling.evaluation.cross_entropy import chunk_of, cross_entropy
from scaling.evaluation.token_loss import token_losses

After = Callable[[Tensor], Tensor]
TOKENS = 16  # of the forward pass that finds out
AFTER: tuple[tuple[str, Callable[[float], After]], ...] = (
    ("logit_scale", lambda scale: lambda z: z * scale),
    ("logits_scaling", lambda scale: lambda z: z / scale),
    ("logits_scaling", lambda scale: lambda z: z * scale),
    ("lm_head_multiplier", lambda scale: lambda z: z * scale),
    ("final_logit_softcapping", lambda cap: lambda z: torch.tanh(z / cap) * cap),
    ("logits_soft_cap", lambda cap: lambda z: torch.tanh(z / cap) * cap),
)
"""what models do to the head's output, by the setting of their config that holds the number: as
Cohere, Granite, HyperCLOVA X, Falcon-H1, Gemma and RecurrentGemma do"""


class _Head(NamedTuple):
    """The model without wrappers, the one in it whose head makes logits, and that head."""

    bare: nn.Module
    model: PreTrainedModel
    module: nn.Module


class _Seen(NamedTuple):
    """The sum of the losses of all labels, and of each its loss and the example that it is of."""

    total: Tensor
    losses: Tensor
    examples: Tensor


_known: WeakKeyDictionary[nn.Module, dict[tuple[type, bool, bool], After | None]]
_known = WeakKeyDictionary()  # by head; what was found out does not change with training


def mean_loss(model: nn.Module, **batch: Any) -> dict[str, Tensor]:
    """{"loss"}: the model's loss of a batch, a scalar with gradients of the first order.

    Args:
        model: a causal language model of transformers, wrapped or not.
        batch: what it is called with: `input_ids`, `labels` (batch, tokens), each predicted from
            the tokens before it, and maybe `num_items_in_batch`, which divides the sum of the
            losses; without it their mean is taken, which is NaN where nothing has a label.
    """
    seen = _run(model, batch)
    if seen is None:
        output = model(**batch)
        return {"loss": output["loss"] if isinstance(output, Mapping) else output[0]}
    items = batch.get("num_items_in_batch")
    return {"loss": seen.total / (len(seen.losses) if items is None else items)}


def text_losses(model: nn.Module, **batch: Any) -> list[Record]:
    """{"loss", "tokens"} of each text of a batch, without gradients: the sum over its labels, in
    nats, and their number. `model` and `batch` as for `mean_loss`."""
    labels = batch["labels"]
    with torch.no_grad():
        seen = _run(model, batch)
        if seen is None:
            logits = model(**{name: batch[name] for name in batch if name != "labels"}).logits
            return token_losses(logits[:, :-1], labels[:, 1:])
    sums = seen.losses.new_zeros(len(labels)).index_add_(0, seen.examples, seen.losses)
    counts = seen.examples.bincount(minlength=len(labels))
    return [{"loss": a, "tokens": b} for a, b in zip(sums.tolist(), counts.tolist(), strict=True)]


def _run(model: nn.Module, batch: Mapping[str, Any]) -> _Seen | None:
    """The forward pass in which the head sees the rows that have labels; None where this model, or
    this batch, needs its own."""
    found = _head(model)
    labels, ids = batch.get("labels"), batch.get("input_ids")
    if found is None or labels is None or ids is None or labels.shape != ids.shape:
        return None
    if labels.shape[1] < 2 or {"shift_labels", "logits_to_keep"} & batch.keys():
        return None
    known = _known.setdefault(found.module, {})
    key = (type(found.module), found.bare.training, batch.get("num_items_in_batch") is not None)
    if key not in known:
        known[key] = _found_out(found, ids, labels, key[2])
    after = known[key]
    if after is None:
        return None
    chunk = chunk_of(found.model.config.get_text_config().vocab_size, ids.device)
    seen: list[_Seen] = []

    def at_head(head: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...] | None:
        hidden = given[0]
        if seen or hidden.shape[:2] != labels.shape:
            return None
        entering.remove()
        trained = _trained(head) if torch.is_grad_enabled() else []
        has = F.pad(labels[:, 1:] != IGNORED, (0, 1)).flatten().nonzero()[:, 0]
        rows, right = hidden.flatten(0, 1).index_select(0, has), labels.flatten()[has + 1]
        sums = cross_entropy(rows, right, lambda some: after(head(some)), trained, chunk)
        seen.append(_Seen(*sums, has // labels.shape[1]))
        return (hidden[:1, :1].detach(), *given[1:])  # the model wants some logits

    def at_end(module: nn.Module, given: Any, output: Any) -> Any:
        """Wrappers hang their own work on what the model gives."""
        if seen and isinstance(output, dict):
            output["loss"] = seen[0].total
        return output

    entering = found.module.register_forward_pre_hook(at_head)
    ending = found.bare.register_forward_hook(at_end, prepend=True)
    try:
        output = model(**{name: batch[name] for name in batch if name != "labels"})
    finally:
        entering.remove()
        ending.remove()
    if not seen:
        known[key] = None
        return None
    return seen[0]._replace(total=output["loss"]) if isinstance(output, dict) else seen[0]


def _head(model: nn.Module) -> _Head | None:
    bare = extract_model_from_parallel(model)
    for module in bare.modules():
        if isinstance(module, PreTrainedModel):
            head = module.get_output_embeddings()
            return None if head is None else _Head(bare, module, head)
    return None


def _trained(head: nn.Module) -> list[Tensor]:
    return [parameter for parameter in head.parameters() if parameter.requires_grad]


def _found_out(found: _Head, ids: Tensor, labels: Tensor, counted: bool) -> After | None:
    """What comes after the head, by tokens that have labels; None where the model's loss is another
    one. Every process of a run calls the model once, with as many tokens."""
    some = ids[labels != IGNORED]
    some = (some if len(some) > 1 else ids.flatten()).repeat(TOKENS)
    some = some[None, : min(TOKENS, ids.shape[1])]
    calls: list[tuple[bool, Tensor]] = []

    def look(head: nn.Module, given: tuple[Any, ...], output: Tensor) -> None:
        calls.append((len(given) == 1 and _alone(head, given[0]), output))

    looking = found.module.register_forward_hook(look)
    items = {"num_items_in_batch": torch.tensor(2 * TOKENS)} if counted else {}
    # the run does not notice: its random numbers stay, and autocast keeps no copy of a weight that
    # has lost its gradient
    devices = [ids.device] if ids.device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices), torch.no_grad():
            output: Any = found.bare(input_ids=some, labels=some, **items)
    finally:
        looking.remove()
        torch.clear_autocast_cache()
    if [alone for alone, _ in calls] != [True] or not isinstance(output, dict):
        return None
    logits, config = calls[0][1], found.model.config.get_text_config()
    named = [(getattr(config, name, None), make) for name, make in AFTER]
    for after in (lambda z: z, *(make(value) for value, make in named if value is not None)):
        made = after(logits).float()
        if torch.equal(made, output["logits"].float()):
            return after if _is_loss(made, some, output["loss"], counted) else None
    return None


def _is_loss(logits: Tensor, labels: Tensor, loss: Tensor, counted: bool) -> bool:
    """Whether a loss is the cross entropy of (1, tokens, vocabulary) logits, to the rounding of
    sums of such numbers in float32."""
    each = F.cross_entropy(logits[0, :-1], labels[0, 1:], reduction="none")
    ours = each.sum() / (2 * TOKENS if counted else len(each))
    size = 1 + float(logits.abs().max()) + float(each.max())
    return abs(float(loss) - float(ours)) <= 16 * torch.finfo(torch.float32).eps * size


def _alone(head: nn.Module, hidden: Tensor) -> bool:
    """Whether what the head makes of hidden states depends on no other tensor with gradients than
    these and its own parameters."""
    some = hidden[:1, :1].detach().requires_grad_()
    with torch.enable_grad():
        nodes = [head.forward(some).grad_fn]
    own, seen = {id(some), *map(id, _trained(head))}, set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if (leaf := getattr(node, "variable", None)) is not None and id(leaf) not in own:
            return False
        nodes += [parent for parent, _ in node.next_functions]
    return True
