"""Predict from a few batches how a fine-tuning run will go, and say what to choose: `loralab
advise`, or `python -m scaling.advise`; in Python, `loralab.advise`.

    loralab advise --model folder-or-hub-name --task causal_lm --train text.txt --out advice.json

The flags are those of loralab finetune; the help lists those that matter here. A table says what
each diagnostic predicts, and a recommendation ends it: the initialization, the learning rates to
sweep, the factor to freeze where memory is short, each with its reason and the claims of the ledger
behind it. Beyond the loading, which the run has too, it costs less than a tenth of the default
run's training (benchmarks/advise.py). Predictions are no results: most initializations end within a
few per cent of each other once each has a learning rate of its own. Exit code 0 when done, 2 when
the input is wrong.
"""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from loralab.flags import Group
from loralab.process import finish
from scaling.core import processes
from scaling.core.outputs import write_json
from scaling.training import command

if TYPE_CHECKING:
    from scaling.advice.advice import Advice
    from scaling.core.config import Config

# Of the settings of a run, those that its first batches do not depend on.
HIDDEN = (
    *("limit", "lr", "warmup", "launch_step", "patience", "peft"),
    *("sharded", "gradient_checkpointing", "save_every", "report_to"),
)


@dataclass(frozen=True)
class Options:
    """What is measured, and what is kept."""

    out: Path | None = None
    """A file for all the numbers, as JSON."""
    batches: int = 8
    """Probe batches of at most 8 examples, at least 2: one half checks what the other says, and
    more of them steady the prediction of the factor to freeze."""

    def __post_init__(self) -> None:
        if self.batches < 2:
            raise ValueError(
                f"batches must be at least 2, so that half can check the others, got {self.batches}"
            )


OPTIONS = Options()


@dataclass(frozen=True, repr=False)
class Advised:
    """Advice, with the seconds that it took to load the model and to run the probe batches."""

    advice: "Advice"
    loading: float
    looking: float
    out: Path | None

    @property
    def recommendation(self) -> dict[str, Any]:
        """What to do, by choice: "scheme", "rates", ..."""
        return {choice.choice: choice.value for choice in self.advice.recommendation}

    def __repr__(self) -> str:
        from scaling.advice.show import text

        said = (
            f"{text(self.advice)}\nthe probe batches took {self.looking:.1f} s; training will take "
            f"about {self.advice.training:.0f} s, and {self.loading:.1f} s to load"
        )
        return said if self.out is None else f"{said}\nnumbers: {self.out}"


def advise(
    config: "Config | None" = None,
    *,
    out: str | Path | None = None,
    batches: int = OPTIONS.batches,
    **settings: Any,
) -> Advised:
    """Predictions about a run, and a recommendation, from its first batches; nothing is trained.

    Args:
        config: the run; by default that of `loralab finetune` without flags.
        out: a file for all the numbers, as JSON.
        batches: probe batches of at most 8 examples, at least 2.
        settings: what differs from `config`, named as the flags are: `task="causal_lm"`.

    Raises: ValueError for wrong input.
    """
    from scaling.core.config import Config  # torch, which no --help should wait for

    config = (config or Config()).replace(**settings)
    options = Options(command.path_of(out), batches)
    if config.training.peft is not None:
        raise ValueError(
            "peft is trained, by loralab finetune; advise is about adapters of this library"
        )
    if processes.launched() > 1:
        raise ValueError("advise runs its probe batches in one process: start it without torchrun")
    if options.out is not None:
        check_writable(options.out)
    from scaling.advice.advice import advised
    from scaling.training.preparation import prepare  # transformers, which takes seconds to load

    begun = time.perf_counter()
    job = prepare(config)
    loaded = time.perf_counter()
    advice = advised(job, options.batches)
    seconds = {"loading": loaded - begun, "looking": time.perf_counter() - loaded}
    if options.out is not None:
        write_json(options.out, asdict(advice) | {"seconds": seconds})
    return Advised(advice, **seconds, out=options.out)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    finish(lambda: run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """The exit code of the command with these arguments."""
    groups = {**command.groups(HIDDEN), "output": Group(Options)}
    return command.answer(advise, groups, "loralab advise", __doc__, arguments)


def check_writable(file: Path) -> None:
    """Raise ValueError, before a model is loaded, where the file could not be written."""
    folder = file.absolute().parent
    if file.is_dir() or not folder.is_dir():
        raise ValueError(f"{file} cannot be written: it must be a file in a folder that is there")
    if not os.access(folder, os.W_OK):
        raise ValueError(f"{file} cannot be written: {folder} is read-only")


if __name__ == "__main__":
    main()
