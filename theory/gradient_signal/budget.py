"""What "adaptive ranks reduce the number of trained parameters" and "a new Pareto frontier" can
mean for the gradient signal, and when explained variance is the rule that does it.

Setting. Layers l with |g_l|^2 uncorrelated with x x^T and of mean p_l, so that their signal with
r_l rows of EVA is p_l (lambda_l1 + ... + lambda_l,r_l) (optimum (8)); a rank of layer l costs c_l =
in_l + out_l trained parameters.

The frontier. Each layer's signal is concave in its rank, so with equal costs the components with
the largest p_l lambda_lj give at once
    the largest signal of every budget of ranks, and the fewest ranks of every signal:           (1)
one order of components serves all budgets. With costs the order by p_l lambda_lj / c_l is on the
frontier (no ranks have more signal with no more parameters) at each of its own totals, and between
two of them, at a budget C, its prefix that fits falls short of the largest signal by less than the
first component that does not fit:
    0 <= S*(C) - S(prefix) <= p_l lambda_lj of that component.                                   (2)
(The fractional choice is the best of a relaxation, and adds a part of that component.)

Explained variance. EVA orders by lambda_lj / Tr M_l in place of p_l lambda_lj, and by ranks. It has
(1) if p_l Tr M_l is equal for all layers. Else it can miss nearly all:
    layers of spectra (1, 1) and (e, 0), p = 1, one rank: explained variance takes e, share e;   (3)
and moving ranks between layers of unequal c_l, with the number of ranks as the budget, may raise
the number of parameters as well as reduce it: it falls exactly if ranks go to layers that are
cheaper on average.

Source: derived here; the rule is equation 6 of arXiv:2410.07170 as its code has it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from theory.gradient_signal.optimum import allocation

Array = NDArray[np.floating]


def fewest_ranks(spectra: Sequence[Array], wanted: float) -> int:
    """(1): the least number of ranks whose signal reaches what is wanted.

    Args:
        spectra: p_l lambda_lj of each layer, descending and not negative.
        wanted: at most their sum.
    """
    values = np.sort(np.concatenate(spectra))[::-1]
    return int(np.searchsorted(np.cumsum(values), wanted * (1 - 1e-12)) + 1) if wanted > 0 else 0


def prefix(
    spectra: Sequence[Array], costs: Sequence[float], budget: float
) -> tuple[list[int], float, float]:
    """(2): the order by signal per cost, as far as the budget reaches.

    Returns: the ranks, their signal, and the signal of the first component that does not fit (0
    where all fit).
    """
    layers = np.repeat(np.arange(len(spectra)), [len(s) for s in spectra])
    values, each = np.concatenate(spectra), np.asarray(costs, float)[layers]
    order = np.argsort(-values / each, kind="stable")
    fits = np.cumsum(each[order]) <= budget
    taken = order[fits]
    ranks = np.bincount(layers[taken], minlength=len(spectra)).tolist()
    beyond = float(values[order[len(taken)]]) if len(taken) < len(order) else 0.0
    return ranks, float(values[taken].sum()), beyond


def by_explained_variance(
    spectra: Sequence[Array], powers: Sequence[float], budget: int
) -> tuple[list[int], float]:
    """The ranks that explained variance gives, and their share of the largest signal.

    Args:
        spectra: lambda_lj of each layer, descending.
        powers: p_l.
        budget: the sum of the ranks.
    """
    ranks, _ = allocation([s / s.sum() for s in spectra], budget)
    signals = [p * s for p, s in zip(powers, spectra, strict=True)]
    reached = sum(float(s[:r].sum()) for s, r in zip(signals, ranks, strict=True))
    return ranks, reached / allocation(signals, budget)[1]
