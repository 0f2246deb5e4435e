"""The decision table of initializations: what each needs, and what the recorded comparisons say."""

import lora
from docs.generate import costs, evidence, markdown
from docs.generate.methods import on_peft
from docs.generate.table import SCHEMES
from loralab.claims import Measured, Scope
from loralab.ledger import with_interval

PRETRAINED = (Scope.LM, Scope.ENCODER)


def table() -> str:
    """A line a scheme: what it needs, whether PEFT takes it, its improvement over LoRA's
    on a language model, and the verdicts about it on pretrained models."""
    lines = []
    for name, rule in lora.SCHEMES.items():
        lines.append(
            (
                f"[`{name}`](../methods/{name}.md)",
                rule.needs,
                on_peft(name),
                improvement(name),
                verdicts(name),
            )
        )
    head = (
        "scheme",
        "needs",
        "on a PEFT model",
        "improvement over LoRA's",
        "claims on pretrained models",
    )
    return markdown.table(head, lines)


def verdicts(scheme: str) -> str:
    """The claims about a scheme on pretrained models, by verdict."""
    found: dict[str, list[str]] = {}
    for stem, row in evidence.about(SCHEMES[scheme].names):
        if row.claim.scope in PRETRAINED:
            found.setdefault(evidence.verdict(row), []).append(evidence.link(stem, row.claim))
    return "<br>".join(f"{said}: {', '.join(ids)}" for said, ids in found.items()) or "-"


def improvement(scheme: str) -> str:
    """The improvement of the test loss over that of the default, each at its own best learning
    rate, with its 95 % interval."""
    if scheme == "init_a":
        return "1, by definition"
    name = costs.name_of({"scheme": scheme})
    if name is None:
        return "not compared"
    found = costs.methods().get(name)
    return with_interval(Measured(*found["over LoRA"])) if found else "not measured yet"
