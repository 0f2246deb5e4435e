"""One claim followed from its statement to its evidence: what `loralab claims E1` prints."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from loralab.ledger import checks_table
from loralab.rows import Row
from loralab.store import canonical

if TYPE_CHECKING:
    from loralab.proxy import Proxy


Runs = Mapping[str, Mapping[str, Any]]


def links(proxy: "Proxy", row: Row, origin: str, runs: Runs) -> dict[str, str]:
    """Statement, source, equation, test, trial, evidence, and the commands that measure it, each by
    its name; those alone that the claim has.

    Args:
        proxy: the family of the claim.
        row: the claim with its evidence.
        origin: where the evidence is from, in words.
        runs: what is known of the runs, as `loralab.recorded.runs` has it.
    """
    claim = row.claim
    measured = [measures(proxy, claim.id, runs[name]) for name in row.runs if name in runs]
    commands = [*dict.fromkeys(measured)] or [f"loralab reproduce {claim.id}"]
    others = dict.fromkeys(f"{each.partition(' --block')[0]} --block SEED" for each in commands)
    found = {
        "claim": f"{claim.id}: {claim.statement}",
        "verdict": f"{row.verdict or 'not measured'}{f' ({row.tally})' if row.deciding else ''}",
        "source": "derived here" if claim.source == "derived" else f"arXiv:{claim.source}",
        "where": claim.where,
        "kind": claim.kind,
        "scope": f"{claim.scope}{'' if claim.covers else ', which the source does not speak of'}",
        "assumptions": claim.assumptions,
        "equation": claim.equation,
        "test": claim.test,
        "trial": claim.trial,
        "figures": f"paper_figs/{proxy.stem}.py, drawn into the page of loralab report",
        "measured by": " && ".join(commands),
        "on other seeds": " && ".join(others),
        "evidence": "; ".join([origin, *(about(name, runs) for name in row.runs)]),
        "separated by": claim.separates if row.split else "",
        "not testable": claim.untestable,
    }
    return {name: text for name, text in found.items() if text}


def measures(proxy: "Proxy", id: str, run: Mapping[str, Any]) -> str:
    """The command that makes this run again: of the claim at the run's size and from its seeds, or
    of the family where the run is a part, of a configuration without a name."""
    if run["size"] == "part":
        return part(proxy, run["config"])
    block = run["config"].get("block")
    moved = f" --block {block}" if block != asdict(proxy.Config()).get("block") else ""
    return f"loralab reproduce {id}{' --full' * (run['size'] == 'full')}{moved}"


def part(proxy: "Proxy", config: Mapping[str, Any]) -> str:
    """The command of a run with this configuration; the block of seeds comes last."""
    made, default = (json.loads(canonical(of)) for of in (config, asdict(proxy.Config())))
    differ = {name: value for name, value in made.items() if value != default.get(name)}
    words = ["python", "-m", proxy.module]
    for name in sorted(differ, key="block".__eq__):
        value, flag = differ[name], name.replace("_", "-")
        values = value if isinstance(value, list) else [value] * (not isinstance(value, bool))
        words += [f"--{'no-' * (value is False)}{flag}", *map(str, values)]
    return shlex.join(words)


def about(name: str, runs: Runs) -> str:
    """A run in words: its name, size, seeds, duration and commit."""
    if name not in runs:
        return f"run {name}"
    run = runs[name]
    block = run["config"].get("block")
    seeds = "" if block is None else f", seeds from {block}"
    return (
        f"run {name}: {run['size']} size{seeds}, measured in {run['seconds']:.0f} s at commit "
        f"{run['provenance']['commit']}"
    )


def chain(proxy: "Proxy", row: Row, origin: str, runs: Runs) -> Group:
    """The links and every check, for a terminal; arguments as of `links`."""
    table = Table.grid(padding=(0, 2))
    for name, text in links(proxy, row, origin, runs).items():
        table.add_row(name, escape(text))
    return Group(table, "", checks_table(row))
