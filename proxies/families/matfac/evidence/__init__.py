"""From finished trials to the evidence of each check."""

from collections.abc import Mapping

from loralab.claims import Measured
from proxies.families.matfac.evidence.comparisons import OneRate, comparisons
from proxies.families.matfac.evidence.laws import Draws, laws
from proxies.families.matfac.trials.plan import Key
from proxies.families.matfac.trials.sweep import Sweep


def evidence(
    draws: Draws,
    swept: Mapping[Key, Sweep],
    one_rate: OneRate,
    too_large: Mapping[Key, Sweep],
) -> dict[str, dict[str, Measured | None]]:
    """The evidence of every claim, by the keys of its checks.

    Args:
        draws: what the laws gave, by the names of `laws.TRIALS`.
        swept: the sweeps with a search for the learning rate.
        one_rate: by target and optimizer, what `trials.one_rate` gave on all shapes together.
        too_large: the sweeps at the one learning rate of OP13.
    """
    return laws(draws) | comparisons(swept, one_rate, too_large)
