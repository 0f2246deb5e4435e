"""The command line `loralab`: the ledger, all experiments, the report."""

import json
import sys
from typing import Annotated

import tyro
from rich.console import Console

from lab.families import proxies
from lab.ledger import Row, as_table, rows_of
from lab.report import write_report
from lab.reproduce import run_families
from lab.store import Store, StoreError

app = tyro.extras.SubcommandApp()
Json = Annotated[bool, tyro.conf.arg(name="json", help="Print a JSON list instead of a table.")]


def _rows() -> list[Row]:
    store = Store()
    return [row for proxy in proxies() for row in rows_of(proxy.claims, proxy.latest(store))]


@app.command(name="claims")
def claims(json_output: Json = False) -> int:
    """Print every claim with its prediction, its evidence and its verdict."""
    rows = _rows()
    if json_output:
        print(json.dumps([row.as_json() for row in rows], indent=1))
    else:
        Console().print(as_table(rows))
    return 0


@app.command(name="reproduce")
def reproduce(quick: bool = False, force: bool = False) -> int:
    """Run every family that the run store does not hold yet, print the ledger and write the report.

    Args:
        quick: Run the reduced size that checks use.
        force: Run everything again.
    """
    run_families(["--quick"] * quick + ["--force"] * force)
    rows = _rows()
    Console().print(as_table(rows))
    print(f"report: {write_report(Store())}")
    changed = [row.claim.id for row in rows if row.surprises or not row.complete]
    if changed:
        print(f"not as expected: {', '.join(changed)}", file=sys.stderr)
    return 1 if changed else 0


@app.command(name="report")
def report() -> int:
    """Write report/index.html from the run store, running nothing."""
    print(f"report: {write_report(Store())}")
    return 0


def main(arguments: list[str] | None = None) -> None:
    """Entry point; exit code 0 as expected, 1 when a verdict or the store is not, 2 on a bad flag."""
    try:
        sys.exit(app.cli(prog="loralab", description=__doc__, args=arguments, config=(tyro.conf.FlagCreatePairsOff,)))
    except (StoreError, OSError) as error:
        sys.exit(f"error: {error}")
