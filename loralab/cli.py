"""Claims about low-rank adaptation, their experiments, and fine-tuning by what they found."""

import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

import loralab
from loralab import documents, recorded, registry
from loralab.families import check_unique, named, of_claims, proxies
from loralab.flags import Group, read
from loralab.ledger import as_table, beside, show, totals_table
from loralab.listing import Claims, claims
from loralab.names import nearest
from loralab.new_family import NewFamily, new_family
from loralab.process import finish
from loralab.reproduce import run_families
from loralab.store import Store

if TYPE_CHECKING:
    from loralab.proxy import Proxy


@dataclass(frozen=True)
class NoOptions:
    """Of a command that has none."""


@dataclass(frozen=True)
class Reproduce:
    """What is run."""

    ids: tuple[str, ...] = ()
    """Claims to measure, such as A3: their families run, which share their trials, and each claim
    is shown beside its record."""
    family: tuple[str, ...] = ()
    """Families to run; without any, all proxies."""
    studies: bool = False
    """Run the studies on pretrained models, which take hours, instead of the proxies."""
    quick: bool = False
    """Run the reduced size that checks use."""
    full: bool = False
    """Run the size that measures every check too, where the default one leaves some out."""
    block: int | None = None
    """The first seed, of claims that are named: another one than the registered one makes their
    checks exploratory, and the record stays."""
    force: bool = False
    """Run everything again."""


@dataclass(frozen=True)
class Register:
    """What is registered."""

    family: tuple[str, ...] = ()
    """Families whose new and changed checks are registered before they are measured."""
    again: tuple[str, ...] = ()
    """Claims whose unchanged checks are registered too, such as E2g: another look at them."""


@dataclass(frozen=True)
class Ledger:
    """What is recorded."""

    family: tuple[str, ...] = ()
    """Families whose record is replaced; without any, all that the run store holds."""


def reproduce(options: Reproduce) -> int:
    """Run the families that the run store does not hold yet, print their claims, write the
    report."""
    if options.quick and options.full:
        raise ValueError("--quick and --full are two sizes: give one of them")
    if options.ids and options.family:
        raise ValueError("a claim brings its family: give claims or --family, not both")
    if options.block is not None and not options.ids:
        raise ValueError(
            "--block is for claims that are named, as in loralab reproduce A3 --block 70000"
        )
    if options.block is not None and options.block < 0:
        raise ValueError(f"--block must be at least 0, got {options.block}")
    store = Store()
    families = (
        of_claims(options.ids)
        or named(options.family)
        or [proxy for proxy in proxies() if proxy.study == options.studies]
    )
    names = ["quick"] if options.quick else ["default", "full"] if options.full else ["default"]

    def config(proxy: "Proxy", name: str) -> Any:
        found = proxy.sizes[name]
        return found if options.block is None else replace(found, block=options.block)

    for name in names:
        run_families(
            [
                proxy
                for proxy in families
                if name in proxy.sizes
                if options.force or not proxy.stored(config(proxy, name), store)
            ],
            name,
            options.force,
            options.block,
        )
    rows, changed = [], []
    for proxy in families:
        sizes = [config(proxy, name) for name in names[::-1] if name in proxy.sizes]
        found = [
            row
            for row in proxy.rows(*(proxy.stored(config, store) for config in sizes))
            if not options.ids or row.claim.id in options.ids
        ]
        if options.ids:
            show(beside(found, recorded.rows_of(proxy, recorded.read(proxy.stem))))
            for run in filter(None, (proxy.stored(config, store) for config in sizes)):
                print(proxy.told(run))
        rows += found
        changed += recorded.contradictions(proxy, found)
        if not options.quick and options.block is None and (new := registry.unregistered(proxy)):
            print(
                f"{proxy.stem}: not registered as it stands, so exploratory: "
                + ", ".join(f"{claim.id} {check.key}" for claim, check in new),
                file=sys.stderr,
            )
    if not options.ids:
        show(as_table(rows))
        show(totals_table(rows))
        report(NoOptions())
    for name in changed:
        print(f"not as recorded: {name}", file=sys.stderr)
    return 1 if changed else 0


def register(options: Register) -> int:
    """Fix the sentences and criteria of families in evidence/registry.json, before they are
    measured on unseen seeds."""
    if not options.family:
        raise ValueError("--family is missing: the families to register")
    store = Store()
    check_unique(proxies())
    if foreign := {proxy.stem for proxy in of_claims(options.again)} - {*options.family}:
        raise ValueError(
            f"--again has a claim of {', '.join(sorted(foreign))}: name the family too"
        )
    for proxy in named(options.family):
        entry = registry.register(proxy, store, options.again)
        count = sum(map(len, entry["checks"].values()))
        print(f"{proxy.stem}: {count} checks registered on the seeds from {entry['block']}")
    return 0


def report(options: NoOptions) -> int:
    """Write report/index.html and every figure from the run store, running nothing."""
    from loralab.report import write_report  # jinja2, which nothing else needs

    store = Store()
    print(f"report: {write_report(store)}")
    own = [run.key[:12] for proxy in proxies() for run in proxy.others(store)]
    if own:
        print(f"not in it, as it has the registered runs alone: {', '.join(own)}")
    return 0


def ledger(options: Ledger) -> int:
    """Record the runs of the store in evidence/ledger and LEDGER.md, and keep what it does not
    hold."""
    families = list(proxies())
    kept = recorded.write(named(options.family) or families, Store())
    documents.write(families)
    print("ledger: evidence/ledger, LEDGER.md and the tables of README.md are up to date")
    if kept:
        print(
            "unchanged, as the run store has no run of this code on the registered seeds: "
            + ", ".join(kept)
        )
    for name in recorded.redeclared(families):
        print(f"declared otherwise since it was measured, so exploratory: {name}", file=sys.stderr)
    return 0


HERE: dict[str, tuple[Callable[..., int], type]] = {
    "claims": (claims, Claims),
    "reproduce": (reproduce, Reproduce),
    "register": (register, Register),
    "new-family": (new_family, NewFamily),
    "report": (report, NoOptions),
    "ledger": (ledger, Ledger),
}
WORDS = {Claims: "ids", Reproduce: "ids", NewFamily: "name"}  # what words without a flag are
# Of the door's functions, each in a module whose `run` is the command.
ELSEWHERE = {
    "finetune": "Fine-tune a transformers model with an adapter.",
    "sweep": "Compare adapters, each at its own best learning rate.",
    "init": "Write the initialization of an adapter for another tool to train.",
    "advise": "Predict from a few batches how a fine-tuning run will go, and say what to choose.",
    "models": "List the models that have a name, or get one: loralab models get smollm2.",
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
        group = Group(kind, words=WORDS.get(kind, ""))
        values = read({"command": group}, f"loralab {command}", act.__doc__, rest)
        return act(kind(**values["command"]))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point; exit code 0 as expected, 1 when a verdict or the store is not, 2 on a bad flag,
    130 on Ctrl-C."""
    finish(lambda: run(sys.argv[1:] if arguments is None else arguments))
