"""Claims about low-rank adaptation, their experiments, and fine-tuning by what they found."""

import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import loralab
from loralab import recorded
from loralab.chain import chain
from loralab.families import proxies
from loralab.flags import Group, nearest, read
from loralab.ledger import Row, as_table, as_text, show
from loralab.process import finish
from loralab.reproduce import run_families
from loralab.store import Store

if TYPE_CHECKING:
    from loralab.proxy import Proxy


@dataclass(frozen=True)
class NoOptions:
    """Of a command that has none."""


@dataclass(frozen=True)
class Claims:
    """Which claims are printed, and how."""

    ids: tuple[str, ...] = ()
    """Claims to follow from the statement to the evidence, such as E1; without any, all."""
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
    """Print every claim with its evidence and its verdict, or follow some claims."""
    store, ids = Store(), options.ids
    found = [
        (proxy, row, origin)
        for proxy in proxies()
        for rows, origin in [recorded.latest(proxy, store)]
        for row in rows
    ]
    known = [row.claim.id for _, row, _ in found]
    if unknown := [id for id in ids if id not in known]:
        hint = nearest(unknown[0], known) or f"; known: {', '.join(known)}"
        print(f"error: there is no claim {unknown[0]!r}{hint}", file=sys.stderr)
        return 2
    found = [entry for entry in found if not ids or entry[1].claim.id in ids]
    if options.json:
        print(as_text(row for _, row, _ in found))
    elif ids:
        for entry in found:
            show(chain(*entry))
    else:
        show(as_table(row for _, row, _ in found))
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
    """Record the runs at the default size in evidence/ledger and LEDGER.md, and keep what the run
    store does not hold."""
    kept = recorded.write(proxies(), Store())
    print("ledger: written to evidence/ledger and LEDGER.md")
    if kept:
        print(f"kept as recorded before, since the run store holds no run: {', '.join(kept)}")
    return 0


def _rows(families: "list[Proxy]", store: Store, quick: bool) -> list[Row]:
    """Every claim with the evidence of the run at one size."""
    sizes = [proxy.stored(proxy.size(quick), store) for proxy in families]
    return [row for proxy, run in zip(families, sizes, strict=True) for row in proxy.rows(run)]


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
        group = Group(kind, words="ids" if kind is Claims else "")
        values = read({"command": group}, f"loralab {command}", act.__doc__, rest)
        options = kind(**values["command"])
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return act(options)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point; exit code 0 as expected, 1 when a verdict or the store is not, 2 on a bad flag,
    130 on Ctrl-C."""
    finish(lambda: run(sys.argv[1:] if arguments is None else arguments))
