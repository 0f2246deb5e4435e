"""From the outcomes of a sweep to one row a method: each method at its own best learning rate,
against the reference.

The learning rate is chosen by validation loss, so the test data stay unseen. A method whose best
learning rate is at the edge of its grid might be better beyond it: a comparison with it is invalid
until the grid has grown.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from operator import itemgetter
from typing import Any

import numpy as np

from loralab.claims import Measured
from loralab.numbers import listed
from loralab.statistics import mean
from proxies.instruments.learning_rates import side
from scaling.comparison.forgetting import forgotten, remembers
from scaling.comparison.statistics import paired, ratio, verdict

Outcome = dict[str, Any]
Rates = Mapping[float, Mapping[int, Outcome]]
Outcomes = Mapping[str, Rates]

INVALID = "invalid"
SMOOTHED = 10  # a training loss is averaged over this part of the reference's steps


@dataclass(frozen=True)
class Convergence:
    """Steps to the loss at which the reference ends, over the reference's own; no ratio when a seed
    never got there."""

    ratio: Measured | None
    censored: float
    """Share of the seeds that never got there."""


@dataclass(frozen=True)
class Row:
    """One method at its best learning rate; None for what there is not."""

    method: str
    rate: float | None
    """The best learning rate, None where a run diverged at each."""
    edge: str | None
    """Where in its grid the best learning rate is when a better one could be beyond: "lowest",
    "highest" or "only"."""
    seeds: tuple[int, ...]
    """Those whose runs finished at the best learning rate."""
    metric: str
    score: Measured | None
    """Mean of the metric over seeds with Student's interval, infinite for one seed; None where it
    is not finite."""
    difference: Measured | None
    """Of the scores of test examples, higher is better, from those of the reference."""
    verdict: str | None
    convergence: Convergence | None
    diverged: float
    """Share of all its runs that diverged."""
    lost: int
    """Runs that diverged at the best learning rate."""
    width_of_good_rates: float
    """Decades of the learning rates tried whose score is within the margin of the method's
    best."""
    trained_parameters: int | None
    inference_parameters: int | None
    memory: int | None
    """The highest peak, in bytes."""
    seconds: float | None
    """Mean of a run."""
    step_seconds: float | None
    """Of a step in its middle run, where a run has the time of its middle step."""
    forgetting: Measured | None
    """Bits a byte by which the loss on the base model's text has grown, mean over seeds as
    `score`; None for a task that has no such text."""
    forgetting_difference: Measured | None
    """Of the forgetting of the blocks of that text, lower is better, from that of the
    reference."""

    def as_json(self) -> dict[str, Any]:
        """Null for an end that is infinite; an interval is that of its level alone."""
        return listed(asdict(self, dict_factory=_data))


def _data(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in fields if name != "interval"}


def diverged(outcome: Outcome) -> bool:
    return "diverged" in outcome


def lowest_loss(outcome: Outcome) -> float:
    """The lowest validation loss of a run, infinite where it diverged or had no finite one."""
    losses = () if diverged(outcome) else (loss for _, loss in outcome["validation"])
    return min(filter(math.isfinite, losses), default=math.inf)


def example_score(outcome: Outcome) -> float:
    """The mean score of the test examples, minus infinity where the run diverged."""
    return -math.inf if diverged(outcome) else float(np.mean(outcome["scores"]))


def shared_seeds(rates: Rates) -> list[int]:
    """The seeds that every learning rate has: those by which they may be compared."""
    return sorted(set.intersection(*(set(runs) for runs in rates.values())))


def chosen(rates: Rates, seeds: Sequence[int]) -> float | None:
    """The learning rate, of those tried, with the lowest mean over these seeds of a run's lowest
    validation loss; the lower one at a tie, None where a run diverged at each. Where the optimum
    lies between them is estimated by `optimum` of scaling.studies.evidence.quantities."""
    losses = {
        rate: float(np.mean([lowest_loss(rates[rate][seed]) for seed in seeds]))
        for rate in sorted(rates)
    }
    best = min(losses, key=losses.__getitem__)
    return best if math.isfinite(losses[best]) else None


def at_edge(rates: Rates, rate: float) -> str | None:
    """Where in the grid this learning rate is, when at an end: "lowest", "highest", or "only". One
    at which a run diverged counts as tried: nothing is searched beyond it."""
    if len(rates) == 1:
        return "only"
    return {"low": "lowest", "high": "highest"}.get(side(tuple(rates), rate))


def smoothed(losses: Sequence[Sequence[float]], window: int) -> list[tuple[float, float]]:
    """Step, and mean loss of the `window` steps that end there, for every step that has so many."""
    steps, values = np.asarray(losses, float).T
    sums = np.cumsum(np.concatenate([[0.0], values]))
    means = (sums[window:] - sums[:-window]) / window
    return list(zip(steps[window - 1 :].tolist(), means.tolist(), strict=True))


def steps_to(losses: Sequence[Sequence[float]], target: float, window: int) -> float | None:
    """The first step at which the smoothed training loss is at or below the target; None where it
    never is."""
    return next((step for step, loss in smoothed(losses, window) if loss <= target), None)


def steps_needed(run: Outcome, reference: Outcome) -> tuple[float | None, float]:
    """Steps to the training loss that the reference ends at, of a run and of the reference; None
    where the run never gets there. Both saw the same batches, so most of their noise is the same.
    The loss is the mean of the reference's last window and the standard error of that mean, lest of
    two equal methods one does not get there half of the times.
    """
    window = max(1, len(reference["losses"]) // SMOOTHED)
    last = [loss for _, loss in reference["losses"][-window:]]
    target = float(np.mean(last) + np.std(last) / math.sqrt(window))
    own = steps_to(reference["losses"], target, window)
    assert own is not None  # its last window is below the target
    return steps_to(run["losses"], target, window), own


def convergence(pairs: Mapping[int, tuple[Outcome, Outcome]]) -> Convergence | None:
    """How many times the steps of the reference a method needs, from the runs of both by seed."""
    if not pairs:
        return None
    needed, wanted = zip(*(steps_needed(*pair) for pair in pairs.values()), strict=True)
    missing = needed.count(None)
    return Convergence(None if missing else ratio(needed, wanted), missing / len(needed))


def width_of_good_rates(scores: Mapping[float, float], margin: float) -> float:
    """Decades of learning rate at which the score, linear in the logarithm between those tried, is
    within the margin of the best."""
    points = sorted((math.log10(rate), score) for rate, score in scores.items())
    level = max(scores.values()) - margin
    width = 0.0
    for (x, one), (y, other) in pairwise(points):
        low, high = sorted((one, other))
        if low >= level:
            width += y - x
        elif high > level:
            width += (y - x) * (high - level) / (high - low)  # none where the other run diverged
    return width


def summarise(
    outcomes: Outcomes, reference: str, margin: float, rng: np.random.Generator
) -> list[Row]:
    """A row for each method, the reference first.

    Args:
        outcomes: by method, learning rate and seed.
        reference: the method that the others are compared with.
        margin: the largest difference that does not matter, in units of a test example's score.
        rng: draws the bootstrap over test examples.

    Raises: ValueError for an unknown reference, or a method without a seed that all of its
        learning rates have.
    """
    if reference not in outcomes:
        raise ValueError(
            f"the reference must be one of the methods {', '.join(outcomes)}, got {reference!r}"
        )
    first = _row(reference, outcomes, None, margin, rng)
    return [
        first,
        *(_row(method, outcomes, first, margin, rng) for method in outcomes if method != reference),
    ]


def runs_of(outcomes: Outcomes, row: Row) -> dict[int, Outcome]:
    """The runs of a row that finished at its best learning rate, by seed."""
    return (
        {}
        if row.rate is None
        else {seed: outcomes[row.method][row.rate][seed] for seed in row.seeds}
    )


def _row(
    method: str, outcomes: Outcomes, reference: Row | None, margin: float, rng: np.random.Generator
) -> Row:
    rates = outcomes[method]
    seeds = shared_seeds(rates)
    if not seeds:
        raise ValueError(
            f"method {method!r} needs a seed that was run at each of its learning rates"
        )
    trials = [outcome for runs in rates.values() for outcome in runs.values()]
    rate = chosen(rates, seeds)
    at_best = {} if rate is None else rates[rate]
    runs = {seed: outcome for seed, outcome in sorted(at_best.items()) if not diverged(outcome)}
    lost = len(at_best) - len(runs)
    edge = None if rate is None else at_edge(rates, rate)
    others = {} if reference is None else runs_of(outcomes, reference)
    pairs = {seed: (run, others[seed]) for seed, run in runs.items() if seed in others}
    difference = _difference(list(pairs.values()), rng)
    invalid = (
        difference is None or edge or lost or reference is None or reference.edge or reference.lost
    )
    means = {r: float(np.mean([example_score(rates[r][seed]) for seed in seeds])) for r in rates}
    remembering = {seed: run for seed, run in runs.items() if remembers(run)}
    steps = [s for run in runs.values() if (s := run.get("step_seconds")) is not None]
    metric = next((next(iter(trial["metrics"])) for trial in trials if not diverged(trial)), "")
    return Row(
        method=method,
        rate=rate,
        edge=edge,
        seeds=tuple(runs),
        metric=metric,
        score=_over_seeds([run["metrics"][metric] for run in runs.values()]),
        difference=difference,
        verdict=None
        if reference is None
        else INVALID
        if invalid or difference is None
        else verdict(difference, margin),
        convergence=convergence(pairs),
        diverged=sum(map(diverged, trials)) / len(trials),
        lost=lost,
        width_of_good_rates=width_of_good_rates(means, margin) if runs else 0.0,
        trained_parameters=next((run["trained_parameters"] for run in runs.values()), None),
        inference_parameters=next((run["inference_parameters"] for run in runs.values()), None),
        memory=max(
            (run["memory"] for run in runs.values() if run["memory"] is not None), default=None
        ),
        seconds=float(np.mean([run["seconds"] for run in runs.values()])) if runs else None,
        step_seconds=float(np.median(steps)) if steps else None,
        forgetting=_over_seeds([float(np.mean(forgotten(run))) for run in remembering.values()]),
        forgetting_difference=_difference(
            [pair for pair in pairs.values() if all(map(remembers, pair))],
            rng,
            forgotten,
            same=True,
        ),
    )


def _difference(
    pairs: Sequence[tuple[Outcome, Outcome]],
    rng: np.random.Generator,
    of: Callable[[Outcome], Sequence[float]] = itemgetter("scores"),
    same: bool = False,
) -> Measured | None:
    """Of what `of` gives for each example; `same` where every seed has the same ones."""
    if not pairs:
        return None
    first, second = ([of(run) for run in runs] for runs in zip(*pairs, strict=True))
    return paired(first, second, same or all(run["same_test"] for run, _ in pairs), rng)


def _over_seeds(values: Sequence[float]) -> Measured | None:
    if not values or not all(map(math.isfinite, values)):
        return None
    return mean(values) if len(values) > 1 else Measured(float(values[0]), -math.inf, math.inf)
