"""A method at a rank on a target, over learning rates and seeds at once.

Learning rates lie on the grid 10^(i/2). A sweep begins with nine of them and adds two on a side for
as long as the best one is outermost there, or the outermost one is still good for some seed; so
neither the optimum nor the width of the good window is an artefact of the grid. Where the last
round does not settle it, `edge` and `open` say so.

The best learning rate has the least mean distance over seeds between the validation images and
images drawn from one set of noises; what is reported are distances between the test images and
images drawn from others. A method without generator networks is also run at the learning rate
EQUAL, at which its first step is as long as that of its over-parameterised version at 1e-4, on
average over initializations: distances (7).
"""

from collections.abc import Sequence
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from loralab.numbers import listed
from proxies.families.overparam_generation.trials import adapters
from proxies.families.overparam_generation.trials.scores import (
    NOISE,
    SHOWN,
    Networks,
    Problem,
    draw,
    in_parts,
    noise,
    pixels,
    problem,
    scores,
)
from proxies.families.overparam_generation.trials.training import Plan, train
from proxies.instruments.learning_rates import Grid, search
from theory.overparam_generation import shift

SPACING = 0.5  # decades between neighbours
GRIDS = {
    method: Grid(first, last, per_decade=2, added=2, rounds=3)
    for method, (first, last) in {
        "LoRA": (-8, 0),
        "OP-LoRA": (-9, -1),
        "DoRA": (-8, 0),
        "OP-DoRA": (-9, -1),
    }.items()
}
FIXED = -8  # the exponent of 1e-4, a learning rate that is often used untuned
WIDTH = 32  # of the generator networks and of their embeddings, as lora has them by default
EQUAL = FIXED + shift(WIDTH, WIDTH) / SPACING  # the exponent of 8.5e-4
AT_ONCE = 8  # seeds in one graph: more need more memory than a processor's cache holds
# a learning rate is good for a seed where its distance is at most this times the one at the best
FACTOR = 1.5
MAIN = "MMD"
Array = NDArray[np.float64]
Table = list[list[float | None]]  # (learning rates, seeds)


class Sweep(TypedDict):
    """What a sweep gave.

    validation: the MMD that chooses the learning rate; test: each score, see `scores.SCORES`; None
    where a run diverged.

    best: index of the best learning rate, None where some seed diverged at every one; fixed: that
    of 1e-4; edge: "low" or "high" where the best is outermost; open: the sides on which the
    outermost one is good for some seed. equal: the test's MMD by seed at the learning rate EQUAL,
    None for a method with generator networks. `shown`: images (SHOWN, 64) of the first seed at the
    best learning rate and at the fixed one, as `pixels` has them. `parameters`: trained numbers of
    a run; alive: the share of live hidden units at the end, None without a generator network.
    """

    rates: list[float]
    validation: Table
    test: dict[str, Table]
    best: int | None
    fixed: int
    edge: str
    open: list[str]
    equal: list[float | None] | None
    shown: dict[str, list[list[int]]]
    parameters: int
    alive: Table | None


class Runs(NamedTuple):
    """Seeds at one learning rate: validation and each test score (seeds), NaN where a run diverged;
    images of the first seed."""

    validation: Array
    test: dict[str, Array]
    images: list[list[int]]
    parameters: int
    alive: Array | None


def sweep(
    networks: Sequence[Networks],
    target: str,
    method: str,
    rank: int,
    seeds: Sequence[int],
    steps: int,
) -> Sweep:
    """Run the grid of a method, and extend it.

    Args:
        networks: each seed's base model and classifier.
        target: its name in `digit_targets.TARGETS`.
        method: its name in `adapters.METHODS`.
        rank: of the adapters.
        seeds: of the splits, initializations, batches and noises, the same for every method.
        steps: of training.
    """
    return swept(problem(networks, target, seeds), method, rank, Plan(steps))


def swept(problem: Problem, method: str, rank: int, plan: Plan) -> Sweep:
    """The sweep of a method at a rank on a problem, by a plan of training."""
    found = search(
        lambda exponents: run(problem, method, rank, exponents, plan),
        GRIDS[method],
        criterion,
        good=lambda runs, best: bool(good(runs.test[MAIN], best.test[MAIN]).any()),
    )
    runs, best, fixed = list(found.results.values()), found.result, found.results[FIXED]
    exponents = list(found.results)
    generated = method.startswith("OP-")
    equal = None if generated else run(problem, method, rank, [EQUAL], plan)[0].test[MAIN]
    return {
        "rates": found.learning_rates,
        "validation": [listed(one.validation) for one in runs],
        "test": {name: [listed(one.test[name]) for one in runs] for name in fixed.test},
        "best": None if found.best[0] is None else exponents.index(found.best[0]),
        "fixed": exponents.index(FIXED),
        "edge": found.edge,
        "open": list(found.open),
        "equal": None if equal is None else listed(equal),
        "shown": {} if best is None else {"best": best.images, "fixed": fixed.images},
        "parameters": fixed.parameters,
        "alive": [listed(one.alive) for one in runs if one.alive is not None] or None,
    }


def run(
    problem: Problem, method: str, rank: int, exponents: Sequence[float], plan: Plan
) -> list[Runs]:
    """Train and score every seed at every learning rate.

    Args:
        problem: the target, its splits and the networks.
        method: its name in `adapters.METHODS`.
        rank: of the adapters.
        exponents: of the learning rates.
        plan: of training.

    Returns: one entry a learning rate.
    """
    rates = [10 ** (SPACING * i) for i in exponents]
    parts = [_side_by_side(some, method, rank, rates, plan) for some in in_parts(problem, AT_ONCE)]
    return [_joined(row) for row in zip(*parts, strict=True)]


def _joined(parts: Sequence[Runs]) -> Runs:
    """All seeds of one learning rate from some of them each."""
    first, alive = parts[0], [one.alive for one in parts if one.alive is not None]
    return Runs(
        np.concatenate([one.validation for one in parts]),
        {name: np.concatenate([one.test[name] for one in parts]) for name in first.test},
        first.images,
        first.parameters,
        np.concatenate(alive) if alive else None,
    )


def _side_by_side(
    problem: Problem, method: str, rank: int, rates: Sequence[float], plan: Plan
) -> list[Runs]:
    """Every seed at every learning rate, in one batch."""
    initial = adapters.initial(problem.base, method, rank, problem.seeds, len(rates))
    data = [split.train for split in problem.splits]
    parameters = train(problem.base, initial, data, problem.seeds, rates, plan)[0]
    found = {part: draw(problem.base, parameters, noise(problem.seeds, part)) for part in NOISE}
    scored = {
        part: [
            [
                scores(images, getattr(split, part), problem, i)
                for i, (images, split) in enumerate(zip(row, problem.splits, strict=True))
            ]
            for row in drawn
        ]
        for part, drawn in found.items()
    }
    column = lambda part, i, name: np.array([one[name] for one in scored[part][i]])
    alive = adapters.alive(parameters)
    count = sum(p[0, 0].numel() for P in initial for p in P.values())
    return [
        Runs(
            column("validation", i, MAIN),
            {name: column("test", i, name) for name in scored["test"][i][0]},
            pixels(found["test"][i, 0, :SHOWN]),
            count,
            None if alive is None else alive[i].numpy(),
        )
        for i in range(len(rates))
    ]


def criterion(runs: Runs) -> float:
    """The mean distance over seeds, NaN where one diverged."""
    return float(runs.validation.mean())


def good(test: Array, best: Array) -> NDArray[np.bool_]:
    """(..., seeds): where a seed is within FACTOR of its own distance at the best learning rate;
    never where it diverged."""
    return test <= FACTOR * best
