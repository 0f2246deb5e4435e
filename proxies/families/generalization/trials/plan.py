"""Which trials the family runs, and on which problems."""

from typing import Any

from loralab.memo import Memo
from proxies.families.generalization.trials import chain, posterior
from proxies.families.generalization.trials.problems import VARIANTS
from proxies.instruments.trial_grid import Records, trials

NOISE = 0.1


def collect(config: Any, memo: Memo) -> dict[str, Records]:
    """The records of every trial by name.

    Args:
        config: the family's Config.
        memo: keeps the results.
    """
    seeds, variants = [1000 + i for i in range(config.seeds)], list(VARIANTS)
    drawn: dict[str, Any] = {"supersamples": [config.supersamples], "seed": seeds}
    sizes = range(config.samples, 1, -1)  # the longest first
    return {  # what imports torch comes first, or its workers would look as if they leaked memory
        "digits": trials(
            memo,
            posterior.certified,
            variant=list(posterior.CONFIGS),
            steps=[config.steps],
            draws=[config.draws],
            seed=seeds[: config.splits],
        ),
        "noisy": trials(memo, chain.chain, variant=variants, noise=[NOISE], n=sizes, **drawn),
        "clean": trials(memo, chain.chain, variant=variants, noise=[0.0], n=[8], **drawn),
        "every": trials(memo, chain.every_supersample, variant=variants, seed=seeds[:3]),
        "memory": trials(memo, chain.memory, inputs=[6, 8], n=[4, 5, 6]),
        "scale": trials(memo, chain.at_scale, setting=list(chain.PUBLISHED)),
    }
