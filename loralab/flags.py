"""Command lines whose flags are the fields of dataclasses, a group of the help for each."""

import ast
import inspect
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, make_dataclass
from difflib import get_close_matches
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import tyro

NAMES = {int: "INT", float: "FLOAT", str: "TEXT", Path: "PATH"}


@dataclass(frozen=True)
class Group:
    """The flags of one group: the fields of a dataclass, with their defaults.

    Args:
        kind: the dataclass. The string below a field is the flag's description.
        defaults: the values of flags that are not given, where they are not those of the fields.
        texts: descriptions of the fields that have no string below them.
        types: what to read a flag as, where the field allows more.
        choices: the values of a flag, to be shown; whoever takes the value checks it.
        shown: the fields that the help lists; None for all of them.
        about: what the help says of the group, where the dataclass's docstring is for others.
    """

    kind: type
    defaults: Mapping[str, Any] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    shown: Collection[str] | None = None
    about: str = ""

    def form(self, for_help: bool) -> type:
        """What tyro reads: a dataclass of these fields that says how the help describes them."""
        texts = descriptions(self.kind) | dict(self.texts)
        types = get_type_hints(self.kind, include_extras=True) | dict(self.types)
        parts = []
        for f in fields(self.kind):
            if for_help and self.shown is not None and f.name not in self.shown:
                continue
            value = self._default(f)
            # A switch is off, and the description says what happens where nothing is given.
            unsaid = isinstance(value, bool) or value in (None, (), {})
            argument = tyro.conf.arg(
                help=texts.get(f.name, ""),
                metavar=_metavar(types[f.name], self.choices.get(f.name)),
                help_behavior_hint="" if unsaid else None,
            )
            default = field() if value is MISSING else field(default_factory=partial(copy, value))
            parts.append((f.name, Annotated[types[f.name], argument], default))
        made = make_dataclass(self.kind.__name__, parts, frozen=True, kw_only=True)
        made.__doc__ = self.about or " ".join((self.kind.__doc__ or "").split("\n\n")[0].split())
        return made

    def flags(self) -> list[str]:
        """As they are typed: a switch that is on by default is turned off by --no-name."""
        return [
            f"--{'no-' * (self._default(f) is True)}{f.name.replace('_', '-')}"
            for f in fields(self.kind)
        ]

    def _default(self, of: Field) -> Any:
        if of.name in self.defaults:
            return self.defaults[of.name]
        return of.default if of.default_factory is MISSING else of.default_factory()


def read(
    groups: Mapping[str, Group], program: str, description: str | None, arguments: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """The values of the flags, by group and field. Help, and a value of the wrong type, end the
    process as tyro does.

    Args:
        groups: the flags, each group under its name; no two flags may be called alike.
        program: what the user typed, for the help.
        description: the beginning of the help.
        arguments: the command line without the program.

    Raises: ValueError for a flag that no group has.
    """
    given = list(arguments)
    for_help = bool({"-h", "--help"} & set(given))
    forms = {name: group.form(for_help) for name, group in groups.items()}
    found, unknown = tyro.cli(
        make_dataclass("Flags", forms.items()),
        prog=program,
        description=description,
        args=given,
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
        return_unknown_args=True,
    )
    if unknown:
        known = [flag for group in groups.values() for flag in group.flags()]
        close = nearest(unknown[0].partition("=")[0], known)
        raise ValueError(f"unknown flag {unknown[0]}{close or '; --help lists the flags'}")
    return {name: dict(vars(getattr(found, name))) for name in groups}


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error about an unknown name: a question, where a known one is like it."""
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def descriptions(kind: type) -> dict[str, str]:
    """The string below each field of a dataclass, on one line."""
    texts: dict[str, str] = {}
    bases: Any = filter(is_dataclass, reversed(kind.__mro__))
    for base in bases:
        body: Any = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        for above, below in pairwise(body.body):
            match above, below:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    texts[name] = " ".join(text.split())
    return texts


def _metavar(kind: Any, choices: Sequence[str] | None) -> str | None:
    """What stands for a value in the help; None leaves it to tyro."""
    origin, inner = get_origin(kind), [part for part in get_args(kind) if part is not NoneType]
    if origin in (Union, UnionType):
        return _metavar(inner[0], choices) if len(inner) == 1 else "VALUE"
    if origin is dict:
        return "NAME VALUE ..."
    if origin is tuple and inner[-1] is Ellipsis:
        one = _metavar(inner[0], choices)
        return one and f"{one} ..."
    if choices:
        return f"{{{','.join(choices)}}}"
    return None if origin is Literal else NAMES.get(kind)
