"""The decision table of initializations: what each needs, and what the recorded comparisons say."""

import lora
from docs.generate import evidence, markdown
from docs.generate.costs import name_of
from docs.generate.methods import on_peft
from docs.generate.table import SCHEMES
from loralab.claims import Scope
from loralab.ledger import with_interval

EQUAL = "LM8"  # the claim with a check a method: its test loss over LoRA's
PRETRAINED = (Scope.LM, Scope.ENCODER)


def table() -> str:
    """A line a scheme: what it needs, whether PEFT takes it, its test loss over LoRA's on a
    language model, and the verdicts about it on pretrained models."""
    lines = []
    for name, rule in lora.SCHEMES.items():
        lines.append(
            (
                f"[`{name}`](../methods/{name}.md)",
                rule.needs,
                on_peft(name),
                loss(name),
                verdicts(name),
            )
        )
    head = (
        "scheme",
        "needs",
        "on a PEFT model",
        "test loss over LoRA's",
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


def loss(scheme: str) -> str:
    """The test loss over that of the default, each at its own best learning rate."""
    if scheme == "init_a":
        return "1, by definition"
    name = name_of({"scheme": scheme})
    entry = next((e for e in evidence.row_of(EQUAL).evidence if e.check.key == name), None)
    if entry is None:
        return "no check"
    return with_interval(entry.measured) if entry.measured else "not measured yet"
