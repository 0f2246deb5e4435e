"""One claim followed from its statement to its evidence: what `loralab claims E1` prints."""

from typing import TYPE_CHECKING

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from loralab.ledger import as_table
from loralab.rows import Row

if TYPE_CHECKING:
    from loralab.proxy import Proxy


def links(proxy: "Proxy", row: Row, origin: str) -> dict[str, str]:
    """Statement, source, equation, test, trial, evidence, and the command that measures it, each by
    its name; those alone that the claim has.

    Args:
        proxy: the family of the claim.
        row: the claim with its evidence.
        origin: where the evidence is from, in words.
    """
    claim = row.claim
    found = {
        "claim": f"{claim.id}: {claim.statement}",
        "source": "derived here" if claim.source == "derived" else f"arXiv:{claim.source}",
        "where": claim.where,
        "kind": claim.kind,
        "scope": f"{claim.scope}{'' if claim.covers else ', which the source does not speak of'}",
        "assumptions": claim.assumptions,
        "equation": claim.equation,
        "test": claim.test,
        "trial": claim.trial,
        "figures": f"paper_figs/{proxy.stem}.py",
        "measured by": f"python {proxy.file}",
        "evidence": ", ".join([origin, *row.runs]),
        "verdict": f"{row.verdict or 'not measured'}{f' ({row.tally})' if row.deciding else ''}",
        "separated by": claim.separates,
        "not testable": claim.untestable,
    }
    return {name: text for name, text in found.items() if text}


def chain(proxy: "Proxy", row: Row, origin: str) -> Group:
    """The links and every check, for a terminal; arguments as of `links`."""
    table = Table.grid(padding=(0, 2))
    for name, text in links(proxy, row, origin).items():
        table.add_row(name, escape(text))
    return Group(table, "", as_table([row]))
