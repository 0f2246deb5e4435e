"""Answers that a model has written, beside what was wanted, a trivial guess and what it wrote
before."""

from collections.abc import Sequence

from scaling.core.records import Record
from scaling.evaluation.rouge import rouge

GUESS = "baseline"


def agreement(rows: Sequence[Record]) -> dict[str, float]:
    """ROUGE-L and exact match of the rows that hold {"wanted", "written", "baseline"}: of what is
    written and, with the prefix baseline_, of the guess. Nothing where there is no such row."""
    written = [row for row in rows if GUESS in row]
    found: dict[str, float] = {}
    for prefix, column in (("", "written"), (f"{GUESS}_", GUESS)):
        pairs = [(row["wanted"], row[column]) for row in written]
        if pairs:
            found[f"{prefix}rougeL"] = sum(rouge(*pair)["rougeL"] for pair in pairs) / len(pairs)
            found[f"{prefix}exact_match"] = sum(a.strip() == b.strip() for a, b in pairs) / len(
                pairs
            )
    return found


def written(rows: Sequence[Record]) -> list[str]:
    """What the model wrote, of the rows for which it was asked to."""
    return [row["written"] for row in rows if "wanted" in row]


def beside(before: Sequence[str], rows: Sequence[Record]) -> list[dict[str, str]]:
    """{"prompt", "wanted", "before", "after"} of the rows for which the model has written: what it
    wrote before training, which `before` holds in their order, and after it. Without `before` none.
    """
    asked = [row for row in rows if "wanted" in row]
    return [
        {"prompt": row["prompt"], "wanted": row["wanted"], "before": old, "after": row["written"]}
        for old, row in zip(before, asked, strict=bool(before))
    ]


def side_by_side(samples: Sequence[dict[str, str]]) -> list[str]:
    """The samples in Markdown, a paragraph each text."""
    parts = []
    for number, sample in enumerate(samples, 1):
        parts.append(f"### {number}")
        for name, text in sample.items():
            parts.append(f"{name}:\n\n{_block(text)}")
    return parts


def _block(text: str) -> str:
    """The text as it stands, whatever it holds."""
    fence = "~~~~"
    while fence in text:
        fence += "~"
    return f"{fence}text\n{text}\n{fence}"


def shown(samples: Sequence[dict[str, str]], most: int = 3) -> str:
    """The first samples, a line for each text but the prompt's."""
    lines = []
    for sample in samples[:most]:
        texts = {name: " ".join(text.split()) for name, text in sample.items() if name != "prompt"}
        lines += ["", *(f"  {name + ':':8}{_short(text)}" for name, text in texts.items())]
    return "\n".join(lines)


def _short(text: str, most: int = 100) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."
