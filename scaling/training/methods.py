"""What can be trained, a row each: an adapter of this library, one of PEFT, the model's own
weights. A run knows its method by these functions alone."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from scaling.core.config import Config
from scaling.core.config import Method as Name
from scaling.core.task import Loaded
from scaling.training import adapting, full, peft_methods
from scaling.training.adapting import Adapted
from scaling.training.job import Job


class Method(NamedTuple):
    """The functions of a way to train, in the order in which they run. Wrong input is a ValueError
    of one sentence; the model is then as it was.

    Args:
        check: of (config), before any data are read: what the settings alone can show.
        fits: of (config, loaded): whether this model can be trained so, whatever the data are.
        attach: of (job): makes the model what is trained.
        resume: of (job, checkpoint): the same as it was at that step.
    """

    check: Callable[[Config], None]
    fits: Callable[[Config, Loaded], None]
    attach: Callable[[Job], Adapted]
    resume: Callable[[Job, Path], Adapted]


METHODS: dict[Name, Method] = {
    "adapter": Method(adapting.check, adapting.fits, adapting.attach, adapting.resume),
    "peft": Method(peft_methods.check, peft_methods.fits, peft_methods.attach, peft_methods.resume),
    "full": Method(full.check, full.fits, full.attach, full.resume),
}


def of(config: Config) -> Method:
    return METHODS[config.method]
