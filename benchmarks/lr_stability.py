"""A sweep of learning rates by the batched engine, beside the loop that one would write first.

The loop: one run of 10 Adam steps on 64 samples at a time, by autograd and torch.optim.Adam, with
the frozen width x width matrix applied in every forward pass, as a frozen layer is; the matrix is
made outside the time. The engine's share of a run is that of a sweep of 20 learning rates and 2
initializations on the same network. The floor of a step at width n with N samples is about 8 passes
over n N numbers, where the loop reads n^2 more. Both must end at the same losses.
"""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

import lora
from benchmarks.harness.clocks import Action, interleaved
from benchmarks.harness.rows import Quantity, Row, Setting
from proxies.families.lr_stability.trials import engine, networks
from proxies.families.lr_stability.trials.initializations import initial_factors
from proxies.families.lr_stability.trials.naive import loop

NAMES = ("init_a", "init_b")
RATES = torch.logspace(-16, -1, 20, base=2)
RANK, SAMPLES, STEPS = 4, 64, 10
AIMS = {256: 8, 1024: 14, 4096: 40}
# of float32 losses after ten steps that divide by the root of tiny numbers; measured 1e-5
AGREE = 1e-3


def swept(network: networks.Network, width: int, seeds: range) -> Tensor:
    """The final losses (S, K R) of every initialization, learning rate and seed."""
    rate = RATES.repeat(len(NAMES)).expand(len(seeds), -1)
    which = torch.arange(len(NAMES)).repeat_interleave(len(RATES))
    factors = initial_factors(NAMES, network, width, seeds, RANK)
    runs = engine.Runs(which, rate, rate)
    return engine.train(network, factors, runs, STEPS, probe=False)["loss"][0]


def timed(width: int, setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    """Seconds of one run."""
    if setting.toy:
        width = 32
    seeds = range(1)
    network = networks.draw(width, seeds, samples=SAMPLES)
    W = torch.randn(width, width, generator=networks.stream(width)) / width**0.5
    network = network._replace(P=W @ network.H)
    B, A = initial_factors(NAMES, network, width, seeds, RANK)
    at = len(RATES) // 2
    alone = lambda: loop(network, W, lora.Factors(B[0, 0], A[0, 0]), RATES[at].item(), STEPS)
    together = lambda: swept(network, width, seeds)
    difference = abs(alone() / together()[0, at].item() - 1)
    if difference > AGREE:
        raise RuntimeError(f"the losses of loop and engine differ by {difference:.1g}")
    times = interleaved(
        {"loop": Action(lambda _: alone()), "engine": Action(lambda _: together())}, setting
    )
    runs = len(NAMES) * len(RATES)
    return {"loop": times["loop"], "engine": [took / runs for took in times["engine"]]}


ROWS = tuple(
    Row(f"learning-rate sweep at width {width}", "loop", "engine", partial(timed, width), aim, ">=")
    for width, aim in AIMS.items()
)
