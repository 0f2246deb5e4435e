"""What may be promised of one trained adapter's error on new data, from its training sample alone.

Loss in [0, 1], n independent training samples, r the error on them and R the error on unseen
samples. In nats, each with probability at least 1 - delta over the sample, with kl(a, b) = a
ln(a/b) + (1 - a) ln((1 - a)/(1 - b)) and

    kl_inverse(r, c) = the largest b with kl(r, b) <= c:                                         (1)

    Occam, for what is stored in a fixed number of bits:
        R <= kl_inverse(r, (bits ln 2 + ln(1/delta))/n),
        never above r + sqrt((bits ln 2 + ln(1/delta))/(2n)), its form by Pinsker;               (2)

    PAC-Bayes-kl, for a draw from a posterior Q, on average over draws, against a prior that is
    fixed before the sample is seen:
        R_Q <= kl_inverse(r_Q, (KL(Q, prior) + ln(2 sqrt(n)/delta))/n).                          (3)

(3) rests on

    E exp(n kl(r, R)) <= xi(n) = sum_j C(n, j) (j/n)^j (1 - j/n)^(n - j) <= 2 sqrt(n).           (4)

r_Q is itself estimated, from d draws of the posterior, and one more

    kl_inverse(estimate of r_Q, ln(1/delta)/d)                                                   (5)

accounts for it. The best of k such bounds holds where each has delta/k, the k being named
beforehand. A bound by kl_inverse is below 1 however little was learnt, so that below 1 says
nothing: it is called vacuous where a guess that saw no data ("chance") errs no more.

Source: (2) Blumer et al. 1987 with the Chernoff bound in kl form, (3) Seeger 2002 with the constant
of arXiv:cs/0411099, (5) Langford and Caruana 2001.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import rel_entr

from theory.generalization.bounds import Adapter, information_bound

Array = NDArray[np.float64]
HALVINGS = 60  # of an interval in [0, 1]: below the spacing of the numbers there


def kl(a: ArrayLike, b: ArrayLike) -> Array:
    """kl(a, b) of two coins, in nats; infinite where b is 0 or 1 and a is not."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    return rel_entr(a, b) + rel_entr(1 - a, 1 - b)


def kl_inverse(error: ArrayLike, nats: ArrayLike) -> Array:
    """(1), elementwise; rounded upwards, so that it stays a bound."""
    error, nats = np.broadcast_arrays(np.asarray(error, float), np.asarray(nats, float))
    if not ((error >= 0) & (error <= 1)).all():
        raise ValueError(f"an error must lie in [0, 1], got {error.min():g} to {error.max():g}")
    if not (nats >= 0).all():
        raise ValueError(f"a budget must be at least 0 nats, got {nats.min():g}")
    low, high = error, np.ones_like(error)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        inside = kl(error, middle) <= nats
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return high


def occam(error: ArrayLike, nats: ArrayLike, n: int, delta: float) -> Array:
    """(2): the bound on the error of an adapter that is stored in nats / ln 2 bits.

    Args:
        error: on the training sample.
        nats: bits ln 2.
        n: training samples.
        delta: the probability with which the bound may fail.
    """
    _check(n, delta)
    return kl_inverse(error, (np.asarray(nats) + np.log(1 / delta)) / n)


def pac_bayes_kl(error: ArrayLike, divergence: ArrayLike, n: int, delta: float) -> Array:
    """(3): the bound on the mean error over a posterior.

    Args:
        error: the mean training error over the posterior.
        divergence: KL(posterior, prior) in nats.
        n: training samples.
        delta: the probability with which the bound may fail.
    """
    _check(n, delta)
    return kl_inverse(error, (np.asarray(divergence) + np.log(2 * np.sqrt(n) / delta)) / n)


def gaussian_divergence(distance: ArrayLike, deviation: ArrayLike, prior_deviation: float) -> float:
    """KL(N(m + distance, deviation^2), N(m, prior_deviation^2)) in nats, summed over
    coordinates."""
    if not (np.min(deviation) > 0 and prior_deviation > 0):
        raise ValueError(
            f"deviations must be positive, got {min(np.min(deviation), prior_deviation):g}"
        )
    ratio = (np.asarray(deviation, float) / prior_deviation) ** 2
    moved = (np.asarray(distance, float) / prior_deviation) ** 2
    return float((moved + ratio - 1 - np.log(ratio)).sum() / 2)


@dataclass(frozen=True)
class Coded:
    """An adapter as it is stored: its error on the training sample, and what it stores."""

    error: float
    adapter: Adapter

    def bound(self, n: int, delta: float) -> float:
        return float(occam(self.error, self.adapter.nats, n, delta))


@dataclass(frozen=True)
class Posterior:
    """Adapters spread around a trained one: their mean error on the training sample over `draws`
    draws, and the divergence in nats from a prior around the initialization. Neither the prior nor
    the initialization may have seen the sample."""

    error: float
    draws: int
    divergence: float
    adapter: Adapter

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise ValueError(f"draws must be at least one, got {self.draws}")
        if not self.divergence >= 0:
            raise ValueError(f"a divergence must be at least 0 nats, got {self.divergence:g}")
        if self.adapter.saw_sample:
            raise ValueError(
                "the prior is centred at an initialization made from "
                f"{self.adapter.initialization} of the training sample itself, and PAC-Bayes needs "
                "a prior that has not seen it: make the initialization from a disjoint split"
            )

    def bound(self, n: int, delta: float) -> float:
        error = kl_inverse(self.error, np.log(2 / delta) / self.draws)  # (5), half of delta each
        return float(pac_bayes_kl(error, self.divergence, n, delta / 2))


@dataclass(frozen=True)
class Certificate:
    """`bound` holds with probability 1 - delta for the candidate named `by`; `bounds` are all of
    them, likewise.

    `mean_gap` is theory.generalization.bounds (1) for the coded candidate of the fewest bits: a
    bound on its mean gap over samples, which promises nothing of this run. None where nothing is
    coded.
    """

    bound: float
    by: str
    vacuous: bool
    bounds: dict[str, float]
    mean_gap: float | None


def certify(
    n: int, candidates: Mapping[str, Coded | Posterior], delta: float = 0.05, chance: float = 1.0
) -> Certificate:
    """The tightest bound on an adapter's error that is valid for `n` training samples.

    Args:
        n: training samples.
        candidates: by name; the names, and with them the precisions and the priors, are chosen
            before the sample is seen.
        delta: the probability with which the bound may fail.
        chance: the error of a guess that saw no data, 0.9 for ten equally likely classes.

    Raises: ValueError for no candidate, or a value out of its range.
    """
    _check(n, delta)
    if not candidates:
        raise ValueError("certify needs at least one candidate")
    if not 0 < chance <= 1:
        raise ValueError(f"chance must be an error in (0, 1], got {chance:g}")
    bounds = {
        name: candidate.bound(n, delta / len(candidates)) for name, candidate in candidates.items()
    }
    by = min(bounds, key=lambda name: bounds[name])
    stored = [
        candidate.adapter.nats for candidate in candidates.values() if isinstance(candidate, Coded)
    ]
    mean_gap = information_bound(min(stored), n) if stored else None
    return Certificate(bounds[by], by, bounds[by] >= chance, bounds, mean_gap)


def _check(n: int, delta: float) -> None:
    if n < 1:
        raise ValueError(f"n must be at least one training sample, got {n}")
    if not 0 < delta < 1:
        raise ValueError(f"delta must be a probability in (0, 1), got {delta:g}")
