"""Exchanges in the made-up trials of image generation, each of which some check must notice."""

from collections.abc import Callable
from typing import Any

from proxies.families.overparam_generation.trials.plan import Trials
from tests.support.worlds.overparam_generation.made import BEST, FAST, FIXED, RATES, SLOW

Exchange = Callable[[Trials], Trials]


def exchanged(first: Any, second: Any, part: int) -> Exchange:
    """Sweeps with two methods, ranks or targets in each other's place."""
    other = {first: second, second: first}

    def of(trials: Trials) -> Trials:
        place = lambda key: (*key[:part], other.get(key[part], key[part]), *key[part + 1 :])
        return trials._replace(swept={key: trials.swept[place(key)] for key in trials.swept})

    return of


def of_sweeps(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Exchange:
    return lambda trials: trials._replace(
        swept={key: {**sweep, **change({**sweep})} for key, sweep in trials.swept.items()}
    )


def rows(table: Any, i: int, j: int) -> Any:
    """A table with two learning rates in each other's place."""
    order = list(range(len(RATES)))
    order[i], order[j] = j, i
    return table and [table[k] for k in order]


def distances_of(sweep: Any, i: int, j: int) -> dict[str, Any]:
    return {"test": {**sweep["test"], "MMD": rows(sweep["test"]["MMD"], i, j)}}


def renamed(records: list[dict[str, Any]], first: str, second: str) -> list[dict[str, Any]]:
    return [{**one, first: one[second], second: one[first]} for one in records]


def anchors(first: str, second: str) -> Exchange:
    return lambda trials: trials._replace(
        anchors={
            target: {**one, "scores": renamed(one["scores"], first, second)}
            for target, one in trials.anchors.items()
        }
    )


EXCHANGES: dict[str, Exchange] = {
    "LoRA and OP-LoRA": exchanged("LoRA", "OP-LoRA", 1),
    "DoRA and OP-DoRA": exchanged("DoRA", "OP-DoRA", 1),
    "LoRA and DoRA": exchanged("LoRA", "DoRA", 1),
    "OP-LoRA and OP-DoRA": exchanged("OP-LoRA", "OP-DoRA", 1),
    "ranks 1 and 2": exchanged(1, 2, 2),
    "ranks 2 and 4": exchanged(2, 4, 2),
    "ranks 1 and 4": exchanged(1, 4, 2),
    "targets": exchanged("new classes", "new style", 0),
    "anchors of the targets": lambda t: t._replace(
        anchors=dict(zip(t.anchors, reversed(list(t.anchors.values())), strict=True))
    ),
    "validation and test": of_sweeps(
        lambda s: {"validation": s["test"]["MMD"], "test": {**s["test"], "MMD": s["validation"]}}
    ),
    "chosen on the test": of_sweeps(lambda s: {"validation": s["test"]["MMD"]}),
    "1e-4 and another learning rate": of_sweeps(lambda s: distances_of(s, FIXED, 0)),
    "1e-3 and another learning rate": of_sweeps(lambda s: distances_of(s, SLOW, 2)),
    "the best and another learning rate": of_sweeps(lambda s: distances_of(s, BEST, 7)),
    "1e-2 and another learning rate": of_sweeps(lambda s: {"alive": rows(s["alive"], FAST, 6)}),
    "1e-4 and the step of equal length": of_sweeps(
        lambda s: {"equal": s["equal"] and s["test"]["MMD"][FIXED]}
    ),
    "MMD and CMMD": of_sweeps(
        lambda s: {
            "test": {**s["test"], "MMD": s["test"]["CMMD"], "CMMD": s["test"]["MMD"]},
            "open": [],
        }
    ),
    "shares and CMMD": of_sweeps(
        lambda s: {"test": {**s["test"], "share": s["test"]["CMMD"], "CMMD": s["test"]["share"]}}
    ),
    "the base model and the target": anchors("base MMD", "target MMD"),
    "the base model's share and the seen digits'": anchors("base share", "seen share"),
    "biased and unbiased": lambda t: t._replace(
        definition=[
            {**one, "null": renamed(one["null"], "biased", "unbiased")} for one in t.definition
        ]
    ),
    "rises of MMD and CMMD": lambda t: t._replace(
        definition=[
            {**one, "diversity": renamed([one["diversity"]], "MMD", "CMMD")[0]}
            for one in t.definition
        ]
    ),
    "least and most beyond the means": lambda t: t._replace(
        ends=renamed(t.ends, "least beyond means", "most beyond means")
    ),
    "any vectors and those without a negative entry": lambda t: t._replace(
        ends=renamed(t.ends, "greatest", "not negative")
    ),
}
