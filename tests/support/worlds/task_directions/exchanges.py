"""Exchanges of two methods, controls, ranks, pools, scores or signs that a check must notice."""

import itertools
from collections.abc import Callable
from typing import Any

from tests.support.worlds.task_directions.made_up import (
    CASES,
    FOUND,
    KINDS,
    METHODS,
    POOLS,
    SOURCES,
    Trials,
)


def exchanged(
    records: str, key: str, one: Any, other: Any, inside: str = ""
) -> Callable[[Trials], Trials]:
    """Trials in which two values of an argument of some records have changed places, or with
    `inside` those of the entries of a list in their results."""
    turned = {one: other, other: one}

    def turn(found: dict[str, Any]) -> None:
        if found.get("rank", 8) == 8 or key == "rank":  # at the other ranks there is one case only
            found[key] = turned.get(found[key], found[key])

    def exchange(trials: Trials) -> Trials:
        for each in trials[records]:
            for found in each["result"][inside] if inside else [each]:
                turn(found)
        return trials

    return exchange


def renamed(records: str, one: str, other: str) -> Callable[[Trials], Trials]:
    """Trials in which two entries of the results have changed places."""

    def exchange(trials: Trials) -> Trials:
        for each in trials[records]:
            result = each["result"]
            result[one], result[other] = result[other], result[one]
        return trials

    return exchange


def _laws(trials: Trials) -> Trials:
    one, other = (r for r in trials["edges"] if (r["s"], r["m"]) == (8, 16))
    one["law"], other["law"] = other["law"], one["law"]
    return trials


def _shapes(trials: Trials) -> Trials:
    for matrix in trials["transformer"][0]["result"]:
        matrix["square"] = not matrix["square"]
    return trials


EXCHANGES: dict[str, Callable[[Trials], Trials]] = {
    **{
        f"{one} and {other}": exchanged("tuned", "method", one, other)
        for one, other in itertools.combinations(METHODS, 2)
    },
    **{
        f"problems {one} and {other}": exchanged("tuned", "case", one, other)
        for one, other in itertools.combinations(CASES, 2)
    },
    "error and bound": renamed("tuned", "error", "bound"),
    **{
        f"pools {one} and {other}": exchanged("predicted", "pool", one, other)
        for one, other in itertools.combinations(POOLS, 2)
    },
    **{
        f"sources {one} and {other}": exchanged("predicted", "source", one, other, "overlaps")
        for one, other in itertools.combinations(SOURCES, 2)
    },
    "scores": exchanged("predicted", "score", "rate", "abs", "overlaps"),
    "accuracy and recall": exchanged("predicted", "sizes", "8 in 16", "4 in 8", "overlaps"),
    **{
        f"planted ranks {one} and {other}": exchanged("recall", "rank", one, other)
        for one, other in itertools.combinations((2, 8, 32), 2)
    },
    **{
        f"planted {one} and {other}": exchanged("recall", "case", one, other)
        for one, other in itertools.combinations(("random", "top", "middle", "bottom"), 2)
    },
    **{
        f"{one} and {other}": renamed("recall", one, other)
        for one, other in itertools.combinations(FOUND, 2)
        if {one, other} != {"LoRA 1, rate", "LoRA 1, abs"}  # for people alone
    },
    "shapes of MiniLM's matrices": _shapes,
    **{
        f"weights {one} and {other}": exchanged("drawn", "kind", one, other)
        for one, other in itertools.combinations(KINDS, 2)
    },
    "accuracy and root": renamed("drawn", "accuracy", "root"),
    "laws of the edge": _laws,
    "ranks of the first step": exchanged("speed", "rank", 4, 16),
    "measured and predicted ratio": renamed("identified", "snr", "predicted"),
    "mean and Gaussian ratio": renamed("identified", "mean", "gaussian"),
}
