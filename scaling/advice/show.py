"""Advice as text: what to do, why and how sure, with what to type; and the tables of what was
measured beside what it predicts."""

from typing import Any

from loralab.ledger import records_table, text_of
from scaling.advice.advice import Advice
from scaling.advice.confidence import not_weighed, records, sure
from scaling.advice.costs import Memory
from scaling.advice.diagnostics import spread
from scaling.advice.ready import finetune_line, grid_of, peft_line, recommended, sweep_line
from scaling.comparison import cost
from scaling.core.config import Config

MEANINGS = {
    "explained": ("input variance in EVA's rows", "what EVA with A frozen can use (E3c)"),
    "explained_random": ("input variance in random rows, r / in", "what a random frozen A can use"),
    "outside": ("inputs' mean outside EVA's rows", "what centring loses (E3b)"),
    "signal": ("gradient signal of EVA's rows over the best", "EVA's lead at first (E2e, E9)"),
    "signal_uncentred": ("gradient signal of EVA's uncentred rows", "EVA's lead, center False"),
    "signal_random": ("gradient signal of random rows", "where the default begins"),
    "rank_shared": ("rank that EVA gives with rho = 2", "how uneven the layers are (E8c)"),
    "tune_b": ("wanted change that B alone explains", "the cost of freezing A (A15; not A15b)"),
    "tune_a": ("wanted change that A alone explains", "the cost of freezing B (A15; not A15b)"),
}


def text(advice: Advice, config: Config) -> str:
    """What to do: a choice each, then the commands and PEFT's config that do it.

    Args:
        advice: about the run.
        config: the run.
    """
    rows = records()
    chosen = {choice.choice: choice.value for choice in advice.recommendation}
    run = recommended(config, chosen)
    grid = grid_of(run, chosen["rates"])
    trials = len(grid.schemes) * len(chosen["rates"]) * len(grid.seeds)
    table = [
        {
            "choice": c.choice,
            "value": value(c.value),
            "why": c.why,
            "how sure": sure(c.claims, rows) or "counted on this model alone",
        }
        for c in advice.recommendation
    ]
    weighed = {"init_a", "eva"} & advice.bounds.keys()
    return "\n".join(
        [
            text_of(records_table("recommendation", table)),
            not_weighed(weighed, rows),
            "\nto find the learning rate, and then to train with it (here the middle one):",
            sweep_line(run, grid),
            f"# {cost.predicted(trials, advice.training)}",
            finetune_line(run),
            "the same adapter in PEFT:",
            peft_line(run, advice.peft, advice.modules),
            f"the evidence behind a claim: loralab claims {advice.recommendation[0].claims[0]}",
        ]
    )


def tables(advice: Advice) -> str:
    """What was measured, and the reasons in full."""
    rows = advice.layers
    diagnostics = [
        {"diagnostic": what, **spread(rows, name), "predicts": that}
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
        records_table(
            f"{len(rows)} layers measured on {advice.batches} probe batches", diagnostics
        ),
        records_table(
            "learning rates of the first step, and the time of the initialization", lines
        ),
        records_table("memory", memory),
        records_table("reasons", chosen),
    )


def line_of(advice: Advice, scheme: str) -> dict[str, Any]:
    bound = advice.bounds[scheme]
    return {
        "scheme": scheme,
        "predicted learning rate": advice.facts.predicted[scheme],
        "first step lowers the loss up to": bound.crossing,
        "up to, by the curvature": bound.bound,
        "loss": bound.loss,
        "seconds to initialize": advice.starts[scheme].whole,
    }


def sizes(memory: Memory) -> list[tuple[str, int]]:
    return [
        ("trained parameters", memory.parameters),
        ("their state in AdamW", memory.optimizer),
        ("saved for backward, a micro-batch", memory.kept),
        ("saved for backward with A frozen", memory.kept_frozen_a),
        ("peak, an estimate", memory.peak),
        ("peak with A frozen, an estimate", memory.peak_frozen_a),
    ]


def value(given: Any) -> str:
    """A choice as the flags of loralab finetune are written."""
    if isinstance(given, list):
        return " ".join(f"{entry:g}" for entry in given)
    if isinstance(given, dict):
        return " ".join(f"{name} {entry}" for name, entry in given.items())
    return str(given)
