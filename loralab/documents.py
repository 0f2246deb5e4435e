"""The documents that are made of the record, or take numbers from it: LEDGER.md, README.md and its
figure, docs/statements.md and docs/replications.md."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from loralab import headline, page, pictured, readme, recorded, replications, statements
from loralab.files import write_text

if TYPE_CHECKING:
    from loralab.proxy import Proxy


def write(families: Sequence["Proxy"]) -> None:
    """Write them from what is recorded; outside a checkout LEDGER.md alone."""
    records = {proxy.stem: recorded.read(proxy.stem) for proxy in families}
    write_text(page.PAGE, page.page(families, records))
    if not statements.PAGE.parent.is_dir():
        return
    rows = {proxy.stem: recorded.rows_of(proxy, records[proxy.stem]) for proxy in families}
    every = [row for family in rows.values() for row in family]
    write_text(statements.PAGE, statements.page({row.claim.id: row.verdict for row in every}))
    if replications.PAGE.is_file():
        text = replications.PAGE.read_text(encoding="utf-8")
        write_text(replications.PAGE, replications.written(text, every))
    text = readme.FILE.read_text(encoding="utf-8")
    write_text(readme.FILE, readme.written(text, families, rows, pictured.read("language")))
    record, run = records.get(headline.FAMILY), pictured.read(headline.FAMILY)
    if record and run:
        headline.draw(record, run)
