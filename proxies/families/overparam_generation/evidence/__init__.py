"""From finished trials to the evidence of each check."""

from loralab.claims import Measured
from proxies.families.overparam_generation.evidence.comparisons import comparisons
from proxies.families.overparam_generation.evidence.laws import distances
from proxies.families.overparam_generation.trials.plan import Trials


def evidence(trials: Trials) -> dict[str, dict[str, Measured | None]]:
    """The evidence of every claim with checks, by their keys."""
    return {**distances(trials), **comparisons(trials)}
