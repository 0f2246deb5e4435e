"""OP1 to OP8 and OP17: each holds on every draw, so that the evidence is the range over draws; only
the variances of OP8 are means, and one share of OP7 a frequency."""

from collections.abc import Mapping, Sequence
from typing import Any

from loralab.claims import Measured
from loralab.statistics import mean, proportion, spread
from proxies.families.matfac.trials.plan import SCALES

Draws = Mapping[str, Mapping[str, list[float]]]
"""name in TRIALS -> quantity -> one number a draw"""

DRAWS, SHARE_DRAWS, SCALE_DRAWS = 20, 60, 900
TRIALS: dict[str, dict[str, Any]] = {
    name: {"law": law, "count": count, "arguments": arguments}
    for name, law, count, arguments in (
        ("relu", "identities", DRAWS, {"activation": "relu"}),
        ("linear", "identities", DRAWS, {"activation": "linear"}),
        ("expansion", "expansion", DRAWS, {}),
        ("conservation", "conservation", DRAWS, {}),
        ("balanced", "balanced", DRAWS, {}),
        ("adam", "adam", DRAWS, {}),
        ("agree", "hypergradient", DRAWS, {"reach": 0.3, "scale": 0.01}),
        ("oppose", "hypergradient", DRAWS, {"reach": 1.6, "scale": 0.01}),
        ("oppose large", "hypergradient", SHARE_DRAWS, {"reach": 1.6, "scale": 30.0}),
        ("agree, Adam", "adam_hypergradient", DRAWS, {"rate": 1e-3, "scale": 1.0}),
        ("oppose, Adam", "adam_hypergradient", DRAWS, {"rate": 1e-3, "scale": 0.01}),
        *(
            (f"scale {m} {k}", "scale", SCALE_DRAWS, {"width": m, "embedding": k})
            for m, k in SCALES
        ),
        ("conditioning", "conditioning", DRAWS, {}),
    )
}
"""The arguments of `trials.draws.draws`, less the block of seeds."""

QUANTITIES: dict[str, dict[str, tuple[str, str]]] = {
    "OP1": {
        "one step, ReLU": ("relu", "one step"),
        "all steps, ReLU": ("relu", "all steps"),
        "one step, linear": ("linear", "one step"),
        "all steps, linear": ("linear", "all steps"),
    },
    "OP2": {"remainder": ("expansion", "remainder")},
    "OP3": {
        "least eigenvalue": ("expansion", "least eigenvalue"),
        "larger eigenvalues": ("expansion", "larger eigenvalues"),
    },
    "OP4": {"drift": ("conservation", "ratio"), "one step": ("conservation", "one step")},
    "OP5": {"flow": ("balanced", "error")},
    "OP6": {
        "with epsilon": ("adam", "error"),
        "without epsilon": ("adam", "share of the bound"),
    },
    "OP7": {
        "agreeing": ("agree", "growth"),
        "opposing": ("oppose", "growth"),
        "opposing, large gradients": ("oppose large", "growth"),
        "agreeing, Adam": ("agree, Adam", "growth"),
        "opposing, Adam": ("oppose, Adam", "growth"),
    },
    "OP8": {f"m = {m}, k = {k}": (f"scale {m} {k}", "variance") for m, k in SCALES},
    "OP17": {"spectrum": ("conditioning", "spectrum")},
    "OP17b": {
        "condition number": ("conditioning", "generator"),
        "least eigenvalue": ("conditioning", "least"),
    },
}
"""claim -> check -> name in TRIALS and quantity"""


def laws(draws: Draws) -> dict[str, dict[str, Measured | None]]:
    """Every quantity's range over draws, or what it has in its place."""
    return {
        id: {
            key: _measured(name, draws[name][quantity]) for key, (name, quantity) in checks.items()
        }
        for id, checks in QUANTITIES.items()
    }


def _measured(name: str, values: Sequence[float]) -> Measured:
    if name == "oppose large":
        return proportion(sum(value < 0 for value in values), len(values))
    return (mean if name.startswith("scale") else spread)(values)
