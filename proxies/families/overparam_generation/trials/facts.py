"""What CMMD is: how far it reaches, searched for among all sets of unit vectors, and on digits its
null and its blindness to lost diversity."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from proxies.families.overparam_generation.trials.scores import Networks
from proxies.instruments import digit_targets
from proxies.instruments.digit_networks import Judge
from proxies.instruments.image_distances import kernel, median_distance, mmd
from theory.overparam_generation import distances as theory

SAMPLES = ((50, 50), (20, 200))  # sizes of two samples of one population
FEW = 20  # images that stand for all of them; a divisor of FAIR
FAIR = 400  # images of a fair sample
POINTS, DIMENSIONS = (6, 4), 5  # of the two sets that are searched for
CLIMB = 300  # steps of the search
Score = Callable[[Tensor, Tensor], Tensor]


def ends(seed: int) -> dict[str, float]:
    """How far a search gets: the largest CMMD of two sets of unit vectors over its bound, of any
    and of those without a negative entry; the least and the most of CMMD beyond the means, over
    what (3) allows."""
    rng = Generator().manual_seed(seed)
    limits = {"greatest": theory.most(), "not negative": theory.most(farthest=2**0.5)}
    return {
        "greatest": climbed(_cmmd, rng) / limits["greatest"],
        "not negative": climbed(lambda x, y: _cmmd(x.abs(), y.abs()), rng) / limits["not negative"],
        "least beyond means": -climbed(lambda x, y: -_beyond(x, y), rng),
        "most beyond means": climbed(_beyond, rng),
    }


def climbed(score: Score, rng: Generator) -> float:
    """The largest score of two sets of unit vectors that Adam finds from random ones, uphill."""
    sets = [
        torch.randn(n, DIMENSIONS, generator=rng, dtype=torch.float64).requires_grad_()
        for n in POINTS
    ]
    optimizer = torch.optim.Adam(sets, 0.1)
    values = []
    for _ in range(CLIMB):
        optimizer.zero_grad()
        value = score(*(F.normalize(z, dim=1) for z in sets))
        (-value).backward()
        optimizer.step()
        values.append(value.item())
    return max(values)


def _cmmd(x: Tensor, y: Tensor) -> Tensor:
    """CMMD by its definition, differentiable."""
    gram = lambda a, b: torch.exp(((a @ b.mT) - 1) / theory.SIGMA**2).mean()
    return theory.SCALE * (gram(x, x) + gram(y, y) - 2 * gram(x, y))


def _beyond(x: Tensor, y: Tensor) -> Tensor:
    """What the means leave of CMMD, over the most that they can."""
    shift = theory.weight(1) * (x.mean(0) - y.mean(0)).square().sum()
    return (_cmmd(x, y) - shift) / theory.beyond_means()


def definition(
    networks: Sequence[Networks], seeds: Sequence[int], repeats: int
) -> list[dict[str, Any]]:
    """What the definition of CMMD implies in the features of each seed's classifier.

    Args:
        networks: each seed's, of which the classifier is used.
        seeds: of the draws.
        repeats: draws of the null for each.
    """
    judges = [Judge(one.classifier) for one in networks]
    return [
        {"null": null(judge, repeats, seed), "diversity": diversity(judge, seed)}
        for judge, seed in zip(judges, seeds, strict=True)
    ]


def null(judge: Judge, repeats: int, seed: int) -> list[dict[str, Any]]:
    """Means of CMMD and of its unbiased kin of disjoint samples of the digits 5 to 9, over what (6)
    says of the biased one.

    For disjoint samples of a finite population (6) is exact with kappa the mean over its pairs of
    different images.
    """
    rng = Generator().manual_seed(seed)
    x = judge.embed(digit_targets.of(digit_targets.TARGETS["new classes"]))
    K = theory.SCALE * kernel(x, x, theory.SIGMA)
    N = len(K)
    kappa = float((K.sum() - K.diagonal().sum()) / (N * (N - 1))) / theory.SCALE
    found = []
    for n, m in SAMPLES:
        weights = torch.zeros(repeats, N, dtype=K.dtype)
        for row in weights:
            order = torch.randperm(N, generator=rng)
            row[order[:n]], row[order[n : n + m]] = 1 / n, -1 / m
        biased = float(((weights @ K) * weights).sum(1).mean())
        # k(x, x) = 1: the pairs of an image with itself are 1 / n of all, and are left out.
        a, b = weights.clamp(min=0), weights.clamp(max=0)
        within = [float(((w @ K) * w).sum(1).mean()) for w in (a, b)]
        off = sum((q - theory.SCALE / k) * k / (k - 1) for q, k in zip(within, (n, m), strict=True))
        expected = theory.null_mean(n, m, kappa)
        found.append(
            {
                "n": n,
                "m": m,
                "biased": biased / expected,
                "unbiased": (off + biased - sum(within)) / expected,
            }
        )
    return found


def herded(x: Tensor, n: int) -> Tensor:
    """n of x (m, d), taken one by one so that their mean is as near that of all as can be; each at
    most once."""
    mean, total, left = x.mean(0), torch.zeros_like(x[0]), torch.ones(len(x), dtype=torch.bool)
    chosen = []
    for k in range(1, n + 1):
        far = ((total + x) / k - mean).square().sum(1)
        i = int(torch.where(left, far, torch.inf).argmin())
        left[i], total = False, total + x[i]
        chosen.append(i)
    return x[torch.tensor(chosen)]


def diversity(judge: Judge, seed: int) -> dict[str, float]:
    """FEW images chosen for their mean, each repeated, beside a fair sample: distances to the
    others, over its own."""
    order = torch.randperm(
        len(x := judge.embed(digit_targets.of(digit_targets.TARGETS["new classes"])).double()),
        generator=Generator().manual_seed(seed),
    )
    fair, rest = x[order[:FAIR]], x[order[FAIR:]]
    few = herded(fair, FEW).repeat(FAIR // FEW, 1)
    sigma = median_distance(x)
    return {
        "CMMD": mmd(few, rest).biased / mmd(fair, rest).biased,
        "MMD": mmd(few, rest, sigma).biased / mmd(fair, rest, sigma).biased,
        "variance": float(few.var(0, correction=0).sum() / fair.var(0, correction=0).sum()),
    }
