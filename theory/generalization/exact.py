"""The quantities of `theory.generalization` by enumeration, for a finite class learnt from finitely
many examples.

A world has k examples z with probabilities p_z and m functions f with 0-1 losses; learning takes
the function of least training error, the first of those that tie. It sees a sample only through its
counts, so all samples are

    C(n + k - 1, n) multisets, of probability n! prod_z p_z^c_z / c_z!,                          (1)

and, the places of a sample being alike, all but theory.generalization.bounds (4) to (6) follows
from the one table

    T_fz = P(F = f, Z_1 = z) = sum over multisets with F = f of P(multiset) c_z / n.             (2)

The other half of a pair is independent of F, so with the risk R_f, and t_f = P(F = f, the loss on
Z_1 is 1),

    P(D = 1 | U = 0) = sum_f (T_f - t_f) R_f,  P(D = -1 | U = 0) = sum_f t_f (1 - R_f),          (3)

T_f being P(F = f), and U = 1 turns the sign of D.

Source: derived here.
"""

from itertools import chain, combinations_with_replacement
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from theory.generalization.bounds import entropy, mutual_information

Array = NDArray[np.float64]
Integers = NDArray[np.integer]
MOST = 100_000_000  # counts: a gigabyte while they are made
BLOCK = 1 << 15  # samples learnt from at a time


class World(NamedTuple):
    p: Array  # (k,), positive, sum 1
    losses: Array  # (m, k) of 0 and 1

    @property
    def risks(self) -> Array:
        """(m,): the population risk of each function."""
        return self.losses @ self.p


def memory(inputs: int) -> World:
    """All 2^inputs ways to label the inputs, learnt from labels that are fair coins: every risk is
    1/2.

    As an adapter: one-hot inputs, one output, A any row of signs and B = 1.
    """
    labels = (np.arange(1 << inputs)[:, None] >> np.arange(inputs)) & 1
    wrong = labels[:, :, None] != np.arange(2)
    return World(np.full(2 * inputs, 0.5 / inputs), wrong.reshape(len(labels), -1).astype(float))


def multisets(k: int, n: int) -> Integers:
    """(1): the counts (C(n + k - 1, n), k) of every sample of n out of k. Raises ValueError when
    they are too many."""
    if (count := comb(n + k - 1, n)) * k > MOST:
        raise ValueError(
            f"{n} samples of {k} examples make {count} multisets, which are too many to enumerate"
        )
    numbers = chain.from_iterable(combinations_with_replacement(range(k), n))
    drawn = np.fromiter(numbers, np.int32, count * n).reshape(count, n)
    counts, row = np.zeros((count, k), np.int32), np.arange(count)
    for z in drawn.T:
        counts[row, z] += 1
    return counts


def one_hot(z: Integers, k: int) -> Integers:
    return (z[..., None] == np.arange(k)).astype(np.int64)


def learn(world: World, counts: Integers) -> Integers:
    """The function of least training error for each row of counts (s, k): its index (s,), the first
    of a tie."""
    losses = world.losses.T.astype(np.float32)  # sums of at most n ones: exact
    blocks = [
        counts[i : i + BLOCK].astype(np.float32) @ losses for i in range(0, len(counts), BLOCK)
    ]
    return np.concatenate([errors.argmin(1) for errors in blocks])


def joint(world: World, n: int) -> Array:
    """(2): T (m, k)."""
    counts = multisets(len(world.p), n)
    chosen = learn(world, counts)
    log_factorial = gammaln(np.arange(n + 1) + 1)
    log_p = np.full(len(counts), log_factorial[n])
    # example by example: all at once would need a gigabyte
    for count, p in zip(counts.T, world.p, strict=True):
        log_p += count * np.log(p) - log_factorial[count]
    P = np.exp(log_p) / n
    T = np.empty(world.losses.shape)
    for z, count in enumerate(counts.T):
        T[:, z] = np.bincount(chosen, P * count, len(T))
    return T


class Summary(NamedTuple):
    risk: float
    train: float
    entropy: float  # H(F), which is I(F; S) because learning is deterministic
    individual: float  # I(F; Z_i), the same for every i
    difference: float  # I(D_i; U_i), the same for every i

    @property
    def gap(self) -> float:
        return self.risk - self.train


def summary(world: World, n: int) -> Summary:
    """Everything that (2) gives, exact up to rounding; information in nats."""
    T = joint(world, n)
    P, t, R = T.sum(1), (T * world.losses).sum(1), world.risks
    up, down = float((P - t) @ R), float(t @ (1 - R))
    # D = -1, 0, 1 by U = 0, 1
    D_and_U = np.array([[down, up], [1 - up - down, 1 - up - down], [up, down]]) / 2
    information = (
        float(nats) for nats in (entropy(P), mutual_information(T), mutual_information(D_and_U))
    )
    return Summary(float(P @ R), float(t.sum()), *information)


class Supersamples(NamedTuple):
    """Of each of s supersamples z~."""

    # (s,): mean over selectors of the loss on the left-out halves minus the loss on the trained
    # ones
    gap: Array
    conditional: Array  # (s,): I(F; U | Z~ = z~)
    evaluated: Array  # (s, n): I(L_i0, L_i1; U_i | Z~ = z~)
    differences: Array  # (s, n, 3, 2): P(D_i = -1, 0, 1; U_i = 0, 1 | Z~ = z~)


def supersamples(world: World, pairs: Integers) -> Supersamples:
    """All 2^n ways, equally likely, to choose the training halves of n pairs of examples, for each
    row of (s, n, 2)."""
    s, n, _ = pairs.shape
    U = (np.arange(1 << n)[:, None] >> np.arange(n)) & 1  # (2^n, n)
    trained = np.where(U, pairs[:, None, :, 1], pairs[:, None, :, 0])  # (s, 2^n, n)
    counts = one_hot(trained, len(world.p)).sum(2)
    chosen = learn(world, counts.reshape(s << n, -1)).reshape(s, 1 << n)
    L = world.losses[chosen[:, :, None, None], pairs[:, None]].astype(np.int64)  # (s, 2^n, n, 2)
    D = L[..., 1] - L[..., 0]
    place = np.broadcast_arrays(np.arange(s)[:, None, None], np.arange(n), D)[:2]
    losses, differences = np.zeros((s, n, 4, 2)), np.zeros((s, n, 3, 2))
    np.add.at(losses, (*place, 2 * L[..., 0] + L[..., 1], U), 1 / len(U))
    np.add.at(differences, (*place, 1 + D, U), 1 / len(U))
    repeated = [np.unique(row, return_counts=True)[1] / len(U) for row in chosen]
    return Supersamples(
        ((1 - 2 * U) * D).mean((1, 2)),
        np.array([entropy(p) for p in repeated]),
        mutual_information(losses),
        differences,
    )
