"""What PEFT's two files say that each layer computes, read without this library: from
adapter_config.json and the tensors, by PEFT's rules.

    y = (W + s B A) x + b,  s = lora_alpha / r, or lora_alpha / sqrt(r) with use_rslora,

with the rows of the weight rescaled to the magnitudes where there are any, and without the best
rank-r part of W where init_lora_weights is "pissa". Everything is in float64.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

import lora
from tests.fuzz.adapters import CONFIG, WEIGHTS, Files

# float32 computes a layer of width at most 6 with a few roundings of eps = 1.2e-7 of its largest
# terms, and the singular vectors that PiSSA needs with some tens; a wrong scale, factor or sign is
# off by a part of the order of 1.
TOLERANCE = 1e-4
FIRST = "base_model.model."
Pair = dict[str, Tensor]


class Unreadable(Exception):
    """The files do not say what to compute."""


@dataclass(frozen=True)
class Layer:
    """weight: (out, in) in float64; size: of the largest terms of which it is the sum; largest: of
    all numbers on the way to it."""

    weight: Tensor
    size: float
    largest: float

    @property
    def overflows(self) -> bool:
        """Whether float32 cannot hold what is computed, here as in PEFT."""
        return not self.largest < torch.finfo(torch.float32).max / 100  # a sum of a few such terms


def contradiction(model: nn.Module, base: nn.Module, files: Files, ignored: set[str]) -> str | None:
    """In what a loaded model differs from what its two files say; None where in nothing.

    Args:
        model: the loaded one.
        base: the same model without adapters.
        files: the two files.
        ignored: keys of patterns that match nothing, and that no one should try to match.
    """
    try:
        values = _settings(files[CONFIG])
        layers, whole = _layers(values, _tensors(files[WEIGHTS]), base, ignored)
    except Unreadable as error:
        return f"it loads, but {error}"
    adapted = lora.adapters(model)
    if adapted.keys() != layers.keys():
        return f"{sorted(adapted.keys() ^ layers.keys())[0]} is adapted, or not, against the files"
    for name, layer in layers.items():
        if trouble := _differs(adapted[name], base.get_submodule(name), layer):
            return f"{name}: {trouble}"
        if (p := values.get("lora_dropout", 0.0)) != adapted[name].dropout:
            return f"{name}: dropout is {adapted[name].dropout}, the file says {p!r}"
    state = model.state_dict()
    for key, value in whole.items():
        if not torch.equal(state[key], value.to(state[key].dtype)):
            return f"{key} is not the stored one"
    for name, parameter in model.named_parameters():
        frozen = "base_layer" in name or not any(f"{n}." in name for n in (*layers, *_roots(whole)))
        if parameter.requires_grad == frozen:
            return f"{name}: requires_grad is {parameter.requires_grad}"
    return None


def overflows(base: nn.Module, files: Files, ignored: set[str]) -> bool:
    """Whether the files themselves describe a weight that float32 cannot hold."""
    try:
        layers, _ = _layers(_settings(files[CONFIG]), _tensors(files[WEIGHTS]), base, ignored)
    except Unreadable:
        return False
    return any(layer.overflows for layer in layers.values())


def _settings(text: bytes) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{CONFIG} is no JSON: {error}") from error
    if not isinstance(values, dict):
        raise Unreadable(f"{CONFIG} holds no object")
    return values


def _tensors(content: bytes) -> Pair:
    try:
        return safetensors.torch.load(content)
    except Exception as error:
        raise Unreadable(f"{WEIGHTS} cannot be read: {error}") from error


def _layers(
    values: dict[str, Any], tensors: Pair, base: nn.Module, ignored: set[str]
) -> tuple[dict[str, Layer], Pair]:
    pairs: dict[str, dict[str, Tensor]] = {}
    whole: Pair = {}
    state = base.state_dict()
    for key, value in tensors.items():
        found = re.fullmatch(r"(.+)\.(lora_(?:embedding_)?[AB])(?:\.weight)?", key)
        if found := found or re.fullmatch(r"(.+)\.(lora_magnitude_vector)(?:\.weight)?", key):
            if value.is_complex() and value.imag.any():
                raise Unreadable(f"{key} is complex")
            pairs.setdefault(found[1].removeprefix(FIRST), {})[found[2][-1]] = value.double()
        elif key.endswith("base_layer.weight"):
            continue  # a copy, which PEFT adds for embeddings
        elif key.removeprefix(FIRST) in state:
            whole[key.removeprefix(FIRST)] = value
        else:
            raise Unreadable(f"{key} belongs to nothing")
    return {name: _layer(values, name, pair, base, ignored) for name, pair in pairs.items()}, whole


def _layer(
    values: dict[str, Any], name: str, pair: dict[str, Tensor], base: nn.Module, ignored: set[str]
) -> Layer:
    if not {"A", "B"} <= pair.keys():
        raise Unreadable(f"{name} has no two factors")
    r = _number(values, "rank_pattern", "r", name, ignored)
    alpha = _number(values, "alpha_pattern", "lora_alpha", name, ignored)
    s = alpha / math.sqrt(r) if values.get("use_rslora") else alpha / r
    module = base.get_submodule(name)
    W = module.get_parameter("weight").detach().double()
    W = W.mT if isinstance(module, nn.Embedding) else W
    A, B = pair["A"], pair["B"]
    if A.shape != (r, W.shape[1]) or B.shape != (W.shape[0], r):
        raise Unreadable(f"{name} has factors of another shape than r = {r} says")
    weight, size = W + s * (B @ A), float(W.abs().max() + (s * (B.abs() @ A.abs())).max())
    largest = max(size, s * float(A.abs().sum()), float(B.abs().max()))
    if values.get("init_lora_weights") == "pissa" and not isinstance(module, nn.Embedding):
        U, S, Vh = torch.linalg.svd(W, full_matrices=False)
        weight = weight - U[:, :r] * S[:r] @ Vh[:r]
    if bool(values.get("use_dora")) != ("r" in pair):
        raise Unreadable(f"{name} has a magnitude, or none, against use_dora")
    if (m := pair.get("r")) is not None:
        norms = weight.norm(dim=1)
        size *= float((m.abs() / norms.clamp_min(1e-300)).max())
        largest = max(largest, largest**2, size)  # a norm sums squares
        weight = weight * (m / norms)[:, None]
    return Layer(weight, size, largest)


def _number(
    values: dict[str, Any], pattern: str, otherwise: str, name: str, ignored: set[str]
) -> float:
    found = values.get(otherwise)
    entries = values.get(pattern) or {}
    if not isinstance(entries, dict):
        raise Unreadable(f"{pattern} is no object")
    for key, value in entries.items():
        if key not in ignored and re.match(rf"(.*\.)?({key})$", name):
            found = value
            break
    if isinstance(found, bool) or not isinstance(found, int | float) or not found > 0:
        raise Unreadable(f"{otherwise} of {name} is {found!r}")
    return found


def _differs(layer: nn.Module, base: nn.Module, wanted: Layer) -> str | None:
    """By the outputs for one-hot inputs, of which an embedding reads the indices."""
    W = wanted.weight
    if isinstance(base, nn.Embedding):
        x, bias = torch.arange(W.shape[1]), torch.zeros(W.shape[0])
    else:
        x, bias = torch.eye(W.shape[1]), getattr(base, "bias", None)
    bias = torch.zeros(W.shape[0]) if bias is None else bias.detach()
    with torch.no_grad():
        got = layer(x).double()
    expected = W.mT + bias.double()
    if wanted.overflows:
        return None
    if not got.isfinite().all():
        return "its output is not finite"
    off = float((got - expected).abs().max())
    tiny = torch.finfo(torch.float32).tiny  # below which numbers lose their bits
    if off > TOLERANCE * (wanted.size + float(bias.abs().max())) + tiny:
        return f"its output is off by {off:.3g}, of terms up to {wanted.size:.3g}"
    return None


def _roots(whole: Pair) -> set[str]:
    return {key.rpartition(".")[0] for key in whole}
