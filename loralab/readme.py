"""What README.md says of the record, between marks that the page does not show.

    <!-- totals --> ... <!-- /totals -->    a block: `totals`, `families` and `initializations`
    <!-- OP15c: key -->0.98<!-- / -->       one check: value and interval
    (OP15c: inconclusive)                   one claim and its verdict, without a mark

`loralab ledger` writes them anew; the sentences around them are the page's own.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from loralab.claims import Verdict
from loralab.code import ROOT
from loralab.ledger import number, with_interval
from loralab.papers import TITLES
from loralab.rows import Row
from loralab.store import Run

if TYPE_CHECKING:
    from loralab.proxy import Proxy

FILE = ROOT / "README.md"
ID = r"[A-Z]+\d+[a-z]?"
Rows = Mapping[str, Sequence[Row]]  # by family

COLUMNS: dict[str, tuple[Verdict | None, ...]] = {
    "hold": (Verdict.HOLDS,),
    "in part": (Verdict.CONDITIONS,),
    "refuted": (Verdict.REFUTED,),
    "seen": (Verdict.SEEN, Verdict.SEEN_CONDITIONS),
    "not seen": (Verdict.NOT_SEEN,),
    "open": (Verdict.INCONCLUSIVE,),
    "untested": (None, Verdict.UNTESTABLE),
}
MOST = 3  # papers of a family; of more a row has their number alone

# of the family `language`: initializations at the rank and with the factors that LoRA trains
INITIALIZATIONS = (
    *("Init[B]", "EVA", "gradient signal", "Nyström", "PiSSA", "MiLoRA", "OLoRA", "CorDA"),
    *("LoRA-GA", "LoRA-One", "LoRA-Init", "gradient Nyström"),
)
MARGIN = 0.02  # an improvement within 2 % of LoRA's makes no difference


def written(text: str, families: Iterable["Proxy"], rows: Rows, language: Run | None) -> str:
    """README.md with what the record has now.

    Args:
        text: the page; a block or a mark that it does not have is not added.
        families: in the order of the table.
        rows: every claim with its recorded evidence.
        language: what is kept of the family `language`, None where it is not measured.
    """
    every = [row for family in rows.values() for row in family]
    blocks = {
        "totals": totals(every),
        "families": table(families, rows),
        "initializations": initializations(language),
    }
    for name, content in blocks.items():
        text = _between(text, name, content)
    return _numbers(text, {row.claim.id: row for row in every})


def totals(rows: Sequence[Row]) -> str:
    """One sentence of verdicts."""
    checks = [entry for row in rows for entry in row.evidence]
    measured = [entry for entry in checks if entry.measured]
    registered = sum(entry.standing.registered for entry in measured)
    earlier = sum(entry.standing.look > 1 for entry in measured)
    verdicts = Counter(str(row.verdict or "not measured") for row in rows).most_common()
    return (
        f"{len(rows)} claims with {len(checks)} checks: "
        + ", ".join(f"{count} {verdict}" for verdict, count in verdicts)
        + f". Registered before they were measured: {registered} of {len(measured)} checks, of "
        f"which {earlier} had earlier looks and are judged at stricter levels, on new seeds."
    )


def table(families: Iterable["Proxy"], rows: Rows) -> str:
    """A row a family: its paper, how many claims have which verdict."""
    lines = ["family | paper | " + " | ".join(COLUMNS), " | ".join(["---"] * (len(COLUMNS) + 2))]
    linked: set[str] = set()
    for proxy in families:
        found = Counter(row.verdict for row in rows[proxy.stem])
        counts = (sum(found[verdict] for verdict in of) for of in COLUMNS.values())
        name = f"[{proxy.stem}](LEDGER.md#{proxy.stem})"
        cells = [name, _papers(rows[proxy.stem], linked), *(f"{n or ''}" for n in counts)]
        lines.append(" | ".join(cells))
    return "\n".join(f"| {line} |".replace("  ", " ") for line in lines)


def _papers(rows: Sequence[Row], linked: set[str]) -> str:
    """The paper that most claims are of, and how many others: its title up to a colon and a link
    where it comes first, which is noted, then its number alone."""
    sources = Counter(row.claim.source for row in rows if row.claim.source != "derived")
    named = [source for source, _ in sources.most_common() if source in TITLES]
    if not named or len(sources) > MOST:
        return f"{len(sources)} papers" if sources else "derived"
    first, more = named[0], len(named) - 1
    others = f" and {more} other{'s' * (more > 1)}" * (more > 0)
    known = first in linked
    linked.add(first)
    title = TITLES[first].partition(":")[0]
    paper = f"arXiv:{first}" if known else f"[{title}](https://arxiv.org/abs/{first})"
    return paper + others


def initializations(run: Run | None) -> str:
    """Which initialization improves a language model more than LoRA's own, in ten lines; nothing
    before that is measured."""
    data = run.result["data"] if run else {}
    if not run or not data:
        return ""
    found = {name: data[name]["over LoRA"] for name in INITIALIZATIONS if name in data}
    groups: dict[str, list[str]] = {
        "More than LoRA's": [],
        f"The same within {MARGIN:.0%}": [],
        "Less": [],
        "Undecided": [],
    }
    more, same, less, undecided = groups.values()
    for name, ends in sorted(found.items(), key=lambda item: -item[1][0]):
        value, low, high = ends
        within = low >= 1 - MARGIN and high <= 1 + MARGIN
        group = same if within else more if low > 1 else less if high < 1 else undecided
        group.append(f"{name} {value:.2f} [{low:.2f}, {high:.2f}]")
    rates = [data[name]["best"] for name in ("LoRA", *found)]
    config = run.config
    return "\n".join(
        [
            "### Which initialization, on a real model\n",
            f"SmolLM2-135M, {config['steps']} steps on scientific docstrings, {config['seeds']} "
            "seeds, each at its own best learning rate;",
            "improvement of the test loss as a multiple of LoRA's, 95 % intervals (LM1b to LM8):\n",
            *(f"- {title}: {', '.join(names)}." for title, names in groups.items() if names),
            f"- Best learning rates: {number(min(rates))} to {number(max(rates))}, "
            f"LoRA's {number(data['LoRA']['best'])}.",
        ]
    )


def _between(text: str, name: str, content: str) -> str:
    """The text with this content between the two marks of a block."""
    head, begin, rest = text.partition(f"<!-- {name} -->")
    _, end, tail = rest.partition(f"<!-- /{name} -->")
    return f"{head}{begin}\n{content}\n{end}{tail}" if end else text


def _numbers(text: str, rows: Mapping[str, Row]) -> str:
    """The text with what its marks name of checks and claims.

    Raises: ValueError for a claim or a check that nobody declares.
    """

    def row_of(id: str) -> Row:
        if id not in rows:
            raise ValueError(f"README.md names {id}, which is no claim")
        return rows[id]

    def check(mark: re.Match[str]) -> str:
        id, key = mark.groups()
        measured = {entry.check.key: entry.measured for entry in row_of(id).evidence}
        if key not in measured:
            raise ValueError(f"README.md names {id}: {key}, which is no check")
        return f"<!-- {id}: {key} -->{with_interval(measured[key])}<!-- / -->"

    def verdict(mark: re.Match[str]) -> str:
        row = row_of(mark[1])
        excluded = any(entry.excludes_prediction for entry in row.deciding)
        note = ", though not as we predict" * excluded
        return f"({mark[1]}: {row.verdict or 'not measured'}{note})"

    text = re.sub(rf"<!-- ({ID}): (.+?) -->[^<]*<!-- / -->", check, text)
    return re.sub(rf"\(({ID}): [a-z, ]+\)", verdict, text)
