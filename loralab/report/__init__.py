"""The report: one HTML file with every claim, its evidence and the figures, which needs no other
file and no network."""

import base64
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jinja2

import loralab
from loralab import papers, pictured, recorded
from loralab.chain import links
from loralab.claims import Measured, Scope, Verdict, Within, at
from loralab.code import home
from loralab.conditions import Shared, shared
from loralab.families import proxies
from loralab.figures import Drawn, draw, figures_folder
from loralab.files import write_text
from loralab.ledger import cell, number, with_interval
from loralab.progress import track
from loralab.report import language
from loralab.report.bars import bar
from loralab.report.legend import LEGEND, SYMBOLS, WORDS
from loralab.report.maths import marked
from loralab.rows import Row, totals
from loralab.store import Run, Store

if TYPE_CHECKING:
    from loralab.proxy import Proxy

PAPERS_SAY_OTHERWISE = (
    Verdict.REFUTED,
    Verdict.NOT_SEEN,
    Verdict.CONDITIONS,
    Verdict.SEEN_CONDITIONS,
)


COUNTS = ("seeds", "draws", "problems", "repeats", "splits", "runs")  # fields of a Config


class Picture(NamedTuple):
    """A figure as the page holds it."""

    name: str
    source: str
    shows: str
    caption: str


class Family(NamedTuple):
    """What the page shows of a family.

    Args:
        run: the one that tables and figures are made of; None without any.
        runs: all that the evidence is from, by name, as `recorded.runs` has them.
    """

    proxy: "Proxy"
    rows: list[Row]
    origin: str
    run: Run | None
    runs: dict[str, dict[str, Any]]
    pictures: list[Picture]

    @property
    def tables(self) -> dict[str, list[dict[str, Any]]]:
        return self.run.result["tables"] if self.run else {}

    @property
    def size(self) -> str:
        """Of the run that tables and figures are made of."""
        return self.proxy.size_of(self.run.config) if self.run else ""

    @property
    def counts(self) -> str:
        """How often was drawn what the figures and tables are made of."""
        config = self.run.config if self.run else {}
        return ", ".join(f"{config[name]} {name}" for name in COUNTS if name in config)

    @property
    def sources(self) -> list[str]:
        """The papers of the claims, the one with most of them first."""
        found = Counter(row.claim.source for row in self.rows)
        return [source for source, _ in found.most_common() if source != "derived"]

    @property
    def conditions(self) -> Shared:
        """Those of its claims, with what several of them share."""
        return shared({row.claim.id: row.claim.assumptions for row in self.rows})

    def reduced(self, *runs: str) -> bool:
        """Whether one of these runs is of the reduced size."""
        return any(self.runs.get(run, {}).get("size") == "quick" for run in runs)


def write_report(store: Store) -> Path:
    """Write report/index.html from the evidence in the store, else from what is recorded, and the
    figures beside it as SVG and PDF for other uses; gives the page's path. The same evidence gives
    the same bytes."""
    known = list(proxies())
    families = [_family(p, store) for p in track(known, "report: families", len(known))]
    path = home() / "report" / "index.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, page(families))
    return path


def _family(proxy: "Proxy", store: Store) -> Family:
    run = recorded.pictured_run(proxy, store)
    rows, origin = recorded.shown(proxy, store)
    drawn = draw(proxy.stem, run.result["data"], figures_folder()) if run else []
    pictures = pictures_of(run, drawn, embedded) if run else []
    return Family(proxy, rows, origin, run, recorded.runs(proxy, store), pictures)


def pictures_of(run: Run, figures: Iterable[Drawn], source: Callable[[Path], str]) -> list[Picture]:
    """Figures of a run as a page holds them, their captions with its numbers of seeds.

    Args:
        run: what the figures were drawn from.
        figures: as `loralab.figures.draw` gives them.
        source: the address that the page has for a file.
    """
    return [
        Picture(each.path.stem, source(each.path), each.shows, each.caption.format(**run.config))
        for each in figures
    ]


def embedded(path: Path) -> str:
    """The address of a picture that is part of the page."""
    return f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}"


def as_recorded(proxy: "Proxy") -> Family:
    """A family as the record has it, without pictures."""
    record = recorded.read(proxy.stem)
    origin = recorded.origin(proxy, record) if record else "not measured"
    rows = recorded.rows_of(proxy, record)
    run, runs = pictured.read(proxy.stem), record["runs"] if record else {}
    return Family(proxy, rows, origin, run, runs, [])


def page(families: Iterable[Family]) -> str:
    """The HTML of the report."""
    families = list(families)
    rows = [row for family in families for row in family.rows]
    return (
        environment()
        .get_template("page.html.jinja")
        .render(
            families=families,
            rows=rows,
            totals=totals(rows),
            verdicts=by_verdict(rows),
            choices=_choices(families),
            otherwise=_otherwise(rows),
            excluded=[row for row in rows if any(e.excludes_prediction for e in row.evidence)],
            compared=_compared(families),
            example=bar(Within(low=1), Measured(1.3, 1.1, 1.5), at(1.2)),
            version=loralab.__version__,
        )
    )


def environment() -> jinja2.Environment:
    """The templates, with what they call."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("loralab.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals.update(
        bar=bar,
        cell=cell,
        legend=LEGEND,
        links=links,
        marked=marked,
        number=number,
        papers=papers,
        scopes=scopes,
        symbols=SYMBOLS,
        with_interval=with_interval,
        words=WORDS,
    )
    return found


def by_verdict(rows: Iterable[Row]) -> dict[Verdict | None, list[Row]]:
    """The claims of each verdict that there is, in the order of the legend."""
    found: dict[Verdict | None, list[Row]] = {verdict: [] for verdict in (*Verdict, None)}
    for row in rows:
        found[row.verdict].append(row)
    return {verdict: some for verdict, some in found.items() if some}


def _otherwise(rows: Iterable[Row]) -> dict[Verdict, list[Row]]:
    """The papers' own sentences that did not come out as they stand."""
    found = by_verdict(row for row in rows if row.claim.source != "derived")
    return {verdict: found[verdict] for verdict in PAPERS_SAY_OTHERWISE if verdict in found}


def scopes(row: Row) -> list[Scope]:
    """What the evidence of a claim was measured on."""
    claim = row.claim
    found = (claim.scope, *(check.scope for check in claim.checks))
    return list(dict.fromkeys(filter(None, found)))


def _choices(families: Iterable[Family]) -> Mapping[str, Mapping[str, str]]:
    """What the filters offer: for each the values with their names."""
    rows = [row for family in families for row in family.rows]
    sources = sorted({row.claim.source for row in rows})
    return {
        "family": {family.proxy.stem: family.proxy.stem for family in families},
        "verdict": {
            (name := str(verdict or "not measured")): f"{name} ({len(some)})"
            for verdict, some in by_verdict(rows).items()
        },
        "scope": {
            str(scope): str(scope) for scope in Scope if any(scope in scopes(r) for r in rows)
        },
        "source": {
            source: source if source == "derived" else f"{source} {papers.TITLES.get(source, '')}"
            for source in sources
        },
    }


def _compared(families: Iterable[Family]) -> tuple[Family, language.Comparison] | None:
    """The family that compares methods on a language model, where it was measured."""
    for family in families:
        if family.proxy.stem == language.STEM and family.run and family.run.result["data"]:
            return family, language.comparison(family.run.result["data"])
    return None
