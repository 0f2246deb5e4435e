"""Trials that need no sweep: the calculus' theorems in rationals, and what makes the engine exact
and fast."""

import itertools
import time
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Generator

import lora
from proxies.families.lr_stability.trials import engine, networks
from proxies.families.lr_stability.trials.initializations import initial_factors
from proxies.families.lr_stability.trials.naive import loop
from theory import lr_stability as theory
from theory.lr_stability.initializations import Initialization
from theory.lr_stability.orders import ALIGNED, INDEPENDENT, ZERO, power

PAIR = ("init_a", "init_b")


def theorems() -> dict[str, Any]:
    """The exact values of L1."""
    half = Fraction(1, 2)
    orders = (None, -1, -3 * half / 2, -half, 0)
    wrong = cases = 0
    for a, b, sigma, tag in itertools.product(
        orders, orders, (0, -half / 2, -half), (INDEPENDENT, ALIGNED)
    ):
        if a is not None or b is not None:
            initial = Initialization(*(ZERO if x is None else power(x) for x in (a, b)), A_tag=tag)
            bounds = [-(1 + sigma) * half]
            bounds += [] if a is None else [-sigma - a - tag]
            bounds += [] if b is None else [-sigma - b - 1]
            wrong += theory.max_single_lr(initial, sigma=sigma) != min(bounds)
            cases += 1
    points = [theory.efficient_set(name, features="unit") for name in PAIR]
    exactly = [
        [piece.start for piece in pieces] == [(-1, 0)] and not pieces[0].length for pieces in points
    ]
    cycle = theory.sgd_cycle()
    turned = [cycle(x, y) - (x + y) for x, y in itertools.product((-1, 0, half), repeat=2)]
    return {
        "wrong": wrong,
        "cases": cases,
        "largest": {name: float(theory.max_single_lr(name)) for name in PAIR},
        "unique": sum(exactly),
        "cycle": float(max(map(abs, turned))),
    }


def exactness(seed: int) -> dict[str, float]:
    """The engine against the loop in float64 on one network with an explicit weight, as a relative
    difference of losses, and P against its covariance, in standard errors."""
    width, samples, rank, steps, rate = 64, 16, 4, 10, 0.02
    network = networks.draw(width, [seed], samples=samples, dtype=torch.float64)
    W = (
        torch.randn(width, width, generator=networks.stream(seed, 0), dtype=torch.float64)
        / width**0.5
    )
    network = network._replace(P=W @ network.H)
    names = [*PAIR, "pissa"]
    factors = initial_factors(names, network, width, [seed], rank)
    rates = torch.full((1, len(names)), rate, dtype=torch.float64)
    runs = engine.Runs(torch.arange(len(names)), rates, rates)
    batched = engine.train(network, factors, runs, steps, probe=False)["loss"][0, 0]
    looped = [
        loop(network, W, lora.Factors(*(x[0, k] for x in factors)), rate, steps)
        for k in range(len(names))
    ]
    wide = networks.draw(4096, [seed], samples=samples, dtype=torch.float64).H[0]
    P = networks.frozen_product(wide, Generator().manual_seed(seed))
    K = wide.mT @ wide / len(wide)
    sigma = ((K.diagonal()[:, None] * K.diagonal() + K.square()) / len(wide)).sqrt()
    return {
        "difference": float((batched / torch.tensor(looped, dtype=batched.dtype) - 1).abs().max()),
        "sigmas": float(((P.mT @ P / len(wide) - K) / sigma).abs().max()),
    }


def speed(width: int, pairs: int) -> list[float]:
    """Processor time of a run by the loop, which applies the frozen weight in every forward pass,
    over that by the engine, for each pair of runs."""
    network = networks.draw(width, [0], samples=64)
    W = torch.randn(width, width, generator=networks.stream(width)) / width**0.5
    network = network._replace(P=W @ network.H)
    factors = initial_factors(PAIR, network, width, [0], 4)
    rates = torch.logspace(-16, -1, 20, base=2).repeat(2)[None]
    runs = engine.Runs(torch.arange(2).repeat_interleave(20), rates, rates)
    first = lora.Factors(*(x[0, 0] for x in factors))
    times = []
    for _ in range(pairs + 1):
        begin = time.process_time()
        engine.train(network, factors, runs, 10, probe=False)
        middle = time.process_time()
        loop(network, W, first, 1e-3, 10)
        times.append((time.process_time() - middle) / ((middle - begin) / rates.numel()))
    return np.array(times[1:]).tolist()  # the first warms up
