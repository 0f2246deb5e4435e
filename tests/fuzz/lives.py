"""What a model that `lora.attach` has accepted must be able to do, to the end of its life."""

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import lora
from tests.fuzz.judge import Outcome, Snapshot, bits, difference, refusal, snapshot
from tests.fuzz.requests import NAMES
from tests.fuzz.victims import Victim


def lives(
    build: Callable[[], Victim],
    model: nn.Module,
    x: Tensor | None,
    before: Snapshot,
    folder: Path,
) -> str | None:
    """What is wrong with a model that was attached; None for nothing.

    Args:
        build: makes the model as it was.
        model: with adapters, untrained.
        x: an input of it; None where it computes nothing.
        before: the model before it was attached.
        folder: to save to.
    """
    base, _ = build()
    modes = {name: module.training for name, module in model.named_modules()}
    expected: Any = _outputs(base, x)
    if expected is not None and not expected.isfinite().all():
        x = None  # of such a base nothing is asked but that it comes back
    if x is not None and not _equal(got := _outputs(model, x), expected):
        return f"the function at step 0 is off by {_off(got, expected):.3g}"
    if x is not None and (trouble := _trains(copy.deepcopy(model), x)):
        return trouble
    again = build()
    try:
        lora.save(model, folder)
        lora.load(again[0], folder)
    except ValueError as error:
        if trouble := _needless(error, modes, x):
            return f"saved and loaded: {trouble}"
    else:
        if x is not None and not _close(loaded := _outputs(again[0], x), expected):
            return f"the loaded function is off by {_off(loaded, expected):.3g}"
    shutil.rmtree(folder)
    try:
        lora.merge(model)
    except ValueError as error:
        if trouble := _needless(error, modes, None):
            return f"merge: {trouble}"
    else:
        if x is not None and not _close(merged := _outputs(model, x), expected):
            return f"the merged function is off by {_off(merged, expected):.3g}"
        lora.unmerge(model)
    if x is not None and not _equal(got := _outputs(model, x), expected):
        return f"after unmerge the function is off by {_off(got, expected):.3g}"
    for name, module in model.named_modules():
        module.training = modes.get(name, module.training)
    lora.detach(model)
    for name, module in model.named_modules():
        module.training = modes.get(name, module.training)
    if changed := difference(before, snapshot(model)):
        return f"after detach {changed}"
    return None


def _needless(error: ValueError, layers: dict[str, bool], x: Tensor | None) -> str | None:
    """What is wrong with an error behind attach: all of it where the model computes something, and
    elsewhere the words, as of a base that is not finite and cannot be merged."""
    judged = refusal("", "", error, {*NAMES, "base_model.", *layers}, None)
    return judged.detail if x is not None or judged.outcome is not Outcome.REFUSED else None


def _trains(model: nn.Module, x: Tensor) -> str | None:
    """What is wrong with a forward and a backward in train mode."""
    model.train()
    result = model(x)
    result.float().square().mean().backward()
    if not result.isfinite().all():
        return "the output in train mode is not finite"
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and not parameter.requires_grad:
            return f"{name} is frozen, and has a gradient"
    if not any(parameter.grad is not None for parameter in model.parameters()):
        return "nothing is trained"
    return None


def _outputs(model: nn.Module, x: Tensor | None) -> Any:
    """In eval mode; None where the model computes nothing."""
    if x is None:
        return None
    model.eval()
    with torch.no_grad():
        return model(x)


def _equal(a: Tensor, b: Any) -> bool:
    return a.dtype == b.dtype and bits(a) == bits(b)


def _close(a: Tensor, b: Any) -> bool:
    """To some roundings of the dtype, of terms that may be larger than their sum."""
    size = max(1.0, float(b.abs().max())) if b.numel() else 1.0
    return _off(a, b) <= 100 * torch.finfo(b.dtype).eps * size


def _off(a: Tensor, b: Any) -> float:
    return float((a - b).abs().max()) if b.numel() else 0.0
