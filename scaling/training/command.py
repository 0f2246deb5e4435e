"""What the commands on a model have in common: the flags of a run, and one sentence for an
error."""

import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields
from pathlib import Path

from loralab import flags
from loralab.flags import Group
from scaling.core import processes
from scaling.core.settings import GROUPS, OPTIMIZERS, SCHEMES, VARIANTS
from scaling.models.packaged import is_here
from scaling.tasks import TASKS

DISK = ("inline_container", "PytorchStreamWriter")
MEMORY = ("out of memory", "can't allocate memory")  # as torch says it
CHOICES = {
    "task": TASKS,
    "optimizer": OPTIMIZERS,
    "scheme": SCHEMES,
    "variant": VARIANTS,
}


def groups(hidden: Collection[str] = ()) -> dict[str, Group]:
    """The flags of a run in the groups of its config, but for those that a command has no use
    for: it takes them, so that one command line serves all commands, and the help leaves them out.
    """
    return {
        name: Group(kind, choices=CHOICES, shown={f.name for f in fields(kind)} - {*hidden})
        for name, kind in GROUPS.items()
    }


def answer(
    act: Callable[..., object],
    groups: Mapping[str, Group],
    program: str,
    description: str | None,
    arguments: Iterable[str],
) -> int:
    """The exit code of a command: 0 when done, 2 for wrong input (a ValueError), 1 for a failure,
    of the training, the memory or the disk.

    Args:
        act: the command; it takes the values of the flags by name, and the first process prints
            what it returns.
        groups: the flags.
        program: the command as it is typed.
        description: the beginning of the help.
        arguments: the command line without the program.
    """
    try:
        found = flags.read(groups, program, description, arguments)
        values = {name: value for group in found.values() for name, value in group.items()}
        stay_offline(values["model"], values["train"])
        result = act(**values)
        if processes.is_first():
            print(result)
    except ValueError as error:
        if processes.is_first():  # the others have found the same
            print(f"error: {error}", file=sys.stderr)
        return 2
    except (RuntimeError, MemoryError, OSError) as error:
        print(f"error: {_sentence(error)}", file=sys.stderr)
        return 1
    return 0


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
