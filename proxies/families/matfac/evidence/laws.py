"""OP1 to OP9, and of OP13 the check that is a law: each holds on every draw, so that the evidence
is the range over draws."""

from collections.abc import Mapping
from typing import Any

from loralab.claims import Measured
from loralab.statistics import mean, spread

Draws = Mapping[str, Mapping[str, list[float]]]
"""name in TRIALS -> quantity -> one number a draw"""

DRAWS = 20
TRIALS: dict[str, dict[str, Any]] = {
    name: {"law": law, "count": count, "arguments": arguments}
    for name, law, count, arguments in (
        ("relu", "identities", DRAWS, {"activation": "relu"}),
        ("linear", "identities", DRAWS, {"activation": "linear"}),
        ("expansion", "expansion", DRAWS, {}),
        ("conservation", "conservation", DRAWS, {}),
        ("balanced", "balanced", DRAWS, {}),
        ("adam", "adam", DRAWS, {}),
        ("agree", "hypergradient", DRAWS, {"reach": 0.3}),
        ("oppose", "hypergradient", DRAWS, {"reach": 1.6}),
        ("scale", "scale", 200, {}),
        ("bias", "safety", DRAWS, {"kind": "bias"}),
        ("match", "safety", DRAWS, {"kind": "match"}),
        ("dead", "dead", DRAWS, {}),
    )
}
"""The arguments of `trials.laws.draws`."""

QUANTITIES: dict[str, dict[str, tuple[str, str]]] = {
    "OP1": {
        "one step, ReLU": ("relu", "one step"),
        "all steps, ReLU": ("relu", "telescoped"),
        "one step, linear": ("linear", "one step"),
        "all steps, linear": ("linear", "telescoped"),
    },
    "OP2": {
        "remainder": ("expansion", "residual"),
        "order after one term": ("expansion", "first slope"),
        "order after two terms": ("expansion", "second slope"),
    },
    "OP3": {
        "least eigenvalue": ("expansion", "least eigenvalue"),
        "larger eigenvalues": ("expansion", "larger eigenvalues"),
    },
    "OP4": {"drift": ("conservation", "ratio"), "one step": ("conservation", "one step")},
    "OP5": {"flow": ("balanced", "error")},
    "OP6": {"with epsilon": ("adam", "error"), "without epsilon": ("adam", "error of signs")},
    "OP7": {
        "agreeing": ("agree", "same sign"),
        "opposing": ("oppose", "same sign"),
        "hidden units": ("agree", "error"),
    },
    "OP8": {"variance": ("scale", "variance")},
    "OP9": {
        "zero, bias": ("bias", "product"),
        "zero, match": ("match", "product"),
        "merged": ("bias", "merge"),
    },
    "OP13": {"dead network": ("dead", "difference")},
}
"""claim -> check -> name in TRIALS and quantity"""


def laws(draws: Draws) -> dict[str, dict[str, Measured | None]]:
    """The range over draws, and for the variance of OP8 the mean with its interval."""
    return {
        id: {
            key: (mean if name == "scale" else spread)(draws[name][quantity])
            for key, (name, quantity) in checks.items()
        }
        for id, checks in QUANTITIES.items()
    }
