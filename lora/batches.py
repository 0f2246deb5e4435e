"""Probe batches: which are allowed, how one is run, and which of its tokens count for how much."""

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

LossFn = Callable[[nn.Module, Any], Tensor]
IGNORED = -100  # the label that losses skip, by torch's own default


def in_turn(batches: Any, model: nn.Module, loss_fn: LossFn | None, labels: bool) -> Iterator[Any]:
    """The batches, each looked at before it is run.

    Raises ValueError, with the number of the batch counted from 0, for what is no iterable of
    batches, or a batch that without a `loss_fn` the model cannot be called with. What the iterable
    itself raises passes through.

    Args:
        batches: what the user gave.
        model: whose forward is called with a batch.
        loss_fn: takes any batch.
        labels: whether labels are passed to the model.
    """
    if isinstance(batches, str | bytes | Mapping) or not isinstance(batches, Iterable):
        hint = "; for one batch pass [batch]" if isinstance(batches, Mapping) else ""
        raise ValueError(
            f"batches must be an iterable of batches, got {type(batches).__name__}{hint}"
        )
    return _in_turn(batches, None if loss_fn is not None else _signature(model), labels)


def _in_turn(
    batches: Iterable[Any], signature: inspect.Signature | None, labels: bool
) -> Iterator[Any]:
    for number, batch in enumerate(batches):
        if signature is not None:
            _check(batch, number, signature, labels)
        yield batch


def _signature(model: Any) -> inspect.Signature:
    peft = sys.modules.get("peft")
    if peft is not None and type(model) is peft.PeftModel:  # whose own forward takes anything
        model = model.get_base_model()
    try:
        return inspect.signature(model.forward)
    except (TypeError, ValueError):  # of a function that tells nothing of itself
        return inspect.signature(lambda *_, **__: None)


def _check(batch: Any, number: int, signature: inspect.Signature, labels: bool) -> None:
    if batch is None or isinstance(batch, str | bytes | int | float | complex):
        raise ValueError(
            f"batches: batch {number} is a {type(batch).__name__}; without loss_fn a batch must be "
            "a tensor, or a mapping, tuple or list of the model's arguments"
        )
    args, kwargs = _arguments(batch, labels)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ValueError(
            f"batches: batch {number} does not fit the model's forward: {error}"
        ) from error


def _arguments(batch: Any, labels: bool) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(batch, Mapping):
        return (), {key: value for key, value in batch.items() if labels or key != "labels"}
    return tuple(batch) if isinstance(batch, tuple | list) else (batch,), {}


def run(model: nn.Module, batch: Any, loss_fn: LossFn | None, gradient: bool) -> None:
    """One forward and, where gradients are wanted, the backward of its loss.

    Raises ValueError for a loss of which there is no gradient.
    """
    with torch.set_grad_enabled(gradient):
        if loss_fn is not None:
            result: Any = loss_fn(model, batch)
        else:
            args, kwargs = _arguments(batch, gradient)
            result = model(*args, **kwargs)
        if not gradient:
            return
        loss = result if loss_fn is not None else getattr(result, "loss", None)
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            raise ValueError(
                "gradients need a scalar loss: pass loss_fn, or batches that hold the model's "
                "labels"
            )
        if not loss.requires_grad:
            raise ValueError("the loss does not depend on any of the layers")
        if not loss.isfinite():
            raise ValueError(f"the loss must be finite, got {loss.item()}")
        loss.backward()


def mask_of(batch: Any, label_mask: bool) -> Tensor | None:
    """Which tokens of the batch count, (batch, tokens); None for all."""
    values = batch if isinstance(batch, Mapping) else {}
    mask = values.get("attention_mask")
    mask = mask != 0 if isinstance(mask, Tensor) and mask.ndim == 2 else None
    if label_mask:
        labels = values.get("labels")
        if not isinstance(labels, Tensor):
            raise ValueError('label_mask needs "labels" in every batch')
        if mask is not None and labels.shape != mask.shape:
            raise ValueError(
                f'label_mask: "labels" must have the shape {tuple(mask.shape)} of the mask, got '
                f"{tuple(labels.shape)}"
            )
        mask = labels != IGNORED if mask is None else mask & (labels != IGNORED)
    return mask


def weights_of(weights: Any, mask: Tensor | None) -> Tensor:
    """What the user's function gave for a batch, checked: the weight of each of its tokens."""
    if not isinstance(weights, Tensor):
        raise ValueError(f"weights must return a tensor, got {type(weights).__name__}")
    if weights.ndim != 2 or (mask is not None and weights.shape != mask.shape):
        meant = "(batch, tokens)" if mask is None else f"{tuple(mask.shape)} like the mask"
        raise ValueError(f"weights must have shape {meant}, got {tuple(weights.shape)}")
    if bad := int((~(weights.isfinite() & (weights >= 0))).sum()):
        raise ValueError(f"weights must be finite and not negative, got {bad} that are not")
    return weights.detach()
