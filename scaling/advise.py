"""What a few batches say of a fine-tuning run before it is made: `loralab advise`, or `python -m
scaling.advise`.

    loralab advise --model folder-or-hub-name --task causal_lm --train text.txt --rank 8 --out
    advice.json

The flags are those of loralab finetune. A table of diagnostics says what each foretells, and a
recommendation ends it: the start, the rates to sweep, the factor to freeze where memory is short,
each with its reason and the claims of the ledger behind it. Beyond the loading, which the run has
too, it costs less than a tenth of the default run's training (benchmarks/advise.py). Forecasts are
no results: most starts end within a few per cent of each other once each has a learning rate of its
own. Exit code 0 when done, 2 when the input is wrong.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from loralab.process import finish
from scaling.core import command, processes
from scaling.core.config import Config
from scaling.core.outputs import write_json


@dataclass(frozen=True)
class Options:
    out: Path | None = None
    """A file for all the numbers, as JSON."""
    batches: int = 8
    """Batches of at most 8 examples to look at, at least 2: half of them judge what the others say,
    and more of them steady the forecast of the factor to freeze."""

    def __post_init__(self) -> None:
        if self.batches < 2:
            raise ValueError(
                f"batches must be at least 2, so that half can judge the others, got {self.batches}"
            )


OPTIONS = Options()


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    finish(lambda: run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """The exit code of the command with these arguments."""
    return command.answer(command.form(Options), _advised, "loralab advise", __doc__, arguments)


def _advised(config: Config, options: Options) -> None:
    if processes.launched() > 1:
        raise ValueError("advise looks at a few batches in one process: start it without torchrun")
    if options.out is not None:
        check_writable(options.out)
    from scaling.advice.advice import advised
    from scaling.advice.show import tell
    from scaling.training.preparation import ready  # transformers, which takes seconds to load

    begun = time.perf_counter()
    job = ready(config)
    loaded = time.perf_counter()
    found = advised(config, job, options.batches)
    looking, loading = time.perf_counter() - loaded, loaded - begun
    if options.out is not None:
        write_json(
            options.out, asdict(found) | {"seconds": {"loading": loading, "looking": looking}}
        )
    tell(found)
    print(
        f"looked for {looking:.1f} s; training will take about {found.training:.0f} s, and "
        f"{loading:.1f} s to load"
    )
    if options.out is not None:
        print(f"numbers: {options.out}")


def check_writable(file: Path) -> None:
    """Raise ValueError, before a model is loaded, where the file could not be written."""
    if file.is_dir() or not file.absolute().parent.is_dir():
        raise ValueError(f"{file} cannot be written: it must be a file in a folder that is there")


if __name__ == "__main__":
    main()
