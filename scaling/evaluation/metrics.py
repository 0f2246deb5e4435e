"""Metrics that several tasks share: as scikit-learn has them, which takes a second to load."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

# The metrics that are better the lower they are: losses, errors and distances.
LOWER = (
    "perplexity",
    "loss",
    "bits_per_byte",
    "mean_squared_error",
    "cmmd",
    "cmmd_unbiased",
    "mmd",
)


def worse(before: Mapping[str, float], after: Mapping[str, float]) -> str | None:
    """A line where the first metric, the best known one, or a loss is worse after training than
    before; None where none is."""
    for name in dict.fromkeys([*[*after][:1], *LOWER]):
        if name in before and name in after:
            change = after[name] - before[name]
            if (change if name in LOWER else -change) > 0:
                return (
                    f"worse than the base model: {name} {after[name]:.4g}, and before training "
                    f"{before[name]:.4g}; try a lower --lr"
                )
    return None


def of_classes(truth: Sequence[str], guess: Sequence[str]) -> dict[str, float]:
    """Accuracy, F1 as the mean over the classes, and the correlation of Matthews.

    With s examples, c of them right, t_k of class k and p_k guessed to be of it:
        F1 of a class = 2 (right of k) / (t_k + p_k),
        Matthews = (c s - sum_k p_k t_k) / sqrt((s^2 - sum_k p_k^2) (s^2 - sum_k t_k^2)), or 0 where
    that is 0 / 0 (Gorodkin 2004).
    """
    t, p = Counter(truth), Counter(guess)
    right = Counter(a for a, b in zip(truth, guess, strict=True) if a == b)
    s, c, classes = len(truth), right.total(), t | p
    spread = (s**2 - sum(n**2 for n in p.values())) * (s**2 - sum(n**2 for n in t.values()))
    covariance = c * s - sum(p[k] * t[k] for k in classes)
    return {
        "accuracy": c / s,
        "f1": sum(2 * right[k] / (t[k] + p[k]) for k in classes) / len(classes),
        "matthews": covariance / math.sqrt(spread) if spread else 0.0,
    }
