"""The statements of the papers' abstracts, and where each is proved, tested and measured:
evidence/statements/<arXiv id>.json, and docs/statements.md made of them."""

import json
from collections.abc import Mapping
from typing import Any

from loralab.claims import Verdict
from loralab.code import ROOT

FOLDER = ROOT / "evidence" / "statements"
PAGE = ROOT / "docs" / "statements.md"
HEAD = ("statement", "theorem", "property test", "claims", "what is missing")
INTRODUCTION = """# What the papers' abstracts say, and where it is tested

Written by `loralab ledger`; do not edit. Each statement stands with the theorem behind it, the
property test of that theorem, the claims that measure it with their verdicts, and what is missing.
"""


def read() -> dict[str, list[dict[str, Any]]]:
    """The statements by paper, in order."""
    files = sorted(FOLDER.glob("*.json"))
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


def of_claims() -> dict[str, str]:
    """By claim the statements that it measures."""
    found: dict[str, str] = {}
    for paper in read().values():
        for each in paper:
            for id in each["claims"]:
                found[id] = f"{found.get(id, '')} {each['statement']}"
    return found


def page(verdicts: Mapping[str, Verdict | None]) -> str:
    """docs/statements.md.

    Args:
        verdicts: of every claim, by id.
    """
    parts = [INTRODUCTION]
    for paper, statements in read().items():
        lines = [HEAD, ["---"] * len(HEAD)]
        lines += [
            (
                each["statement"],
                each["theorem"],
                each["test"].rpartition("::")[2],
                ", ".join(f"{id} ({verdicts[id] or 'not measured'})" for id in each["claims"]),
                each["note"],
            )
            for each in statements
        ]
        table = "".join("| " + " | ".join(map(_escaped, line)) + " |\n" for line in lines)
        parts.append(f"## arXiv:{paper}\n\n{table}")
    return "\n".join(parts)


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")
