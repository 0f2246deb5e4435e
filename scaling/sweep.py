"""Compare adapters, each at its own best learning rate: `loralab sweep`, or `python -m
scaling.sweep`; in Python, `loralab.sweep`.

    loralab sweep                              # MiniLM on docstrings; no network
    loralab sweep --schemes init_a eva peft:adalora.json --ranks 4 16 --out comparison
    loralab sweep comparison.yaml --confirm 5  # flags after a file win over it

The flags are those of loralab finetune and of the grid: schemes x variants x ranks x rates x seeds.
A file has the same names, and serves loralab finetune, advise and init too; under `methods` it can
hold more of them, each with the settings in which it differs:

    steps: 60
    methods:
      LoRA: {scheme: init_a}
      B alone: {scheme: orthogonal, train_a: false, rank: 16}

Every trial is a fine-tuning run that is kept in the run store and never repeated: after a kill the
same command goes on. The learning rate is chosen on validation data. The folder holds report.json,
report.md, pictures, and results in the form of PEFT's method_comparison. Exit code 0 when done, 1
when a run failed, 2 when the input is wrong.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from loralab.code import home
from loralab.flags import Group
from loralab.memo import Memo
from loralab.names import here
from loralab.process import finish
from loralab.progress import say
from loralab.store import Store, run_key
from loralab.workers import Compute, local
from scaling.comparison.axes import PEFT, Grid
from scaling.core import run_folder
from scaling.core.outputs import write_json
from scaling.core.settings import plain
from scaling.models.packaged import located
from scaling.tasks import find
from scaling.training import command
from scaling.training.experiment import GRID, METHODS, Named
from scaling.training.objects import configured

# torch takes seconds to load, and numpy a part of one: what needs them is imported where it is run
if TYPE_CHECKING:
    from scaling.comparison.grid import Method
    from scaling.comparison.summary import Row
    from scaling.core.config import Config

SWEEP, EXPORT = "sweep.json", "method_comparison"
VALIDATIONS = 4  # of a run, where the config does not say
HIDDEN = ("seed",)  # the grid has its own
CHOICES = {
    "schemes": (*command.CHOICES["scheme"], f"{PEFT}FILE.json"),
    "variants": command.CHOICES["variant"],
}


@dataclass(frozen=True)
class Options:
    """Where the trials run, and what is kept."""

    executor: Literal["local", "ray"] = "local"
    """Where the trials run: on this machine, or on a Ray cluster that is there already and shares
    LORALAB_HOME."""
    address: str = "127.0.0.1:6379"
    """Of the Ray cluster, as `ray start --head` prints it; a node with a GPU gives one to each
    trial."""
    jobs: int | None = None
    """How many trials run side by side on this machine; by default one a core, or one a GPU."""
    out: Path | None = None
    """Folder of the results; by default one of its own beside the run store."""
    store: Path | None = None
    """The run store, one SQLite file; by default runs/loralab.sqlite."""

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise ValueError(f"jobs must be at least 1, got {self.jobs}")
        if self.executor not in ("local", "ray"):
            raise ValueError(f"executor must be local or ray, got {self.executor!r}")


GROUPS = {
    **command.groups(HIDDEN),
    GRID: Group(Grid, choices=CHOICES),
    "output": Group(Options),
}


@dataclass(frozen=True, repr=False)
class Swept:
    """A finished sweep: a row for each method at its best learning rate, the reference first; the
    notes say how to read what of them is printed, and the page has the rest."""

    folder: Path
    rows: "list[Row]"
    notes: list[str]
    train: str = ""
    """How to train with what was found: the command, after why this method."""

    @property
    def page(self) -> Path:
        """The report, in Markdown."""
        from scaling.comparison.report import PAGE

        return self.folder / PAGE

    def __repr__(self) -> str:
        from loralab.ledger import text_of
        from scaling.comparison.report import table

        notes = [f"- {note}" for note in self.notes]
        return "\n".join(
            [
                text_of(table(self.rows)),
                *notes,
                *([self.train] if self.train else []),
                f"all columns and pictures: {self.page}",
            ]
        )


def sweep(
    config: "Config | None" = None,
    *,
    tokenizer: Any = None,
    methods: Named | None = None,
    executor: Literal["local", "ray"] = "local",
    address: str = Options.address,
    jobs: int | None = None,
    out: str | Path | None = None,
    store: str | Path | None = None,
    **settings: Any,
) -> Swept:
    """Compare methods, each at its own best learning rate; trials that the run store holds are not
    run again.

    Args:
        config: the run that all methods share; by default that of `loralab finetune` without flags.
        tokenizer: of a model that is an object, or its processor.
        methods: settings by the name of a method: those in which it differs from `config`. Without
            `schemes` these are all that is compared.
        executor: "local" or "ray", where the trials run.
        address: of the Ray cluster.
        jobs: how many trials run side by side on this machine; by default one a core, or one a GPU.
        out: folder of the results; by default one of its own beside the run store.
        store: the run store, one SQLite file; by default runs/loralab.sqlite.
        settings: fields of `scaling.comparison.grid.Grid` (`schemes`, `ranks`, `rates`, `seeds`,
            ...), and what differs from `config`, named as the flags are; `scheme` and `variant`
            stand for one of the grid's where that has none. `model` may also be a
            transformers model, and `train` and `test` a list of records, a datasets.Dataset or a
            pandas.DataFrame: they are written below runs/objects, once, under a name of their
            content, where every trial reads them, and are not changed by a bit.

    Raises: ValueError for wrong input; RuntimeError where a run fails;
        `loralab.store.StoreError` where the run store cannot be used.
    """
    of_grid = {f.name for f in fields(Grid)}
    for name in settings:
        if ours := here(name, of_grid):
            raise ValueError(f"there is no setting {name!r}; here it is {ours!r}")
    axes = {name: settings.pop(name) for name in of_grid & settings.keys()}
    if methods:
        axes.setdefault("schemes", ())
    else:  # what a single run has is what is compared, unless the grid says that
        for one, many in {"scheme": "schemes", "variant": "variants"}.items():
            if one in settings:
                axes.setdefault(many, (settings.pop(one),))
    options = Options(executor, address, jobs, command.path_of(out), command.path_of(store))
    grid = Grid(**{name: plain(value) for name, value in axes.items()})
    return _swept(configured(config, settings, tokenizer), grid, options, methods or {})


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    finish(lambda: run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """The exit code of the command with these arguments."""
    return command.answer(sweep, GROUPS, "loralab sweep", __doc__, arguments, (METHODS,), True)


def _swept(config: "Config", grid: Grid, options: Options, named: Named) -> Swept:
    from scaling.comparison import trials
    from scaling.comparison.cost import announced
    from scaling.comparison.grid import methods
    from scaling.models.precision import settled

    task, steps = config.data.task, config.training.steps
    find(task).options(config)
    if config.training.validate_every is None:
        config = config.replace(validate_every=max(1, steps // VALIDATIONS))
    shared = json.loads(json.dumps(asdict(grid))) | {METHODS: named}
    name = run_key(trials.FAMILY, task, config.as_json() | shared, "")[:12]
    folder = options.out or home() / "runs" / "sweeps" / name
    if config.data.model is not None:
        located(config.data.model)  # one that is not installed is said before any trial
    config, line = settled(config, recorded(folder))
    compared, spec = methods(config, grid, named), config.as_json() | shared
    if line is not None:
        say(line)
    with run_folder.alone(folder):
        check_free(folder, spec)
        store = Store(options.store)
        compute, workers = _executor(options)
        memo = Memo(
            store, trials.FAMILY, trials.code(config.as_json()), compute=compute, at_once=workers
        )
        say(f"{announced(compared, grid, workers)}; kept in {store.path}")
        return _compared(folder, spec, compared, grid, memo)


def _compared(
    folder: Path, spec: dict[str, Any], compared: "dict[str, Method]", grid: Grid, memo: Memo
) -> Swept:
    import numpy as np

    from scaling.comparison import method_comparison, report, trials
    from scaling.comparison.driver import outcomes_of
    from scaling.comparison.summary import summarise

    outcomes = outcomes_of(compared, grid, memo)
    write_json(folder / SWEEP, spec)
    reference = grid.reference or next(iter(compared))
    rows = summarise(outcomes, reference, grid.margin, np.random.default_rng(0))
    report.write(folder, rows, outcomes, spec)
    each = {label: trials.arguments(method.config) for label, method in compared.items()}
    settings = {
        label: one["settings"] | {"peft_config": one["peft"]} for label, one in each.items()
    }
    method_comparison.export(folder / EXPORT, rows, outcomes, spec | {METHODS: settings})
    shown = report.shown(rows, outcomes, grid.margin)
    return Swept(folder, rows, shown, _to_train(rows, compared))


def _to_train(rows: "list[Row]", compared: "dict[str, Method]") -> str:
    """The run of the best method that is better than the reference beyond doubt, else that of the
    reference; nothing where that has no learning rate of its own."""
    from scaling.advice.ready import finetune_line

    better = {r.difference.value: r for r in rows if r.verdict == "better" and r.difference}
    best = better[max(better)] if better else rows[0]
    if best.rate is None or best.edge is not None:
        return ""
    why = "the best" if better else "no other is better beyond doubt"
    line = finetune_line(compared[best.method].config.replace(lr=best.rate))
    return f"to train with {best.method} ({why}): {line}"


def recorded(folder: Path) -> str | None:
    """The precision of the sweep that the folder holds, if it does; `check_free` says what is
    wrong with one."""
    try:
        return json.loads((folder / SWEEP).read_text(encoding="utf-8"))["precision"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def check_free(folder: Path, spec: dict[str, Any]) -> None:
    """Raise ValueError where the folder holds something else than this sweep."""
    record = folder / SWEEP
    if record.is_file():
        try:
            there = json.loads(record.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{record} is damaged; remove it or choose another --out") from error
        if changed := [name for name in spec if there.get(name) != spec[name]]:
            raise ValueError(
                f"{folder} holds a sweep with another {changed[0]} ({there.get(changed[0])!r}); "
                "choose another --out"
            )
    elif not run_folder.is_free(folder):
        raise ValueError(
            f"{folder} is not an empty folder and holds no sweep; choose another --out"
        )


def _executor(options: Options) -> tuple[Compute, int | None]:
    """The executor, and how many trials it runs at once where that is known."""
    import torch

    from scaling.comparison.cost import at_once

    if options.executor == "ray":
        from loralab.cluster import ray

        return ray(options.address, gpus_per_trial=float(torch.cuda.is_available())), None
    jobs = options.jobs or at_once()
    return local(jobs), jobs


if __name__ == "__main__":
    main()
