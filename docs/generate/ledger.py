"""A page for each family of claims: every claim with its chain, every check with its value, its
interval and its criterion."""

import re

from docs.generate import evidence, markdown, theory
from docs.generate.sources import cited
from loralab.claims import Claim
from loralab.page import cells
from loralab.proxy import Proxy
from loralab.recorded import read
from loralab.rows import Entry, Row

HEAD = ("check", "source's claim", "our prediction", "measured", "supported if", "outcome", "notes")


def pages() -> dict[str, str]:
    """A page a family. How to read them is `docs/ledger/index.md`, written by hand."""
    return {
        f"ledger/{stem}.md": page(proxy, rows)
        for stem, (proxy, rows) in evidence.families().items()
    }


def overview() -> str:
    """The families in a table, for the page that says how to read a verdict."""
    lines = []
    for stem, (proxy, rows) in evidence.families().items():
        title, sources = evidence.titled(stem)
        letters = dict.fromkeys(re.sub(r"\d.*", "", row.claim.id) for row in rows)
        checks = sum(len(row.evidence) for row in rows)
        decided = sum(row.verdict is not None for row in rows)
        lines.append(
            (
                f"[{title}]({stem}.md)",
                ", ".join(letters),
                "; ".join(map(cited, sources)) or "several papers",
                f"{len(rows)} claims, {checks} checks, {decided} with a verdict",
                f"`{proxy.file}`",
            )
        )
    head = ("family", "ids", "source", "claims", "experiment")
    return markdown.table(head, lines)


def page(proxy: Proxy, rows: tuple[Row, ...]) -> str:
    """The page of a family."""
    title, sources = evidence.titled(proxy.stem)
    papers = "".join(f"- {cited(source)}\n" for source in sources)
    index = markdown.table(
        ("claim", "verdict", "sentence"),
        [
            (
                f"[{row.claim.id}](#{row.claim.id.lower()})",
                evidence.verdict(row),
                markdown.escaped(row.claim.statement),
            )
            for row in rows
        ],
    )
    parts = [
        f"# {title}",
        markdown.escaped(proxy.summary),
        papers,
        f"{_made(proxy)} Repeat it with `loralab reproduce --family {proxy.stem}`. "
        "[How to read a verdict](index.md) explains every word of this page.",
        index,
        *(_claim(proxy, row) for row in rows),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _made(proxy: Proxy) -> str:
    record = read(proxy.stem)
    if record is None:
        return "Not measured yet."
    sizes = sorted({about["size"] for about in record["runs"].values()})
    commits = sorted({line["commit"] for line in record["checks"]})
    return f"Measured at commit {', '.join(commits)} ({' and '.join(sizes)} size)."


def _claim(proxy: Proxy, row: Row) -> str:
    claim = row.claim
    head = f"## {claim.id}: {evidence.verdict(row)} {{#{claim.id.lower()}}}"
    statement = f"**{markdown.escaped(claim.statement)}**"
    chain = "\n".join(f"- {name}: {text}" for name, text in _chain(proxy, row).items() if text)
    checks = markdown.table(HEAD, map(_check, row.evidence)) if row.evidence else ""
    return "\n\n".join(filter(None, [head, statement, chain, checks]))


def _chain(proxy: Proxy, row: Row) -> dict[str, str]:
    """From the sentence to its evidence, by the name of each link."""
    claim, split = row.claim, len({entry.outcome for entry in row.deciding}) > 1
    return {
        "source": f"{cited(claim.source)}{f', {claim.where}' if claim.where else ''}",
        "kind": str(claim.kind),
        "scope": f"{claim.scope}{'' if claim.covers else ', which the source does not speak of'}",
        "conditions": markdown.escaped(claim.assumptions),
        "equation": equation(claim),
        "test": f"`{claim.test}`" if claim.test else "",
        "trial": f"`{claim.trial}`" if claim.trial else "",
        "figure": f"`paper_figs/{proxy.stem}.py`, drawn by `loralab report`",
        "supported": row.tally if row.deciding else "",
        "what separates the checks": markdown.escaped(claim.separates) if split else "",
        "not testable here": markdown.escaped(claim.untestable),
    }


def equation(claim: Claim) -> str:
    """The equation that a claim follows from, linked to the page that derives it."""
    place = theory.place(claim.equation)
    return f"[`{claim.equation}`](../{place})" if place else ""


def _check(entry: Entry) -> tuple[str, ...]:
    return tuple(map(markdown.escaped, cells(entry)))
