"""Claims about low-rank adaptation, their experiments, and fine-tuning by what they found."""

import importlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import loralab
from loralab.code import ROOT
from loralab.families import proxies
from loralab.flags import Group, nearest, read
from loralab.ledger import Row, as_markdown, as_table, as_text, inserted, rows_of, show
from loralab.process import finish
from loralab.reproduce import run_families
from loralab.store import Store, StoreError

if TYPE_CHECKING:
    from loralab.proxy import Proxy


@dataclass(frozen=True)
class NoOptions:
    """Of a command that has none."""


@dataclass(frozen=True)
class Claims:
    """How the claims are printed."""

    json: bool = False
    """Print a JSON list instead of a table."""


@dataclass(frozen=True)
class Reproduce:
    """What is run."""

    quick: bool = False
    """Run the reduced size that checks use."""
    force: bool = False
    """Run everything again."""


def claims(options: Claims) -> int:
    """Print every claim with its prediction, its evidence and its verdict."""
    store = Store()
    rows = [row for proxy in proxies() for row in rows_of(proxy.claims, proxy.latest(store))]
    if options.json:
        print(as_text(rows))
    else:
        show(as_table(rows))
    return 0


def reproduce(options: Reproduce) -> int:
    """Run every family that the run store does not hold yet, print the ledger and write the
    report."""
    store, families, quick = Store(), list(proxies()), options.quick
    wanted = [
        proxy.module
        for proxy in families
        if options.force or not proxy.stored(proxy.size(quick), store)
    ]
    run_families(wanted, ["--quick"] * quick + ["--force"] * options.force)
    rows = _rows(families, store, quick)
    show(as_table(rows))
    report(NoOptions())
    # The reduced size may leave a check out, or open for want of seeds; the default size may not.
    changed = [
        row.claim.id
        for row in rows
        if (row.contradicted if quick else row.surprises or not row.complete)
    ]
    if changed:
        print(f"not as expected: {', '.join(changed)}", file=sys.stderr)
    return 1 if changed else 0


def report(options: NoOptions) -> int:
    """Write report/index.html and every figure from the run store, running nothing."""
    from loralab.report import write_report  # jinja2, which nothing else needs

    print(f"report: {write_report(Store())}")
    return 0


def ledger(options: NoOptions) -> int:
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


def _rows(families: "list[Proxy]", store: Store, quick: bool) -> list[Row]:
    """Every claim with the evidence of the run at one size."""
    return [
        row
        for proxy in families
        for row in rows_of(proxy.claims, proxy.stored(proxy.size(quick), store))
    ]


HERE: dict[str, tuple[Callable[..., int], type]] = {
    "claims": (claims, Claims),
    "reproduce": (reproduce, Reproduce),
    "report": (report, NoOptions),
    "ledger": (ledger, NoOptions),
}
# Of the door's functions, each in a module whose `run` is the command.
ELSEWHERE = {
    "finetune": "Fine-tune a transformers model with an adapter.",
    "sweep": "Compare adapters, each at its own best learning rate.",
    "init": "Write the initialization of an adapter for another tool to train.",
    "advise": "Predict from a few batches how a fine-tuning run will go, and say what to choose.",
}


def usage() -> str:
    """The help of `loralab` itself."""
    does = {name: " ".join((act.__doc__ or "").split()) for name, (act, _) in HERE.items()}
    lines = [f"  {name:<11}{what}" for name, what in (does | ELSEWHERE).items()]
    return "\n".join(
        [
            "usage: loralab [-h] [--version] COMMAND [FLAGS]",
            f"\n{__doc__}\n",
            "commands:",
            *lines,
            "\n`loralab COMMAND --help` lists the flags of a command.",
        ]
    )


def run(arguments: Sequence[str]) -> int:
    """The exit code of `loralab` with these arguments."""
    command, *rest = arguments or ["--help"]
    if command in ("-h", "--help"):
        print(usage())
        return 0
    if command == "--version":
        print(f"loralab {loralab.__version__}")
        return 0
    if command in ELSEWHERE:
        return importlib.import_module(loralab.DOOR[command]).run(rest)
    try:
        if command not in HERE:
            known = (*HERE, *ELSEWHERE)
            hint = nearest(command, known) or f"; known: {', '.join(known)}"
            raise ValueError(f"unknown command {command}{hint}")
        act, kind = HERE[command]
        values = read({"command": Group(kind)}, f"loralab {command}", act.__doc__, rest)
        options = kind(**values["command"])
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return act(options)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point; exit code 0 as expected, 1 when a verdict or the store is not, 2 on a bad flag,
    130 on Ctrl-C."""
    finish(lambda: run(sys.argv[1:] if arguments is None else arguments))
