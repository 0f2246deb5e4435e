"""Made-up outcomes of a sweep: what each run would give is known, and so what the summary must
say."""

from typing import Any

import numpy as np

EXAMPLES, STEPS = 200, 60
EXACT = 4096  # test examples of a run without noise


def outcome(
    rng: np.random.Generator, accuracy: float, loss: float, same_test: bool = True
) -> dict[str, Any]:
    """A run that ends at this loss, whose answers are right this often."""
    scores = (rng.uniform(size=EXAMPLES) < accuracy).astype(float)
    losses = [[t + 1, 0.5 + 2 * 0.9**t + 0.02 * rng.normal()] for t in range(STEPS)]
    return {
        "metrics": {"accuracy": float(scores.mean()), "loss": loss},
        "before": {"accuracy": 0.3, "loss": 2.0},
        "scores": scores.tolist(),
        "same_test": same_test,
        "losses": losses,
        "validation": [[20, loss + 0.4], [40, loss], [60, loss + 0.01]],
        "trained_parameters": 24576,
        "inference_parameters": 49152,
        "memory": None,
        "seconds": 90.0,
        "device": "cpu",
    }


def exact(right: int, away: float, tau: float) -> dict[str, Any]:
    """A run without noise: so many right answers, the validation loss that lies `away` decades from
    the best learning rate, and a training loss that falls by 1/e in tau steps."""
    return {
        "metrics": {"accuracy": right / EXACT},
        "scores": [1.0] * right + [0.0] * (EXACT - right),
        "losses": [[t + 1, float(np.exp(-t / tau))] for t in range(STEPS)],
        "validation": [[STEPS, 0.5 + away**2]],
        "trained_parameters": 100,
        "inference_parameters": 100,
        "memory": None,
        "seconds": 1.0,
    }


def sweep(
    methods: dict[str, float], rates=(1e-4, 1e-3, 1e-2), seeds=3, unseen=2, best: int = 1
) -> dict[str, Any]:
    """Methods by the accuracy that each has at its best rate, which is number `best`; away from it
    the loss grows and the accuracy falls by 0.1 for each learning rate. `unseen` seeds confirm the
    best one."""
    rng = np.random.default_rng(0)
    return {
        method: {
            rate: {
                seed: outcome(
                    rng, accuracy - 0.1 * abs(i - best), 0.5 + abs(i - best) + 0.05 * rng.normal()
                )
                for seed in range(seeds + (unseen if i == best else 0))
            }
            for i, rate in enumerate(rates)
        }
        for method, accuracy in methods.items()
    }


def here(function, todo):
    """Trials run in this process, so that what stands in for them need not be sent to workers."""
    yield from ((i, 0.0, function(**trial)) for i, trial in todo.items())
