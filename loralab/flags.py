"""Command lines of programs that are one dataclass each."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import tyro

Form = TypeVar("Form")


def read(
    form: Callable[..., Form], program: str, description: str | None, arguments: Iterable[str]
) -> Form:
    """What `form`, a dataclass or a function, makes of these flags; ValueError for a flag that it
    does not have.

    Help, and a value of the wrong type, end the process as tyro does.
    """
    found, unknown = tyro.cli(
        form,
        prog=program,
        description=description,
        args=list(arguments),
        config=(tyro.conf.FlagCreatePairsOff,),
        return_unknown_args=True,
    )
    if unknown:
        raise ValueError(f"unknown flag {unknown[0]}; --help lists the flags")
    return found
