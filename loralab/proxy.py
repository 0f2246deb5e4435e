"""A proxy: one small experiment per claim family, as a value that every tool of loralab can run.

A file proxies/<stem>.py ends with

    PROXY = Proxy("<stem>", Config, CLAIMS, measure, quick=Config(seeds=3))

    if __name__ == "__main__":
        PROXY.main()

`measure(config, memo)` returns the evidence of every claim, by the keys of its checks, and the
data that the family's figures are drawn from. The exit code of `main` is 0 when every verdict is
the expected one, 1 when not, 2 when a flag is wrong.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from loralab import flags
from loralab.claims import Claim, Measured
from loralab.code import ROOT, fingerprint
from loralab.figures import draw, figures_folder
from loralab.flags import Group
from loralab.ledger import Row, as_table, as_text, records_table, rows_of, show
from loralab.memo import Memo
from loralab.process import end_with, finish
from loralab.store import Run, Store, run_key

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

    def size(self, quick: bool) -> Any:
        return self.quick if quick else self.Config()

    def stored(self, config: Any, store: Store) -> Run | None:
        """The evidence that the store holds for this configuration and the present code."""
        return store.get(run_key(self.stem, CLAIMS_RUN, asdict(config), self.code))

    def rows(self, run: Run | None) -> list[Row]:
        """Every claim with the evidence of a run of this family, or without any."""
        if run is None:
            return rows_of(self.claims, None)
        return rows_of(self.claims, run.result["measured"], run.key[:12])

    def run(self, config: Any, store: Store, force: bool = False) -> Run:
        """The family's evidence for this configuration: from the store, or measured now and
        stored."""
        with store.lock(self.stem):
            if not force and (run := self.stored(config, store)):
                return run
            start = time.perf_counter()
            evidence = self.measure(config, Memo(store, self.stem, self.code, force))
            result = {
                "measured": self._checked(evidence),
                "data": evidence.data,
                "tables": evidence.tables,
            }
            return store.put(
                self.stem,
                CLAIMS_RUN,
                asdict(config),
                self.code,
                time.perf_counter() - start,
                result,
            )

    def _checked(self, evidence: Evidence) -> dict[str, dict[str, list[float] | None]]:
        wanted = {claim.id: set(claim.keys) for claim in self.claims}
        found = {id: set(checks) for id, checks in evidence.measured.items()}
        if wanted != found:
            raise ValueError(f"{self.stem} declares the checks {wanted} but measured {found}")
        return {
            id: {key: [m.value, m.low, m.high] if m else None for key, m in checks.items()}
            for id, checks in evidence.measured.items()
        }

    def latest(self, store: Store) -> Run | None:
        """The evidence to show: of the present code, at the default size, else at the quick one."""
        return self.stored(self.Config(), store) or self.stored(self.quick, store)

    def main(self, arguments: Sequence[str] | None = None) -> None:
        """The command line of `python proxies/<stem>.py`; ends the process with the exit code."""
        if driver := os.environ.get(DRIVER):
            end_with(int(driver))
        finish(lambda: self._main(sys.argv[1:] if arguments is None else arguments))

    def _main(self, arguments: Sequence[str]) -> int:
        size = self.size("--quick" in arguments)
        groups = {
            "experiment": Group(self.Config, vars(size), about="What is measured."),
            "run": Group(Options),
        }
        description = (sys.modules[self.measure.__module__].__doc__ or "").strip()
        try:
            values = flags.read(groups, f"python {self.file}", description, arguments)
            config, options = self.Config(**values["experiment"]), Options(**values["run"])
        except ValueError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        store = Store(options.store)
        run = self.run(config, store, options.force)
        rows = self.rows(run)
        if options.json:
            print(as_text(rows))
        else:
            self._show(rows, run, store, options.store)
        return 1 if any(row.surprises for row in rows) else 0

    def _show(self, rows: list[Row], run: Run, store: Store, elsewhere: Path | None) -> None:
        for title, records in run.result["tables"].items():
            show(records_table(title, records))
        show(as_table(rows))
        for row in rows:
            for check, _, _ in row.surprises:
                print(
                    f"not as expected: {row.claim.id} {check.condition}, which was declared: "
                    f"{check.expected}"
                )
        for path in draw(self.stem, run.result["data"], figures_folder(elsewhere)):
            print(f"figure: {path}")
        print(f"run {run.key[:12]} of {run.finished}, {run.seconds:.1f} s, in {store.path}")
