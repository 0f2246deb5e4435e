"""Paired comparison of two methods: the difference d of their scores on test example i in the runs
of seed k is

    d_ki = mu + a_k + e_i + n_ki                                                                 (1)

with the effect of the seed a_k, of the example e_i and a rest n_ki. mu is estimated, with two
errors:

- Seeds are few, and a bootstrap over three of them covers 75 %: so the interval of Student over the
  seeds' means.
- Test examples are many: a bootstrap over them, which keeps the methods together and, where the
  seeds share their examples, the seeds too. Its percentiles are expanded to what Student says of so
  few (arXiv:1411.5279). Of answers that are right or wrong the sample gets one example more on each
  side (Bonett and Price 2012): where none or few tell the methods apart, a bootstrap would be sure
  of a difference of zero.

Where the seeds share their test examples, e_i is the same in all means, which Student cannot see:
the errors add up in square (n_ki counts in both, so the interval is rather too wide). Where every
seed draws its own, the means differ by all of (1), and the wider of the two intervals is taken.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy import special

from loralab.claims import LEVEL, Measured
from loralab.statistics.student import mean, quantile

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
    means = [float(row.mean()) for row in rows]
    if len(rows[0]) == 1:
        return mean(means)
    answers = all(np.isin(row, (0, 1)).all() for row in (*first, *second))  # right or wrong
    over_examples = _over_examples(
        [np.append(row, (-1, 1)) for row in rows] if answers else rows, same_test, rng
    )
    over_seeds = mean(means) if len(rows) > 1 else None
    centre = float(np.mean(means))
    interval = partial(_together, centre, over_examples, over_seeds, same_test)
    design = "bootstrap over test examples" + (" and Student over seeds" if over_seeds else "")
    return Measured(centre, *interval(LEVEL), design, "seed", len(rows), LEVEL, interval)


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


class _Examples(NamedTuple):
    """Means of the drawn samples in ascending order, and the size of a sample."""

    drawn: np.ndarray
    count: int

    def ends(self, level: float) -> tuple[float, float]:
        reach = quantile(self.count - 1, level) * math.sqrt(self.count / (self.count - 1))
        low, high = np.quantile(self.drawn, special.ndtr([-reach, reach]))
        if special.ndtr(-reach) * len(self.drawn) < 1:  # further than the draws tell
            middle, error = self.drawn.mean(), self.drawn.std()
            low, high = min(low, middle - reach * error), max(high, middle + reach * error)
        return float(low), float(high)


def _over_examples(rows: list[np.ndarray], same_test: bool, rng: np.random.Generator) -> _Examples:
    """The bootstrap for the mean of the rows' means: of the same examples in every row, or of its
    own."""
    if same_test:
        rows = [np.mean(rows, axis=0)]
    drawn = np.sort(np.mean([_means(row, rng) for row in rows], axis=0))
    return _Examples(drawn, min(len(row) for row in rows))


def _together(
    centre: float, examples: _Examples, seeds: Measured | None, same_test: bool, level: float
) -> tuple[float, float]:
    low, high = examples.ends(level)
    below, above = max(centre - low, 0), max(high - centre, 0)
    if seeds is not None:
        half = seeds.at_level(level).high - centre
        wider = math.hypot if same_test else max
        below, above = wider(below, half), wider(above, half)
    return centre - below, centre + above


def _means(row: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The means of DRAWS samples of the row, drawn with replacement."""
    step = max(1, AT_ONCE // len(row))
    sizes = [min(step, DRAWS - start) for start in range(0, DRAWS, step)]
    return np.concatenate(
        [row[rng.integers(len(row), size=(size, len(row)))].mean(1) for size in sizes]
    )
