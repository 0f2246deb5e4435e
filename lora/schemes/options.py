"""The options of a rule, read from its signature: their names, and what a value must be.

A rule says what it takes by annotations alone. Whether given options fit is thus known without a
weight, and the rule itself checks nothing.

    bool                True or False
    int                 a whole number
    float               a finite number
    Positive            a positive and finite number
    Literal["a", "b"]   one of these
"""

import inspect
import math
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, get_args, get_origin

Positive = Annotated[float | int, "positive and finite"]

GIVEN = ("W", "rank", "rng", "scale", "stats")
"""What every rule may be given besides its options."""


def check(
    rule: Callable[..., Any], options: Mapping[str, Any], others: Collection[str] = ()
) -> None:
    """Raise ValueError, with the rule's name, for an option that it does not have, or a value that
    it cannot take.

    Args:
        rule: the rule of a scheme; one that takes any keyword has every option.
        options: its options by name.
        others: names that are allowed beside the rule's own.
    """
    parameters, name = inspect.signature(rule).parameters, rule.__name__
    if _takes_any(rule):
        return
    own = [key for key in parameters if key not in GIVEN]
    known = [*own, *(key for key in others if key not in own)]
    for key, value in options.items():
        if key not in known:
            close = get_close_matches(str(key), known, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {_listed(known)}"
            raise ValueError(f"{name} has no option {key!r}; {hint}")
        if key in own and (wanted := _unmet(parameters[key].annotation, value)):
            raise ValueError(f"{name}: {key} must be {wanted}, got {value!r}")


def has(rule: Callable[..., Any], name: str, others: Collection[str] = ()) -> bool:
    """Whether a rule has an option of this name; arguments as of `check`."""
    own = inspect.signature(rule).parameters.keys() - {*GIVEN}
    return _takes_any(rule) or name in own or name in others


def _takes_any(rule: Callable[..., Any]) -> bool:
    kinds = (each.kind for each in inspect.signature(rule).parameters.values())
    return inspect.Parameter.VAR_KEYWORD in kinds


def _unmet(annotation: Any, value: Any) -> str | None:
    """What a value must be, where it is not that."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if get_origin(annotation) is Literal:
        allowed = get_args(annotation)
        fits = type(value) in {type(each) for each in allowed} and value in allowed
        wanted = " or ".join(f'"{each}"' for each in allowed[-2:])
        wanted = ", ".join([*(f'"{each}"' for each in allowed[:-2]), wanted])
    elif annotation == Positive:
        fits, wanted = number and math.isfinite(value) and value > 0, "positive and finite"
    elif annotation is float:
        fits, wanted = number and math.isfinite(value), "a finite number"
    elif annotation is int:
        fits, wanted = number and isinstance(value, int), "a whole number"
    elif annotation is bool:
        fits, wanted = isinstance(value, bool), "True or False"
    else:
        return None
    return None if fits else wanted


def _listed(known: list[str]) -> str:
    return ", ".join(known) if known else "none"
