"""A made-up world for the evidence of the task-directions family: every trial has a value of its
own."""

import itertools
from collections.abc import Iterable
from typing import Any

from proxies.families.task_directions import evidence
from proxies.families.task_directions.trials.predictions import TASK
from proxies.families.task_directions.trials.training import METHODS

TRAITS = ("accuracy", "recall", "bottom_rank", "slope", "left_out", "predicted")
KEPT = ("initialization", "launch", "gradient", "merged", "exported", "rotated", "finite")


def record(result: Any, **arguments: Any) -> dict[str, Any]:
    return {**arguments, "result": result}


class World:
    """Trials in which every value is another one, by what it belongs to."""

    def __init__(self) -> None:
        self.values: dict[tuple[Any, ...], float] = {}
        self.numbers = itertools.count(1)

    def __call__(self, *name: Any) -> float:
        """The value of that name: between 0 and 1, and no other one's."""
        return self.values.setdefault(name, 0.01 * (next(self.numbers) * 0.618034 % 1) + 0.1)

    def named(self, names: Iterable[str], *of: Any) -> dict[str, Any]:
        return {name: self(*of, name) for name in names}

    def chance(self) -> dict[str, Any]:
        drawn = [
            record(self.named(TRAITS, kind), kind=kind)
            for kind in ("square", "rectangular", "flat", "edge")
            for _ in range(2)
        ]
        matrices = [
            {**self.named(TRAITS, "MiniLM", square), "square": square}
            for square in (True, False)
            for _ in range(2)
        ]
        edges = [
            record({"overlaps": [self("edge", law, s, m)] * 2}, law=law, s=s, m=m)
            for law, s, m in evidence.EDGES
        ]
        return {
            "drawn": drawn,
            "large": [record(self.named(TRAITS, "large"))] * 2,
            "transformer": [record(matrices)],
            "edges": edges,
        }

    def predicted(self) -> dict[str, Any]:
        overlaps = [
            {
                "source": source,
                "score": score,
                "sizes": sizes,
                **self.named(("value", "null"), source, score, sizes),
            }
            for source in ("LoRA 100", "gradient", "rotated", TASK)
            for score in ("rate", "abs")
            for sizes in ("8 in 16", "4 in 8", "8 in 8")
        ]
        network = {"overlaps": overlaps, "profiles": [{"phi": self("phi")}]}
        return {"predicted": [record(network)] * 2}

    def first_steps(self) -> dict[str, Any]:
        snr = lambda rank: self("snr") * rank ** self("slope")
        return {
            "identified": [
                record(
                    {
                        "snr": snr(rank),
                        "predicted": snr(rank) / self("snr ratio"),
                        "mean": self("mean"),
                    },
                    rank=rank,
                    seed=9000,
                )
                for rank in (2, 8, 32)
            ],
            "speed": [
                record({"ratio": self("speed", rank), "predicted": 0.5}, rank=rank)
                for rank in (4, 16)
                for _ in range(2)
            ],
        }

    def recall(self) -> dict[str, Any]:
        sources = ("LoRA 1", "LoRA 10", "LoRA 100", "gradient")
        names = [f"{source}, {score}" for source in sources for score in ("rate", "abs")]
        records = []
        for case, rank in (("random", 2), *((c, 8) for c in evidence.PLANTED), ("random", 32)):
            null = self.named(("rate", "abs"), "null", case, rank)
            found = {**self.named(names, "recall", case, rank), "null": null}
            records += [record(found, case=case, rank=rank)] * 2
        return {"recall": records}

    def methods(self) -> dict[str, Any]:
        return {
            "tuned": [
                record(
                    {
                        "edge": False,
                        "error": [self("error", case, method)] * 2,
                        "bound": [self("bound", case, method)] * 2,
                        "ranks": [8, 8],
                        "rank": [5, 5],
                    },
                    case=case,
                    method=method,
                )
                for case in ("random", "bottom", "none", "digits")
                for method in METHODS
            ]
        }

    def library(self) -> dict[str, Any]:
        launched = [
            record(
                {
                    "before": 100,
                    "chosen": [1] if loop == "plain" else [2],
                    "by_forwards": self(loop),
                },
                loop=loop,
                seed=9000,
            )
            for loop in ("plain", "checkpointing", "accumulation", "evaluation")
        ]
        return {
            "invariants": [record(self.named(KEPT, "kept"))],
            "launched": launched,
            "resumed": [record({"distance": self("distance")})],
        }

    def trials(self) -> dict[str, Any]:
        """Every trial of the family."""
        return {
            **self.chance(),
            **self.predicted(),
            **self.first_steps(),
            **self.recall(),
            **self.methods(),
            **self.library(),
        }
