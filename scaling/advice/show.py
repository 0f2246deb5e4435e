"""The tables of advice: what was measured beside what it foretells, then what to do and why."""

from typing import Any

from loralab.ledger import records_table, text_of
from scaling.advice.advice import Advice
from scaling.advice.costs import Memory
from scaling.advice.diagnostics import spread

MEANINGS = {
    "explained": ("variance of the inputs in EVA's rows", "what EVA's frozen A can use (E3c)"),
    "explained_random": ("the same of random rows, r / in", "what a random frozen A can"),
    "outside": ("of the inputs, outside them by their mean", "what centring loses (E3b)"),
    "signal": ("gradient signal of EVA's rows over the best", "EVA's lead at first (E2e, E9)"),
    "signal_uncentred": ("the same without centring", "the same with center False"),
    "signal_random": ("the same of a random start", "where the default begins"),
    "rank_shared": ("rank by EVA with rho = 2", "how uneven the layers are (E8c)"),
    "tune_b": ("of the wanted change, by B alone", "the cost of freezing A (A15; not A15b)"),
    "tune_a": ("of the wanted change, by A alone", "the cost of freezing B (A15; not A15b)"),
}


def text(advice: Advice) -> str:
    """The tables as text, the recommendation last."""
    rows = advice.layers
    shares = [
        {"share": what, **spread(rows, name), "foretells": that}
        for name, (what, that) in MEANINGS.items()
    ]
    lines = [line_of(advice, scheme) for scheme in advice.bounds]
    memory = [{"": what, "MiB": f"{size / 2**20:.1f}"} for what, size in sizes(advice.memory)]
    chosen = [
        {
            "choice": c.choice,
            "advice": value(c.value),
            "because": c.reason,
            "claims": " ".join(c.claims),
        }
        for c in advice.recommendation
    ]
    return text_of(
        records_table(f"{len(rows)} layers looked at, on {advice.batches} batches", shares),
        records_table(
            "learning rates that the first step bears, and the time that the start takes", lines
        ),
        records_table("memory", memory),
        records_table("recommendation", chosen),
    )


def line_of(advice: Advice, scheme: str) -> dict[str, Any]:
    bound = advice.bounds[scheme]
    return {
        "scheme": scheme,
        "rate foretold": advice.facts.predicted[scheme],
        "one step raises the loss beyond": bound.crossing,
        "by its curvature beyond": bound.bound,
        "loss": bound.loss,
        "seconds to start": advice.starts[scheme].whole,
    }


def sizes(memory: Memory) -> list[tuple[str, int]]:
    return [
        ("what is trained", memory.parameters),
        ("its state in AdamW", memory.optimizer),
        ("kept for backward, a micro-batch", memory.kept),
        ("the same with A frozen", memory.kept_frozen_a),
        ("peak, an estimate", memory.peak),
        ("the same with A frozen", memory.peak_frozen_a),
    ]


def value(given: Any) -> str:
    """As the flags of loralab finetune are written."""
    if isinstance(given, list):
        return " ".join(f"{entry:g}" for entry in given)
    if isinstance(given, dict):
        return " ".join(f"{name} {entry}" for name, entry in given.items())
    return str(given)
