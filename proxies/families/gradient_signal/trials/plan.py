"""Which trials the family runs, and on which problems."""

from typing import Any

from loralab.memo import Memo
from proxies.families.gradient_signal.claims.links import (
    BUDGETS,
    DIGITS_ADAM,
    DIGITS_SGD,
    DOCSTRINGS,
)
from proxies.families.gradient_signal.trials import defects, laws, networks, released, tuning
from proxies.instruments.trial_grid import Records, trials

# Task and optimizer, and the longest training: the 600 docstrings are seen eight times in 160
# steps, and then the validation split decides more than the initialization (EVA's loss over the
# default's: 0.93 to 1.05 over ten splits).
LONGEST = {DOCSTRINGS: BUDGETS[1], DIGITS_ADAM: BUDGETS[2], DIGITS_SGD: BUDGETS[2]}


def collect(config: Any, memo: Memo) -> dict[str, Records]:
    """The records of every trial by name, none of what the config leaves out. The trial that is
    timed comes first and alone.

    Args:
        config: the family's Config.
        memo: keeps the results.
    """
    every = [1000 + i for i in range(config.seeds)]
    few = every[:3]
    with_peft, with_text = few if config.peft else [], few if config.text else []
    timed = [1000] if config.timing and config.peft else []
    training = [
        {
            "task": task,
            "steps": [n for n in BUDGETS if n <= min(config.steps, longest)],
            "seeds": [3000 + i for i in range(config.runs)],
        }
        for task, longest in LONGEST.items()
        if config.text or task != DOCSTRINGS
    ]
    decays = {"width": [256], "rank": [16], "decay": [0.5, 1.0, 2.0]}
    stops = {"width": [64], "rank": [8], "decay": [0.5, 1.0], "tokens": [256]}
    lengths = {"width": [256], "rank": [8], "decay": [1.0], "draws": [200]}
    return {
        "speed": trials(memo, released.speed, rounds=[3], batches=[6], seed=timed),
        "tuned": trials(memo, tuning.tuned, training),
        "minilm": trials(memo, networks.minilm_layers, seed=with_text),
        "digits": trials(memo, networks.digits_layers, seed=every),
        "captured": trials(memo, laws.captured_variance, **decays, seed=every),
        "sampling": trials(memo, laws.sampling, **stops, seed=[1000 + i for i in range(64)]),
        "token": trials(memo, laws.token_signal, tokens=[400_000], seed=few),
        "censored": trials(memo, laws.censored, tokens=[1_000_000], seed=every),
        "flip": trials(memo, laws.batch_flip, batch=[7, 8], draws=[400_000], seed=every),
        "moments": trials(memo, laws.batch_moments, batch=[1, 4], draws=[300_000], seed=few),
        "centring": trials(memo, laws.centring, cases=[350], seed=every),
        "risk": trials(memo, laws.kernel_and_risk, seed=every),
        "amplification": trials(memo, laws.amplification, **lengths, seed=every),
        "order": trials(memo, laws.order_and_shards, width=[128], rank=[16], seed=every),
        "allocation": trials(memo, laws.allocation),
        "parity": trials(memo, released.parity, seed=with_peft),
        "held out": trials(memo, released.held_out, seed=with_peft),
        "defects": trials(memo, defects.peft_defects, seed=with_peft[:1]),
        "safety": trials(memo, defects.safety, seed=with_peft),
    }
