"""The section "Which initialization, on a real model": what the family `language` recorded, as one
table of methods, the best first. There is none before that family is measured."""

import importlib
from collections import Counter
from typing import Any, NamedTuple

from markupsafe import Markup

from loralab.claims import Measured, Within
from loralab.ledger import number, with_interval
from loralab.report.bars import Scale, drawing, scale

STEM = "language"
MIB = 2**20
LOOKS = {"better": "supported", "worse": "contradicted", "within": "conditions"}


class Method(NamedTuple):
    """A row of the table; a text is empty where nothing was measured, or compared."""

    name: str
    rate: str
    loss: str
    gain: str
    bar: Markup
    margin: str
    steps: str
    forgotten: str
    parameters: str
    seconds: str
    memory: str


class Comparison(NamedTuple):
    """Every method, the best first, and how many of them are where beside LoRA."""

    methods: list[Method]
    counts: Counter[str]
    margin: float


def comparison(data: dict[str, Any]) -> Comparison:
    """The table of methods.

    Args:
        data: of each method its best learning rate, its test loss, its improvement and its steps
            over LoRA's with their 95 % intervals, what it forgets and what a run costs.
    """
    margin = importlib.import_module(f"paper_figs.{STEM}").MARGIN
    order = sorted(data.items(), key=lambda item: -(item[1]["over LoRA"] or (1.0,))[0])
    place = _axis([found["over LoRA"] for found in data.values() if found["over LoRA"]], margin)
    methods = [_method(name, found, margin, place) for name, found in order]
    return Comparison(methods, Counter(m.margin for m in methods if m.gain), margin)


def _axis(gains: list[list[float]], margin: float) -> Scale:
    """One axis for all bars, so that they can be compared."""
    lows, highs = [low for _, low, _ in gains], [high for _, _, high in gains]
    whole = Measured(1.0, min([*lows, 1.0]), max([*highs, 1.0]))
    return scale(Within(whole.low, whole.high), whole, Within(1 - margin, 1 + margin))


def _method(name: str, found: dict[str, Any], margin: float, place: Scale) -> Method:
    gain, steps = (_measured(found[key]) for key in ("over LoRA", "steps"))
    where, bar = "", Markup("")
    if gain:
        where = beside(gain, margin)
        said = f"improvement over LoRA's: {with_interval(gain)}, {where}"
        within = Within(1 - margin, 1 + margin)
        bar = drawing(place, within, gain, None, LOOKS.get(where.split()[0], "undecided"), said)
    return Method(
        name=name,
        rate=number(found["best"]),
        loss=f"{found['loss']:.4g}",
        gain=with_interval(gain) if gain else "",
        bar=bar,
        margin=where,
        steps=with_interval(steps) if steps else "",
        forgotten=number(found["forgotten"]),
        parameters=f"{found['parameters']:,.0f}",
        seconds=number(found["seconds"]),
        memory=f"{found['memory'] / MIB:,.0f}" if found["memory"] else "",
    )


def _measured(ends: list[float] | None) -> Measured | None:
    return Measured(ends[0], ends[1], ends[2]) if ends else None


def beside(gain: Measured, margin: float) -> str:
    """Where an improvement lies beside LoRA's, from its interval alone."""
    size = f"{100 * margin:g} %"
    if gain.low > 1 + margin:
        return f"better by more than {size}"
    if gain.high < 1 - margin:
        return f"worse by more than {size}"
    if gain.low >= 1 - margin and gain.high <= 1 + margin:
        return f"within {size}"
    return "better" if gain.low > 1 else "worse" if gain.high < 1 else "undecided"
