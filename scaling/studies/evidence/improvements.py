"""What a sweep on a language model measures of two methods, each at its own learning rate.

Of a run with test loss l, whose base model has the test loss l_0, the improvement is l_0 - l. The
learning rate of a method is the one with the least mean validation loss of those at which no run
diverged; choosing it is part of each interval (`loralab.statistics.tuned`). A ratio needs
improvements: a quantity is None where a run at that learning rate does not improve on its base
model, and resamples do not choose another one at which a run does not.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from loralab.claims import Measured
from loralab.statistics import Tuned, mean, tuned, tuned_pairs
from scaling.comparison.forgetting import forgotten
from scaling.comparison.summary import (
    Outcome,
    Rates,
    diverged,
    lowest_loss,
    steps_needed,
    width_of_good_rates,
)

Base = Mapping[int, float]  # test loss of the base model, by seed
LOSS = "bits_per_byte"


def loss(run: Outcome) -> float:
    """The test loss, infinite where the run diverged."""
    return np.inf if diverged(run) else run["metrics"][LOSS]


def finished(rates: Rates, seeds: Sequence[int]) -> list[float]:
    """The learning rates at which no run diverged."""
    return [rate for rate in sorted(rates) if not any(diverged(rates[rate][s]) for s in seeds)]


class Swept:
    """The runs of one method.

    Args:
        rates: by learning rate and seed.
        seeds: those that count.
        base: the test loss of the base model; None where improvement is not what counts.
        only: a learning rate to look at alone.
    """

    def __init__(
        self,
        rates: Rates,
        seeds: Sequence[int],
        base: Base | None = None,
        only: float | None = None,
    ) -> None:
        self.seeds, self.base = seeds, base
        self.tried = [rate for rate in finished(rates, seeds) if only is None or rate == only]
        self.runs = [[rates[rate][seed] for seed in seeds] for rate in self.tried]
        if base is not None and self.tried:
            best = self.best
            self.tried = [rate for rate in self.tried if self._improves(rates[rate])]
            if best not in self.tried:  # no other learning rate stands in for the chosen one
                self.tried = []
            self.runs = [[rates[rate][seed] for seed in seeds] for rate in self.tried]

    def _improves(self, runs: Mapping[int, Outcome]) -> bool:
        assert self.base is not None
        return all(loss(runs[seed]) < self.base[seed] for seed in self.seeds)

    @property
    def best(self) -> float:
        """The learning rate that all seeds choose."""
        return self.tried[int(self.select.mean(1).argmin())]

    @property
    def select(self) -> np.ndarray:
        return self.of(lowest_loss)

    def of(self, value: Callable[[Outcome], float]) -> np.ndarray:
        """A number of each run, by learning rate and seed."""
        return np.array([[value(run) for run in runs] for runs in self.runs])

    def tuned(self, value: Callable[[Outcome], float]) -> Tuned:
        return Tuned(self.select, self.of(value))

    @property
    def improvements(self) -> Tuned:
        assert self.base is not None
        base = [self.base[seed] for seed in self.seeds]
        return Tuned(self.select, base - self.of(loss))


def improvement_ratio(first: Swept, second: Swept) -> Measured | None:
    """The improvement of the first over that of the second."""
    if not (first.tried and second.tried):
        return None
    return tuned(first.improvements, second.improvements, np.random.default_rng(0), by="ratio")


def ratio(first: Swept, second: Swept, value: Callable[[Outcome], float]) -> Measured | None:
    """A positive number of the first method's runs over that of the second's."""
    if not (first.tried and second.tried):
        return None
    return tuned(first.tuned(value), second.tuned(value), np.random.default_rng(0), by="ratio")


def difference(first: Swept, second: Swept, value: Callable[[Outcome], float]) -> Measured | None:
    """A number of the first method's runs minus that of the second's."""
    if not (first.tried and second.tried):
        return None
    return tuned(first.tuned(value), second.tuned(value), np.random.default_rng(0))


def steps_ratio(first: Swept, second: Swept, beyond: int = 0) -> Measured | None:
    """Steps of the first method to the training loss that the second ends at, over the second's, on
    the same batches; all of its steps, and as many `beyond`, where it never gets there."""
    if not (first.tried and second.tried):
        return None

    def quotient(run: Outcome, reference: Outcome) -> float:
        own, steps = steps_needed(run, reference)
        return (own or len(reference["losses"]) + beyond) / steps

    score = [
        [[quotient(*pair) for pair in zip(one, other, strict=True)] for other in second.runs]
        for one in first.runs
    ]
    found = tuned_pairs(first.select, second.select, np.log(score), np.random.default_rng(0))
    return found.map(lambda x: float(np.exp(x)))


def area(run: Outcome) -> float:
    """The mean of the training losses."""
    return float(np.mean([value for _, value in run["losses"]]))


def growth(run: Outcome) -> float:
    """Bits a byte by which the loss on the base model's text has grown."""
    return float(np.mean(forgotten(run)))


def parameters(run: Outcome) -> float:
    return float(run["trained_parameters"])


def window(rates: Rates, base: Base, seed: int, margin: float) -> float:
    """Decades of learning rate at which a seed's improvement is within this part of its largest
    one, linear between those tried."""
    improvements = {
        rate: base[seed] - loss(runs[seed]) for rate, runs in rates.items() if seed in runs
    }
    best = max(improvements.values())
    return width_of_good_rates({rate: one / best for rate, one in improvements.items()}, margin)


def window_difference(
    first: Rates, second: Rates, base: Base, seeds: Sequence[int], margin: float
) -> Measured | None:
    """The window of the first method minus that of the second, over the seeds; None where a seed
    has no learning rate at which a method improves on the base model."""
    for rates in (first, second):
        if any(all(loss(runs[s]) >= base[s] for runs in rates.values()) for s in seeds):
            return None
    return mean(
        [window(first, base, seed, margin) - window(second, base, seed, margin) for seed in seeds]
    )
