"""A page for each family of claims: its figures, the conditions that several claims share, and
every claim with its checks, each as an interval beside what its criterion accepts, and its
chain."""

import re
from functools import cache
from typing import Any

from docs.generate import evidence, markdown, theory
from docs.generate.sources import cited
from loralab.report import Family, as_recorded, by_verdict, environment
from loralab.rows import Row


def pages() -> dict[str, str]:
    """A page a family. How to read them is `docs/ledger/index.md`, written by hand."""
    return {
        f"ledger/{stem}.md": page(as_recorded(proxy))
        for stem, (proxy, _) in evidence.families().items()
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


@cache
def parts() -> Any:
    """What the report shows alike."""
    return environment().get_template("evidence.html.jinja").module


def page(family: Family) -> str:
    """The page of a family."""
    proxy = family.proxy
    title, sources = evidence.titled(proxy.stem)
    found = by_verdict(family.rows).items()
    sections = [
        f"# {title}",
        markdown.escaped(proxy.summary),
        "".join(f"- {cited(source)}\n" for source in sources),
        f"Evidence: {family.origin}. Measure it again with `loralab reproduce --family "
        f"{proxy.stem}`. [How to read a verdict](index.md) explains every word of this page.",
        *(_listed(parts().sign(verdict), rows) for verdict, rows in found),
    ]
    if family.run:
        sections += ["## Figures", mark(proxy.stem)]
    if family.conditions.head:
        sections += ["## Conditions that several claims share"]
        sections += [markdown.raw(parts().conditions(family))]
    sections += [_claim(family, row) for row in family.rows]
    if family.runs:
        sections += ["## Runs", markdown.raw(parts().runs(family))]
    return "\n\n".join(filter(None, sections)) + "\n"


def mark(stem: str) -> str:
    """Where the figures of a family stand once they are drawn."""
    return f"<!-- made: figures of {stem} -->"


def _listed(sign: str, rows: list[Row]) -> str:
    references = " ".join(parts().reference(row, row.claim.id.lower()) for row in rows)
    return markdown.raw(f"<p>{sign}: {references}</p>")


def _claim(family: Family, row: Row) -> str:
    claim, its = row.claim, parts()
    place = theory.place(claim.equation)
    body = [
        its.verdict(family, row),
        f'<p class="statement">{its.text(claim.statement)}</p>',
        its.about(row),
        its.checks(family, row),
        its.chain(family, row, place and f"../{place.replace('.md', '.html')}"),
    ]
    head = f"## {claim.id}: {evidence.verdict(row)} {{#{claim.id.lower()}}}"
    return f"{head}\n\n{markdown.raw(''.join(body))}"
