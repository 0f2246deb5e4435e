"""A sweep of learning rates by the batched engine, beside the loop that one would write first, in
one process.

    python benchmarks/lr_stability.py [--pairs 3]

The whole grid: 7 widths (2^7 .. 2^13) x 20 learning rates x 2 initializations x 5 seeds, 10 Adam
steps on 64 samples, networks and initial factors included; bar 15 s of processor time on one core.
The loop: one run at a time by autograd and torch.optim.Adam, with the frozen width x width matrix
applied in every forward pass, as a frozen layer is; the matrix is made outside the time. The
engine's share of a run is that of a sweep of 20 learning rates and 2 initializations on the same
network. The floor of a step at width n with N samples is about 8 passes over n N numbers, where the
loop reads n^2 more. Counted is processor time, of which
other load on the machine takes little; runs are interleaved and the ratio is that of the fastest of
each. Both must end at the same losses. Exits 1 when one misses its bar.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import tyro
from rich.console import Console
from rich.table import Table
from torch import Tensor

import lora
from proxies.families.lr_stability.trials import engine, networks
from proxies.families.lr_stability.trials.initializations import initial_factors
from proxies.families.lr_stability.trials.naive import loop

NAMES = ("init_a", "init_b")
RATES = torch.logspace(-16, -1, 20, base=2)
RANK, SAMPLES, STEPS, SEEDS = 4, 64, 10, range(5)
GRID_SECONDS = 15.0
BARS = {256: 8.0, 1024: 14.0, 4096: 40.0}
# of float32 losses after ten steps that divide by the root of tiny numbers; measured 1e-5
AGREE = 1e-3


@dataclass(frozen=True)
class Config:
    pairs: int = 3
    """timed runs of the loop at each width, interleaved with as many sweeps"""

    def __post_init__(self) -> None:
        if self.pairs < 1:
            raise ValueError(f"--pairs must be at least 1, got {self.pairs}")


def swept(network: networks.Network, width: int, seeds: range) -> Tensor:
    """The final losses (S, K R) of every initialization, learning rate and seed."""
    rate = RATES.repeat(len(NAMES)).expand(len(seeds), -1)
    which = torch.arange(len(NAMES)).repeat_interleave(len(RATES))
    factors = initial_factors(NAMES, network, width, seeds, RANK)
    return engine.train(network, factors, engine.Runs(which, rate, rate), STEPS, probe=False)[
        "loss"
    ][0]


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def ratio(width: int, pairs: int) -> tuple[float, float, float]:
    """CPU milliseconds of one run by the loop and by the engine; the relative difference of their
    losses."""
    network = networks.draw(width, SEEDS[:1], samples=SAMPLES)
    W = torch.randn(width, width, generator=networks.stream(width)) / width**0.5
    network = network._replace(P=W @ network.H)
    factors = initial_factors(NAMES, network, width, SEEDS[:1], RANK)
    at = len(RATES) // 2
    run = lambda which: loop(
        network, W, lora.Factors(*(x[0, which] for x in factors)), RATES[at].item(), STEPS
    )
    run(0)  # warms up
    looped, batched, difference = [], [], 0.0
    for pair in range(pairs):
        took, losses = timed(lambda: swept(network, width, SEEDS[:1]))
        batched.append(took / losses.numel())
        which = pair % len(NAMES)
        took, loss = timed(lambda which=which: run(which))
        looped.append(took)
        difference = max(difference, abs(loss / losses[0, which * len(RATES) + at].item() - 1))
    return 1e3 * min(looped), 1e3 * min(batched), difference


def grid() -> None:
    for exponent in range(7, 14):
        swept(networks.draw(2**exponent, SEEDS, samples=SAMPLES), 2**exponent, SEEDS)


def main(config: Config) -> int:
    torch.set_num_threads(1)
    table, met = (
        Table("width", "loop, ms a run", "engine, ms a run", "ratio", "bar", "losses differ by"),
        [],
    )
    for width, bar in BARS.items():
        looped, batched, difference = ratio(width, config.pairs)
        met += [looped / batched >= bar, difference <= AGREE]
        cells = (
            f"{looped:.2f}",
            f"{batched:.3f}",
            f"{looped / batched:.1f}",
            f">= {bar:g}",
            f"{difference:.1g}",
        )
        table.add_row(str(width), *cells)
    took, _ = timed(grid)
    Console().print(table)
    print(
        f"grid of 7 widths, 1400 runs of {STEPS} steps: {took:.1f} s of processor time, bar "
        f"{GRID_SECONDS:g} s"
    )
    return 0 if all(met) and took <= GRID_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Config)))
