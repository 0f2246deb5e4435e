"""docs/replications.md: what the record has now beside what was measured again from a claim's
sentence alone. The rest of the page was written once."""

from collections.abc import Iterable

from loralab.code import ROOT
from loralab.ledger import with_interval
from loralab.rows import Row

PAGE = ROOT / "docs" / "replications.md"


def written(text: str, rows: Iterable[Row]) -> str:
    """The page with the third cell of each line "| claim | check | ... |" as the record has it.

    Args:
        text: the page.
        rows: every claim with its recorded evidence.
    """
    entries = {(row.claim.id, e.check.key): e for row in rows for e in row.evidence}

    def filled(line: str) -> str:
        cells = line.split(" | ")
        entry = entries.get((cells[0].removeprefix("| "), cells[1])) if len(cells) > 3 else None
        if entry is None:
            return line
        return " | ".join(
            [*cells[:2], f"{with_interval(entry.measured)}, {entry.outcome}", *cells[3:]]
        )

    return "\n".join(map(filled, text.split("\n")))
