"""Statistics of the inputs and gradients of chosen layers, in one pass over the data."""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack
from itertools import chain, islice
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lora.hooks import Divergence, Recorder, Stop
from lora.statistics import Statistics

LossFn = Callable[[nn.Module, Any], Tensor]
IGNORED = -100  # the label that losses skip, by torch's own default


def collect(
    model: nn.Module,
    layers: Collection[str] | Mapping[str, nn.Module],
    batches: Iterable[Any],
    need: str | Collection[str] = "inputs",
    loss_fn: LossFn | None = None,
    *,
    label_mask: bool = False,
    max_batches: int = 256,
    max_tokens: int = 1_000_000,
    max_width: int = 4096,
) -> dict[str, Statistics]:
    """What each layer (a name, or name -> module) reads, averaged over the tokens of the batches; model untouched.

    `need` is "inputs" (mean and second moment) or "gradient" (these, and G and Q), or a collection of the two. A batch
    is run by `loss_fn(model, batch)` where one is given; otherwise a mapping as model(**batch), a tuple or list as
    model(*batch), and anything else as model(batch). Batches stand on the model's device. For "inputs" no loss is
    computed: "labels" are not passed to the model and, from the second batch on, the forward ends at the last layer
    asked for. For "gradient" the loss defaults to the `.loss` of what the model returns.

    A token is a row of the layer's input. Where a mapping has a 2-D "attention_mask" the rows that it marks 0 do not
    count, and with `label_mask` neither do those whose label is -100; a layer whose input has another number of rows
    than the mask (a pooled one) counts them all.

    G and Q are of g_i = n dL/dh_i, with L the loss of a batch, h_i the layer's output at its i-th token and n the
    batch's tokens: where L is a mean over tokens, g_i is the gradient of the token's own loss, whatever the batch's
    size. So G is the mean over batches, weighted by their tokens, of the gradient of the weight; for one batch
    without masked tokens it is the weight's `.grad`. Parameters get no `.grad`.

    Layers that read the very same tensor (q, k and v; gate and up) share one accumulator and, for "inputs", one
    Statistics; for "gradient" they share the tensors `mean` and `second_moment`. Sums are additive: the order of the
    batches and their split between processes change the result by rounding only. When torch.distributed is
    initialised every process gets the statistics of all, by one all-reduce per accumulator.

    The pass ends after `max_batches`, or with the batch that reaches `max_tokens`, so any iterable will do. It runs
    in eval mode; modes, hooks and requires_grad are restored on any exception, and no random generator is used.
    Memory: 8 in^2 bytes per distinct input, for "gradient" 8 (in^2 + out in) more per layer, and one batch's
    activations. Time: the forwards, and tokens * in^2 multiply-adds per distinct input (per layer for "gradient").

    Raises ValueError naming the layer for activations that are not finite, a layer that never ran, no token that
    counts, or an input wider than `max_width`; and for no batches at all.
    """
    wanted = {need} if isinstance(need, str) else set(need)
    if not wanted or wanted - {"inputs", "gradient"}:
        raise ValueError(f'need must be "inputs" or "gradient" or both, got {need!r}')
    for name, limit in {"max_batches": max_batches, "max_tokens": max_tokens, "max_width": max_width}.items():
        if limit < 1:
            raise ValueError(f"{name} must be at least 1, got {limit!r}")
    modules = _modules(model, layers)
    iterator = islice(batches, max_batches)
    try:
        first = next(iterator)
    except StopIteration:
        raise ValueError("batches is empty: there is nothing to collect statistics from") from None

    gradient = "gradient" in wanted
    recorder = Recorder(modules, gradient, max_width)
    with ExitStack() as restored:
        _guard(restored, model, gradient)
        for name, module in modules.items():
            for handle in recorder.hook(name, module):
                restored.callback(handle.remove)
        for batch in chain([first], iterator):
            mask = _mask(batch, label_mask)
            while True:
                recorder.begin(mask)
                try:
                    _run(model, batch, loss_fn, gradient)
                    recorder.end()
                    break
                except Stop:
                    break
                except Divergence:
                    pass  # only on the first batch: it is read again, with one layer fewer sharing
            if recorder.tokens >= max_tokens:
                break
    return _statistics(recorder, gradient)


def _modules(model: nn.Module, layers: Collection[str] | Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    if isinstance(layers, str):
        raise ValueError(f"layers must be a collection of names, got the string {layers!r}")
    if isinstance(layers, Mapping):
        found = dict(layers)
    else:
        every = dict(model.named_modules())
        if unknown := [name for name in layers if name not in every]:
            raise ValueError(f"layers: the model has no module {unknown[0]!r}")
        found = {name: every[name] for name in layers}
    if not found:
        raise ValueError("layers is empty: there is nothing to collect")
    return found


def _guard(restored: ExitStack, model: nn.Module, gradient: bool) -> None:
    """Eval mode and, for gradients, frozen parameters: both undone when the stack is left."""
    for module in model.modules():
        restored.callback(setattr, module, "training", module.training)
    model.eval()
    if gradient:
        for parameter in model.parameters():
            restored.callback(parameter.requires_grad_, parameter.requires_grad)
        model.requires_grad_(False)


def _run(model: nn.Module, batch: Any, loss_fn: LossFn | None, gradient: bool) -> None:
    with torch.set_grad_enabled(gradient):
        if loss_fn is not None:
            result: Any = loss_fn(model, batch)
        elif isinstance(batch, Mapping):
            result = model(**{key: value for key, value in batch.items() if gradient or key != "labels"})
        else:
            result = model(*batch) if isinstance(batch, tuple | list) else model(batch)
        if not gradient:
            return
        loss = result if loss_fn is not None else getattr(result, "loss", None)
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            raise ValueError("gradients need a scalar loss: pass loss_fn, or batches that hold the model's labels")
        if not loss.requires_grad:
            raise ValueError("the loss does not depend on any of the layers")
        if not loss.isfinite():
            raise ValueError(f"the loss must be finite, got {loss.item()}")
        loss.backward()


def _mask(batch: Any, label_mask: bool) -> Tensor | None:
    """Which tokens of the batch count, (batch, tokens); None for all."""
    values = batch if isinstance(batch, Mapping) else {}
    mask = values.get("attention_mask")
    mask = mask != 0 if isinstance(mask, Tensor) and mask.ndim == 2 else None
    if label_mask:
        labels = values.get("labels")
        if not isinstance(labels, Tensor):
            raise ValueError('label_mask needs "labels" in every batch')
        mask = labels != IGNORED if mask is None else mask & (labels != IGNORED)
    return mask


def _statistics(recorder: Recorder, gradient: bool) -> dict[str, Statistics]:
    for name in recorder.modules:
        if name not in recorder.owner:
            raise ValueError(f"{name}: the layer never ran on these batches")
        if not recorder.moments[recorder.owner[name]].count:
            raise ValueError(f"{name}: no token counts, the masks exclude them all")
        if gradient and name not in recorder.gradients:
            raise ValueError(f"{name}: no gradient reached the layer, the loss does not depend on it")
    counts = {owner: sums.count for owner, sums in recorder.moments.items()}
    inputs: dict[str, Statistics] = {}
    result = {}
    for name in recorder.modules:
        owner = recorder.owner[name]
        if owner not in inputs:  # each sum is given up as soon as it is read: at no time does all stand twice
            inputs[owner] = Statistics(*_over_processes(counts[owner], *recorder.moments.pop(owner).means()))
        result[name] = shared = inputs[owner]
        if gradient:
            _, G, Q = _over_processes(counts[owner], *recorder.gradients.pop(name).means(counts[owner]))
            result[name] = Statistics(shared.count, shared.mean, shared.second_moment, G, Q)
    return result


def _over_processes(count: float, first: Tensor, second: Tensor) -> tuple[float, Tensor, Tensor]:
    """A number of tokens and two means over them, over all processes where there are several."""
    if not (dist.is_available() and dist.is_initialized()):
        return count, first, second
    flat = count * torch.cat([first.new_ones(1), first.flatten(), second.flatten()])
    dist.all_reduce(flat)
    total = flat[0].item()
    one, two = (flat[1:] / total).split([first.numel(), second.numel()])
    return total, one.view_as(first), two.view_as(second)
