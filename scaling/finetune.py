"""Fine-tune a transformers model, with an adapter or whole: `loralab finetune`, or `python -m
scaling.finetune`; in Python, `loralab.finetune`.

Without an argument MiniLM learns which installed package a docstring belongs to, with no network.
The folder of a run holds the adapter in PEFT's format (with --variant full the model, or its
difference from the base model), report.md to read, metrics.json, predictions.jsonl with one row an
example, curves.png, and until it has finished its last checkpoint, from which --resume goes on.
Exit code 0 when done, 1 when training failed, 2 when the input is wrong.
"""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from loralab.code import fingerprint, home
from loralab.flags import Group
from loralab.process import Stopped, finish
from loralab.store import Store, run_key
from scaling.core import processes, run_folder
from scaling.core.outputs import ADAPTER, METRICS, Damaged, trained
from scaling.core.settings import AUTO
from scaling.core.stages import Stages
from scaling.tasks import find
from scaling.training import command, early
from scaling.training.objects import configured

if TYPE_CHECKING:
    from scaling.core.config import Config

FAMILY = "finetune"


@dataclass(frozen=True)
class Options:
    """What is kept, and where."""

    out: Path | None = None
    """Folder of the run; by default one of its own beside the run store."""
    resume: bool = False
    """Go on with a run that was killed, from its last checkpoint."""
    force: bool = False
    """Begin anew in a folder that holds a run."""
    store: Path | None = None
    """The run store, one SQLite file; by default runs/loralab.sqlite."""


GROUPS = {**command.groups(), "output": Group(Options)}


@dataclass(frozen=True, repr=False)
class FineTuned:
    """A finished run. Losses are pairs of a step and its loss; `metrics` has the best known first,
    and `before` the same ones before training. Of a model that writes, `samples` has {"prompt",
    "wanted", "before", "after"}."""

    task: str
    folder: Path
    metrics: dict[str, float]
    before: dict[str, float]
    examples: int
    samples: list[dict[str, str]]
    losses: list[tuple[int, float]]
    validation: list[tuple[int, float]]
    trained_parameters: int
    seconds: float
    base_text: dict[str, Any] | None = None
    """The loss on the text that the base model knew, in bits a byte, "before" and "after"."""
    again: bool = False
    """Whether the folder held the run finished, so that nothing was trained now."""

    @property
    def adapter(self) -> Path:
        """The folder of the adapter, in PEFT's format; full fine-tuning makes none."""
        return self.folder / ADAPTER

    @property
    def trained(self) -> Path:
        """The folder of what was trained: adapter, model or difference."""
        return trained(self.folder)

    def __repr__(self) -> str:
        from scaling.evaluation.metrics import worse
        from scaling.evaluation.samples import shown

        after, before = (
            ", ".join(f"{name} {value:.4g}" for name, value in scores.items())
            for scores in (self.metrics, self.before)
        )
        again = (
            f"finished already, and nothing was trained now (--force begins it anew): {self.folder}"
        )
        lines = [again] if self.again else []
        lines.append(
            f"{self.task}: {after} on {self.examples} examples held out (before training "
            f"{before}){shown(self.samples)}"
        )
        if line := worse(self.before, self.metrics):
            lines.append(line)
        if text := self.base_text:
            lines.append(
                f"base text: {text['after']:.4f} bits a byte (before training "
                f"{text['before']:.4f}), of {text['source']}"
            )
        return "\n".join([*lines, f"{self.trained.name}: {self.trained}"])


# in the metrics.json of a run
KEPT = FineTuned.__dataclass_fields__.keys() - {"task", "folder", "base_text", "again"}


def finetune(
    config: "Config | None" = None,
    *,
    tokenizer: Any = None,
    out: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    store: str | Path | None = None,
    **settings: Any,
) -> FineTuned:
    """Train, evaluate and save an adapter, or the model itself; a run that its folder holds
    finished is read.

    A model that you hold stays as it is: a copy of it is trained, so memory for two is needed, and
    `lora.load(model, found.adapter)` puts what was trained on yours.

    Args:
        config: the run; by default that of `loralab finetune` without flags.
        tokenizer: of a model that is an object, or its processor.
        out: folder of the run; by default one of its own beside the run store.
        resume: go on with a run that was killed, from its last checkpoint.
        force: begin anew in a folder that holds a run.
        store: the run store, one SQLite file; by default runs/loralab.sqlite.
        settings: what differs from `config`, named as the flags are: `rank=4`. `model` may also be
            a transformers model, and `train` and `test` a list of records, a datasets.Dataset or a
            pandas.DataFrame: they are written below runs/objects, once, under a name of their
            content, and are not changed by a bit.

    Raises: ValueError for wrong input, before any training; RuntimeError where training fails;
        `loralab.store.StoreError` where the run store cannot be used.
    """
    options = Options(command.path_of(out), resume, force, command.path_of(store))
    known = early.whole(settings) if config is None and processes.launched() == 1 else None
    if known and (result := _finished(known, options)):
        return _fine_tuned(known["task"], result, again=True)
    stages = Stages()
    with stages("loading torch"):
        config = configured(config, settings, tokenizer)
    return _fine_tuned(config.data.task, *_result(config, options, stages))


def _fine_tuned(task: str, result: dict[str, Any], again: bool) -> FineTuned:
    kept: dict[str, Any] = {name: result[name] for name in KEPT}
    text = result.get("base_text")
    return FineTuned(task, Path(result["folder"]), **kept, base_text=text, again=again)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    finish(lambda: run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """The exit code of the command with these arguments."""
    return command.answer(finetune, GROUPS, "loralab finetune", __doc__, arguments)


def _folder(settings: dict[str, Any], options: Options) -> Path:
    name = f"{settings['task']}-{run_key(FAMILY, settings['task'], settings, '')[:12]}"
    return options.out or home() / "runs" / FAMILY / name


def _finished(settings: dict[str, Any], options: Options) -> dict[str, Any] | None:
    """The result of the run where its folder holds it finished, without torch. Raises ValueError
    where the run may not have the folder."""
    folder = _folder(settings, options)
    with run_folder.alone(folder):
        if settings["precision"] == AUTO and not options.force:
            settings["precision"] = run_folder.recorded(folder, "precision") or AUTO
        return _kept(folder, settings, options)


def _kept(folder: Path, settings: dict[str, Any], options: Options) -> dict[str, Any] | None:
    finished = run_folder.check_folder(folder, settings, options.resume, options.force)
    if finished is not None and (lacking := sorted(KEPT - finished.keys())):
        raise Damaged(folder / METRICS, f"it has no {lacking[0]!r}")
    return finished


def _result(config: "Config", options: Options, stages: Stages) -> tuple[dict[str, Any], bool]:
    """The result of the run, and whether it was read, where the folder holds it finished."""
    from scaling.core.config import peft_settings
    from scaling.models.precision import settled

    task = config.data.task
    # a run is of what the file holds, wherever it lies
    peft = {} if config.training.peft is None else {"peft": peft_settings(config)}
    here = Path(__file__)
    find(task).options(config)
    code = fingerprint(here) + fingerprint(here.parent / "tasks" / f"{task}.py")
    folder = _folder(config.as_json() | peft, options)

    with ExitStack() as held:

        def look() -> "tuple[Config, dict[str, Any] | None]":
            held.enter_context(run_folder.alone(folder))
            begun = None if options.force else run_folder.recorded(folder, "precision")
            run, line = settled(config, begun)
            if line is not None:
                stages.note(line)
            finished = _kept(folder, run.as_json() | peft, options)
            if finished is None:
                Store(options.store)  # one that cannot be used is an error before training
            return run, finished

        config, finished = processes.by_first(look)
        if finished is not None:
            return finished, True
        with stages("loading transformers"):
            from scaling.training.running import train

        anew, settings = options.force, config.as_json() | peft
        begin = partial(run_folder.begin, folder, settings, anew)
        try:
            result = train(config, folder, begin, anew=anew, stages=stages)
        except KeyboardInterrupt as stop:
            raise Stopped(_stopped(folder, stages)) from stop
        if processes.is_first():
            Store(options.store).put(FAMILY, task, settings, code, result["seconds"], result)
            run_folder.finish(folder, result)
    return result, False


def _stopped(folder: Path, stages: Stages) -> str:
    """What Ctrl-C has left of the run."""
    from scaling.training.trainer import checkpoints

    if stages.waiting is not None:
        return "training had not begun, and every file is as it was."
    if last := checkpoints(folder)[-1:]:
        step = last[0].name.rpartition("-")[2]
        kept = f"the last checkpoint is of step {step}: the same command with --resume goes on"
    else:
        kept = "there is no checkpoint yet: the same command with --resume begins anew"
    return f"stopped at {stages.now}; {kept}."


if __name__ == "__main__":
    main()
