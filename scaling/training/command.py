"""What the commands on a model have in common: the flags of a run, the file that may hold them, and
one sentence for an error."""

import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from loralab import flags
from loralab.flags import Group
from loralab.process import Stopped
from scaling import tasks
from scaling.core import processes
from scaling.core.quiet import hush
from scaling.core.settings import FULL, GROUPS, OPTIMIZERS, SCHEMES, VARIANTS
from scaling.models.packaged import is_here
from scaling.training import experiment
from scaling.training.experiment import METHODS, File

DISK = ("inline_container", "PytorchStreamWriter")
MEMORY = ("out of memory", "can't allocate memory")  # as torch says it
CHOICES = {
    "task": tasks.TASKS,
    "optimizer": OPTIMIZERS,
    "scheme": SCHEMES,
    "variant": (*VARIANTS, FULL),
}


def groups(hidden: Collection[str] = ()) -> dict[str, Group]:
    """The file, and the flags of a run in the groups of its config, but for those that a command
    has no use for: it takes them, so that one command line serves all commands, and the help leaves
    them out.
    """
    return {
        "file": Group(File, words="file"),
        **{
            name: Group(kind, choices=CHOICES, shown={f.name for f in fields(kind)} - {*hidden})
            for name, kind in GROUPS.items()
        },
    }


def answer(
    act: Callable[..., object],
    groups: Mapping[str, Group],
    program: str,
    description: str | None,
    arguments: Iterable[str],
    more: Collection[str] = (),
    keeps: bool = False,
) -> int:
    """The exit code of a command: 0 when done, 2 for wrong input (a ValueError), 1 for a failure,
    of the training, the memory or the disk.

    Args:
        act: the command; it takes the values of the flags that are given by name, and the first
            process prints what it returns.
        groups: the flags.
        program: the command as it is typed.
        description: the beginning of the help.
        arguments: the command line without the program.
        more: what the command takes from a file that no flag says.
        keeps: whether the command keeps what it has done whenever it is stopped.

    Raises: `Stopped` on Ctrl-C, where the command has not said it and does not keep what it did.
    """
    hush()
    try:
        values, others = values_of(groups, program, description, list(arguments))
        if values.pop("print_config", False):
            result: object = experiment.written(groups, whole(groups, values), others)
        else:
            stay_offline(values.get("model"), values.get("train"))
            result = act(**values, **{n: v for n, v in others.items() if n in more})
        if processes.is_first():
            print(result)
    except Stopped:
        raise
    except KeyboardInterrupt as stop:
        if keeps:
            raise
        raise Stopped("nothing had begun, and every file is as it was.") from stop
    except ValueError as error:
        if processes.is_first():  # the others have found the same
            print(f"error: {error}", file=sys.stderr)
        return 2
    except (RuntimeError, MemoryError, OSError) as error:
        print(f"error: {_sentence(error)}", file=sys.stderr)
        return 1
    return 0


def values_of(
    groups: Mapping[str, Group], program: str, description: str | None, arguments: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the flags, and the file before them, say by name, and nothing that they leave open; then
    what the file says besides. What can be seen of the flags without torch is right."""
    given: dict[str, Any] = {}
    if arguments and not arguments[0].startswith("-") and not {"-h", "--help"} & {*arguments}:
        given = experiment.read(Path(arguments[0]), groups)
    if METHODS in given and experiment.GRID in groups:
        given = {"schemes": ()} | given  # none but those of the file
    flagged = flags.read(
        experiment.filled(groups, given), program, description, arguments, defaults=False
    )
    values: dict[str, Any] = {}
    for name, group in groups.items():
        of_file = {f.name: given[f.name] for f in fields(group.kind) if f.name in given}
        values |= (own := of_file | flagged[name])
        for field in fields(group.kind):
            if field.default is field.default_factory is MISSING and field.name not in own:
                raise ValueError(
                    f"--{field.name.replace('_', '-')} is missing: {program} --help says what it is"
                )
        group.kind(**own)
    if "task" in values:
        tasks.check(values["task"])
    values.pop("file", None)
    known = {f.name for group in groups.values() for f in fields(group.kind)}
    return values, {name: value for name, value in given.items() if name not in known}


def whole(groups: Mapping[str, Group], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of all flags: where none is given, the default, which a task may have its own of.
    Raises ValueError for an impossible run."""
    from scaling.core.config import GROUP_OF  # torch

    every = {f.name: group.default(f) for group in groups.values() for f in fields(group.kind)}
    run = tasks.configured(None, {name: values[name] for name in values if name in GROUP_OF}).flat()
    return {name: run.get(name, values.get(name, value)) for name, value in every.items()}


def _sentence(error: Exception) -> str:
    """What a failure says, on one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    said = " ".join(str(error).split())
    if isinstance(error, MemoryError) or any(words in said for words in MEMORY):
        return f"out of memory ({said[:200]}); a smaller model, --length or --batch needs less"
    if any(words in said for words in DISK):
        return (
            f"a checkpoint cannot be written, perhaps for want of room on the disk ({said[:200]})"
        )
    return said


def path_of(name: str | Path | None) -> Path | None:
    return None if name is None else Path(name)


def stay_offline(*sources: str | None) -> None:
    """Nothing is fetched, and nothing sent, unless a model or data are named that are not on this
    machine; said before any library that would is imported."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    if all(source is None or is_here(source) for source in sources):
        os.environ["HF_HUB_OFFLINE"] = "1"
