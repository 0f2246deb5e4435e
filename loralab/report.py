"""The report: one HTML page of all claims, each family's figures beside its claims. It needs no
network."""

from pathlib import Path

import jinja2

from loralab import pictured, recorded
from loralab.code import home
from loralab.families import proxies
from loralab.figures import draw, figures_folder
from loralab.files import write_text
from loralab.ledger import cell, with_interval
from loralab.rows import totals
from loralab.store import Store


def write_report(store: Store) -> Path:
    """Write report/index.html and its figures from the evidence in the store; gives the page's
    path."""
    families = []
    for proxy in proxies():
        run = proxy.latest(store) or pictured.read(proxy.stem)
        rows, origin = recorded.shown(proxy, store)
        figures = draw(proxy.stem, run.result["data"], figures_folder()) if run else []
        families.append(
            {
                "proxy": proxy,
                "run": run,
                "rows": rows,
                "origin": origin,
                "tables": run.result["tables"] if run else {},
                "figures": figures,
            }
        )
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("loralab", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment.get_template("report.html.jinja").render(
        families=families,
        totals=totals(row for family in families for row in family["rows"]),
        with_interval=with_interval,
        cell=cell,
    )
    path = home() / "report" / "index.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, page)
    return path
