"""Two methods, each at the learning rate that suits it: the choice is part of what is measured.

Estimated is the difference of the scores on unseen seeds at the learning rates that so many seeds
choose, averaged over the choice. Seeds that choose a learning rate may favour it by luck, so each
is scored at those that resamples without it choose:

    d_k = mean over resamples without k of score(rate, rate', k),                                (1)

where the score compares the first method at rate with the second at rate', in the simplest case by
their difference, and both rates are chosen anew in every resample. The mean of d_k has no bias by
luck. Its variance lies between two: that of the scores at the learning rates chosen by all seeds,
which is too large, as (1) averages over learning rates and their luck; and that of d_k itself, too
small, as all d_k share most of the choice. The interval is Student's over seeds with the mean of
the two variances. No theorem says so: by simulation (tests/loralab/statistics) it covers 93 to 97 %
for 6 to 30 seeds, whether the choice is clear or a tie, and whether or not what chooses has the
luck of what is compared; of six seeds it may miss the truth on one side in 4 to 5 %.
"""

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from loralab.claims import Measured
from loralab.statistics.student import raised, student

DRAWS = 1000  # resamples: the centre then moves by 1 % of the interval from one to another


class Tuned(NamedTuple):
    """The runs of one method.

    Args:
        select: of each learning rate (a row) and seed (a column) what it is chosen by, lower is
            better; nan where the run diverged.
        score: what is compared.
    """

    select: ArrayLike
    score: ArrayLike


def tuned(
    first: Tuned,
    second: Tuned,
    rng: np.random.Generator,
    by: Literal["difference", "ratio"] = "difference",
    unit: str = "seed",
) -> Measured:
    """The score of the first method less, or over, that of the second, each at the learning rate
    with the least mean of `select`, with its 95 % interval over seeds that both share.

    A learning rate at which a run diverged is never chosen. The methods may have other learning
    rates each, and a method with one learning rate has no choice.

    Args:
        first: the runs of one method.
        second: those of the other, of the same seeds in the same order.
        rng: draws the resamples of the seeds.
        by: "ratio" for the geometric mean of the ratio of positive scores.
        unit: what a column was drawn by.

    Raises: ValueError for arrays that do not pair, a method without a learning rate at which every
        run finished, fewer than three seeds, and a ratio of scores that are not positive.
    """
    (one, first_score), (other, second_score) = (
        _finished(method, by) for method in (first, second)
    )
    if one.shape[1] != other.shape[1]:
        raise ValueError(
            "a comparison of tuned methods needs the same seeds of both, got "
            f"{one.shape[1]} and {other.shape[1]}"
        )
    found = tuned_pairs(one, other, first_score[:, None] - second_score, rng, unit)
    return found.map(raised) if by == "ratio" else found


def tuned_pairs(
    first: ArrayLike,
    second: ArrayLike,
    score: ArrayLike,
    rng: np.random.Generator,
    unit: str = "seed",
) -> Measured:
    """The mean score of two methods, each at the learning rate with the least mean of what it is
    chosen by, where a score is of a run of each: steps of one to the loss of the other, for
    example.

    Args:
        first: of each learning rate (a row) and seed (a column) of the first method what it is
            chosen by, lower is better and finite.
        second: the same of the second method.
        score: (learning rates of the first, of the second, seeds).
        rng: draws the resamples of the seeds.
        unit: what a column was drawn by.

    Raises: ValueError for fewer than three seeds, and a score that is not finite.
    """
    one, other, scores = (np.asarray(values, float) for values in (first, second, score))
    count = one.shape[1]
    if count < 3 or scores.shape != (len(one), *other.shape) or not np.isfinite(scores).all():
        raise ValueError(
            "a comparison of tuned methods needs three seeds or more and a finite score for each "
            f"two learning rates, got shapes {one.shape}, {other.shape}, {scores.shape}"
        )
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=DRAWS)
    apart = _apart(one, other, scores, drawn)
    at_best = scores[one.mean(1).argmin(), other.mean(1).argmin()]
    error = math.sqrt((apart.var(ddof=1) + at_best.var(ddof=1)) / 2 / count)
    return student(float(apart.mean()), error, count, "choice in each resample", unit)


def _finished(method: Tuned, by: str) -> tuple[np.ndarray, np.ndarray]:
    """The learning rates at which no run diverged."""
    select, score = (np.asarray(values, float) for values in method)
    if select.shape != score.shape or select.ndim != 2:
        raise ValueError(
            "a tuned method needs a row for each learning rate and a column for each seed in both "
            f"arrays, got shapes {select.shape} and {score.shape}"
        )
    kept = (np.isfinite(select) & np.isfinite(score)).all(1)
    if not kept.any():
        raise ValueError("a tuned method needs a learning rate at which no run diverged")
    if by == "ratio" and not (score[kept] > 0).all():
        raise ValueError(f"a ratio needs positive scores, got {score[kept].min():g}")
    return select[kept], np.log(score[kept]) if by == "ratio" else score[kept]


def _apart(
    first: np.ndarray, second: np.ndarray, scores: np.ndarray, drawn: np.ndarray
) -> np.ndarray:
    """(1) for each seed.

    Args:
        first, second: what chooses, by learning rate and seed.
        scores: by both learning rates and seed.
        drawn: how often each resample (a row) has each seed.
    """
    without = (drawn == 0).astype(float)
    chosen = [
        np.eye(len(select))[(select @ drawn.T).argmin(0)] for select in (first, second)
    ]  # (resamples, learning rates), one in each row
    times = np.einsum("wi,wj,wk->ijk", *chosen, without)
    return (times * scores).sum((0, 1)) / times.sum((0, 1))
