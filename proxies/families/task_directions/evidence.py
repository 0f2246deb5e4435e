"""From finished cells to the evidence of every check."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from loralab.claims import Measured
from loralab.statistics import geometric_mean, mean, spread
from proxies.families.task_directions.claims.directions import EDGES, FORETOLD
from proxies.families.task_directions.trials.predictions import TASK
from theory.task_directions import exponential_overlap, gaussian_overlap

Records = list[dict[str, Any]]
Measurements = dict[str, Sequence[Measured | None]]
FORMULA = {"Gaussian": gaussian_overlap, "exponential": exponential_overlap}


def pick(records: Records, name: str, **where: Any) -> list[Any]:
    """One column of the records that match."""
    return [
        record[name]
        for record in records
        if all(record[key] == value for key, value in where.items())
    ]


def chance(cells: dict[str, Records]) -> Measurements:
    """T1 to T4."""
    drawn, large = cells["drawn"], cells["large"]

    def of_trained(square: bool, value: Callable[[dict[str, Any]], float]) -> Measured | None:
        found = [value(r) for r in cells["transformer"] if r["square"] == square]
        return mean(found) if found else None

    accuracy = lambda r: r["accuracy"]
    beyond = lambda r: r["accuracy"] - r["predicted"]
    edges = [
        mean(
            [
                x - FORMULA[law](m / s)
                for x in pick(cells["edges"], "overlaps", law=law, s=s, m=m)[0]
            ]
        )
        for law, s, m in EDGES
    ]
    square, rectangular, flat, edge = (
        [r for r in drawn if r["kind"] == kind]
        for kind in ("square", "rectangular", "flat", "edge")
    )
    of_large = lambda name: mean(pick(large, name)) if large else None
    return {
        "T1": edges,
        "T2": [of_trained(True, accuracy), of_large("accuracy")],
        "T2b": [
            of_trained(True, accuracy),
            of_large("accuracy"),
            *(mean(pick(square, name)) for name in ("accuracy", "recall")),
            of_trained(True, beyond),
        ],
        "T3": [
            *(mean(pick(records, "accuracy")) for records in (rectangular, flat)),
            of_trained(False, accuracy),
            mean([beyond(r) for r in rectangular]),
        ],
        "T4": [
            of_large("bottom_rank"),
            of_trained(True, lambda r: r["bottom_rank"]),
            of_large("slope"),
            mean(pick(edge, "left_out")),
        ],
    }


def by_net(
    cells: dict[str, Records], source: str, score: str, sizes: str
) -> list[tuple[float, float]]:
    """Of each net the mean overlap over tasks, and the mean null."""
    found = []
    for net in cells["foretold"]:
        records = [
            (r["value"], r["null"])
            for r in net["overlaps"]
            if (r["source"], r["score"], r["sizes"]) == (source, score, sizes)
        ]
        found.append(tuple(np.mean(records, 0)))
    return found


def lift(cells: dict[str, Records], source: str, score: str, sizes: str) -> Measured:
    return mean(
        [(value - null) / (1 - null) for value, null in by_net(cells, source, score, sizes)]
    )


def foretold(cells: dict[str, Records]) -> Measurements:
    """T5: an interval is over nets."""
    phi = mean([float(np.mean(pick(net["profiles"], "phi"))) for net in cells["foretold"]])
    copies = (by_net(cells, source, "rate", "8 in 16") for source in ("LoRA 100", "rotated"))
    return {
        "T5": [
            *(lift(cells, "LoRA 100", "rate", sizes) for sizes, _ in FORETOLD),
            mean([one - other for (one, _), (other, _) in zip(*copies, strict=True)]),
        ],
        "T5b": [
            lift(cells, "LoRA 100", "abs", "8 in 16"),
            *(lift(cells, "gradient", "abs", sizes) for sizes in ("8 in 16", "4 in 8")),
        ],
        "T5c": [
            lift(cells, TASK, "abs", "8 in 16"),
            mean([value - null for value, null in by_net(cells, TASK, "rate", "8 in 16")]),
        ],
        "T5d": [phi, phi],
    }


def first_step(cells: dict[str, Records]) -> Measurements:
    """T6 and T15."""
    records, speed = cells["identified"], cells["speed"]
    slopes = []
    for seed in sorted(set(pick(records, "seed"))):
        ranks, ratios = (np.log(pick(records, name, seed=seed)) for name in ("rank", "snr"))
        slopes.append(float(np.polyfit(ranks, ratios, 1)[0]))
    return {
        "T6": [
            spread([r["snr"] / r["predicted"] for r in records]),
            spread(pick(records, "mean")),
            spread(slopes),
        ],
        "T15": [
            geometric_mean([r["ratio"] / r["predicted"] for r in speed if r["rank"] == rank])
            for rank in (4, 16)
        ],
    }


def recalled(cells: dict[str, Records]) -> Measurements:
    """T7 to T9, paired over problems where two are compared."""

    def found(name: str, rank: int = 8, case: str = "random") -> np.ndarray:
        return np.array(pick(cells["recall"], name, rank=rank, case=case))

    def null(case: str) -> Measured:
        return mean([r["rate"] for r in found("null", case=case)])

    over = lambda values: mean(values.tolist()) if len(values) else None
    after = "LoRA 100, rate"
    return {
        "T7": [
            over(found(after)),
            over(found(after) - found("LoRA 1, rate")),
            over(found(after) - found(after, 2)),
            over(found(after, 32) - found(after)),
            null("random"),
        ],
        "T8": [over(found("gradient, abs")), over(found("gradient, rate") - found(after))],
        "T9": [
            *(
                over(found("LoRA 10, abs", case=case) - found("LoRA 10, rate", case=case))
                for case in ("random", "top", "middle", "bottom")
            ),
            null("bottom"),
        ],
    }


def run_of(cells: dict[str, Records], case: str, method: str) -> dict[str, Any] | None:
    """The runs of a method, where it was run and its best rate is inside the grid."""
    found = [r for r in cells["tuned"] if (r["case"], r["method"]) == (case, method)]
    return found[0] if found and not found[0]["edge"] else None


def over(cells: dict[str, Records], case: str, above: str, below: str) -> Measured | None:
    """The ratio of two methods' final errors, paired over problems; each at its own best rate."""
    one, other = (run_of(cells, case, method) for method in (above, below))
    return (
        geometric_mean(np.divide(one["error"], other["error"]).tolist()) if one and other else None
    )


def methods(cells: dict[str, Records]) -> Measurements:
    """T10 to T12."""
    ratio = lambda case, above, below: over(cells, case, above, below)
    dash, init, tsd, plain = "Dash, pre-launch", "Init, pre-launch", "TSD, pre-launch", "LoRA, r"
    starts = [r for r in cells["tuned"] if r["method"].startswith("Init") and r["case"] != "digits"]

    def reached(method: str) -> Measured | None:
        run = run_of(cells, "random", method)
        return geometric_mean(np.divide(run["error"], run["bound"]).tolist()) if run else None

    return {
        "T10": [ratio(case, dash, plain) for case in ("random", "bottom", "none", "digits")],
        "T10b": [
            ratio("random", dash, "Dash, oracle"),
            ratio("random", "Dash, gradient", "Dash, oracle"),
            ratio("bottom", dash, "Dash, oracle"),
        ],
        "T11": [
            *(ratio(case, dash, "Dash, random") for case in ("random", "digits")),
            *(ratio(case, dash, "LoRA, r + s") for case in ("random", "bottom")),
        ],
        "T12": [
            spread(
                [
                    rank / (2 * start)
                    for r in starts
                    for rank, start in zip(r["ranks"], r["start_rank"], strict=True)
                ]
            ),
            *(reached(method) for method in (init, "Init, oracle", "Init, random", "MiLoRA")),
        ],
        "T12b": [
            *(ratio(case, init, plain) for case in ("random", "none")),
            *(ratio(case, init, "LoRA, 2r") for case in ("random", "bottom")),
        ],
        "T12c": [
            ratio("random", tsd, init),
            *(ratio(case, tsd, dash) for case in ("random", "bottom")),
        ],
    }


def library(cells: dict[str, Records]) -> Measurements:
    """T13 and T14: on every draw, so with the range over draws."""
    drawn, launched = cells["invariants"], cells["launched"]
    plain = {r["seed"]: r["chosen"] for r in launched if r["loop"] == "plain"}
    names = ("start", "launch", "gradient", "merged", "exported", "rotated", "finite")
    by_forwards = lambda loop: spread(pick(launched, "by_forwards", loop=loop))
    return {
        "T13": [spread(pick(drawn, name)) for name in names],
        "T14": [
            spread(pick(launched, "before")),
            spread([float(r["chosen"] == plain[r["seed"]]) for r in launched]),
            spread(pick(cells["resumed"], "distance")),
        ],
        "T14b": [by_forwards(loop) for loop in ("plain", "checkpointing", "accumulation")],
    }


PARTS: tuple[Callable[[dict[str, Records]], Measurements], ...] = (
    chance,
    foretold,
    first_step,
    recalled,
    methods,
    library,
)
