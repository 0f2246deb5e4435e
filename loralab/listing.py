"""`loralab claims`: which claims are printed, and how."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loralab import recorded, statements
from loralab.chain import chain
from loralab.claims import Kind, Scope, Verdict
from loralab.families import named, of_claims, proxies
from loralab.ledger import as_lines, as_text, show, totals_table
from loralab.rows import Row
from loralab.store import Store

if TYPE_CHECKING:
    from loralab.proxy import Proxy


@dataclass(frozen=True)
class Claims:
    """Which claims are printed, and how."""

    ids: tuple[str, ...] = ()
    """Claims to follow from the statement to the evidence, such as E1; without any, all."""
    family: tuple[str, ...] = ()
    """Claims of these families alone."""
    verdict: tuple[Verdict, ...] = ()
    """Claims with these verdicts alone, such as "refuted"."""
    unmeasured: bool = False
    """Claims alone of which nothing is measured yet."""
    kind: tuple[Kind, ...] = ()
    """Claims of these kinds alone."""
    scope: tuple[Scope, ...] = ()
    """Claims measured on these alone, such as "small network"."""
    source: tuple[str, ...] = ()
    """Claims of these sources alone: arXiv ids, or "derived"."""
    search: str = ""
    """Claims alone with this text in their sentence, their source, their conditions, or what an
    abstract says that they measure."""
    json: bool = False
    """Print a JSON list instead of a table."""

    def keeps(self, proxy: "Proxy", row: Row, abstracts: Mapping[str, str]) -> bool:
        """Whether a claim is printed; `abstracts` has by claim the sentences that it measures."""
        claim = row.claim
        conditions = (check.condition for check in claim.checks)
        about = (claim.statement, claim.source, claim.assumptions, abstracts.get(claim.id, ""))
        text = " ".join((*about, *conditions))
        scopes = {claim.scope, *(check.scope for check in claim.checks)}
        return all(
            (
                not self.ids or claim.id in self.ids,
                not self.family or proxy.stem in self.family,
                not self.verdict or row.verdict in self.verdict,
                not self.unmeasured or (row.verdict is None),
                not self.kind or claim.kind in self.kind,
                not self.scope or bool(scopes & set(self.scope)),
                not self.source or claim.source in self.source,
                self.search.lower() in text.lower(),
            )
        )


def claims(options: Claims) -> int:
    """Print a line for each claim, or follow some of them from the sentence to the evidence."""
    store, families = Store(), list(proxies())
    of_claims(options.ids)
    named(options.family)
    shown = {proxy.stem: recorded.shown(proxy, store) for proxy in families}
    abstracts = statements.of_claims()
    found = [
        (proxy, row, shown[proxy.stem][1])
        for proxy in families
        for row in shown[proxy.stem][0]
        if options.keeps(proxy, row, abstracts)
    ]
    rows = [row for _, row, _ in found]
    if options.json:
        print(as_text(rows))
    elif not found:
        print("no claim matches; loralab claims lists all")
    elif options.ids:
        for proxy, row, origin in found:
            show(chain(proxy, row, origin, recorded.runs(proxy, store)))
    else:
        show(as_lines(rows))
        show(totals_table(rows))
        for origin in sorted({origin for _, _, origin in found}):
            stems = dict.fromkeys(proxy.stem for proxy, _, each in found if each == origin)
            print(f"{', '.join(stems)}: {origin}")
        print("loralab claims ID shows the checks of a claim, and the command that measures it")
    return 0
