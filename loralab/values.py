"""Values by the type of a dataclass's field: of the words on a command line, of what a file holds,
and of what a caller passes."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

# One value of a type, and several of them.
WANTED = {
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    bool: ("True or False", "True or False"),
    str: ("a text", "texts"),
    Path: ("a path", "paths"),
}


def parsed(kind: Any, words: Sequence[str]) -> Any:
    """The value of this type that the words stand for; raises ValueError, which says what is
    wanted, where they are none."""
    try:
        return _parsed(kind, words)
    except ValueError as error:
        raise ValueError(wanted(kind)) from error


def _parsed(kind: Any, words: Sequence[str]) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _first_of(kind, words)
    if origin is tuple:
        kinds = inner[:1] * len(words) if inner[-1] is ... else inner
        return tuple(parsed(one, [word]) for one, word in zip(kinds, words, strict=True))
    if origin is dict:
        pairs = zip(words[::2], words[1::2], strict=True)
        return {parsed(inner[0], [k]): parsed(inner[1], [v]) for k, v in pairs}
    (word,) = words
    if kind is bool or choices(kind):
        named = {str(value).lower(): value for value in (choices(kind) or (True, False))}
        if word.lower() not in named:
            raise ValueError(word)
        return named[word.lower()]
    return kind(word)


def choices(kind: Any) -> tuple[Any, ...]:
    """The values of a type that has few of them, by name; none of any other type."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    return tuple(kind) if isinstance(kind, type) and issubclass(kind, Enum) else ()


def typed(kind: Any, value: Any) -> Any:
    """The value of this type that a YAML or JSON file means: a list or a single value for a tuple,
    a whole number for a number, a text for a path. Raises ValueError, which says what is wanted,
    where it means none."""
    try:
        return _typed(kind, value)
    except ValueError as error:
        raise ValueError(wanted(kind)) from error


def _typed(kind: Any, value: Any) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if value is None and NoneType in inner:
            return None
        return _first(lambda part: typed(part, value), kind)
    if origin is tuple:
        values = value if isinstance(value, list | tuple) else [value]
        kinds = inner[:1] * len(values) if inner[-1] is ... else inner
        return tuple(typed(one, each) for one, each in zip(kinds, values, strict=True))
    if origin is dict and isinstance(value, dict):
        return {typed(inner[0], k): typed(inner[1], v) for k, v in value.items()}
    if not fits(str if kind is Path else kind, value):
        raise ValueError(value)
    return kind(value) if kind in (float, Path) else value


def fits(kind: Any, value: Any) -> bool:
    """Whether a value is of this type; a whole number is a number too, a bool is neither."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(fits(part, value) for part in inner)
    if origin is Literal:
        return value in inner
    if origin is tuple:
        if not isinstance(value, tuple) or (inner[-1] is not ... and len(value) != len(inner)):
            return False
        kinds = inner[:1] * len(value) if inner[-1] is ... else inner
        return all(map(fits, kinds, value))
    if origin is dict:
        return isinstance(value, dict) and all(
            fits(inner[0], k) and fits(inner[1], v) for k, v in value.items()
        )
    if kind is Any:
        return True
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def wanted(kind: Any) -> str:
    """What a value of this type is, in words."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        parts = [part for part in inner if part is not NoneType]
        return wanted(parts[0]) if len(parts) == 1 else " or ".join(map(wanted, parts))
    if named := choices(kind):
        return f"one of {', '.join(map(str, named))}"
    if origin is tuple:
        if named := choices(inner[0]):
            return f"some of {', '.join(map(str, named))}"
        many = WANTED.get(inner[0], ("", "values"))[1]
        return many if inner[-1] is ... else f"{len(inner)} {many}"
    if origin is dict:
        return f"pairs of a name and {wanted(inner[1])}"
    return "a value" if kind is Any else WANTED[kind][0]


def _first_of(kind: Any, words: Sequence[str]) -> Any:
    if NoneType in get_args(kind) and list(words) == ["None"]:
        return None
    return _first(lambda part: parsed(part, words), kind)


def _first(value_of: Callable[[Any], Any], kind: Any) -> Any:
    """By the first part of a union that has a value."""
    for part in get_args(kind):
        with suppress(ValueError):
            if part is not NoneType:
                return value_of(part)
    raise ValueError(kind)
