"""What CMMD is, measured on digits: its range, its law of the means, its null and its blindness to
lost diversity."""

from itertools import combinations
from typing import Any

import numpy as np
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


def ends(seed: int) -> dict[str, float]:
    """CMMD of a set and itself, of opposite points over its limit, and what random sets leave to
    the law of means."""
    rng = Generator().manual_seed(seed)
    x, y = (
        F.normalize(torch.randn(n, 8, generator=rng, dtype=torch.float64), dim=1) for n in (60, 40)
    )
    point = x[:1].expand(5, -1)
    rest = [_beyond(x, y)]
    rest += [
        _beyond(x[:5], -x[:5]),
        _beyond(point, y),
        _beyond(x, F.normalize(x + 0.3 * y[:1], dim=1)),
    ]
    return {
        "equal": abs(mmd(x, x.flip(0)).biased),
        "opposite": mmd(point, -point).biased / theory.most(),
        "least beyond means": min(rest),
        "most beyond means": max(rest),
    }


def _beyond(x: Tensor, y: Tensor) -> float:
    """What the means leave of CMMD, over the most that they can."""
    return (mmd(x, y).biased - theory.mean_shift(x.numpy(), y.numpy())) / theory.beyond_means()


def definition(networks: Networks, repeats: int, seeds: int, seed: int) -> dict[str, Any]:
    """What the definition of CMMD implies in the features of the trained classifier.

    Args:
        networks: of which the classifier is used.
        repeats: draws of the null.
        seeds: draws of few images that stand for many.
        seed: the first one.
    """
    judge = Judge(networks.classifier)
    return {
        "null": null(judge, repeats, seed),
        "diversity": [diversity(judge, seed + i) for i in range(seeds)],
        "pairs": pairs(judge, seed),
    }


def null(judge: Judge, repeats: int, seed: int) -> list[dict[str, Any]]:
    """CMMD and its unbiased kin of disjoint samples of the digits 5 to 9, less what (6) says, in
    standard errors.

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
        both = []
        for _ in range(repeats):
            order = torch.randperm(N, generator=rng)
            a, b = order[:n], order[n : n + m]
            within = [K[one][:, one] for one in (a, b)]
            off = [(k.sum() - k.diagonal().sum()) / (len(k) * (len(k) - 1)) for k in within]
            across = 2 * K[a][:, b].mean()
            both.append(
                [float(within[0].mean() + within[1].mean() - across), float(sum(off) - across)]
            )
        draws = np.array(both) - [theory.null_mean(n, m, kappa), 0]
        biased, unbiased = draws.mean(0) / (draws.std(0, ddof=1) / repeats**0.5)
        found.append({"n": n, "m": m, "biased": float(biased), "unbiased": float(unbiased)})
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


def pairs(judge: Judge, seed: int) -> list[dict[str, Any]]:
    """CMMD of any two of six sets of images, as far apart as this classifier can tell."""
    noise = 2 * torch.rand(FAIR, digit_targets.PIXELS, generator=Generator().manual_seed(seed)) - 1
    sets = {"seen": digit_targets.of(digit_targets.SEEN)} | {
        name: digit_targets.of(labels) for name, labels in digit_targets.TARGETS.items()
    }
    sets |= {
        "both": -sets["new classes"],
        "noise": noise,
        "grey": torch.zeros(2, digit_targets.PIXELS),
    }
    found = {name: judge.embed(x) for name, x in sets.items()}
    return [
        {"first": a, "second": b, "CMMD": mmd(found[a], found[b]).biased}
        for a, b in combinations(sets, 2)
    ]
