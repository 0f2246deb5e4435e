"""How the cost of a step, of eva, merge and pissa grows with width n, rank r, tokens T, layers l.

Measured on l square layers in float32. An exponent is the slope of log seconds on log size, fitted
by least squares to the medians, and its interval is that of Student's t for the slope's standard
error. The fit's residuals are curvature more than noise: small sizes are bound by calls. Beside it
stand the slopes, over the same sizes, of the operations and of the bytes that theory counts a layer
(units of a multiply-add, of a number):

    step     2 n^2 T + 6 n r T                     2 n^2 + 6 n r + 8 n T + 4 r T                (1)
    eva      n^2 T + n^2 T / 2                     2 n^2 + 3 n T                                (2)
    merge    n^2 r + n^2                           3 n^2 + 2 n r                                (3)
    pissa    10 n^2 q, with q = 4 r                10 n^2 + 20 n q                              (4)

of which (2) is without its eigen-solve and for an input whose square is stored whole. What is bound
by arithmetic grows like the first, what is bound by memory like the second, and what is bound by
calls like neither: only with l.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from scipy.stats import linregress
from scipy.stats import t as student
from torch import nn

import lora
from benchmarks.harness.clocks import Action, interleaved
from benchmarks.harness.intervals import CONFIDENCE, Estimate, of_median
from benchmarks.harness.rows import Quantity, Row, Setting

Count = Callable[["Size"], float]


@dataclass(frozen=True)
class Size:
    width: int = 512
    rank: int = 16
    tokens: int = 512
    layers: int = 2


LADDERS = {
    "width": (256, 512, 1024, 2048),
    "rank": (4, 16, 64, 256),
    "tokens": (128, 512, 2048, 8192),
    "layers": (1, 2, 4, 8, 16),
}
TOY = {"width": (16, 32, 64), "rank": (2, 4, 8), "tokens": (16, 32, 64), "layers": (1, 2, 4)}
ROUNDS = 5
# operations and bytes of (1) to (4)
THEORY: dict[str, tuple[Count, Count]] = {
    "step": (
        lambda z: 2 * z.width**2 * z.tokens + 6 * z.width * z.rank * z.tokens,
        lambda z: 2 * z.width**2 + 6 * z.width * z.rank + (8 * z.width + 4 * z.rank) * z.tokens,
    ),
    "eva": (
        lambda z: 1.5 * z.width**2 * z.tokens,
        lambda z: 2 * z.width**2 + 3 * z.width * z.tokens,
    ),
    "merge": (
        lambda z: z.width**2 * (z.rank + 1),
        lambda z: 3 * z.width**2 + 2 * z.width * z.rank,
    ),
    "pissa": (
        lambda z: 10 * z.width**2 * 4 * z.rank,
        lambda z: 10 * z.width**2 + 20 * z.width * 4 * z.rank,
    ),
}
ALONG = {
    "step": ("width", "rank", "tokens", "layers"),
    "eva": ("width", "rank", "tokens", "layers"),
    "merge": ("width", "rank", "layers"),
    "pissa": ("width", "rank", "layers"),
}


def chain(size: Size) -> nn.Sequential:
    torch.manual_seed(0)
    one = lambda: nn.Linear(size.width, size.width, bias=False)
    return nn.Sequential(*(one() for _ in range(size.layers))).requires_grad_(False)


def adapted(size: Size, **settings: Any) -> nn.Sequential:
    model = chain(size)
    lora.attach(model, lora.Config(rank=size.rank, **settings))
    return model


def data(size: Size) -> torch.Tensor:
    """Inputs whose variances fall as those of a trained model do, by a power of their index."""
    falling = torch.arange(1, size.width + 1) ** -0.5
    return torch.randn(size.tokens, size.width) * falling


def action(name: str, size: Size) -> Action:
    """What is timed of a size: the layers are made outside of the time."""
    x = data(size)
    if name == "step":
        model, seen = adapted(size), x.clone().requires_grad_()
        return Action(lambda _: model(seen).sum().backward())
    if name == "merge":
        model = adapted(size)

        def unmerged() -> nn.Module:
            lora.unmerge(model)
            return model

        return Action(lora.merge, unmerged)
    scheme = lora.Config(rank=size.rank, scheme=name)
    batches = [x] if name == "eva" else None
    return Action(lambda model: lora.attach(model, scheme, batches), lambda: chain(size))


def slope(sizes: list[int], values: list[float]) -> tuple[float, float]:
    """Of log values on log sizes, and its standard error."""
    fit: Any = linregress([math.log(s) for s in sizes], [math.log(v) for v in values])
    return float(fit.slope), float(fit.stderr)


def exponent(name: str, along: str, setting: Setting) -> Estimate:
    sizes = list((TOY if setting.toy else LADDERS)[along])
    start = Size(32, 2, 16, 1) if setting.toy else Size()
    ladder = {str(value): replace(start, **{along: value}) for value in sizes}
    actions = {value: action(name, size) for value, size in ladder.items()}
    times = interleaved(actions, setting, ROUNDS)
    value, error = slope(sizes, [of_median(taken).value for taken in times.values()])
    wide = float(student.ppf((1 + CONFIDENCE) / 2, len(sizes) - 2)) * error
    counts = [slope(sizes, [z.layers * c(z) for z in ladder.values()])[0] for c in THEORY[name]]
    note = f"operations {counts[0]:.2f}, bytes {counts[1]:.2f}; {sizes[0]} to {sizes[-1]}"
    return Estimate(value, value - wide, value + wide, len(sizes), note)


def fitted(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    parts = {name: name.partition(" with ") for name in wanted}
    return {name: exponent(cost, along, setting) for name, (cost, _, along) in parts.items()}


ROWS = tuple(
    Row("growth", f"{name} with {along}", None, fitted, unit="exponent")
    for name, every in ALONG.items()
    for along in every
)
