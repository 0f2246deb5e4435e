"""Which trials the family runs, and on which problems."""

from typing import Any

from loralab.memo import Memo
from proxies.families.gradient_signal.claims.setting import BUDGETS, CHOOSING, LONGEST, TRAINED
from proxies.families.gradient_signal.trials import (
    defects,
    descent,
    laws,
    networks,
    released,
    tuning,
)
from proxies.instruments.trial_grid import Records, trials

ON_TEXT = ("docstrings", "code")
ONE_DATA_SET = "digits"


def collect(config: Any, memo: Memo) -> dict[str, Records]:
    """The records of every trial by name, none of what the config leaves out.

    Args:
        config: the family's Config.
        memo: keeps the results.
    """
    block = config.block
    of = lambda count: [block + i for i in range(count)]
    every, few = of(config.seeds), of(3)
    with_peft = of(config.peft_seeds) if config.peft else []
    parts = list(range(config.parts)) if config.text else []
    compared = {True: config.runs, False: config.independent}
    training = [
        {
            "task": task,
            "steps": [n for n in BUDGETS if n <= min(config.steps, LONGEST[task[0]])],
            "choosing": CHOOSING[task[0]],
            "seeds": of(CHOOSING[task[0]] + compared[task[0] == ONE_DATA_SET]),
            "block": block,
        }
        for task in reversed(TRAINED)  # the longest first
        if config.text or task[0] not in ON_TEXT
    ]
    decays = {"width": [256], "rank": [16], "decay": [0.5, 1.0, 2.0]}
    stops = {"width": [64], "rank": [8], "decay": [0.5, 1.0], "tokens": [256]}
    lengths = {"width": [256], "rank": [8], "decay": [1.0], "draws": [200]}
    return {
        "tuned": trials(memo, tuning.tuned, training),
        "minilm": trials(memo, networks.minilm_layers, part=parts, block=[block]),
        "digits": trials(memo, networks.digits_layers, seed=every),
        "captured": trials(memo, laws.captured_variance, **decays, seed=every),
        "sampling": trials(memo, laws.sampling, **stops, seed=of(config.samples)),
        "token": trials(memo, laws.token_signal, tokens=[400_000], seed=every),
        "censored": trials(memo, laws.censored, tokens=[1_000_000], seed=every),
        "flip": trials(memo, laws.batch_flip, batch=[7, 8], draws=[400_000], seed=every),
        "moments": trials(memo, laws.batch_moments, batch=[1, 4], draws=[300_000], seed=few),
        "centring": trials(memo, laws.centring, cases=[350], seed=every),
        "risk": trials(memo, laws.kernel_and_risk, seed=every),
        "amplification": trials(memo, laws.amplification, **lengths, seed=every),
        "allocation": trials(memo, laws.allocation),
        "descent": trials(memo, descent.rivals, seed=of(4 * config.seeds)),
        "counter-example": trials(memo, descent.counter_example),
        "parity": trials(memo, released.parity, seed=with_peft),
        "held out": trials(memo, released.held_out, seed=with_peft),
        "defects": trials(memo, defects.peft_defects, seed=with_peft[:1]),
    }
