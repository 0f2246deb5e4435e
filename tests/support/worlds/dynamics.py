"""A made-up world for a training of OP-LoRA: in each step some layers agree, and of these and of
the others given numbers grow."""

from collections.abc import Callable

import numpy as np

from loralab.claims import Measured
from scaling.studies.evidence.dynamics import Watched, evidence

World = list[Watched]
LAYERS, SEEDS = 20, 3
AGREE = (12, 20, 10, 15, 8)  # layers, by step from the second on; in the third all of them
GROW = (9, 14, 6, 9, 2)  # of those
OTHERS = (2, 0, 3, 1, 9)  # of the others
RISE = 1.01  # of the factor of a layer that grows; it falls by as much where it does not


def run(seed: int) -> Watched:
    grows = np.ones((LAYERS, len(AGREE) + 1), bool)  # in the first step all do
    agreement = np.full((LAYERS, len(AGREE) + 1), 0.5)  # in the last step all do
    for k, (agree, grow, other) in enumerate(zip(AGREE, GROW, OTHERS, strict=True)):
        grows[:, k + 1] = [i < grow or agree <= i < agree + other for i in range(LAYERS)]
        agreement[:, k] = [1.0 if i < agree else -1.0 for i in range(LAYERS)]
    steps = np.where(grows, 1, -1).cumsum(1)
    factor = 8.0 * (1 + seed) * RISE ** np.pad(steps, ((0, 0), (1, 0)))
    return Watched(factor.tolist(), agreement.tolist())


def world() -> World:
    return [run(seed) for seed in range(SEEDS)]


def measured(world: World) -> dict[str, dict[str, Measured | None]]:
    return evidence(world)


def difference(k: int) -> float:
    return GROW[k] / AGREE[k] - OTHERS[k] / (LAYERS - AGREE[k])


def span() -> float:
    """By counting up and down."""
    widths = []
    for i in range(LAYERS):
        at, seen = 1, [0, 1]
        for agree, grow, other in zip(AGREE, GROW, OTHERS, strict=True):
            at += 1 if i < grow or agree <= i < agree + other else -1
            seen.append(at)
        widths.append(max(seen) - min(seen))
    return float(RISE ** np.mean(widths))


EXPECTED = {
    "LM14": {
        "second step": difference(0),
        "later steps": float(np.mean([difference(k) for k in (2, 3, 4)])),
        "by how much": span(),
    }
}


def of_each(change: Callable[[Watched], Watched]) -> Callable[[World], World]:
    return lambda world: [change(one) for one in world]


def shifted(one: Watched) -> Watched:
    """The agreement of a step as that of the step before."""
    return one._replace(agreement=[[of[0], *of[:-1]] for of in one.agreement])


EXCHANGES: dict[str, Callable[[World], World]] = {
    "agreeing and opposing": of_each(
        lambda one: one._replace(agreement=[[-x for x in of] for of in one.agreement])
    ),
    "the second step and the fourth": of_each(
        lambda one: one._replace(agreement=[[of[2], of[1], of[0], *of[3:]] for of in one.agreement])
    ),
    "this step and the step before": of_each(shifted),
    "growing and shrinking": of_each(
        lambda one: one._replace(factor=[[1 / x for x in of] for of in one.factor])
    ),
    "the layers of the factor": of_each(lambda one: one._replace(factor=one.factor[::-1])),
}
