"""A proxy: one small experiment per claim family, as a value that every tool of loralab can run.

A file proxies/<stem>.py ends with

    PROXY = Proxy("<stem>", Config, CLAIMS, measure, quick=Config(seeds=3))

    if __name__ == "__main__":
        PROXY.main()

`measure(config, memo)` returns the evidence of every claim, by the keys of its checks, and the
data that the family's figures are drawn from. `Config.block` is the first seed of the run. The exit
code of `main` is 0 when no check is decided otherwise than the record has it, 1 when one is, 2 when
a flag is wrong.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from loralab import flags, recorded, registry, trials
from loralab.claims import Check, Claim, Measured
from loralab.code import ROOT, fingerprint
from loralab.figures import draw, figures_folder
from loralab.flags import Group
from loralab.ledger import as_table, as_text, records_table, show
from loralab.memo import Memo
from loralab.process import end_with, finish
from loralab.rows import Row, kept
from loralab.store import Run, Store, canonical, run_key
from loralab.workers import cores

CLAIMS_RUN = "claims"  # the name under which a family's evidence is stored
DRIVER = "LORALAB_DRIVER"  # the process that a proxy was started by, and with which it ends


class Evidence(NamedTuple):
    """`measured[id][key]` belongs to the check of that claim with that key; None where this
    configuration does not measure it.

    `data` is what the figures are drawn from; `tables` maps a title to records of equal keys, for
    people to read.
    """

    measured: Mapping[str, Mapping[str, Measured | None]]
    data: dict[str, Any]
    tables: dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Options:
    """Which results are used, and how they are shown."""

    force: bool = False
    """Run everything again, also what the run store already holds."""
    quick: bool = False
    """Begin with the reduced size that checks use; other flags still apply."""
    full: bool = False
    """Begin with the size that measures every check, where the default one leaves some out."""
    claims: tuple[str, ...] = ()
    """Show these claims alone, such as E9; all are measured, as they share their trials."""
    json: bool = False
    """Print the claims as JSON instead of a table."""
    store: Path | None = None
    """The run store, one SQLite file; by default runs/loralab.sqlite."""


@dataclass(frozen=True)
class Proxy:
    """`Config` is a frozen dataclass of JSON-like fields that raises ValueError on an impossible
    value."""

    stem: str
    Config: type
    claims: tuple[Claim, ...]
    measure: Callable[[Any, Memo], Evidence]
    quick: Any
    package: str = "proxies"
    """The package of its file: another one for a family that is no proxy."""
    full: Any = None
    """The configuration of checks that cost too much for the default size; None without any."""

    @property
    def sizes(self) -> dict[str, Any]:
        """The configurations by name, from the smallest."""
        sizes = {"quick": self.quick, "default": self.Config(), "full": self.full}
        return {name: config for name, config in sizes.items() if config is not None}

    @property
    def study(self) -> bool:
        """Whether it is on pretrained models: it then takes hours, and its decisions are corrected
        for their number."""
        return self.package != "proxies"

    @property
    def module(self) -> str:
        return f"{self.package}.{self.stem}"

    @property
    def code(self) -> str:
        return fingerprint(ROOT / self.file)

    @property
    def file(self) -> str:
        """The path of its script in a checkout."""
        return f"{self.module.replace('.', '/')}.py"

    @property
    def summary(self) -> str:
        """The first paragraph of its script's docstring."""
        text = sys.modules[self.measure.__module__].__doc__ or ""
        return " ".join(text.partition("\n\n")[0].split())

    def stored(self, config: Any, store: Store) -> Run | None:
        """The evidence that the store holds for this configuration and the present code."""
        return store.get(run_key(self.stem, CLAIMS_RUN, asdict(config), self.code))

    def partial(self, store: Store) -> list[Run]:
        """Of `others` those that something was registered for: with fewer methods than a size has,
        say."""
        others = self.others(store)
        return [run for run in others if registry.foreseen(self.stem, run.config)]

    def others(self, store: Store) -> list[Run]:
        """The runs of the present code that the store holds beside those of the sizes."""
        sizes = [json.loads(canonical(asdict(config))) for config in self.sizes.values()]
        return [r for r in store.of(self.stem, CLAIMS_RUN, self.code) if r.config not in sizes]

    def rows(self, *runs: Run | None) -> list[Row]:
        """Every claim with the evidence of the first of these runs that measured it, or without
        any."""
        records = [recorded.record_of(self, run) for run in runs if run]
        return recorded.rows_of(self, recorded.merged(records))

    def departures(self, config: Mapping[str, Any]) -> str:
        """In words where a configuration differs from the size that it is nearest to; "" where it
        is one, or was registered."""
        if registry.foreseen(self.stem, config):
            return ""
        own = json.loads(canonical(config))
        sizes = [json.loads(canonical(asdict(size))) for size in self.sizes.values()]
        differ = min(
            ({name: of for name, of in size.items() if own.get(name) != of} for size in sizes),
            key=len,
        )
        return ", ".join(f"{name} {own.get(name)} in place of {of}" for name, of in differ.items())

    def told(self, run: Run) -> str:
        """Which run it is, in words, and whether it can be recorded."""
        differs = self.departures(run.config)
        kind = f"; exploratory, with {differs}: the record stays" if differs else ""
        return f"run {run.key[:12]} of {run.finished}, {run.seconds:.1f} s{kind}"

    def size_of(self, config: Mapping[str, Any]) -> str:
        """The name of a configuration, whatever its seeds; "part" of one that was registered, and
        "other" for one of the user's."""

        def size(fields: Mapping[str, Any]) -> str:
            return canonical({**fields, "block": None})  # a store has lists for tuples

        names = [name for name, known in self.sizes.items() if size(asdict(known)) == size(config)]
        return (*names, "part" if registry.foreseen(self.stem, config) else "other")[0]

    def run(self, config: Any, store: Store, force: bool = False) -> Run:
        """The family's evidence for this configuration: from the store, or measured now and
        stored."""
        with store.lock(self.stem):
            if not force and (run := self.stored(config, store)):
                return run
            begun, start = datetime.now(UTC), time.perf_counter()
            memo = Memo(store, self.stem, self.code, force)
            with self._exported(config, store, memo):
                evidence = self.measure(config, memo)
            result = {
                "measured": self._checked(evidence),
                "data": evidence.data,
                "tables": evidence.tables,
            }
            spent = time.perf_counter() - start + _earlier(store, memo, begun)
            return store.put(self.stem, CLAIMS_RUN, asdict(config), self.code, spent, result)

    @contextmanager
    def _exported(self, config: Any, store: Store, memo: Memo) -> Iterator[None]:
        """Begin a study with the trials that the checkout has, and keep there what it ran, also
        when it is interrupted; a proxy is quickly run again."""
        counts = config != self.quick and (
            config in self.sizes.values() or registry.foreseen(self.stem, asdict(config))
        )
        if not (self.study and counts and trials.kept_here()):
            yield
            return
        file = trials.file_of(self.stem)
        if count := trials.restore(self.stem, store):
            print(f"{self.stem}: {count} trials from {file}", file=sys.stderr)
        try:
            yield
        finally:
            trials.export(self.stem, filter(None, map(store.get, memo.used)))

    def _checked(self, evidence: Evidence) -> dict[str, dict[str, dict[str, Any] | None]]:
        """The evidence as it is kept, each check at the level of its look."""
        wanted = {f"{claim.id}: {key}" for claim in self.claims for key in claim.keys}
        found = {f"{id}: {key}" for id, checks in evidence.measured.items() for key in checks}
        if wanted != found:
            raise ValueError(
                f"{self.stem} declares checks that it does not measure, {sorted(wanted - found)}, "
                f"or measures some that it does not declare, {sorted(found - wanted)}"
            )
        return {
            claim.id: {
                check.key: self._kept(claim, check, evidence.measured[claim.id][check.key])
                for check in claim.checks
            }
            for claim in self.claims
            if claim.checks
        }

    def _kept(self, claim: Claim, check: Check, measured: Measured | None) -> dict | None:
        from loralab.statistics import p_value  # scipy, which no --help should wait for

        if measured is None:
            return None
        level = registry.level(registry.look(self.stem, claim, check))
        return kept(measured.at_level(level), p_value(measured, check.criterion))

    def main(self, arguments: Sequence[str] | None = None) -> None:
        """The command line of `python proxies/<stem>.py`; ends the process with the exit code."""
        if driver := os.environ.get(DRIVER):
            end_with(int(driver))
        finish(lambda: self._main(sys.argv[1:] if arguments is None else arguments))

    def _main(self, arguments: Sequence[str]) -> int:
        named = [name for name in ("quick", "full") if f"--{name}" in arguments]
        size = self.sizes.get(named[0] if named else "default", self.Config())
        groups = {
            "experiment": Group(self.Config, vars(size), about="What is measured."),
            "run": Group(Options),
        }
        description = (sys.modules[self.measure.__module__].__doc__ or "").strip()
        try:
            values = flags.read(groups, f"python {self.file}", description, arguments)
            config, options = self.Config(**values["experiment"]), Options(**values["run"])
            known = [claim.id for claim in self.claims]
            if unknown := [id for id in options.claims if id not in known]:
                raise ValueError(f"no claim here is {unknown[0]}; known: {', '.join(known)}")
        except ValueError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        store = Store(options.store)
        with redirect_stdout(sys.stderr):  # what trials say is no part of the claims
            run = self.run(config, store, options.force)
        rows = [r for r in self.rows(run) if not options.claims or r.claim.id in options.claims]
        changed = recorded.contradictions(self, rows)
        if options.json:
            print(as_text(rows))
        else:
            self._show(rows, run, store, options)
        for name in changed:
            print(f"not as recorded: {name}", file=sys.stderr)
        return 1 if changed else 0

    def _show(self, rows: list[Row], run: Run, store: Store, options: Options) -> None:
        tables = {} if options.claims else run.result["tables"]
        for title, records in tables.items():
            show(records_table(title, records))
        told = [row for row in rows if any(entry.measured for entry in row.evidence)]
        if options.claims or not told:
            told = rows
        show(as_table(told))
        if left := len(rows) - len(told):
            print(f"nothing was measured of {left} more: loralab claims --family {self.stem}")
        folder = figures_folder(options.store)
        if self.departures(run.config):
            folder /= run.key[:12]  # those of the report stay
        for figure in draw(self.stem, run.result["data"], folder):
            print(f"figure: {figure.path}")
        print(f"{self.told(run)}, in {store.path}")


def _earlier(store: Store, memo: Memo, begun: datetime) -> float:
    """What the trials that had finished before would take now, side by side: a run that was killed
    and went on is not recorded as a short one."""
    used, since = filter(None, map(store.get, memo.used)), begun.isoformat(timespec="seconds")
    return sum(run.seconds for run in used if run.finished < since) / cores()
