"""The measured value of every check of the comparison on a language model, by claim and key."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from loralab.claims import Measured
from scaling.comparison.summary import Outcomes, example_score
from scaling.studies.claims.language import CLAIMS
from scaling.studies.claims.language.checks import MARGIN, NEVER, STEPS, TASK_KEYS
from scaling.studies.claims.language.field import BETTER, EQUALS, PUBLISHED_RATES
from scaling.studies.claims.language.papers import COMPETITORS
from scaling.studies.evidence.improvements import (
    Base,
    Swept,
    area,
    difference,
    growth,
    improvement_ratio,
    loss,
    parameters,
    ratio,
    steps_ratio,
    window_difference,
)
from scaling.studies.evidence.quantities import learning_rate_ratio

Measurements = dict[str, dict[str, Measured | None]]
BASIS = "PiSSA, random basis"  # the control of PiSSA


class Study(NamedTuple):
    """The trials.

    Args:
        outcomes: by task, method, learning rate and seed.
        base: the test loss of the base model, by task and seed; of a classification there is none.
        seeds: all of them.
    """

    outcomes: Mapping[str, Outcomes]
    base: Mapping[str, Base]
    seeds: Sequence[int]

    def of(self, name: str, task: str = "text", only: float | None = None) -> Swept:
        """The runs of a method on a task, none where it was not run."""
        rates = self.outcomes.get(task, {}).get(name, {})
        return Swept(rates, self.seeds, self.base.get(task), only)


def nothing() -> Measurements:
    """No check measured."""
    return {claim.id: dict.fromkeys(claim.keys) for claim in CLAIMS if claim.checks}


def evidence(study: Study) -> Measurements:
    """All of them; None of what was not run."""
    of, text = study.of, study.outcomes["text"]

    def over(name: str, other: str = "LoRA", task: str = "text") -> Measured | None:
        return improvement_ratio(of(name, task), of(other, task))

    def on_tasks(name: str, other: str) -> dict[str, Measured | None]:
        ratios = {task: over(name, other, task) for task in TASK_KEYS[:2]}
        right = difference(of(name, TASK_KEYS[2]), of(other, TASK_KEYS[2]), example_score)
        return ratios | {TASK_KEYS[2]: right}

    def rate(name: str, other: str) -> Measured | None:
        if not (name in text and other in text):
            return None
        return learning_rate_ratio(text[name], text[other], study.seeds)

    def faster(name: str) -> dict[str, Measured | None]:
        return {
            "LoRA": steps_ratio(of(name), of("LoRA")),
            "area": difference(of(name), of("LoRA"), area),
        }

    lora = of("LoRA")
    at_loras = of("OP-LoRA", only=lora.best if lora.tried else None)
    better = {
        f"LM7{letter}": {"LoRA": over(name)}
        | ({"control": over(name, BASIS)} if name == "PiSSA" else {})
        for letter, name in zip(("", *"bcdefgh"), BETTER, strict=True)
    }
    return better | {
        "LM1": {
            "steps": steps_ratio(of("EVA"), of("LoRA"), NEVER - STEPS),
            "area": difference(of("EVA"), of("LoRA"), area),
            "control steps": steps_ratio(of("EVA"), of("orthogonal"), NEVER - STEPS),
        },
        "LM1b": on_tasks("EVA", "LoRA") | {"control": over("EVA", "orthogonal")},
        "LM1c": {name: over("EVA", name) for name in COMPETITORS},
        "LM1d": {
            "no worse": over("EVA, rho 2"),
            "parameters": ratio(of("EVA, rho 2"), lora, parameters),
            "rho": over("EVA, rho 2", "EVA"),
        },
        "LM1e": {"EVA": over("gradient signal", "EVA")},
        "LM2": on_tasks("B alone, rank 16", "A alone, rank 17"),
        "LM2b": {"rank": over("B alone"), "budget": over("B alone, rank 16")},
        "LM3": faster("OP-LoRA"),
        "LM3b": {"own rates": over("OP-LoRA"), "one rate": improvement_ratio(at_loras, lora)},
        "LM3c": {
            "decades": window_difference(
                text.get("OP-LoRA", {}), text["LoRA"], study.base["text"], study.seeds, MARGIN
            )
        },
        "LM3d": {"no worse": over("OP-LoRA, rank 4")},
        "LM4": {"learning rate": rate("LoRA", "Init[B]")},
        "LM4b": on_tasks("LoRA", "Init[B]"),
        "LM5": {"equal rank": over("Dash"), "rank r + s": over("Dash", "LoRA, rank 16")},
        "LM5b": {"LoRA": over("LoRA-Init")},
        "LM5c": {"LoRA": over("LoRA-TSD")},
        "LM6": {"LoRA": over("Nyström")},
        "LM6b": {"LoRA": over("NoRA+"), "NoRA": over("NoRA+", "Nyström")},
        "LM6c": {"weight": over("gradient Nyström", "Nyström"), "LoRA": over("gradient Nyström")},
        "LM8": {name: ratio(of(name), lora, loss) for name in EQUALS}
        | {f"improvement, {name}": over(name) for name in EQUALS},
        "LM8b": {name: rate(name, "LoRA") for name in PUBLISHED_RATES},
        "LM9": {"learning rate": rate("LoRA", "full")},
        "LM9b": {"learns": over("LoRA", "full"), "forgets": difference(lora, of("full"), growth)},
    }
