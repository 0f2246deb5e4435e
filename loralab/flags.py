"""Command lines whose flags are the fields of dataclasses, a group of the help for each."""

import ast
import inspect
import re
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, make_dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, NoReturn, Union, get_args, get_origin, get_type_hints

from loralab import values
from loralab.names import here, nearest
from loralab.values import parsed

VALUE = re.compile(r"(?!-)|-(\.?\d|inf$|nan$)|-?$")  # how what is no flag begins
NAMES = {int: "INT", float: "FLOAT", str: "TEXT", Path: "PATH"}


@dataclass(frozen=True)
class Group:
    """The flags of one group: the fields of a dataclass, with their defaults.

    Args:
        kind: the dataclass. The string below a field is the flag's description.
        defaults: the values of flags that are not given, where they are not those of the fields.
        choices: the values of a flag, to be shown; whoever takes the value checks it.
        shown: the fields that the help lists; None for all of them.
        about: what the help says of the group, where the dataclass's docstring is for others.
        words: the field that words before any flag are for, if one is.
    """

    kind: type
    defaults: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    shown: Collection[str] | None = None
    about: str = ""
    words: str = ""

    def form(self) -> type:
        """What tyro describes: a dataclass of these fields that says how."""
        import tyro  # for the help alone, and slow to load

        texts, types, parts = descriptions(self.kind), self.hints(), []
        for f in fields(self.kind):
            if self.shown is not None and f.name not in self.shown:
                continue
            value = self.default(f)
            # A switch is off, and the description says what happens where nothing is given.
            unsaid = value is False or value in (None, (), {})
            argument = tyro.conf.arg(
                help=texts.get(f.name, ""),
                metavar=f"[{f.name.upper()}]"
                if f.name == self.words and value is None
                else _metavar(types[f.name], self.choices.get(f.name)),
                help_behavior_hint="" if unsaid else "(by default)" if value is True else None,
            )
            default = field() if value is MISSING else field(default_factory=partial(copy, value))
            kind = types[f.name]
            kind = tyro.conf.Positional[kind] if f.name == self.words else kind
            kind = tyro.conf.FlagCreatePairsOff[kind] if value is False else kind
            parts.append((f.name, Annotated[kind, argument], default))
        made = make_dataclass(self.kind.__name__, parts, frozen=True, kw_only=True)
        made.__doc__ = self.about or " ".join((self.kind.__doc__ or "").split("\n\n")[0].split())
        return made

    def hints(self) -> dict[str, Any]:
        """The type of each field, as it is read."""
        return get_type_hints(self.kind)

    def flags(self, of: Field) -> dict[str, bool]:
        """What may be typed, and whether it turns a switch on: --name, and for a switch --no-name
        too."""
        name = of.name.replace("_", "-")
        return {f"--{name}": True} | (
            {f"--no-{name}": False} if self.hints()[of.name] is bool else {}
        )

    def default(self, of: Field) -> Any:
        if of.name in self.defaults:
            return self.defaults[of.name]
        return of.default if of.default_factory is MISSING else of.default_factory()


def read(
    groups: Mapping[str, Group],
    program: str,
    description: str | None,
    arguments: Iterable[str],
    *,
    defaults: bool = True,
) -> dict[str, dict[str, Any]]:
    """The values of the flags, by group and field; of a flag that is given twice the last, though
    every one must be right. Help ends the process.

    Args:
        groups: the flags, each group under its name; no two flags may be called alike.
        program: what the user typed, for the help.
        description: the beginning of the help.
        arguments: the command line without the program.
        defaults: whether a flag that is not given has its default; else it is left out.

    Raises: ValueError for a flag that no group has, one that is missing, or a wrong value.
    """
    words = list(arguments)
    if {"-h", "--help"} & set(words):
        _help(groups, program, description)
    known = {
        flag: (name, f, on)
        for name, g in groups.items()
        for f in fields(g.kind)
        for flag, on in g.flags(f).items()
    }
    bare = {flag: f for flag, (name, f, _) in known.items() if groups[name].words == f.name}
    given: list[tuple[str, list[str]]] = []
    unknown: list[str] = []
    for word in words:
        if VALUE.match(word):
            if not given and not bare:
                raise ValueError(f"unexpected argument {word!r}; --help lists the flags")
            if not given:
                given.append((next(iter(bare)), []))
            given[-1][1].append(word)
            continue
        flag, equal, value = word.partition("=")
        flag = flag.replace("_", "-")
        if flag not in known or flag in bare:
            typed = word.partition("=")[0]
            close = nearest(flag, [one for one in known if one not in bare])
            if ours := here(flag, known):
                name, f, _ = known[ours]
                about = _about(groups[name], f).partition(". ")[0]
                close += about + ", which are not epochs" * ("epoch" in typed)
            unknown.append(f"unknown flag {typed}{close or '; --help lists the flags'}")
        given.append((flag, [value] if equal else []))
    if unknown:
        raise ValueError("; ".join(unknown))
    found: dict[str, dict[str, Any]] = {name: {} for name in groups}
    for flag, own in given:
        name, f, on = known[flag]
        found[name][f.name] = _value(groups[name], f, f.name if flag in bare else flag, on, own)
    if not defaults:
        return found
    return {
        name: {
            f.name: found[name][f.name] if f.name in found[name] else _default(group, f)
            for f in fields(group.kind)
        }
        for name, group in groups.items()
    }


def words_of(groups: Mapping[str, Group], values: Mapping[str, Any]) -> list[str]:
    """The words from which `read` reads these values: what is as by default is left out.

    Args:
        groups: the flags.
        values: of some of them, by name.
    """
    found: list[str] = []
    for group in groups.values():
        for f in fields(group.kind):
            value = values.get(f.name)
            if f.name not in values or value == group.default(f):
                continue
            flag = f"--{f.name.replace('_', '-')}"
            if isinstance(value, bool):
                found.append(flag if value else f"--no-{flag[2:]}")
                continue
            parts = (
                [p for pair in value.items() for p in pair] if isinstance(value, dict) else value
            )
            found += [flag, *map(str, parts if isinstance(parts, list | tuple) else [parts])]
    return found


def _default(group: Group, of: Field) -> Any:
    """The value of a flag that is not given."""
    default = group.default(of)
    if default is MISSING:
        raise ValueError(f"{next(iter(group.flags(of)))} is missing{_about(group, of)}")
    return copy(default)


def _about(group: Group, of: Field) -> str:
    """A flag's description, as the end of a sentence."""
    about = descriptions(group.kind).get(of.name, "").rstrip(".")
    return about and f": {about[0].lower()}{about[1:]}"


def _value(group: Group, of: Field, flag: str, on: bool, words: list[str]) -> Any:
    """What a flag was given."""
    kind = group.hints()[of.name]
    if kind is bool:
        if words:
            raise ValueError(f"{flag} takes no value, got {' '.join(words)!r}")
        return on
    try:
        return parsed(kind, words)
    except ValueError as error:
        got = " ".join(map(repr, words)) or "nothing"
        one = get_args(kind)[0] if get_origin(kind) is tuple else kind
        close = nearest(words[0], map(str, values.choices(one))) if words else ""
        raise ValueError(f"{flag} must be {error}, got {got}{close}") from error


def _help(groups: Mapping[str, Group], program: str, description: str | None) -> NoReturn:
    import tyro

    tyro.cli(
        make_dataclass("Flags", [(name, group.form()) for name, group in groups.items()]),
        prog=program,
        description=description,
        args=["--help"],
        config=(tyro.conf.OmitArgPrefixes,),
    )
    raise AssertionError("the help ends the process")


def check_least(config: Any, **least: tuple[int, str]) -> None:
    """Raise ValueError with every field that is below its least value, in one sentence.

    Args:
        config: a dataclass of flags.
        least: by field the least value, and what it is needed for; no words where that is plain.
    """
    short = [
        f"--{name.replace('_', '-')} must be at least {low}{' ' * bool(why)}{why}, got {value}"
        for name, (low, why) in least.items()
        if (value := getattr(config, name)) < low
    ]
    if short:
        raise ValueError("; ".join(short))


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
    if choices := choices or [str(value) for value in values.choices(kind)]:
        return f"{{{','.join(choices)}}}"
    return NAMES.get(kind)
