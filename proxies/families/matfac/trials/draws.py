"""The trial that repeats one law."""

from typing import Any

from proxies.families.matfac.trials.conditioning import conditioning
from proxies.families.matfac.trials.laws import (
    adam,
    adam_hypergradient,
    balanced,
    conservation,
    expansion,
    hypergradient,
    identities,
    scale,
)

LAWS = {
    law.__name__: law
    for law in (
        identities,
        expansion,
        conservation,
        balanced,
        adam,
        hypergradient,
        adam_hypergradient,
        scale,
        conditioning,
    )
}


def draws(law: str, count: int, block: int, arguments: dict[str, Any]) -> dict[str, list[float]]:
    """`count` draws of one law, seeded from `block` on, as one list a quantity."""
    found = [LAWS[law](seed=block + i, **arguments) for i in range(count)]
    return {name: [draw[name] for draw in found] for name in found[0]}
