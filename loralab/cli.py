"""The command line `loralab`: the ledger, all experiments, the report."""

import importlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, NoReturn

import tyro

from loralab import recorded
from loralab.chain import chain
from loralab.families import proxies
from loralab.ledger import Row, as_table, as_text, show
from loralab.process import finish
from loralab.reproduce import run_families
from loralab.store import Store

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
def claims(ids: tyro.conf.Positional[tuple[str, ...]] = (), json_output: Json = False) -> int:
    """Print every claim with its evidence and its verdict, or follow some claims.

    Args:
        ids: Claims to follow from the statement to the evidence, such as E1; without any, all.
    """
    store = Store()
    found = [
        (proxy, row, origin)
        for proxy in proxies()
        for rows, origin in [recorded.latest(proxy, store)]
        for row in rows
    ]
    known = [row.claim.id for _, row, _ in found]
    if unknown := [id for id in ids if id not in known]:
        print(
            f"error: there is no claim {unknown[0]!r}; known: {', '.join(known)}", file=sys.stderr
        )
        return 2
    found = [entry for entry in found if not ids or entry[1].claim.id in ids]
    if json_output:
        print(as_text(row for _, row, _ in found))
    elif ids:
        for entry in found:
            show(chain(*entry))
    else:
        show(as_table(row for _, row, _ in found))
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
    """Record the runs at the default size in evidence/ledger and LEDGER.md, and keep what the run
    store does not hold."""
    kept = recorded.write(proxies(), Store())
    print("ledger: written to evidence/ledger and LEDGER.md")
    if kept:
        print(f"kept as recorded before, since the run store holds no run: {', '.join(kept)}")
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
    sizes = [proxy.stored(proxy.size(quick), store) for proxy in families]
    return [row for proxy, run in zip(families, sizes, strict=True) for row in proxy.rows(run)]


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
