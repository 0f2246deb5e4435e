"""How far an adapter's training error may lie below its population error, on average over training
samples.

S = (Z_1..Z_n) are independent training samples, F is what was learnt from S, and

    gap = E[population risk of F - training error of F on S].

Where the loss of each fixed F is sigma-sub-Gaussian (sigma = (b - a)/2 for a loss in [a, b]), |gap|
is at most

    sqrt(2 sigma^2 I(F; S) / n),   and I(F; S) <= H(F) <= ln|class| <= ln 2 * bits stored,       (1)
    (1/n) sum_i sqrt(2 sigma^2 I(F; Z_i)), never above (1).                                      (2)

An adapter of rank r that stores q bits a number has, summed over its layers,

    bits = q r sum(d_out) training B, q r sum(d_in) training A, q r sum(d_in + d_out) training
        both,                                                                                    (3)

provided that what is frozen does not depend on S. A frozen factor made from S carries information
about S: it is counted as if it had been trained, or made from samples that are not among the n.

For a loss in [0, 1], n pairs Z~ of which a fair coin U_i chooses the one to train on, and the two
losses (L_i0, L_i1) of pair i with difference D_i = L_i1 - L_i0, |gap| is at most

    E_z~ sqrt(2 I(F; U | Z~ = z~) / n),                                                          (4)
    (1/n) sum_i E_z~ sqrt(2 I(L_i0, L_i1; U_i | Z~ = z~)), never above (4),                      (5)
    (1/n) sum_i sqrt(2 I(L_i0, L_i1; U_i | Z~)), never below (5) or (7),                         (6)
    (1/n) sum_i sqrt(2 I(D_i; U_i)).                                                             (7)

(7) may lie above (5): forgetting Z~ lowers the information, but the mean over z~ is then inside the
root. With 0-1 loss and no training error D_i is 0 or determines U_i, so that the risk is known and
not only bounded:

    risk = (1/n) sum_i I(D_i; U_i) / ln 2.                                                       (8)

(4) has no ceiling but n ln 2 and H(F); as its constant is 2 where (1) has 2 sigma^2 = 1/2, it is
the smaller one only where the conditional information is below a quarter of the other.

All information is in nats. A squared loss or a cross-entropy is not sub-Gaussian in general: clip
it, or use 0-1 loss. None of these bounds speaks of one run; `theory.generalization.certificate`
does. And a smaller bound on the gap is not a smaller risk: training both factors has the larger gap
and, often, the smaller risk.

Source: (1) arXiv:1705.07809, (2) arXiv:1901.04609, (3) arXiv:2402.16842 Lemma 4.5, (4)
arXiv:2001.09122, (5) arXiv:2206.14800, (7) and the interpolating rate arXiv:2302.02432; (6) and the
exact (8) derived here.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr

Array = NDArray[np.float64]
LN2 = float(np.log(2))
Needs = Literal["nothing", "weight", "inputs", "gradient"]
Split = Literal["disjoint", "same"]


@dataclass(frozen=True)
class Adapter:
    """What a trained adapter stores, and what its initialization was made from.

    Args:
        layers: (d_out, d_in, rank) of each adapted layer.
        precision: q, the bits of one stored number.
        train_a: whether A is trained.
        train_b: whether B is trained.
        initialization: what it needs: "nothing", "weight" (of the frozen model), "inputs" or
            "gradient".
        split: for an initialization made from inputs or gradients, whether the samples that made it
            are "disjoint" from the n that the bound counts or the "same".
        pair: whether (B0, A0) is carried along as a frozen pair, because B0 A0 is not zero.

    Raises: ValueError for no layer, no trained factor, or data of an unknown split.
    """

    layers: tuple[tuple[int, int, int], ...]
    precision: int
    train_a: bool = True
    train_b: bool = True
    initialization: Needs = "nothing"
    split: Split | None = None
    pair: bool = False

    def __post_init__(self) -> None:
        if not self.layers or any(size < 1 for layer in self.layers for size in layer):
            raise ValueError(
                "layers must hold at least one (d_out, d_in, rank), all positive, got "
                f"{self.layers}"
            )
        if self.precision < 1:
            raise ValueError(f"precision must be at least 1 bit a number, got {self.precision}")
        if not (self.train_a or self.train_b):
            raise ValueError("train_a and train_b are both False: nothing was trained")
        if self.from_data and self.split is None:
            raise ValueError(
                f"an initialization made from {self.initialization} depends on data: say "
                "split='disjoint' when none of the training samples made it, or split='same', "
                "which counts what is frozen of it as stored"
            )

    @property
    def from_data(self) -> bool:
        return self.initialization in ("inputs", "gradient")

    @property
    def saw_sample(self) -> bool:
        """Whether the initialization depends on the samples that the bound counts."""
        return self.from_data and self.split == "same"

    @property
    def numbers(self) -> int:
        """How many numbers may depend on the training sample: the trained ones, and what is frozen
        of an initialization that was made from the same sample."""
        in_b = sum(d_out * rank for d_out, _, rank in self.layers)
        in_a = sum(d_in * rank for _, d_in, rank in self.layers)
        count_a, count_b = (trained or self.saw_sample for trained in (self.train_a, self.train_b))
        return in_a * count_a + in_b * count_b + (in_a + in_b) * (self.pair and self.saw_sample)

    @property
    def bits(self) -> int:
        """(3)."""
        return self.precision * self.numbers

    @property
    def nats(self) -> float:
        """(3) as a bound on I(F; S)."""
        return LN2 * self.bits


def information_bound(nats: float, n: int, sigma: float = 0.5) -> float:
    """(1): the bound on |gap|, in units of the loss.

    Args:
        nats: I(F; S), or anything above it.
        n: training samples.
        sigma: of the loss; 1/2 for a loss in [0, 1].
    """
    _checked(nats, sigma)
    if n < 1:
        raise ValueError(f"n must be at least one training sample, got {n}")
    return float(np.sqrt(2 * sigma**2 * nats / n))


def individual_bound(nats: ArrayLike, sigma: float = 0.5) -> float:
    """(2) from I(F; Z_i) for every i (n,), or for one i where all are equal."""
    _checked(nats, sigma)
    return float(np.sqrt(2 * sigma**2 * np.asarray(nats)).mean())


def conditional_bound(nats: ArrayLike, n: int) -> float:
    """(4) from I(F; U | Z~ = z~) for equally likely z~ (k,)."""
    return float(np.mean([information_bound(float(one), n, 1.0) for one in np.atleast_1d(nats)]))


def evaluated_bound(nats: ArrayLike) -> float:
    """(5) from I(L_i0, L_i1; U_i | Z~ = z~) for equally likely z~ and every i (k, n)."""
    return individual_bound(nats, 1.0)


def averaged_bound(nats: ArrayLike) -> float:
    """(6): the same information (k, n), averaged over z~ before the root."""
    return individual_bound(np.asarray(nats).mean(0), 1.0)


def difference_bound(nats: ArrayLike) -> float:
    """(7) from I(D_i; U_i) for every i (n,), or for one i where all are equal."""
    return individual_bound(nats, 1.0)


def interpolating_risk(nats: ArrayLike) -> float:
    """(8) from I(D_i; U_i): the population risk of an algorithm whose training error is always
    zero."""
    return float(np.asarray(nats, float).mean()) / LN2


def entropy(p: ArrayLike) -> Array:
    """-sum p ln p over the last axis of probabilities (..., k), in nats."""
    # one sure outcome may round to just above 1
    return np.maximum(0.0, entr(np.asarray(p, float)).sum(-1))


def mutual_information(joint: ArrayLike) -> Array:
    """I of the last two axes of tables of joint probabilities (..., a, b), in nats."""
    joint = np.asarray(joint, float)
    together = joint.reshape(*joint.shape[:-2], -1)
    return np.maximum(0.0, entropy(joint.sum(-1)) + entropy(joint.sum(-2)) - entropy(together))


def _checked(nats: ArrayLike, sigma: float) -> None:
    if not (np.asarray(nats) >= 0).all():
        raise ValueError(f"information must be at least 0 nats, got {np.min(nats):g}")
    if not sigma > 0:
        raise ValueError(f"sigma must be positive, got {sigma:g}")
