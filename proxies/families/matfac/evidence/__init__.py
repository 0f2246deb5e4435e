"""From finished trials to the evidence of each check."""

from collections.abc import Mapping

from loralab.claims import Measured
from proxies.families.matfac.evidence.comparisons import comparisons
from proxies.families.matfac.evidence.laws import Draws, laws
from proxies.families.matfac.trials.plan import Key
from proxies.families.matfac.trials.sweep import Sweep


def evidence(
    draws: Draws,
    swept: Mapping[Key, Sweep],
    fixed: Mapping[Key, Sweep],
    too_large: Mapping[Key, Sweep],
) -> dict[str, dict[str, Measured | None]]:
    """The evidence of every claim, by the keys of its checks.

    Args:
        draws: what the laws gave, by the names of `laws.TRIALS`.
        swept: the sweeps with a search for the learning rate.
        fixed: the sweeps at the one learning rate of OP10.
        too_large: the sweeps at the one of OP13.
    """
    found = laws(draws)
    for id, measured in comparisons(swept, fixed, too_large).items():
        found[id] = found.get(id, {}) | measured
    return found
