"""Which module names a pattern means, by PEFT's rules, in polynomial time whatever the pattern.

The regular expressions of an adapter_config.json are someone else's. Python's `re` tries one way
after another through a pattern, and `([a-z.]+)+X` has 2^n of them in a name of n letters. Here
every part of a pattern gives the set of all places where it can end, as the bits of an integer,

    ends(p q, place) = union of ends(q, e) over e in ends(p, place),                             (1)

and is evaluated once at each place: about n^2 steps for a part. Whether a name matches does not
depend on the order in which ways are tried, so greedy and lazy repeats are the same. It does with
back-references, conditions, atomic groups and possessive repeats, which are refused. Letters,
classes and anchors are left to `re`, and so is a pattern with few enough choices.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from re import _compiler, _constants, _parser  # type: ignore[attr-defined]
from typing import Any

Part = Callable[[dict, str, int], int]  # (values so far, name, place) -> places where it can end

REPEATS = {_constants.MAX_REPEAT, _constants.MIN_REPEAT}
ASSERTIONS = {_constants.ASSERT, _constants.ASSERT_NOT}
FIXED = {_constants.LITERAL, _constants.NOT_LITERAL, _constants.IN, _constants.ANY, _constants.AT}
FIXED |= {_constants.FAILURE}
REFUSED = {
    _constants.GROUPREF: "back-references",
    _constants.GROUPREF_IGNORE: "back-references",
    _constants.GROUPREF_EXISTS: "conditions on a group",
    _constants.ATOMIC_GROUP: "atomic groups",
    _constants.POSSESSIVE_REPEAT: "possessive repeats",
}
FEW, MOST, DEEPEST = 2, 2000, 40  # choices that `re` gets, parts and nesting that are accepted


def matches(pattern: str | tuple[str, ...], name: str) -> bool:
    """Whether a module name is meant by a pattern: a string is a regular expression for the whole
    name; of several names one must equal it, or its end after a dot."""
    if isinstance(pattern, str):
        return bool(_compiled(pattern).fullmatch(name))
    return f".{name}".endswith(_after_a_dot(pattern))


def pattern_matches(key: str, name: str) -> bool:
    """Whether a key of rank_pattern or alpha_pattern means this layer."""
    return bool(_compiled(_of_key(key)).match(name))


def check_pattern(pattern: str) -> None:
    """Raise ValueError, with the reason, for a string that `matches` cannot take."""
    _compiled(pattern)


def check_key(key: str) -> None:
    """Raise ValueError, with the reason, for a key that `pattern_matches` cannot take."""
    _compiled(key)
    _compiled(_of_key(key))


def has_choices(pattern: str) -> bool:
    """Whether the pattern has a repeat or a branch; without one all of its matches are of one
    length."""
    check_pattern(pattern)
    return _choices(_parser.parse(pattern)) > 0


def suggestion(name: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


@lru_cache
def _after_a_dot(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f".{name}" for name in names)


def _of_key(key: str) -> str:
    return rf"(.*\.)?({key})$"


@dataclass(frozen=True)
class _Places:
    """A pattern that is matched by (1), asked as an `re.Pattern` is."""

    part: Part

    def fullmatch(self, name: str) -> bool:
        return bool(self.part({}, name, 0) >> len(name) & 1)

    def match(self, name: str) -> bool:
        return self.part({}, name, 0) != 0


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern | _Places:
    try:
        compiled, tree = re.compile(pattern), _parser.parse(pattern)
        _check_parts(tree)
        if _choices(tree) <= FEW:
            return compiled
        return _Places(_sequence(tree, tree.state.flags))
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        shown = pattern if len(pattern) <= 200 else f"{pattern[:200]}..."
        why = "it is nested too deep" if isinstance(error, RecursionError) else error
        raise ValueError(f"not a valid regular expression: {shown!r} ({why})") from error


def _inside(op: Any, value: Any) -> list[Any]:
    """The parts of a part that has parts."""
    if op is _constants.BRANCH:
        return list(value[1])
    return [value[-1]] if op in REPEATS | ASSERTIONS | {_constants.SUBPATTERN} else []


def _check_parts(tree: Any, depth: int = 0) -> int:
    """The number of parts inside, which is refused where it is too large."""
    if depth > DEEPEST:
        raise ValueError("it is nested too deep")
    count = 0
    for op, value in tree:
        if op in REFUSED:
            raise ValueError(f"{REFUSED[op]} cannot be matched in bounded time")
        inside = _inside(op, value)
        count += len(inside) + sum(_check_parts(part, depth + 1) for part in inside)
    if count > MOST:
        raise ValueError(f"it has more than {MOST} groups, repeats and branches")
    return count


def _choices(tree: Any) -> float:
    """How many repeats and branches; infinite where a repeat holds one, or may go on for nothing:
    `re` may then take 2^n steps."""
    total = 0.0
    for op, value in tree:
        inside = sum(_choices(part) for part in _inside(op, value))
        many = op in REPEATS and value[1] > 1
        if many and (inside or value[-1].getwidth()[0] == 0):
            return float("inf")
        total += inside + (op is _constants.BRANCH or (op in REPEATS and value[0] != value[1]))
    return total


def _sequence(tree: Iterable[Any], flags: int) -> Part:
    """(1) over the parts; neighbours without a choice are one part."""
    parts: list[Part] = []
    fixed: list[Any] = []
    for op, value in tree:
        if op in FIXED:
            fixed.append((op, value))
            continue
        parts += [_fixed(fixed, flags)] if fixed else []
        parts.append(_choice(op, value, flags))
        fixed = []
    parts += [_fixed(fixed, flags)] if fixed else []

    def ends(seen: dict, name: str, place: int) -> int:
        found = 1 << place
        for part in parts:
            found = _from_each(part, seen, name, found)
        return found

    return ends


def _choice(op: Any, value: Any, flags: int) -> Part:
    if op is _constants.SUBPATTERN:
        _, more, fewer, inside = value
        return _sequence(inside, (flags | more) & ~fewer)
    if op is _constants.BRANCH:
        return _branch([_sequence(part, flags) for part in value[1]])
    body = _sequence(value[-1], flags)
    if op in REPEATS:
        return _repeat(body, int(value[0]), int(value[1]))
    behind = value[-1].getwidth()[0] if value[0] < 0 else None
    return _assertion(body, behind, op is _constants.ASSERT)


def _fixed(items: list[Any], flags: int) -> Part:
    state = _parser.State()
    state.flags = flags
    match = _compiler.compile(_parser.SubPattern(state, items), flags).match

    def ends(seen: dict, name: str, place: int) -> int:
        found = match(name, place)
        return 1 << found.end() if found else 0

    return ends


def _branch(parts: list[Part]) -> Part:
    def ends(seen: dict, name: str, place: int) -> int:
        found = 0
        for part in parts:
            found |= part(seen, name, place)
        return found

    return ends


def _repeat(body: Part, least: int, most: int) -> Part:
    def ends(seen: dict, name: str, place: int) -> int:
        found, enough = 1 << place, len(name) + 1  # more repeats than letters add nothing
        for _ in range(min(least, enough)):
            found = _from_each(body, seen, name, found)
        new = found
        for _ in range(min(most - least, enough)):
            new = _from_each(body, seen, name, new) & ~found
            if not new:
                break
            found |= new
        return found

    return ends


def _assertion(body: Part, behind: int | None, wanted: bool) -> Part:
    """`behind` is the length of what it looks back at, None where it looks ahead."""

    def ends(seen: dict, name: str, place: int) -> int:
        if behind is None:
            holds = body(seen, name, place) != 0
        else:
            holds = place >= behind and bool(body(seen, name, place - behind) >> place & 1)
        return 1 << place if holds is wanted else 0

    return ends


def _from_each(part: Part, seen: dict, name: str, places: int) -> int:
    """The union of `part` over all places, each evaluated once for a name."""
    found = 0
    for place in _bits(places):
        if (ends := seen.get((part, place))) is None:
            ends = seen[part, place] = part(seen, name, place)
        found |= ends
    return found


def _bits(places: int) -> Iterator[int]:
    while places:
        low = places & -places
        yield low.bit_length() - 1
        places ^= low
