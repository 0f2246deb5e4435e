"""A made-up world for the predicted learning rate: every pair of model and task has its own best
learning rate, its own prediction and its own numbers at both."""

from collections.abc import Callable

import numpy as np

from loralab.claims import Measured
from scaling.comparison.summary import Outcome
from scaling.studies.claims.rates import PAIRS, POINTS
from scaling.studies.evidence.rates import Study, evidence
from scaling.studies.trials.rates import Scored
from tests.support.sweeps import exact

World = Study
SEEDS = (0, 1, 2, 3)
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
BEST = {pair: 10 ** (-3.3 + 0.07 * k) for k, pair in enumerate(PAIRS)}
NEAREST = {
    pair: min(RATES, key=lambda rate: abs(np.log10(rate / best))) for pair, best in BEST.items()
}
PREDICTED = {
    pair: RATES[(RATES.index(near) + 1 + k % 3) % len(RATES)]
    for k, (pair, near) in enumerate(NEAREST.items())
}
AT_BEST = {pair: 1.0 + 0.1 * k for k, pair in enumerate(PAIRS)}
LOST = {pair: 0.003 + 0.0011 * k for k, pair in enumerate(PAIRS)}  # for a decade from the best


def metric_of(pair: str, rate: float) -> float:
    """What more is better of, less than at the best learning rate; of the others more."""
    lost = LOST[pair] * abs(np.log10(rate / BEST[pair]))
    return AT_BEST[pair] + (-lost if PAIRS[pair].metric in POINTS else lost)


def run_of(pair: str, rate: float, seed: int) -> Outcome:
    away = abs(np.log10(rate / BEST[pair]))
    return exact(1, away, 10.0) | {
        "metrics": {PAIRS[pair].metric: metric_of(pair, rate)},
        "same_test": False,
    }


def world() -> World:
    return Study(
        {
            pair: Scored(
                PREDICTED[pair],
                {rate: {seed: run_of(pair, rate, seed) for seed in SEEDS} for rate in RATES},
            )
            for pair in PAIRS
        },
        SEEDS,
    )


def measured(world: World) -> dict[str, dict[str, Measured | None]]:
    return evidence(world)


def shortfall(pair: str) -> float:
    at, best = metric_of(pair, PREDICTED[pair]), metric_of(pair, NEAREST[pair])
    return at - best if PAIRS[pair].metric in POINTS else at / best


EXPECTED = {
    "S9": {pair: shortfall(pair) for pair in PAIRS},
    # the validation loss is a parabola, whose vertex is found
    "S9b": {pair: float(np.log10(PREDICTED[pair] / BEST[pair])) for pair in PAIRS},
}


def pairs(first: str, second: str) -> Callable[[World], World]:
    def exchange(world: World) -> World:
        a, b = world.pairs[first], world.pairs[second]
        metrics = PAIRS[first].metric, PAIRS[second].metric
        assert metrics[0] == metrics[1], "the numbers of one would be missing in the other"
        return world._replace(pairs={**world.pairs, first: b, second: a})

    return exchange


def of_each(change: Callable[[Scored], Scored]) -> Callable[[World], World]:
    return lambda world: world._replace(
        pairs={name: change(pair) for name, pair in world.pairs.items()}
    )


def mirrored(pair: Scored) -> Scored:
    """The runs of the lowest learning rate as those of the highest, and so on."""
    runs = [pair.rates[rate] for rate in reversed(RATES)]
    return pair._replace(rates=dict(zip(RATES, runs, strict=True)))


def lowest(pair: Scored) -> Scored:
    """The best learning rate in place of the predicted one."""
    best = min(pair.rates, key=lambda rate: pair.rates[rate][0]["validation"][0][1])
    return pair._replace(predicted=best)


EXCHANGES: dict[str, Callable[[World], World]] = {
    "the prediction and the lowest": of_each(lambda pair: pair._replace(predicted=RATES[0])),
    "the multiple choices of two models": pairs("SmolLM2, multiple choice", "GPT, multiple choice"),
    "the classes of texts and of images": pairs("SmolLM2, classification", "ViT, digits"),
    "the two environments": pairs(
        "decision transformer, Pendulum", "decision transformer, CartPole"
    ),
    "high and low learning rates": of_each(mirrored),
    "the predicted and the best": of_each(lowest),
}
