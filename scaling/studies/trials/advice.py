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
        learning_rate: the predicted learning rate by scheme, None where nothing is predicted;
        bound: by scheme the largest learning rate whose first step lowers the loss, None where
        there is none; scheme: the recommended initialization; gain: the share of the wanted change
        that training B alone explains, minus the share that training A alone does.
    """
    from scaling.advice.advice import advised
    from scaling.training.preparation import prepare  # transformers, which takes seconds to load

    facts = advised(prepare(Config.of(**settings)), OPTIONS.batches).facts
    return {
        "learning_rate": facts.predicted,
        "bound": facts.bound,
        "scheme": facts.scheme,
        "gain": facts.gain,
    }
