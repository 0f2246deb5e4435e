"""Paired comparison of two methods: the difference d of their scores on test example i in the runs
of seed k is

    d_ki = mu + a_k + e_i + n_ki                                                                 (1)

with the effect of the seed a_k, of the example e_i and a rest n_ki. The estimate of mu is the mean
of all, and its interval depends on what the K seeds share.

- Where every seed draws its own test examples the seeds' means are independent: Student over them.
- Where the seeds share N test examples, e_i is in all means, which Student cannot see. In variances
  of (1), the examples' means over seeds give S_e = (e + n/K) / N, the seeds' means give
  S_k = (a + n/N) / K, and S_n = n / (K N) is in both. The variance of the estimate is
  S_e + S_k - S_n, and each part reaches as far as Student says of so many:

      half^2 = t(K-1)^2 max(S_k - S_n, 0) + t(N-1)^2 S_e                                         (2)

- Of one seed there are its test examples alone, which are many: a bootstrap, whose percentiles are
  expanded to what Student says of so few (arXiv:1411.5279).

Of answers that are right or wrong none or few may tell the methods apart, and the spread of such a
sample is no measure of doubt. So to a single seed's sample comes one example more on each side
(Bonett and Price 2012), and (2) is never less than what those two alone would give.
"""

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from scipy import special

from loralab.claims import LEVEL, Measured
from loralab.statistics.student import quantile

# of the bootstrap: its ends then move by about 3 % of the interval from one generator to another
DRAWS = 2000
AT_ONCE = 2**22  # indices that are held in memory

Scores = Sequence[Sequence[float]]  # a row for each seed, in it a number for each test example


def paired(first: Scores, second: Scores, same_test: bool, rng: np.random.Generator) -> Measured:
    """The mean over seeds of first - second with its 95 % interval; of one seed, over test examples
    alone, and where every seed has one score, of all examples together, over seeds alone.

    Args:
        first: the scores of one method, a row for each seed.
        second: those of the other, of the same seeds and test examples.
        same_test: whether all seeds share their test examples.
        rng: draws the bootstrap over test examples.

    Raises: ValueError for rows that do not pair, and for one score alone.
    """
    rows = _differences(first, second, same_test)
    answers = all(np.isin(row, (0, 1)).all() for row in (*first, *second))  # right or wrong
    if len(rows) == 1:
        return _of_one_seed(rows[0], answers, rng)
    centre = float(np.mean([row.mean() for row in rows]))
    if same_test and len(rows[0]) > 1:
        parts, design = _shared(np.stack(rows)), "Student over seeds and over test examples"
    else:
        seeds = np.array([row.mean() for row in rows])
        parts, design = ((len(rows) - 1, float(seeds.var(ddof=1)) / len(rows)),), "Student"
    examples = sum(map(len, rows))
    least = math.sqrt(2) / (examples if not same_test else len(rows[0]) * math.sqrt(len(rows)))
    interval = partial(_reach, centre, parts, least if answers else 0.0)
    return Measured(centre, *interval(LEVEL), design, "seed", len(rows), LEVEL, interval)


Parts = Sequence[tuple[int, float]]  # degrees of freedom, and a variance


def _shared(rows: np.ndarray) -> Parts:
    """The two parts of (2)."""
    count, size = rows.shape
    seeds, examples = rows.mean(1), rows.mean(0)
    rest = rows - seeds[:, None] - examples + rows.mean()
    in_both = float((rest**2).sum()) / ((count - 1) * (size - 1)) / (count * size)
    own = float(seeds.var(ddof=1)) / count - in_both
    return (count - 1, max(own, 0.0)), (size - 1, float(examples.var(ddof=1)) / size)


def _reach(centre: float, parts: Parts, least: float, level: float) -> tuple[float, float]:
    square = sum(quantile(freedom, level) ** 2 * variance for freedom, variance in parts)
    half = max(math.sqrt(square), -float(special.ndtri((1 - level) / 2)) * least)
    return centre - half, centre + half


def _differences(first: Scores, second: Scores, same_test: bool) -> list[np.ndarray]:
    if len(first) != len(second) or not len(first):
        raise ValueError(
            f"a comparison needs the same seeds of both methods, got {len(first)} and {len(second)}"
        )
    for one, other in zip(first, second, strict=True):
        if len(one) != len(other) or len(one) < 1 + (len(first) == 1):
            raise ValueError(
                "a comparison needs the same test examples of both methods, two at least of a "
                "single seed, got "
                f"{len(one)} and {len(other)} scores"
            )
    if same_test and len(sizes := {len(row) for row in first}) > 1:
        raise ValueError(
            f"a test that all seeds share needs as many scores of each, got {sorted(sizes)}"
        )
    rows = [np.subtract(*pair, dtype=float) for pair in zip(first, second, strict=True)]
    if not all(np.isfinite(row).all() for row in rows):
        raise ValueError("a comparison needs finite scores, got an infinite one or nan")
    return rows


def _of_one_seed(row: np.ndarray, answers: bool, rng: np.random.Generator) -> Measured:
    centre = float(row.mean())
    sample = np.append(row, (-1, 1)) if answers else row
    interval = partial(_percentiles, centre, np.sort(_means(sample, rng)), len(sample))
    return Measured(
        centre, *interval(LEVEL), "bootstrap", "test example", len(row), LEVEL, interval
    )


def _percentiles(centre: float, drawn: np.ndarray, count: int, level: float) -> tuple[float, float]:
    """Of the means of samples of so many, in ascending order."""
    reach = quantile(count - 1, level) * math.sqrt(count / (count - 1))
    low, high = np.quantile(drawn, special.ndtr([-reach, reach]))
    if special.ndtr(-reach) * len(drawn) < 1:  # further than the draws tell
        middle, error = drawn.mean(), drawn.std()
        low, high = min(low, middle - reach * error), max(high, middle + reach * error)
    return min(float(low), centre), max(float(high), centre)


def _means(row: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The means of DRAWS samples of the row, drawn with replacement."""
    step = max(1, AT_ONCE // len(row))
    sizes = [min(step, DRAWS - start) for start in range(0, DRAWS, step)]
    return np.concatenate(
        [row[rng.integers(len(row), size=(size, len(row)))].mean(1) for size in sizes]
    )
