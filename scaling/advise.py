"""Predict from a few batches how a fine-tuning run will go, and say what to choose: `loralab
advise`, or `python -m scaling.advise`; in Python, `loralab.advise`.

    loralab advise --model folder-or-hub-name --task causal_lm --train text.txt --out advice.json

The flags are those of loralab finetune; the help lists those that matter here. It says what to
choose: the initialization, the learning rates to sweep, the factor to freeze where memory is short,
each with its reason and the verdicts of the claims behind it in the ledger, and prints the commands
and PEFT's config that do so. --verbose adds what each diagnostic predicts. Beyond the loading,
which the run has too, it costs less than a tenth of the default run's training
(benchmarks/advise.py). Predictions are no results: most initializations end within a few per cent
of each other once each has a learning rate of its own. With --plan it says instead, from the
model's configuration alone, what a run of a causal language model needs, and reads neither weights
nor data. Exit code 0 when done, 2 when the input is wrong.
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
from scaling.training.objects import configured

if TYPE_CHECKING:
    from scaling.advice.advice import Advice
    from scaling.advice.plan.plan import Plan
    from scaling.core.config import Config

# Of the settings of a run, those that its first batches do not depend on.
HIDDEN = (
    *("limit", "lr", "warmup", "launch_step", "patience", "peft"),
    *("sharded", "save_every", "report_to"),
    *("full_targets", "save", "remember"),
)


@dataclass(frozen=True)
class Options:
    """What is measured, and what is kept."""

    out: Path | None = None
    """A file for all the numbers, as JSON."""
    batches: int = 8
    """Probe batches of at most 8 examples, at least 2: one half checks what the other says, and
    more of them steady the prediction of the factor to freeze."""
    verbose: bool = False
    """Print the diagnostics too, and the reasons in full."""
    plan: bool = False
    """Say in place of advice what a run of a causal language model needs, from its configuration
    alone, without weights and data: memory, by what takes it, beside full fine-tuning's, files, the
    GPUs that it fits on, and command lines for one and for eight."""

    def __post_init__(self) -> None:
        if self.batches < 2:
            raise ValueError(
                f"batches must be at least 2, so that half can check the others, got {self.batches}"
            )
        if self.plan and (self.verbose or self.batches != Options.batches):
            raise ValueError("batches and verbose are about probe batches, and plan reads no data")


OPTIONS = Options()
GROUPS = {**command.groups(HIDDEN), "output": Group(Options)}


@dataclass(frozen=True, repr=False)
class Advised:
    """Advice, with the seconds that it took to load the model and to run the probe batches."""

    advice: "Advice"
    config: "Config"
    loading: float
    looking: float
    out: Path | None
    verbose: bool

    @property
    def recommendation(self) -> dict[str, Any]:
        """What to do, by choice: "scheme", "rates", ..."""
        return {choice.choice: choice.value for choice in self.advice.recommendation}

    def __repr__(self) -> str:
        from scaling.advice.show import tables, text

        details = f"\n{tables(self.advice)}" if self.verbose else ""
        said = (
            f"{text(self.advice, self.config)}{details}\nthe probe batches took {self.looking:.1f} "
            f"s; training will take about {self.advice.training:.0f} s, and {self.loading:.1f} s to"
            " load"
        )
        return said if self.out is None else f"{said}\nnumbers: {self.out}"


def advise(
    config: "Config | None" = None,
    *,
    tokenizer: Any = None,
    out: str | Path | None = None,
    batches: int = OPTIONS.batches,
    verbose: bool = False,
    plan: bool = False,
    **settings: Any,
) -> "Advised | Plan":
    """Predictions about a run, and a recommendation, from its first batches; nothing is trained.

    Args:
        config: the run; by default that of `loralab finetune` without flags.
        tokenizer: of a model that is an object, or its processor.
        out: a file for all the numbers, as JSON.
        batches: probe batches of at most 8 examples, at least 2.
        verbose: whether the diagnostics are printed too, with the reasons in full.
        plan: whether what the run needs is wanted instead, a `Plan` from the model's configuration
            alone; the task is then causal_lm.
        settings: what differs from `config`, named as the flags are. `model` may also be a
            transformers model, and `train` and `test` a list of records, a datasets.Dataset or a
            pandas.DataFrame: they are written below runs/objects, once, under a name of their
            content, and are not changed by a bit.

    Raises: ValueError for wrong input.
    """
    if plan and config is None:
        settings = {"task": "causal_lm"} | settings
    options = Options(command.path_of(out), batches, verbose, plan)
    if processes.launched() > 1:
        raise ValueError("advise runs its probe batches in one process: start it without torchrun")
    if options.out is not None:
        check_writable(options.out)
    config = configured(config, settings, tokenizer, reads_data=not plan)
    from scaling.core.config import check_adapter  # torch, which no --help should wait for

    check_adapter(config, "advise")
    if plan:
        from scaling.advice.plan.plan import planned

        found = planned(config)
        if options.out is not None:
            write_json(options.out, asdict(found))
        return found
    from scaling.advice.advice import advised
    from scaling.training.preparation import prepare  # transformers, which takes seconds to load

    begun = time.perf_counter()
    job = prepare(config)
    loaded = time.perf_counter()
    advice = advised(job, options.batches)
    seconds = {"loading": loaded - begun, "looking": time.perf_counter() - loaded}
    if options.out is not None:
        write_json(options.out, asdict(advice) | {"seconds": seconds})
    return Advised(advice, config, **seconds, out=options.out, verbose=verbose)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    finish(lambda: run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """The exit code of the command with these arguments."""
    return command.answer(advise, GROUPS, "loralab advise", __doc__, arguments)


def check_writable(file: Path) -> None:
    """Raise ValueError, before a model is loaded, where the file could not be written."""
    folder = file.absolute().parent
    if file.is_dir() or not folder.is_dir():
        raise ValueError(f"{file} cannot be written: it must be a file in a folder that is there")
    if not os.access(folder, os.W_OK):
        raise ValueError(f"{file} cannot be written: {folder} is read-only")


if __name__ == "__main__":
    main()
