"""The command line `loralab`: the ledger, all experiments, the report."""

import importlib
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, NoReturn

import tyro

from loralab.code import ROOT
from loralab.families import proxies
from loralab.ledger import Row, as_markdown, as_table, as_text, inserted, rows_of, show
from loralab.process import finish
from loralab.reproduce import run_families
from loralab.store import Store, StoreError

if TYPE_CHECKING:
    from loralab.proxy import Proxy

app = tyro.extras.SubcommandApp()
# Commands of other packages, found by name as the families are: this package imports nothing of
# what it runs.
ELSEWHERE = {
    "finetune": ("scaling.finetune", "Fine-tune a transformers model with an adapter"),
    "sweep": ("scaling.sweep", "Compare adapters, each at its own best learning rate"),
    "init": ("scaling.init", "Write the start of an adapter for another tool to train"),
    "advise": (
        "scaling.advise",
        "Say what a few batches foretell of a fine-tuning run, and what to do",
    ),
}
Json = Annotated[bool, tyro.conf.arg(name="json", help="Print a JSON list instead of a table.")]


@app.command(name="claims")
def claims(json_output: Json = False) -> int:
    """Print every claim with its prediction, its evidence and its verdict."""
    store = Store()
    rows = [row for proxy in proxies() for row in rows_of(proxy.claims, proxy.latest(store))]
    if json_output:
        print(as_text(rows))
    else:
        show(as_table(rows))
    return 0


@app.command(name="reproduce")
def reproduce(quick: bool = False, force: bool = False) -> int:
    """Run every family that the run store does not hold yet, print the ledger and write the report.

    Args:
        quick: Run the reduced size that checks use.
        force: Run everything again.
    """
    store, families = Store(), list(proxies())
    wanted = [
        proxy.module for proxy in families if force or not proxy.stored(proxy.size(quick), store)
    ]
    run_families(wanted, ["--quick"] * quick + ["--force"] * force)
    rows = _rows(families, store, quick)
    show(as_table(rows))
    report()
    # The reduced size may leave a check out, or open for want of seeds; the default size may not.
    changed = [
        row.claim.id
        for row in rows
        if (row.contradicted if quick else row.surprises or not row.complete)
    ]
    if changed:
        print(f"not as expected: {', '.join(changed)}", file=sys.stderr)
    return 1 if changed else 0


@app.command(name="report")
def report() -> int:
    """Write report/index.html and every figure from the run store, running nothing."""
    from loralab.report import write_report  # jinja2, which nothing else needs

    print(f"report: {write_report(Store())}")
    return 0


@app.command(name="ledger")
def ledger() -> int:
    """Write ledger.json and the table of README.md from the runs at the default size."""
    rows = _rows(list(proxies()), Store(), quick=False)
    if missing := [row.claim.id for row in rows if not row.complete]:
        raise StoreError(
            f"the run store holds no run at the default size for {', '.join(missing)}; `make "
            "reproduce` makes them."
        )
    readme = ROOT / "README.md"
    page = inserted(as_markdown(json.loads(as_text(rows))), readme.read_text(encoding="utf-8"))
    (ROOT / "ledger.json").write_text(as_text(rows) + "\n", encoding="utf-8")
    readme.write_text(page, encoding="utf-8")
    print(f"ledger: {len(rows)} claims, in ledger.json and README.md")
    return 0


def _elsewhere(does: str) -> Callable[[], int]:
    def command() -> int:
        raise AssertionError("main hands the arguments of this command on")

    command.__doc__ = does
    return command


for name, (_, does) in ELSEWHERE.items():
    app.command(name=name)(_elsewhere(f"{does}; `loralab {name} --help` lists the flags."))


def _rows(families: "list[Proxy]", store: Store, quick: bool) -> list[Row]:
    """Every claim with the evidence of the run at one size."""
    return [
        row
        for proxy in families
        for row in rows_of(proxy.claims, proxy.stored(proxy.size(quick), store))
    ]


def main(arguments: list[str] | None = None) -> NoReturn:
    """Entry point; exit code 0 as expected, 1 when a verdict or the store is not, 2 on a bad flag,
    130 on Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] in ELSEWHERE:
        importlib.import_module(ELSEWHERE[arguments[0]][0]).main(arguments[1:])
    finish(
        lambda: app.cli(
            prog="loralab",
            description=__doc__,
            args=arguments,
            config=(tyro.conf.FlagCreatePairsOff,),
        )
    )
