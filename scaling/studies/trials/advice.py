"""What a look at a few batches foretells of a run, as a cell: to be held against what the sweep
then finds."""

from typing import Any

from scaling.advise import OPTIONS
from scaling.core.config import Config


def foretold(settings: dict[str, Any], peft: None) -> dict[str, Any]:
    """By scheme the learning rate foretold (`rate`) and the largest whose first step lowers the
    loss (`bound`), None where there is none; the start that is advised (`scheme`); and what tuning
    B alone explains of the wanted change more than tuning A alone (`gain`)."""
    from scaling.advice.advice import advised
    from scaling.training.preparation import prepare  # transformers, which takes seconds to load

    facts = advised(prepare(Config.of(**settings)), OPTIONS.batches).facts
    return {
        "rate": facts.predicted,
        "bound": facts.bound,
        "scheme": facts.scheme,
        "gain": facts.gain,
    }
