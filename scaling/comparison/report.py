"""What a sweep leaves in its folder: report.json, report.md, rates.png, differences.png and, of
language models, forgetting.png."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from loralab.claims import Measured
from loralab.files import write_text
from loralab.ledger import records_table
from loralab.numbers import listed
from scaling.comparison.forgetting import note
from scaling.comparison.pictures import draw_differences, draw_forgetting, draw_rates
from scaling.comparison.summary import Outcomes, Row, diverged, lowest_loss
from scaling.core.outputs import write_json

REPORT, PAGE, RATES, DIFFERENCES = "report.json", "report.md", "rates.png", "differences.png"
FORGETTING = "forgetting.png"


def write(
    folder: Path, rows: Sequence[Row], outcomes: Outcomes, settings: Mapping[str, Any]
) -> None:
    """Write the report and the pictures.

    Args:
        folder: where they go; it is made where it is not there.
        rows: the summary, the reference first.
        outcomes: by method, learning rate and seed.
        settings: of the sweep, as JSON has them; the `margin` is used here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / REPORT, numbers(rows, outcomes, settings))
    draw_rates(folder / RATES, rows, outcomes)
    draw_differences(folder / DIFFERENCES, rows, settings["margin"])
    if any(row.forgetting is not None for row in rows):
        draw_forgetting(folder / FORGETTING, rows, outcomes)
    write_text(folder / PAGE, page(rows, notes(rows, outcomes, settings["margin"])))


def numbers(rows: Sequence[Row], outcomes: Outcomes, settings: Mapping[str, Any]) -> dict[str, Any]:
    """All of it as JSON: the settings, the notes, a record for each method and one for each run."""
    runs = [
        {
            "method": method,
            "rate": rate,
            "seed": seed,
            "metrics": run.get("metrics"),
            "lowest_validation_loss": lowest_loss(run),
            "diverged": run.get("diverged"),
        }
        for method, rates in outcomes.items()
        for rate, of_rate in rates.items()
        for seed, run in of_rate.items()
    ]
    return listed(
        {
            "settings": settings,
            "notes": notes(rows, outcomes, settings["margin"]),
            "methods": [row.as_json() for row in rows],
            "runs": runs,
        }
    )


def table(rows: Sequence[Row]) -> Table:
    """For the terminal: what decides, in few columns."""
    columns = ("method", "learning rate", metric_of(rows), "difference", "verdict")
    return records_table(
        f"Each method at its best learning rate, against {rows[0].method}",
        [{name: record[name] for name in columns} for record in records(rows)],
    )


def page(rows: Sequence[Row], remarks: Sequence[str]) -> str:
    """The report in Markdown: the table, the pictures and the remarks."""
    lines = [list(records(rows)[0]), ["---"] * len(records(rows)[0])]
    lines += [list(record.values()) for record in records(rows)]
    grid = "".join(
        "| " + " | ".join(entry.replace("|", "\\|") for entry in line) + " |\n" for line in lines
    )
    pictures = (
        f"![Differences from {rows[0].method}]({DIFFERENCES})\n\n"
        f"![Dependence on the learning rate]({RATES})\n"
    )
    if any(row.forgetting is not None for row in rows):
        pictures += f"\n![What is learnt against what is forgotten]({FORGETTING})\n"
    return f"# Each method at its best learning rate\n\n{grid}\n{pictures}\n" + "".join(
        f"- {note}\n" for note in remarks
    )


def records(rows: Sequence[Row]) -> list[dict[str, str]]:
    """The entries of the table, by column."""
    remembering = any(row.forgetting is not None for row in rows)
    return [
        {
            "method": row.method,
            "learning rate": "-"
            if row.rate is None
            else f"{row.rate:g}" + (f" ({row.edge})" if row.edge else ""),
            "seeds": str(len(row.seeds)),
            metric_of(rows): _interval(row.score, ""),
            "difference": "reference" if row.verdict is None else _interval(row.difference, "+"),
            "verdict": row.verdict or "-",
            "steps": _steps(row),
            "decades": f"{row.width_of_good_rates:.2g}",
            "parameters": _parameters(row),
            "minutes": "-" if row.seconds is None else f"{row.seconds / 60:.2g}",
            "s a step": "-" if row.step_seconds is None else f"{row.step_seconds:.2g}",
            "memory": "-" if row.memory is None else f"{row.memory / 2**20:,.0f} MiB",
            **(_forgetting(row) if remembering else {}),
        }
        for row in rows
    ]


def metric_of(rows: Sequence[Row]) -> str:
    """The metric that the table has; of runs that all diverged none is known."""
    return next((row.metric for row in rows if row.metric), "score")


def _forgetting(row: Row) -> dict[str, str]:
    difference = "reference" if row.verdict is None else _interval(row.forgetting_difference, "+")
    return {"forgetting": _interval(row.forgetting, "+"), "its difference": difference}


def _interval(found: Measured | None, sign: str) -> str:
    if found is None:
        return "-"
    if not (math.isfinite(found.high) and found.low < found.high):
        return f"{found.value:{sign}.3g}"
    # two of the interval's width
    digits = max(0, 1 - math.floor(math.log10(found.high - found.low)))
    value, low, high = (f"{x:{sign}.{digits}f}" for x in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}]"


def _steps(row: Row) -> str:
    if row.verdict is None or row.convergence is None:
        return "-"
    if row.convergence.ratio is None:
        return f"not reached ({row.convergence.censored:.0%})"
    return "x " + _interval(row.convergence.ratio, "")


def _parameters(row: Row) -> str:
    if row.trained_parameters is None or row.inference_parameters is None:
        return "-"
    both = f"{row.trained_parameters:,} / {row.inference_parameters:,}"
    return (
        f"{row.trained_parameters:,}"
        if row.trained_parameters == row.inference_parameters
        else both
    )


# What is compared, by the first metric of a task whose test examples have a score each; without
# one a run has a single score, the metric negated.
SCORES = {
    "accuracy": "the share of right answers",
    "exact_match": "the share of right answers",
    "perplexity": "minus the loss of a test token in nats",
    "rouge1": "the rouge1 of a test example",
    "mean_squared_error": "minus the squared error of a test example",
    "normalised_score": "the return of an episode",
    "return": "the return of an episode",
}


def notes(rows: Sequence[Row], outcomes: Outcomes, margin: float) -> list[str]:
    """How to read the page: what `shown` says, and then what its other columns are.

    Args:
        rows: the summary, the reference first.
        outcomes: by method, learning rate and seed.
        margin: the largest difference that does not matter.
    """
    reference = rows[0].method
    every = [run for rates in outcomes.values() for runs in rates.values() for run in runs.values()]
    return [
        *shown(rows, outcomes, margin),
        f"Steps: to the training loss at which {reference} ends, over the steps of {reference} "
        "itself; not reached: the share of seeds that did not get there.",
        "Decades: of the learning rates tried, those whose score is within the margin of the "
        "method's best.",
        "Minutes: of training alone; the probe batches of an initialization come on top. Seconds a "
        "step: the median step, without validation; memory: the highest peak of a whole run.",
        "Parameters: trained, and behind the slash those that inference needs where their number "
        "differs.",
        *note(every),
    ]


def shown(rows: Sequence[Row], outcomes: Outcomes, margin: float) -> list[str]:
    """What a reader of the table must know: first what is invalid and what to run next, then what
    a difference is.

    Args:
        rows: the summary, the reference first.
        outcomes: by method, learning rate and seed.
        margin: the largest difference that does not matter.
    """
    reference = rows[0]
    found = [said for row in rows for said in _of_method(row, outcomes)]
    if reference.verdict is None and (reference.edge or reference.lost or reference.rate is None):
        found.insert(
            0,
            f"Every comparison is invalid, because the reference {reference.method} has no valid "
            "result.",
        )
    if any(len(row.seeds) == 1 for row in rows):
        found.append(
            "One seed alone: the interval is over test examples, and another seed may give "
            "another order."
        )
    compared, metric = len(rows) - 1, metric_of(rows)
    level = "Each interval covers 95 %"
    if compared > 1:
        level += (
            f", uncorrected for the {compared} comparisons: of {compared} equal methods about "
            f"{0.05 * compared:.2g} would be called better or worse by chance"
        )
    return [
        *found,
        f"Difference: of {SCORES.get(metric, f'minus the {metric}')}, from that of "
        f"{reference.method}; higher is better, and within {margin:g} it does not matter.",
        f"{level}.",
    ]


GROW = {
    "lowest": "is the lowest tried, so its comparison is invalid: try lower ones too",
    "highest": "is the highest tried, so its comparison is invalid: try higher ones too",
    "only": "is the only one tried, so its comparison is invalid: try lower and higher ones",
}


def _of_method(row: Row, outcomes: Outcomes) -> list[str]:
    found = []
    if row.edge:
        found.append(f"{row.method}: its best learning rate {row.rate:g} {GROW[row.edge]}.")
    if row.rate is None:
        found.append(
            f"{row.method}: at each of its learning rates a run diverged, so it has no best one: "
            "try lower ones."
        )
    if row.lost:
        found.append(
            f"{row.method}: {row.lost} of its runs at the best learning rate diverged, so its "
            "comparison is invalid."
        )
    trials = [
        (rate, run) for rate, runs in sorted(outcomes[row.method].items()) for run in runs.values()
    ]
    bad = Counter(rate for rate, run in trials if diverged(run))
    if bad:
        where = ", ".join(f"{count} at {rate:g}" for rate, count in bad.items())
        reason = next(run["diverged"] for _, run in trials if diverged(run)).rstrip(".")
        found.append(
            f"{row.method}: {sum(bad.values())} of {len(trials)} runs diverged ({where}; {reason})."
        )
    return found
