"""How a planned run is started, as what there is to type."""

import shlex
from pathlib import Path

from loralab.flags import words_of
from scaling.advice.plan.memory import Run
from scaling.core.config import Config
from scaling.training.experiment import groups_of

MODEL = "MODEL"  # of a configuration that lies in no model's folder


def command(config: Config, named: str, run: Run, micro: int) -> str:
    """The command that trains a run as it was planned.

    Args:
        config: the run that was asked about.
        named: its model.
        run: its precision, its devices and whether it is sharded, as planned.
        micro: examples at once on each device.
    """
    own = {"model": _model(named), "precision": run.precision, "micro_batch": micro}
    values = config.flat() | own | {"sharded": run.sharded}
    start = ["loralab", "finetune"]
    if run.devices > 1:
        start = ["torchrun", "--nproc-per-node", str(run.devices), "-m", "scaling.finetune"]
    return shlex.join([*start, *words_of(groups_of("finetune"), values)])


def _model(named: str) -> str:
    """The folder of a config.json; a place for the model's name where a file is called
    otherwise."""
    path = Path(named)
    if not path.is_file() or path.suffix != ".json":
        return named
    return str(path.parent) if path.name == "config.json" else MODEL
