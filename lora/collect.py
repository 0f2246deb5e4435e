"""Statistics of the inputs and gradients of chosen layers, in one pass over the data."""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from torch import Tensor, nn

from lora import four_bits
from lora.batches import LossFn, in_turn, mask_of, run, weights_of
from lora.hooks import Recorder, SharingBroken, Stop, Widths
from lora.layer import LoRALinear
from lora.obstacles import check_model
from lora.processes import over_processes
from lora.sketch import Sketch
from lora.statistics import Statistics
from lora.stopping import Check
from lora.targets import output_head

NEEDS = {
    "inputs": {"inputs"},
    "G": {"G"},
    "Q": {"Q"},
    "gradient": {"inputs", "G", "Q"},
}
"""What each `need` of `collect` has it sum."""


def collect(
    model: nn.Module,
    layers: Collection[str] | Mapping[str, nn.Module],
    batches: Iterable[Any],
    need: str | Collection[str] = "inputs",
    loss_fn: LossFn | None = None,
    *,
    axes: int | None = None,
    tolerance: float | None = None,
    weights: Callable[[Any], Tensor] | None = None,
    label_mask: bool = False,
    max_batches: int = 256,
    max_tokens: int = 1_000_000,
    max_width: int = 4096,
    sketch_above: int = 1024,
) -> dict[str, Statistics]:
    """What each layer reads, averaged over the tokens of the batches. The model is left untouched.

    A token is a row of a layer's input x. For "inputs" no loss is computed: "labels" are not passed
    to the model, and the forward ends at the last layer asked for (the first forward, which finds
    the order, ends at the model's output embeddings unless there is a `loss_fn`).

    Args:
        model: the model, which is run in eval mode.
        layers: names of layers in it, or name -> module.
        batches: any iterable of batches on the model's device. `loss_fn(model, batch)` runs a
            batch where one is given. Otherwise a mapping is run as model(**batch), a tuple or list
            as model(*batch), and anything else as model(batch).
        need: "inputs" (mean and second moment), "G" or "Q" (it and the mean), "gradient" (all of
            these), or a collection of them. Fewer take less time and memory.
        loss_fn: gives the loss L of a batch. For gradients the default is the `.loss` of what the
            model returns.
        axes: how many leading axes the statistics will be asked for. An input wider than
            `sketch_above` is then stored as a sketch. By default everything is exact.
        tolerance: ends the pass as soon as no layer is expected to lose more than this part of the
            variance that its `axes` centred axes could capture. For "inputs" alone.
        weights: weights(batch) gives every token a weight, (batch, tokens) like the mask and not
            negative. A token of weight 2 counts as two of weight 1, in every mean.
        label_mask: leave out the tokens whose label is -100.
        max_batches: end the pass after so many batches,
        max_tokens: or with the batch that reaches so many tokens.
        max_width: refuse an input that is wider and not sketched.
        sketch_above: the width up to which an input is stored whole in spite of `axes`.

    Returns: the statistics by layer name. Layers that read the very same tensor (q, k and v; gate
        and up) share one accumulator and, for "inputs", one Statistics; for gradients they share
        the tensors `mean` and `second_moment`. Where torch.distributed is initialized every process
        gets the statistics of all, by one all-reduce and one gather per accumulator.
    Raises: ValueError naming the layer for activations that are not finite, a layer that never ran,
        no token that counts, or an input wider than `max_width` that is not sketched; for weights
        that are negative, not finite or of another shape; and for no batches at all. Modes, hooks
        and requires_grad are restored on any exception.

    Masks. Where a mapping has a 2-D "attention_mask" the rows that it marks 0 do not count. A layer
    whose input has another number of rows than the mask (a pooled one) counts them all.

    Gradients. G and Q are of g_i = n dL/dh_i, with h_i the layer's output at its i-th token and n
    the tokens of the batch by the masks, whatever their weights. Where L is a mean over tokens, g_i
    is the gradient of the token's own loss, whatever the batch's size. G = sum w_i g_i x_i^T / sum
    w_i with weights w_i, and Q likewise. Without weights G is the mean over batches, by their
    tokens, of the gradient of the weight. For one batch without masked tokens it is the weight's
    `.grad`. Parameters get no `.grad`.

    Sketches (`lora.sketch`) have max(64, 8 axes) columns: a lower bound of the covariance (and of
    Q) with the exact trace, whatever the order of the batches, though which lower bound depends on
    it. What `tolerance` compares is estimated from the axes of the even and the odd batches, after
    2, 4, 8, ... batches, and stored as `capture_loss`.

    Sums are additive: the order of the batches and their split between processes change the result
    by rounding only (`lora.accumulate` says by how much), and no random generator is used. Memory:
    8 in^2 bytes per distinct input, 8 out in per layer for G and 8 in^2 for Q, and one batch's
    activations; `tolerance` doubles it, and a model in bfloat16 halves it. Time: the forwards (and
    backwards), and multiply-adds in the model's own precision: tokens * in^2 / 2 per distinct
    input and per layer for Q, tokens * in * out per layer for G. A sketch of l columns takes 12 in
    l bytes and 2 tokens in l multiply-adds in place of the square's.
    """
    needs = [need] if isinstance(need, str) or not isinstance(need, Iterable) else list(need)
    if not needs or any(not isinstance(each, str) or each not in NEEDS for each in needs):
        raise ValueError(
            f'need must be "inputs", "gradient", "G" or "Q", or a collection of them, got {need!r}'
        )
    wanted = set().union(*(NEEDS[each] for each in needs))
    limits = {
        "max_batches": max_batches,
        "max_tokens": max_tokens,
        "max_width": max_width,
        "sketch_above": sketch_above,
    }
    for name, limit in (limits | {"axes": 1 if axes is None else axes}).items():
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise ValueError(f"{name} must be at least 1 and a whole number, got {limit!r}")
    positive = isinstance(tolerance, int | float) and tolerance is not True and tolerance > 0
    if tolerance is not None and (axes is None or wanted != {"inputs"} or not positive):
        raise ValueError(
            f'tolerance must be positive, and needs axes and need="inputs", got {tolerance!r}'
        )
    if not isinstance(label_mask, bool):
        raise ValueError(f"label_mask must be True or False, got {label_mask!r}")
    for name, function in {"loss_fn": loss_fn, "weights": weights}.items():
        if function is not None and not callable(function):
            given = "(model, batch)" if name == "loss_fn" else "(batch)"
            raise ValueError(
                f"{name} must be a function {name}{given}, got {type(function).__name__}"
            )
    gradient = wanted != {"inputs"}
    check_model(model, trained=gradient)
    modules = _modules(model, layers)
    iterator = islice(in_turn(batches, model, loss_fn, gradient), max_batches)
    try:
        first = next(iterator)
    except StopIteration:
        raise ValueError("batches is empty: there is nothing to collect statistics from") from None

    recorder = Recorder(
        modules,
        wanted,
        Widths(axes, sketch_above, max_width),
        parts=1 if tolerance is None else 2,
    )
    check = None if axes is None or tolerance is None else Check(axes, tolerance)
    with ExitStack() as restored:
        _guard(restored, model, gradient)
        for name, module in modules.items():
            for handle in recorder.hook(name, module):
                restored.callback(handle.remove)
        head = output_head(model)
        if head is not None and loss_fn is None and head not in modules.values():
            restored.callback(head.register_forward_pre_hook(recorder.before_head).remove)
        for done, batch in enumerate(chain([first], iterator)):
            mask = mask_of(batch, label_mask)
            weighed = None if weights is None else weights_of(weights(batch), mask)
            while True:
                recorder.begin(mask, weighed, done % recorder.parts)
                try:
                    with suppress(Stop):
                        run(model, batch, loss_fn, gradient)
                    recorder.end()
                    break
                except SharingBroken:
                    pass  # only on the first batch: it is read again, with one layer fewer sharing
            if weighed is not None and not recorder.weighed:
                raise ValueError(
                    f"weights of shape {tuple(weighed.shape)} fit the rows of no layer"
                )
            if recorder.tokens >= max_tokens:
                break
            if check is not None and check.passed(recorder, done + 1):
                break
    return _statistics(recorder, {} if check is None else check.losses)


def _modules(
    model: nn.Module, layers: Collection[str] | Mapping[str, nn.Module]
) -> dict[str, nn.Module]:
    if isinstance(layers, str) or not isinstance(layers, Iterable):
        raise ValueError(f"layers must be a collection of names, got {layers!r}")
    if isinstance(layers, Mapping):
        found = dict(layers)
        if other := [name for name, module in found.items() if not isinstance(module, nn.Module)]:
            kind = type(found[other[0]]).__name__
            raise ValueError(f"layers: {other[0]!r} must be a torch.nn.Module, got {kind}")
    else:
        every, names = dict(model.named_modules()), list(layers)
        if unknown := [name for name in names if not isinstance(name, str) or name not in every]:
            raise ValueError(f"layers: the model has no module {unknown[0]!r}")
        found = {name: every[name] for name in names}
    if not found:
        raise ValueError("layers is empty: there is nothing to collect")
    return found


def _guard(restored: ExitStack, model: nn.Module, gradient: bool) -> None:
    """Eval mode and, for gradients, frozen parameters without `.grad`: undone when the stack is
    left, whatever a loss function did to them in between."""
    for module in model.modules():
        restored.callback(setattr, module, "training", module.training)
    model.eval()
    for module in model.modules():
        if four_bits.includes(module):
            module.training = True  # which means nothing else to it
        if isinstance(module, LoRALinear):  # `Stop` ends forwards of a model past their last hook
            restored.callback(setattr, module, "share", None)
    if gradient:
        for parameter in model.parameters():
            restored.callback(setattr, parameter, "grad", parameter.grad)
            restored.callback(parameter.requires_grad_, parameter.requires_grad)
            parameter.grad = None
        model.requires_grad_(False)


def _statistics(recorder: Recorder, losses: Mapping[str, float]) -> dict[str, Statistics]:
    for name in recorder.modules:
        if name not in recorder.owner:
            raise ValueError(f"{name}: the layer never ran on these batches")
        if not recorder.of(recorder.owner[name]):
            raise ValueError(f"{name}: no token counts, the masks and weights exclude them all")
        if recorder.gradient and name not in recorder.gradients:
            raise ValueError(
                f"{name}: no gradient reached the layer, the loss does not depend on it"
            )
    inputs: dict[str, Statistics] = {}
    counts: dict[str, float] = {}  # of this process alone
    result = {}
    for name in recorder.modules:
        owner = recorder.owner[name]
        # each sum is released as soon as it is read: never are all held twice
        if owner not in inputs:
            local = replace(recorder.take(owner).statistics(), capture_loss=losses.get(owner))
            counts[owner], inputs[owner] = local.count, over_processes(local)
        result[name] = shared = inputs[owner]
        if recorder.gradient:
            G, Q = recorder.gradients.pop(name).means(counts[owner])
            whole, sketched = (None, Q) if isinstance(Q, Sketch) else (Q, None)
            none = shared.mean.new_zeros(0)
            local = Statistics(counts[owner], none, None, G, whole, weighted_sketch=sketched)
            result[name] = replace(
                over_processes(local),
                mean=shared.mean,
                moment=shared.moment,
                covariance_sketch=shared.covariance_sketch,
                tokens=shared.tokens,
            )
    return result
