"""Which trials the family runs, and on which problems."""

from typing import Any

from loralab.memo import Memo
from proxies.families.generalization.trials import chain, posterior
from proxies.families.generalization.trials.problems import VARIANTS
from proxies.instruments.trial_grid import Records, product, trials

NOISE = 0.1


def collect(config: Any, memo: Memo) -> dict[str, Records]:
    """The records of every trial by name.

    Args:
        config: the family's Config.
        memo: keeps the results.
    """
    block, variants = config.block, list(VARIANTS)
    seeds = [block + i for i in range(config.seeds)]
    drawn: dict[str, Any] = {"supersamples": [config.supersamples], "seed": seeds}
    sizes = range(config.samples, 1, -1)  # the longest first
    samples = {"digits": config.splits, "drawn images": config.images}
    certified = [
        point
        for images, count in samples.items()
        for point in product(
            variant=list(posterior.CONFIGS),
            images=[images],
            steps=[config.steps],
            draws=[config.draws],
            seed=range(block, block + count),
        )
    ]
    return {  # what imports torch comes first, or its workers would look as if they leaked memory
        "images": trials(memo, posterior.certified, certified),
        "noisy": trials(memo, chain.chain, variant=variants, noise=[NOISE], n=sizes, **drawn),
        "clean": trials(memo, chain.chain, variant=variants, noise=[0.0], n=[8], **drawn),
        "every": trials(memo, chain.every_supersample, variant=variants, seed=seeds[:3]),
        "memory": trials(memo, chain.memory, inputs=[6, 8], n=[4, 5, 6]),
        "scale": trials(memo, chain.at_scale, setting=list(chain.PUBLISHED)),
    }
