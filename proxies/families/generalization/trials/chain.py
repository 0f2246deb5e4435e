"""The bounds on the gap of an enumerable problem, next to the gap itself."""

from itertools import product
from typing import Any

import numpy as np

from proxies.families.generalization.trials.problems import VARIANTS, updates, world
from theory.generalization import bounds, exact

OTHER_STREAM = 10**6  # added to a seed for draws that must not repeat those of the world


def chain(variant: str, noise: float, n: int, supersamples: int, seed: int) -> dict[str, Any]:
    """Every bound on the gap of one problem, next to the gap, in units of the 0-1 loss.

    `conditional`, `evaluated` and `averaged` are means over supersamples drawn at random, and
    `difference_of_draws` is `difference` from those same supersamples; everything else is exact.

    Args:
        variant: the trained factors, a key of `problems.VARIANTS`.
        noise: the probability that a label is changed.
        n: training samples.
        supersamples: supersamples drawn.
        seed: of the problem.
    """
    w = world(variant, noise, seed)
    found = exact.summary(w, n)
    rng = np.random.default_rng(seed + OTHER_STREAM)
    pairs = rng.choice(len(w.p), size=(supersamples, n, 2), p=w.p)
    drawn = exact.supersamples(w, pairs)
    differences = drawn.differences.mean(0)
    return {
        "adapters": len(updates(variant, np.random.default_rng(seed))),
        "risk": found.risk,
        "train": found.train,
        "gap": found.gap,
        "bits": bounds.information_bound(VARIANTS[variant].nats, n),
        "class": bounds.information_bound(float(np.log(len(w.losses))), n),
        "entropy": bounds.information_bound(found.entropy, n),
        "individual": bounds.individual_bound(found.individual),
        "conditional": bounds.conditional_bound(drawn.conditional, n),
        "evaluated": bounds.evaluated_bound(drawn.evaluated),
        "averaged": bounds.averaged_bound(drawn.evaluated),
        "difference": bounds.difference_bound(found.difference),
        "difference_of_draws": bounds.difference_bound(bounds.mutual_information(differences)),
        "interpolating_risk": bounds.interpolating_risk(found.difference),
        "drawn_gap": float(drawn.gap.mean()),
        "drawn_gap_error": float(drawn.gap.std(ddof=1) / np.sqrt(supersamples)),
    }


def every_supersample(variant: str, seed: int) -> dict[str, float]:
    """Interpolation from two samples: the risk, and theory.generalization.bounds (8) from all 8^4
    supersamples."""
    w = world(variant, 0.0, seed)
    pairs = np.array(list(product(range(len(w.p)), repeat=4))).reshape(-1, 2, 2)
    nats = bounds.mutual_information(exact.supersamples(w, pairs).differences.mean(0))
    return {"risk": exact.summary(w, 2).risk, "interpolating_risk": bounds.interpolating_risk(nats)}


def memory(inputs: int, n: int) -> dict[str, float]:
    """B alone trained, one bit stored, A frozen after it was made from the training samples: the
    gap over the bound that leaves A out, and over the bound that counts it."""
    gap = exact.summary(exact.memory(inputs), n).gap
    layer, B_alone = ((1, inputs, 1),), {"precision": 1, "train_a": False}
    not_counted = bounds.Adapter(layer, **B_alone)
    counted = bounds.Adapter(layer, **B_alone, initialization="inputs", split="same")
    return {
        "not_counted": gap / bounds.information_bound(not_counted.nats, n),
        "counted": gap / bounds.information_bound(counted.nats, n),
    }


ROBERTA = ((1024, 1024, 8),) * 72  # query, key and value of RoBERTa-large
DIGITS = "digits, one 10 x 64 layer, rank 4, 8 bits, n = 1000"
MNLI = "RoBERTa-large on MNLI, rank 8, 16 bits, n = 392 702"
RTE = "RoBERTa-large on RTE, rank 8, 16 bits, n = 2490"
PUBLISHED = {  # layers, bits of a number, training samples
    DIGITS: (((10, 64, 4),), 8, 1000),
    "one 4096 x 4096 layer, rank 8, 4 bits, n = 52 000": (((4096, 4096, 8),), 4, 52_000),
    "one 11008 x 4096 layer, rank 8, 4 bits, n = 52 000": (((11008, 4096, 8),), 4, 52_000),
    MNLI: (ROBERTA, 16, 392_702),
    RTE: (ROBERTA, 16, 2490),
}


def at_scale(setting: str) -> dict[str, float]:
    """The bound by stored bits, training both factors or one, at sizes that people train; 0-1
    loss."""
    layers, precision, n = PUBLISHED[setting]
    adapters = {
        variant: bounds.Adapter(layers, precision, train_a="A" in variant, train_b="B" in variant)
        for variant in ("BA", "B", "A")
    }
    return {
        variant: bounds.information_bound(adapter.nats, n) for variant, adapter in adapters.items()
    }
