"""A made-up world for the evidence of the asymmetry family: the value of every trial is a function
of its own name and of no other's."""

import itertools
from collections.abc import Callable
from copy import deepcopy
from hashlib import blake2b
from typing import Any

import numpy as np

from proxies.families.asymmetry import evidence

Trials = dict[str, list[dict[str, Any]]]

CASES = (
    *("flat", "1/i", "1/i^2", "1/i, D on the top 8", "1/i, D on the bottom 8", "1/i, whitened"),
    *("1/i, anti", "flat, 128 to 32", "flat, 32 to 128", "1/i, 128 to 32"),
)
TEACHERS = ("flat", "flat, uneven V", "decaying", "decaying, like a gradient", "decaying, anti")
NETWORKS = ("tanh", "relu", "two layers", "gated")
DATA = {
    "digits": ("digits", 1200),
    "synthetic": ("synthetic", 1000),
    "synthetic, 100 samples": ("synthetic", 100),
    "synthetic, 64 classes": ("synthetic, 64 classes", 1000),
}
METHODS = [
    (method, rank)
    for method in ("BA, random", "BA, mirrored", "B, orthonormal", "A, orthonormal")
    for rank in (4, 8)
]
SPACES = ("digits", "breast cancer", "synthetic")
KINDS = ("same task", "same initialization", "neither")
TRAINS_B, TRAINS_A = ["A", 0.5, 0.1, 2.0, 1.0, 1.0], ["B", 0.1, 0.5, 0.5, 1.0, 1.0]
SEEDS = (0, 1)


def v(*name: Any) -> float:
    """The value of that name, between 1 and 2."""
    return 1 + int.from_bytes(blake2b(repr(name).encode(), digest_size=6).digest()) / 2**48


def record(result: Any, **arguments: Any) -> dict[str, Any]:
    return {**arguments, "result": result}


def named(*name: Any, names: str) -> dict[str, float]:
    return {key: v(*name, key) for key in names.split()}


def least_squares() -> Trials:
    explained = []
    points = [(*point, 0) for point in itertools.product(CASES, (1, 4, 16))]
    for i, (case, rank, seed) in enumerate([*points, *((case, 1, 1) for case in CASES)]):
        # B explains more than A, as the shares say; the statistic says so where it does not apply
        result = {
            "B": 0.5,
            "A": 0.1,
            "predicted": 1.2,
            "ratios": [v("ratio", case, rank, seed, draw) for draw in range(3)],
            "sign": 2.0 if rank == 16 or seed == 1 else 0.5,
            "room": 2.0 if rank == 16 or seed == 1 else 3.0,
            "out": 64,
            "wins": 100 + i,
        }
        explained.append(record(result, case=case, rank=rank, draws=1000, seed=seed))
    # one that is too close to count, and against every rule
    tie = {**explained[0]["result"], "B": 0.5, "A": 0.499, "predicted": 0.0, "room": 9.0}
    explained.append(record({**tie, "sign": 1.0}, case="flat", rank=2, draws=1000, seed=0))
    problem = lambda kind, names: [
        record(named(kind, seed, names=names), seed=seed) for seed in SEEDS
    ]
    return {
        "explained": explained,
        "forms": problem("forms", "gradient loss"),
        "few": problem("few", "lost lead"),
        "ordered": problem("ordered", "ordered weakest"),
        "basis": [record(v("basis", seed), seed=seed) for seed in SEEDS],
    }


def training() -> Trials:
    fits = "B B2 A BA"
    return {
        "teachers": [
            record(named("teacher", case, network, seed, names="A B"), case=case, network=network)
            for case in TEACHERS
            for network in NETWORKS
            for seed in SEEDS
        ],
        "conditioning": [
            record(named("descent", exponent, seed, names="worst lead"), exponent=exponent)
            for exponent in (1, 2)
            for seed in SEEDS
        ],
        "near": [record(v("near", n, seed), name=n) for n in ("B", "B2", "A") for seed in SEEDS],
        "compared": [
            record(
                {kind: named(kind, samples, seed, names=fits) for kind in ("gap", "risk")},
                samples=samples,
            )
            for samples in (64, 512)
            for seed in SEEDS
        ],
    }


def classifiers() -> Trials:
    methods = [
        record(
            {"test": [v("test", population, samples, *method, seed) for seed in SEEDS]},
            population=population,
            samples=samples,
            method=method[0],
            rank=method[1],
        )
        for population in dict.fromkeys(name for name, _ in DATA.values())
        for samples in (100, 1000, 1200)
        for method in METHODS
    ]
    similarity = [
        record(
            {
                factor: {
                    kind: [
                        v("overlap", population, method, rate, factor, kind, seed, layer)
                        for layer in (0, 1)
                    ]
                    for kind in KINDS
                }
                for factor in "AB"
            },
            population=population,
            method=method,
            rate=rate,
        )
        for population in SPACES
        for method in ("BA, random", "BA, mirrored")
        for rate in (1e-3, 1e-2)
        for seed in SEEDS
    ]
    return {"methods": methods, "similarity": similarity}


def freezing() -> Trials:
    """Cases of the advice. The Fisher advice names B, but A in layer 1 for the first seed."""
    both = lambda fisher, errors: {"fisher": fisher, "errors": errors}
    regression = lambda B, A, fisher, errors: record(
        {"advice": both(fisher, errors), "B": B, "A": A}
    )
    keys = [f"{layer} {rank}" for layer in (0, 1) for rank in (2, 8)]
    return {
        "spectra": [
            record({"advice": TRAINS_B, "gain": 0.1, "z": 9.0}),
            record({"advice": TRAINS_B, "gain": 0.2, "z": 4.5}),
            record({"advice": TRAINS_A, "gain": 0.1, "z": 9.0}),
            record({"advice": TRAINS_B, "gain": 0.1, "z": 3.0}),
        ],
        "unseen": [
            regression(0.5, 0.1, TRAINS_B, TRAINS_A),
            regression(0.5, 0.1, TRAINS_A, TRAINS_A),
            regression(0.1, 0.5, TRAINS_B, TRAINS_A),
            regression(0.5, 0.1, TRAINS_A, TRAINS_B),
            regression(0.12, 0.1, TRAINS_B, TRAINS_A),
        ],
        "layers": [
            record(
                {"test": [v("layer", layer, *data, trained, rank, seed) for seed in SEEDS]},
                population=data[0],
                samples=data[1],
                method=f"{trained}, orthonormal",
                rank=rank,
                layers=[layer],
            )
            for data in DATA.values()
            for trained in "BA"
            for rank in (2, 8)
            for layer in (0, 1)
        ],
        "advised": [
            record(
                [
                    {
                        "fisher": {
                            key: TRAINS_A if seed == 0 and key.startswith("1") else TRAINS_B
                            for key in keys
                        },
                        "errors": dict.fromkeys(keys, TRAINS_A),
                    }
                    for seed in SEEDS
                ],
                population=data[0],
                samples=data[1],
            )
            for data in DATA.values()
        ],
    }


def world() -> Trials:
    """Every trial of the family."""
    return {**least_squares(), **training(), **classifiers(), **freezing()}


def measured(world: Trials) -> evidence.Measurements:
    return evidence.evidence(world)


# --- what comes out, by the rule of the world ----------------------------------------------------


def _mean(*name: Any) -> float:
    return float(np.mean([v(*name, seed) for seed in SEEDS]))


def _middle(kind: str, name: str) -> float:
    return float(np.median([v(kind, seed, name) for seed in SEEDS]))


def _farthest(rank: int) -> float:
    seeds = (0, 1) if rank == 1 else (0,)
    means = [
        np.mean([v("ratio", case, rank, seed, draw) for seed in seeds for draw in range(3)])
        for case in CASES
    ]
    return float(max(means))  # all above 1


def _lead(case: str, network: str) -> float:
    values = [
        v("teacher", case, network, s, "B") - v("teacher", case, network, s, "A") for s in SEEDS
    ]
    return float(np.mean(values))


def _risk(above: str, below: str, samples: int) -> float:
    values = [v("risk", samples, s, above) - v("risk", samples, s, below) for s in SEEDS]
    return float(np.mean(values))


def _gain(key: str, above: tuple[str, int], below: tuple[str, int]) -> float:
    return _mean("test", *DATA[key], *above) - _mean("test", *DATA[key], *below)


def _overlap(method: str, rate: float, factor: str, kept: str) -> dict[str, float]:
    """A kind of pairs less the other kind that keeps something."""
    (other,) = {"same task", "same initialization"} - {kept}
    of = lambda population, kind: np.mean(
        [
            v("overlap", population, method, rate, factor, kind, seed, layer)
            for seed in SEEDS
            for layer in (0, 1)
        ]
    )
    return {
        f"{factor}, {rate:g}, {data}": float(of(data, kept) - of(data, other)) for data in SPACES
    }


def _followed(key: str, rank: int) -> float:
    """B is named, but A in layer 1 for the first seed."""
    lead = lambda layer, seed: (
        v("layer", layer, *DATA[key], "B", rank, seed)
        - v("layer", layer, *DATA[key], "A", rank, seed)
    )
    return (lead(0, 0) - lead(1, 0) + lead(0, 1) + lead(1, 1)) / 4


_WINS = {
    case: (100 + i) / 1000
    for i, (case, rank) in enumerate(itertools.product(CASES, (1, 4, 16)))
    if rank == 4
}
_START, _TASK = "same initialization", "same task"
_B, _A = ("B, orthonormal", 8), ("A, orthonormal", 8)

EXPECTED: dict[str, dict[str, float]] = {
    "A1": {name: _middle("forms", name) for name in ("gradient", "loss")},
    "A2": {"share": _mean("basis")},
    "A2b": {f"rank {rank}": _farthest(rank) for rank in (1, 4, 16)},
    "A3": {case: _WINS[case] for case in CASES if "to" not in case.split() or "top" in case},
    "A3b": {"sign": 0.0, "shares": 1.0},
    "A3c": {
        "ordered": _middle("ordered", "ordered"),
        "weakest input": _middle("ordered", "weakest"),
    },
    "A4": {"lost share": _middle("few", "lost"), "lead": _middle("few", "lead")},
    "A5": {
        f"{case}, {network}": _lead(case, network) for case in TEACHERS[2:] for network in NETWORKS
    },
    "A5b": {
        **{f"uneven, {network}": _lead("flat, uneven V", network) for network in NETWORKS[:3]},
        **{f"even, {network}": _lead("flat", network) for network in ("tanh", "relu")},
    },
    "A6": {
        "condition": float(np.median([v("descent", e, s, "worst") for e in (1, 2) for s in SEEDS]))
    },
    "A6b": {
        f"variances i^-{e}": float(np.mean([v("descent", e, s, "lead") for s in SEEDS]))
        for e in (1, 2)
    },
    "A7": {name: _mean("near", name) for name in ("B", "B2", "A")},
    "A7b": {
        "gap of both": float(
            np.prod([v("gap", 64, s, "BA") / v("gap", 64, s, "B2") for s in SEEDS]) ** 0.5
        ),
        "error of A": _risk("A", "B", 64),
        "error of B at twice the rank": _risk("B2", "BA", 512),
    },
    "A10": {
        key: value
        for rate in (1e-3, 1e-2)
        for factor, kept in (("A", _START), ("B", _TASK))
        for key, value in _overlap("BA, random", rate, factor, kept).items()
    },
    "A10b": {
        key: value
        for factor, kept in (("B", _START), ("A", _TASK))
        for key, value in _overlap("BA, mirrored", 1e-3, factor, kept).items()
    },
    "A11": {key: _gain(key, _B, _A) for key in DATA},
    "A11b": {key: _gain(key, _B, ("BA, random", 8)) for key in DATA},
    "A11c": {key: _gain(key, _B, ("BA, random", 4)) for key in DATA if key != "digits"},
    "A15": {"least squares": 2 / 3, "networks": 1 / 4},
    "A15b": {f"rank {rank}": _followed("digits", rank) for rank in (2, 8)},
    "A15c": {
        f"{key}, rank {rank}": _followed(key, rank)
        for key in ("synthetic", "synthetic, 64 classes")
        for rank in (2, 8)
    },
}


# --- exchanges -----------------------------------------------------------------------------------

Exchange = Callable[[Trials], Trials]


def _arguments(kind: str, name: str, a: Any, b: Any) -> Exchange:
    """Two values of an argument exchanged in the records of a kind."""

    def exchange(trials: Trials) -> Trials:
        other = {repr(a): b, repr(b): a}
        records = [{**r, name: other.get(repr(r[name]), r[name])} for r in trials[kind]]
        return {**trials, kind: records}

    return exchange


def _results(kind: str, a: str, b: str, *inside: str) -> Exchange:
    """Two entries of the results exchanged in the records of a kind."""

    def exchange(trials: Trials) -> Trials:
        trials = deepcopy(trials)
        for r in trials[kind]:
            result = r["result"]
            for name in inside:
                result = result[name]
            result[a], result[b] = result[b], result[a]
        return trials

    return exchange


def _curvatures(trials: Trials) -> Trials:
    trials = deepcopy(trials)
    for found in (found for r in trials["advised"] for found in r["result"]):
        found["fisher"], found["errors"] = found["errors"], found["fisher"]
    return trials


def _seeds(trials: Trials) -> Trials:
    """The seeds of the advice in another order than those that it is paired with."""
    return {**trials, "advised": [{**r, "result": r["result"][::-1]} for r in trials["advised"]]}


def _sign(trials: Trials) -> Trials:
    """The sign of every lead in least squares."""
    records = [
        {**r, "result": {**r["result"], "gain": -r["result"]["gain"]}} for r in trials["spectra"]
    ]
    return {**trials, "spectra": records}


EXCHANGES: dict[str, Exchange] = {
    "gradient and loss": _results("forms", "gradient", "loss"),
    "lost and lead": _results("few", "lost", "lead"),
    "ordered and weakest": _results("ordered", "ordered", "weakest"),
    "A and B, explained": _results("explained", "A", "B"),
    "statistic and share": _results("explained", "sign", "predicted"),
    "cases of least squares": _arguments("explained", "case", "1/i", "1/i, anti"),
    "ranks of least squares": _arguments("explained", "rank", 4, 16),
    "A and B, teachers": _results("teachers", "A", "B"),
    "networks": _arguments("teachers", "network", "tanh", "relu"),
    "V even and uneven": _arguments("teachers", "case", "flat", "flat, uneven V"),
    "worst and lead": _results("conditioning", "worst", "lead"),
    "spectra of descent": _arguments("conditioning", "exponent", 1, 2),
    "B and twice its rank": _arguments("near", "name", "B", "B2"),
    "gap and risk": _results("compared", "gap", "risk"),
    "samples": _arguments("compared", "samples", 64, 512),
    "B and A, gaps": _results("compared", "A", "B", "risk"),
    "populations": _arguments("methods", "population", "synthetic", "digits"),
    "samples of classifiers": _arguments("methods", "samples", 100, 1000),
    "methods": _arguments("methods", "method", "B, orthonormal", "A, orthonormal"),
    "initializations": _arguments("methods", "method", "BA, random", "BA, mirrored"),
    "ranks": _arguments("methods", "rank", 4, 8),
    "factors": _results("similarity", "A", "B"),
    "task and initialization": _results("similarity", "same task", "same initialization", "A"),
    "control": _results("similarity", "neither", "same task", "B"),
    "learning rates": _arguments("similarity", "rate", 1e-3, 1e-2),
    "mirrored": _arguments("similarity", "method", "BA, random", "BA, mirrored"),
    "data of overlaps": _arguments("similarity", "population", "digits", "breast cancer"),
    "layers": _arguments("layers", "layers", [0], [1]),
    "trained factor": _arguments("layers", "method", "B, orthonormal", "A, orthonormal"),
    "single ranks": _arguments("layers", "rank", 2, 8),
    "curvatures": _curvatures,
    "seeds of the advice": _seeds,
    "curvatures of networks": _results("unseen", "fisher", "errors", "advice"),
    "sign of the lead": _sign,
}
