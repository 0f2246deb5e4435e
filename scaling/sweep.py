"""Compare adapters, each at its own best learning rate: `loralab sweep`, or `python -m
scaling.sweep`.

    loralab sweep                                                 # MiniLM on docstrings; no network
    loralab sweep --schemes init_a eva peft:adalora.json --ranks 4 16 --seeds 0 1 2 --steps 60 --out
        comparison
    loralab sweep comparison.yaml --confirm 5                     # flags after a file win over it

The flags are those of loralab finetune and of the grid: schemes x variants x ranks x rates x seeds.
A file has the same names, and under `methods` it can hold more of them, each with the settings in
which it differs:

    steps: 60
    methods:
      LoRA: {scheme: init_a}
      B alone: {scheme: orthogonal, train_a: false, rank: 16}

Every cell is a fine-tuning run that is kept in the run store and never repeated: after a kill the
same command goes on. The learning rate is chosen on validation data. The folder holds report.json,
report.md, pictures, and results in the form of PEFT's method_comparison. Exit code 0 when done, 1
when a run failed, 2 when the input is wrong.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import numpy as np
import torch
import tyro

from loralab.code import home
from loralab.ledger import show
from loralab.memo import Memo
from loralab.process import finish
from loralab.store import Store, run_key
from loralab.workers import Compute, local
from scaling.comparison import cells, method_comparison, report
from scaling.comparison.driver import outcomes_of
from scaling.comparison.file import METHODS, Named, read
from scaling.comparison.grid import Grid, methods
from scaling.comparison.summary import summarise
from scaling.core import command
from scaling.core.config import Config
from scaling.core.outputs import write_json
from scaling.tasks import find

SWEEP, EXPORT = "sweep.json", "method_comparison"
VALIDATIONS = 4  # of a run, where the config does not say


@dataclass(frozen=True)
class Options:
    executor: Literal["local", "ray"] = "local"
    """Where the cells run: on this machine, or on a Ray cluster that is there already and shares
    LORALAB_HOME."""
    address: str = "127.0.0.1:6379"
    """Of the Ray cluster, as `ray start --head` prints it; a node with a GPU gives one to each
    cell."""
    jobs: int | None = None
    """How many cells run side by side on this machine; by default one a core, or one a GPU."""
    out: Path | None = None
    """Folder of the results; by default one of its own beside the run store."""
    store: Path | None = None
    """The run store, one SQLite file; runs/loralab.sqlite by default."""


CONFIG, GRID, OPTIONS = Config(), Grid(), Options()


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    finish(lambda: run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """The exit code of the command with these arguments."""
    named: Named = {}

    def flat() -> Iterator[str]:
        """The flags of a file before those of the command line, which win."""
        rest = list(arguments)
        if rest and not rest[0].startswith("-"):
            defaults = {
                f.name: getattr(part, f.name)
                for part in (CONFIG, GRID, OPTIONS)
                for f in fields(part)
            }
            given, found = read(Path(rest.pop(0)), defaults)
            named.update(found)
            if found and "--schemes" not in given:
                yield "--schemes"  # none but the methods of the file
            yield from given
        yield from rest

    def parsed(
        config: Annotated[Config, tyro.conf.arg(name="")] = CONFIG,
        grid: Annotated[Grid, tyro.conf.arg(name="")] = GRID,
        options: Annotated[Options, tyro.conf.arg(name="")] = OPTIONS,
    ) -> tuple[Config, tuple[Grid, Options]]:
        return config, (grid, options)

    def act(config: Config, both: tuple[Grid, Options]) -> None:
        _compared(config, *both, named)

    return command.answer(parsed, act, "loralab sweep", __doc__, flat())


def _compared(config: Config, grid: Grid, options: Options, named: Named) -> None:
    find(config.task).options(config)
    if config.validate_every is None:
        config = replace(config, validate_every=max(1, config.steps // VALIDATIONS))
    compared = methods(config, grid, named)
    spec = cells.settings_of(config) | cells.settings_of(grid) | {METHODS: named}
    folder = (
        options.out
        or home() / "runs" / "sweeps" / run_key(cells.FAMILY, config.task, spec, "")[:12]
    )
    memo = Memo(
        Store(options.store), cells.FAMILY, cells.code(config.task), compute=_executor(options)
    )
    _claim(folder, spec)
    outcomes = outcomes_of(compared, grid, memo)
    rows = summarise(
        outcomes, grid.reference or next(iter(compared)), grid.margin, np.random.default_rng(0)
    )
    report.write(folder, rows, outcomes, spec)
    each = {label: cells.arguments(method.config) for label, method in compared.items()}
    told = {label: one["settings"] | {"peft_config": one["peft"]} for label, one in each.items()}
    method_comparison.export(folder / EXPORT, rows, outcomes, spec | {METHODS: told})
    show(report.table(rows))
    for note in report.notes(rows, outcomes, grid.margin):
        print(f"- {note}")
    print(f"report: {folder / report.PAGE}")


def _claim(folder: Path, spec: dict[str, Any]) -> None:
    """Make the folder this sweep's; raises ValueError where it holds something else."""
    record = folder / SWEEP
    if record.is_file():
        if json.loads(record.read_text(encoding="utf-8")) != spec:
            raise ValueError(f"{folder} holds another sweep; choose another --out")
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(
            f"{folder} is not an empty folder and holds no sweep; choose another --out"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_json(record, spec)


def _executor(options: Options) -> Compute:
    if options.executor == "ray":
        from loralab.cluster import ray

        return ray(options.address, gpus_per_trial=float(torch.cuda.is_available()))
    return local(options.jobs or (1 if torch.cuda.is_available() else None))


if __name__ == "__main__":
    main()
