"""Odd JSON: values that nobody expects, changes of a structure, texts that are hardly JSON."""

import copy
import json
import math
from random import Random
from typing import Any

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 4, 16, 2**31, 2**63, 10**30, 10**400, 0.5, 2.0, -0.0),
    *(1e-300, 1e300, 1e308, math.nan, math.inf, -math.inf, "", " ", "x", "2", "NaN", "null"),
    *("all-linear", "up", "blocks.0.up", "é\u0301", "\ud800", "\x00", "(", "*", ".*", "a" * 1000),
    *([], [None], [1], ["up"], ["up", "up"], [[]], {}, {"up": 2}, {"": 1}, {"up": None}),
    *({"(": 1}, {"x": {"y": []}}, [{}], ["up", 3], {"up": [2]}, {"up": "2"}),
)
KEYS = ("", "x", "R", "r", "rank", "alpha", "é", "\ud800", "__class__", "__metadata__", "up", " r")


def nested(depth: int, list_: bool = True) -> Any:
    value: Any = None
    for _ in range(depth):
        value = [value] if list_ else {"x": value}
    return value


def mutated(rng: Random, value: Any) -> tuple[Any, str]:
    """The structure with one change in it, and the change in words. A string that is JSON itself is
    changed inside as often as outside."""
    value = copy.deepcopy(value)
    places = list(_places(value))
    holder, key = rng.choice(places)
    found = holder[key]
    inner = _parsed(found)
    if inner is not None and rng.random() < 0.8:
        inside, said = mutated(rng, inner)
        holder[key] = dumped(inside)
        return value, f"in the JSON text {key!r}: {said}"
    act = rng.choice(("replace", "replace", "replace", "drop", "add", "rename", "near", "swap"))
    if act == "near":
        holder[key] = _near(rng, found)
        return value, f"{key!r}: {_short(found)} becomes {_short(holder[key])}"
    if act == "swap":
        other, where = rng.choice(places)
        holder[key], other[where] = copy.deepcopy(other[where]), copy.deepcopy(found)
        return value, f"{key!r} and {where!r} change places"
    if act == "replace" or isinstance(holder, list):
        odd = rng.choice((*VALUES, nested(40), nested(200)))
        holder[key] = odd
        return value, f"{key!r}: {_short(found)} becomes {_short(odd)}"
    if act == "drop":
        del holder[key]
        return value, f"without {key!r}"
    name = rng.choice((*KEYS, str(key).upper(), f"{key}s"))
    holder[name] = holder.pop(key) if act == "rename" else copy.deepcopy(rng.choice(VALUES))
    return value, f"{act} {key!r} as {name!r}"


def _places(value: Any) -> Any:
    """Every (container, key) of a structure, which is not empty."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def _parsed(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value) or None
        except ValueError:
            return None
    return None


def _near(rng: Random, value: Any) -> Any:
    """Another value of the same kind, or the same value as another kind."""
    if isinstance(value, bool):
        return rng.choice((not value, int(value), str(value)))
    if isinstance(value, int | float) and abs(value) < 1e300:  # nor NaN, nor too long for a float
        return rng.choice((value + 1, value - 1, -value, value * 2, str(value), float(value)))
    if isinstance(value, str):
        return rng.choice((value.upper(), f"{value}x", value[:-1], [value], f" {value}"))
    if isinstance(value, list):
        return rng.choice((value * 2, value[1:], value[::-1], dict.fromkeys(map(str, value), 1)))
    if isinstance(value, dict):
        return rng.choice((list(value), list(value.items()), str(value), value | {"x": 1}))
    return rng.choice(VALUES)


def dumped(value: Any) -> str:
    """As JSON, with the numbers that JSON does not have where Python reads them."""
    return json.dumps(value)


def texts(rng: Random, text: str) -> tuple[bytes, str]:
    """A text that is hardly JSON, or JSON in another dress, made of this one."""
    huge = "9" * 5000
    cases: dict[str, bytes] = {
        "empty": b"",
        "blank": b" \n",
        "null": b"null",
        "a number": b"3",
        "a list": b"[]",
        "a string": b'"LORA"',
        "an empty object": b"{}",
        "UTF-8 with a mark": b"\xef\xbb\xbf" + text.encode(),
        "UTF-16": text.encode("utf-16"),
        "UTF-32": text.encode("utf-32"),
        "not UTF-8": b"\xff\xfe\xfd" + text.encode(),
        "Latin-1": text.replace("LORA", "LÖRA").encode("latin-1"),
        "NUL bytes": b"\x00" * 100,
        "100,000 brackets": b"[" * 100_000,
        "100,000 objects": b'{"a":' * 100_000,
        "deep and whole": b"[" * 5000 + b"]" * 5000,
        "a number of 5,000 digits": text.replace("{", f'{{"r": {huge}, ', 1).encode(),
        "a number of 5,000 digits at the end": (text.rstrip()[:-1] + f', "r": {huge}}}').encode(),
        "every key twice": (text.rstrip()[:-1] + "," + text.lstrip()[1:]).encode(),
        "a comment": b"// a comment\n" + text.encode(),
        "a comma too many": (text.rstrip()[:-1] + ",}").encode(),
        "single quotes": text.replace('"', "'").encode(),
        "a pickle": b"\x80\x04\x95\x0e\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94K\x01s.",
        "twice": text.encode() * 2,
        "a megabyte of blanks": b" " * 2**20 + text.encode(),
    }
    name = rng.choice(list(cases))
    return cases[name], name


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) < 80 else f"{text[:80]}..."
