"""A made-up world for the evidence of the asymmetry family: every trial has a value of its own."""

import itertools
from typing import Any

from proxies.families.asymmetry import evidence
from proxies.families.asymmetry.trials import linear, similarity, teacher
from proxies.families.asymmetry.trials.networks import METHODS

WITH_GAIN, AGAINST = ["A", 0.5, 0.1, 2.0, 1.0, 1.0], ["B", 0.1, 0.5, 0.5, 1.0, 1.0]


def record(result: Any, **arguments: Any) -> dict[str, Any]:
    return {**arguments, "result": result}


class World:
    """Trials in which every value is another one, by what it belongs to."""

    def __init__(self) -> None:
        self.values: dict[tuple[Any, ...], float] = {}
        self.numbers = itertools.count(1)

    def __call__(self, *name: Any) -> float:
        """The value of that name: positive, and no other one's."""
        return self.values.setdefault(name, 1 + 0.001 * next(self.numbers) ** 1.5)

    def named(self, *name: Any, names: str) -> dict[str, float]:
        return {key: self(*name, key) for key in names.split()}

    def least_squares(self) -> dict[str, Any]:
        # The exact shares are right everywhere, the statistic at low rank alone.
        explained = []
        for i, (case, rank) in enumerate(itertools.product(linear.CASES, (1, 4, 16))):
            result = {
                **self.named("explained", case, rank, names="z_A ratio"),
                "B": 0.5,
                "A": 0.1,
                "sign": 2.0 if rank <= 4 else 0.5,
                "predicted": 0.9,
                "out": 64,
                "wins": i,
            }
            explained.append(record(result, case=case, rank=rank, draws=1000))
            self.values["wins", case, rank] = i / 1000
        gaps = [
            record(
                {
                    "gap": {n: [self("gap", n, samples, seed)] * 2 for n in ("B", "B2", "A", "BA")},
                    "risk": {n: [self("risk", n, samples, seed)] for n in ("B", "B2", "A", "BA")},
                    "predicted": dict.fromkeys(("B", "B2", "A"), 1.0),
                },
                samples=samples,
                seed=seed,
            )
            for samples in (64, 128, 512)
            for seed in range(2)
        ]
        conditioning = [
            record(
                self.named("descent", exponent, seed, names="ratio worst first_B first_A"),
                exponent=exponent,
                seed=seed,
            )
            for exponent in (1, 2)
            for seed in range(2)
        ]
        return {
            "explained": explained,
            "gaps": gaps,
            "conditioning": conditioning,
            "forms": [record(self.named("forms", names="gradient loss"))],
            "few": [record(self.named("few", names="lost z gap"))],
        }

    def networks(self) -> dict[str, Any]:
        methods = [
            record(
                {"test": [self("accuracy", method, rank, samples)] * 2},
                method=method,
                rank=rank,
                samples=samples,
            )
            for method, rank, samples in itertools.product(METHODS, (4, 8), (1000, 100))
        ]
        overlaps = [
            record(
                {
                    factor: {
                        kind: [self("overlap", method, rate, factor, kind)]
                        for kind in similarity.KINDS
                    }
                    for factor in "AB"
                },
                method=method,
                rate=rate,
            )
            for method in ("BA, random", "BA, orthonormal")
            for rate in (evidence.LAZY, evidence.EAGER)
            for _ in range(2)
        ]
        teachers = [
            record(self.named("teacher", case, names="A B"), case=case)
            for case in teacher.CASES
            for _ in range(2)
        ]
        return {"methods": methods, "similarity": overlaps, "teachers": teachers}

    def library(self) -> dict[str, Any]:
        saved = {
            f"{name} {p}": self("saved", name, p) for name in ("BA", "B") for p in ("0", "0.05")
        }
        return {
            "layer": [record(saved, d=256, rank=8)],
            "block": [record(self.named("block", names="BA B A"), d=64, d_ff=176)],
            "spaces": [
                record(self.named("spaces", names="pissa transposed orthonormality row_length"))
            ]
            * 2,
            "moved": [record(self.named("moved", names="frozen trained readme"))],
        }

    def trials(self) -> dict[str, Any]:
        """Every trial of the family."""
        haar = [record({"overlaps": [self("haar", i) for i in range(4)]}, rank=8, size=64)]
        parts = (self.least_squares(), self.networks(), self.library(), scored_trials())
        return {"haar": haar} | {name: found for part in parts for name, found in part.items()}


def scored_trials() -> dict[str, Any]:
    """Cases of the advice: in each kind decided ones, and one that is too close to count."""
    twice = lambda fisher, errors: {"fisher": fisher, "errors": errors}
    return {
        "spectra": [
            record({"advice": WITH_GAIN, "gain": 0.1, "z": 9.0}),
            record({"advice": AGAINST, "gain": 0.1, "z": 1.0}),
        ],
        "unseen": [
            record({"advice": twice(AGAINST, WITH_GAIN), "B": 0.5, "A": 0.1}),
            record({"advice": twice(WITH_GAIN, AGAINST), "B": 0.11, "A": 0.1}),
        ],
        "layers": [
            record({"test": [0.9, 0.9]}, layers=[0], rank=8, method="B, orthonormal"),
            record({"test": [0.8, 0.95]}, layers=[0], rank=8, method="A, orthonormal"),
        ],
        "digits": [
            record(twice(WITH_GAIN, AGAINST), layer=0, rank=8, seed=1000 + i) for i in range(2)
        ],
    }
