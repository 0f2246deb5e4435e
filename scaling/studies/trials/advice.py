"""What advice predicts of a run from its probe batches, to be compared with what a sweep finds."""

from typing import Any

from scaling.advise import OPTIONS
from scaling.core.config import Config


def predicted(settings: dict[str, Any], peft: None) -> dict[str, Any]:
    """The predictions that are scored.

    Args:
        settings: those of a `scaling.core.config.Config`, as JSON has them.
        peft: nothing; every trial of a sweep has this argument.

    Returns:
        learning_rate: by scheme the one predicted from the width alone, None where nothing is;
        bound: by scheme the largest learning rate whose first step lowers the loss, None where
        there is none; scheme: the recommended initialization; gain: the share of the wanted change
        that training B alone explains, minus the share that training A alone does.
    """
    from scaling.advice.advice import advised
    from scaling.advice.rates import from_width
    from scaling.training.preparation import prepare  # transformers, which takes seconds to load

    config = Config.of(**settings)
    found = advised(prepare(config), OPTIONS.batches)
    facts = found.facts
    return {
        "learning_rate": {
            scheme: from_width(config, scheme, found.width) for scheme in facts.bound
        },
        "bound": facts.bound,
        "scheme": facts.scheme,
        "gain": facts.gain,
    }
