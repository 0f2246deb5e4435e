"""Recorded evidence: the committed copy of what the run store held, so that a clone has it at once.

evidence/ledger/<family>.json holds a line for every check, which can be read alone: the claim, what
the source says, our prediction, the criterion, the value with its interval, what was drawn and how
often, the look, and the run with its commit and machine. LEDGER.md is the page of all of them.
`loralab ledger` alone writes both.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from loralab import pictured, registry
from loralab.claims import Check, Claim, Outcome, judge
from loralab.code import ROOT
from loralab.files import write_text
from loralab.registry import Standing
from loralab.rows import Entry, Row, measured_of
from loralab.store import Run, Store

if TYPE_CHECKING:
    from loralab.proxy import Proxy

FOLDER = ROOT / "evidence" / "ledger"
Record = dict[str, Any]


def record_of(proxy: "Proxy", run: Run) -> Record:
    """What is kept of a run: a line for each check that it measured, and where it was made."""
    lines = [
        _line(proxy, claim, check, run, kept)
        for claim in proxy.claims
        for check in claim.checks
        if (kept := run.result["measured"].get(claim.id, {}).get(check.key))
    ]
    return {"family": proxy.stem, "checks": lines, "runs": {run.key[:12]: _about(proxy, run)}}


def _about(proxy: "Proxy", run: Run) -> dict[str, Any]:
    return {
        "size": proxy.size_of(run.config),
        "config": run.config,
        "finished": run.finished,
        "seconds": run.seconds,
        "code": run.code,
        "provenance": run.provenance,
    }


def _line(
    proxy: "Proxy", claim: Claim, check: Check, run: Run, kept: Mapping[str, Any]
) -> dict[str, Any]:
    look, registered = registry.standing(proxy.stem, claim, check, run.config, run.finished)
    return {
        "id": claim.id,
        "key": check.key,
        **as_declared(claim, check),
        **kept,
        "outcome": judge(check.criterion, measured_of(kept)),
        "look": look,
        "registered": registered,
        "run": run.key[:12],
        "commit": run.provenance["commit"],
        "machine": run.provenance["machine"],
    }


def as_declared(claim: Claim, check: Check) -> dict[str, Any]:
    """What a line says of its check before anything is measured."""
    predicted = check.predicted
    return {
        "statement": claim.statement,
        "source": claim.source,
        "where": claim.where,
        "kind": claim.kind,
        "scope": check.scope or claim.scope,
        "covers": claim.covers,
        "condition": check.condition,
        "claimed": check.claimed,
        "predicted": None if predicted is None else str(predicted),
        "criterion": str(check.criterion),
        "ours": check.ours,
    }


def changed(claim: Claim, check: Check, line: Mapping[str, Any]) -> list[str]:
    """What a line says of its check otherwise than it is declared now: "criterion" and so on."""
    return [name for name, now in as_declared(claim, check).items() if line[name] != now]


def merged(records: Sequence[Record]) -> Record | None:
    """The lines of several records of a family, each check by the first that has it; but what was
    measured as registered goes before what was not."""
    if not records:
        return None
    lines: dict[tuple[str, str], dict[str, Any]] = {}
    for record in records:
        for line in record["checks"]:
            name = (line["id"], line["key"])
            if name not in lines or (line["registered"] and not lines[name]["registered"]):
                lines[name] = line
    runs = {key: about for record in records[::-1] for key, about in record["runs"].items()}
    used = {line["run"] for line in lines.values()}
    return {
        "family": records[0]["family"],
        "checks": list(lines.values()),
        "runs": {key: about for key, about in runs.items() if key in used},
    }


def _registered(record: Record) -> Record:
    """The record with the lines alone that were measured as registered."""
    return {**record, "checks": [line for line in record["checks"] if line["registered"]]}


def read(family: str) -> Record | None:
    """The record of a family, None where there is none."""
    file = FOLDER / f"{family}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def rows_of(proxy: "Proxy", record: Record | None) -> list[Row]:
    """Every claim as it is declared now, with the evidence of a record or without any."""
    lines = {(line["id"], line["key"]): line for line in (record or {"checks": []})["checks"]}
    rows = [
        Row(
            claim,
            tuple(_entry(claim, check, lines.get((claim.id, check.key))) for check in claim.checks),
        )
        for claim in proxy.claims
    ]
    return _after_holm(rows) if proxy.study else rows


def _entry(claim: Claim, check: Check, line: Mapping[str, Any] | None) -> Entry:
    """A check with its line; where it is declared otherwise now, the measurement is exploratory."""
    if line is None:
        return Entry(check)
    standing = Standing(line["look"], line["registered"] and not changed(claim, check, line))
    return Entry(check, measured_of(line), standing, line["p"], run=line["run"])


def _after_holm(rows: Sequence[Row]) -> list[Row]:
    """The rows with every p corrected for all the decisions of the family, also for those that are
    declared and not measured yet."""
    from loralab.statistics import holm  # scipy, which a look at the record does not need

    entries = [entry for row in rows for entry in row.evidence]
    ps = [entry.p for entry in entries if entry.p is not None]
    waiting = [1.0 for entry in entries if entry.measured is None]
    corrected = iter(holm([*ps, *waiting]) if ps else ())
    return [
        replace(
            row,
            evidence=tuple(
                entry if entry.p is None else replace(entry, holm=next(corrected))
                for entry in row.evidence
            ),
        )
        for row in rows
    ]


def shown(proxy: "Proxy", store: Store) -> tuple[list[Row], str]:
    """The rows of a family and where they are from: runs of the present code in the store, else the
    record."""
    runs = [proxy.stored(config, store) for config in reversed(proxy.sizes.values())]
    if any(runs[:-1]):  # the quick size counts where there is nothing else
        return proxy.rows(*runs[:-1]), "the local run store"
    if record := read(proxy.stem):
        return rows_of(proxy, record), origin(proxy, record)
    if runs[-1]:
        return proxy.rows(runs[-1]), "the local run store, at the reduced size"
    return rows_of(proxy, None), "not measured"


def redeclared(proxies: Iterable["Proxy"]) -> list[str]:
    """The recorded checks that are declared otherwise than when they were measured, each with what
    has changed."""
    found = []
    for proxy in proxies:
        lines = {(x["id"], x["key"]): x for x in (read(proxy.stem) or {"checks": []})["checks"]}
        for claim in proxy.claims:
            for check in claim.checks:
                line = lines.get((claim.id, check.key))
                if line and (what := changed(claim, check, line)):
                    found.append(f"{claim.id} {check.key} ({', '.join(what)})")
    return found


def pictured_run(proxy: "Proxy", store: Store) -> Run | None:
    """What figures and tables are made of, as `shown` chooses: a run of the present code in the
    store, else what is kept of one, and where nothing is a run at the reduced size."""
    *whole, quick = (proxy.stored(config, store) for config in reversed(proxy.sizes.values()))
    return next(filter(None, (*whole, pictured.read(proxy.stem), quick)), None)


def runs(proxy: "Proxy", store: Store) -> dict[str, dict[str, Any]]:
    """What is known of the runs that `shown` can be from, by the name that an entry has for its
    run: size, configuration, end, duration, code and provenance."""
    stored = filter(None, (proxy.stored(config, store) for config in proxy.sizes.values()))
    record = read(proxy.stem) or {"runs": {}}
    return record["runs"] | {run.key[:12]: _about(proxy, run) for run in stored}


def origin(proxy: "Proxy", record: Record) -> str:
    """Where a record is from, in words."""
    commits = sorted({line["commit"] for line in record["checks"]})
    earlier = any(about["code"] != proxy.code for about in record["runs"].values())
    age = "; the code has changed since (a comment counts too)" if earlier else ""
    return f"recorded at commit {', '.join(commits)}{age}"


def contradictions(proxy: "Proxy", rows: Iterable[Row]) -> list[str]:
    """The checks that these rows decide otherwise than the record does, each with both outcomes;
    before Holm's correction, with which a reduced run of a family would decide next to nothing."""
    recorded = {
        (row.claim.id, entry.check.key): entry.uncorrected
        for row in rows_of(proxy, read(proxy.stem))
        for entry in row.evidence
    }
    return [
        f"{row.claim.id} {entry.check.key}: {before} in the record, {entry.uncorrected} now"
        for row in rows
        for entry in row.evidence
        if (before := recorded[row.claim.id, entry.check.key])
        if {before, entry.uncorrected} == {Outcome.SUPPORTED, Outcome.CONTRADICTED}
    ]


def write(proxies: Iterable["Proxy"], store: Store) -> list[str]:
    """Write the records of these families from the runs of the present code in the store.

    A line of the old record stays where no run has measured its check, or only an exploratory one
    while the old line is registered. Of a run beside the sizes, of fewer methods say, only what it
    measured as registered counts, and what is kept for figures stays unless it shows all of that.

    Returns: the families of which the store holds no run at the default or the full size, and whose
    record stays.
    """
    kept = []
    FOLDER.mkdir(parents=True, exist_ok=True)
    for proxy in proxies:
        sizes = [config for name, config in proxy.sizes.items() if name != "quick"]
        stored = (proxy.stored(config, store) for config in reversed(sizes))
        runs, partial = [run for run in stored if run], proxy.partial(store)
        if not runs + partial:
            kept.append(proxy.stem)
            continue
        if drawn := [*runs, *filter(pictured.shows_more, partial)]:
            pictured.write(drawn[0])
        found = [record_of(proxy, run) for run in runs]
        found += [_registered(record_of(proxy, run)) for run in partial]
        whole = merged([*found, *filter(None, [read(proxy.stem)])])
        assert whole is not None
        write_text(
            FOLDER / f"{proxy.stem}.json", json.dumps(_declared_now(proxy, whole), indent=1) + "\n"
        )
    return kept


def _declared_now(proxy: "Proxy", record: Record) -> Record:
    """The record without checks that are no longer declared, in the order of the claims."""
    lines = {(line["id"], line["key"]): line for line in record["checks"]}
    order = [(claim.id, key) for claim in proxy.claims for key in claim.keys]
    checks = [lines[name] for name in order if name in lines]
    used = {line["run"] for line in checks}
    runs = {key: about for key, about in record["runs"].items() if key in used}
    reasons = {c.id: [c.statement, c.untestable] for c in proxy.claims if c.untestable}
    return {**record, "checks": checks, "runs": runs, "not testable here": reasons}
