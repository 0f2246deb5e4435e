"""What a value from outside must be. A `Kind` is a requirement and its test, and each refusal names
the key, the requirement and the value."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lora.patterns import suggestion

LARGEST = 2**31 - 1  # of a count
# Between them the scale of a layer, and its square, are numbers in float32 too.
SMALLEST_NUMBER, LARGEST_NUMBER = 1e-18, 1e18


@dataclass(frozen=True)
class Kind:
    """`requirement` completes "it must be ...", or "each of its values must be ..."."""

    requirement: str
    holds: Callable[[Any], bool]


def check(where: str, value: Any, *kinds: Kind) -> None:
    """Raise ValueError for the first of these kinds that the value is not of."""
    for kind in kinds:
        if not kind.holds(value):
            raise ValueError(f"{where} must be {kind.requirement}, got {shown(value)}")


def check_keys(where: str, values: dict[str, Any], table: dict[str, Kind]) -> None:
    """Raise ValueError unless these are the keys of the table, each with a value of its kind."""
    for key in values:
        if key not in table:
            raise ValueError(f"{where} has the unknown key {key!r}{suggestion(key, (*table,))}")
    for key, kind in table.items():
        if key not in values:
            raise ValueError(f"{where} lacks {key!r}, which must be {kind.requirement}")
        check(f"{key!r} of {where}", values[key], kind)


@contextmanager
def about(where: Any) -> Iterator[None]:
    """Name the file, or whatever it is, at the head of a ValueError."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def shown(value: Any) -> str:
    """`repr`, cut where it is long."""
    if isinstance(value, int) and value.bit_length() > 256:
        return f"an integer of {value.bit_length()} bits"
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # it holds such an integer, or itself
        return f"a {type(value).__name__}"
    return text if len(text) <= 200 else f"{text[:200]}..."


def parsed(text: str | bytes, what: str) -> dict[str, Any]:
    """The JSON object that `text` is; raises ValueError, where `what` names it, for any other
    text."""
    try:
        values = json.loads(text if isinstance(text, str) else text.decode())
    except RecursionError as error:
        raise ValueError(f"{what} must be JSON that is not nested too deep") from error
    except ValueError as error:
        raise ValueError(f"{what} must be JSON: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{what} must be a JSON object, got {type(values).__name__}")
    return values


def optional(kind: Kind) -> Kind:
    return Kind(f"{kind.requirement}, or null", lambda v: v is None or kind.holds(v))


def listed(kind: Kind) -> Kind:
    return Kind(
        f"a list, each of whose values is {kind.requirement}",
        lambda v: isinstance(v, list | tuple) and all(map(kind.holds, v)),
    )


def named(kind: Kind) -> Kind:
    return Kind(
        f"an object, each of whose values is {kind.requirement}",
        lambda v: (
            isinstance(v, dict)
            and all(isinstance(key, str) and kind.holds(item) for key, item in v.items())
        ),
    )


def either(*kinds: Kind) -> Kind:
    return Kind(
        " or ".join(kind.requirement for kind in kinds),
        lambda v: any(kind.holds(v) for kind in kinds),
    )


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    if _is_int(value):
        return value.bit_length() < 1000  # a float holds it
    return isinstance(value, float) and math.isfinite(value)


def _is_json(value: Any, depth: int = 20) -> bool:
    if isinstance(value, dict):
        return depth > 0 and all(
            isinstance(key, str) and _is_json(item, depth - 1) for key, item in value.items()
        )
    if isinstance(value, list):
        return depth > 0 and all(_is_json(item, depth - 1) for item in value)
    return value is None or isinstance(value, bool | str | float) or _is_number(value)


INT = Kind("an integer", _is_int)
POSITIVE_INT = Kind("a positive integer", lambda v: _is_int(v) and v > 0)
NON_NEGATIVE_INT = Kind("a non-negative integer", lambda v: _is_int(v) and v >= 0)
COUNT = Kind(f"at most {LARGEST}", lambda v: v <= LARGEST)
SEED = Kind("less than 2^64", lambda v: v < 2**64)
POSITIVE = Kind(
    "a positive finite number",
    lambda v: (_is_int(v) or (isinstance(v, float) and math.isfinite(v))) and v > 0,
)
MODERATE = Kind(
    f"from {SMALLEST_NUMBER:g} to {LARGEST_NUMBER:g}",
    lambda v: SMALLEST_NUMBER <= v <= LARGEST_NUMBER,
)
PROBABILITY = Kind("in [0, 1)", lambda v: _is_number(v) and 0 <= v < 1)
BOOL = Kind("True or False", lambda v: isinstance(v, bool))
STRING = Kind("a string", lambda v: isinstance(v, str))
NAME = Kind("a name", lambda v: isinstance(v, str) and v != "")
OBJECT = Kind("a JSON object", lambda v: isinstance(v, dict))
OPTIONS = Kind(
    "a dict from names to values that JSON gives back",
    lambda v: isinstance(v, dict) and _is_json(v),
)
