"""A made-up world for the evidence of the generalization family: every result of every trial is a
number from 1 to 2 that belongs to it alone, the same one for each seed."""

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from loralab.claims import Measured
from proxies.families.generalization.evidence import evidence
from proxies.families.generalization.trials.chain import PUBLISHED
from proxies.families.generalization.trials.posterior import CONFIGS
from proxies.instruments.trial_grid import Records

Trials = dict[str, Records]
SEEDS, VARIANTS, SIZES, LARGEST = (1000, 1001), ("B", "A", "BA"), (2, 3), 3
SOURCES = ("digits", "drawn images")
CANDIDATES = ("posterior, prior 1", "32 bits", "4 bits up to 3")
ENUMERATED = ("risk", "train", "gap", "bits", "class", "entropy", "individual", "conditional")
ENUMERATED += ("evaluated", "averaged", "difference", "difference_of_draws", "adapters")
ENUMERATED += ("interpolating_risk", "drawn_gap", "drawn_gap_error")
CERTIFIED = ("numbers", "gibbs_train", "gibbs_test", "divergence", "pac_bayes", "bound", "mean_gap")
CERTIFIED += ("untouched",)


def value(*key: Any) -> float:
    """A number from 1 to 2 that belongs to this key alone."""
    return 1 + zlib.crc32(repr(key).encode()) / 2**32


def record(kind: str, names: tuple[str, ...], **point: Any) -> dict[str, Any]:
    case = [v for k, v in point.items() if k != "seed"]
    return {**point, "result": {name: value(kind, name, *case) for name in names}}


def world() -> Trials:
    images = [
        record("images", CERTIFIED, variant=v, images=source, seed=s)
        for source in SOURCES
        for v in CONFIGS
        for s in SEEDS
    ]
    for r in images:
        for part in ("test", "train", "bounds"):
            r["result"][part] = {c: value(part, c, r["variant"], r["images"]) for c in CANDIDATES}
        r["result"]["by"] = "32 bits"
    points = [{"variant": v, "n": n, "seed": s} for v in VARIANTS for n in SIZES for s in SEEDS]
    eight = [{"variant": v, "n": 8, "seed": s} for v in VARIANTS for s in SEEDS]
    clean = [record("clean", ENUMERATED, **point) for point in eight]
    riskless = record("riskless", ENUMERATED, variant="B", n=8, seed=1002)
    riskless["result"] |= {"risk": 0, "interpolating_risk": value("riskless")}
    return {
        "images": images,
        "noisy": [record("noisy", ENUMERATED, **point) for point in points],
        "clean": [*clean, riskless],
        "every": [
            record("every", ("risk", "interpolating_risk"), variant=v, seed=s)
            for v in VARIANTS
            for s in SEEDS
        ],
        "memory": [record("memory", ("not_counted", "counted"), n=n) for n in (4, 5, 6)],
        "scale": [record("scale", VARIANTS, setting=name) for name in PUBLISHED],
    }


def measured(trials: Trials) -> dict[str, dict[str, Measured | None]]:
    return evidence(trials, LARGEST)


def at(name: str, variant: str = "BA", n: int = LARGEST) -> float:
    return value("noisy", name, variant, n)


def clean(name: str, variant: str) -> float:
    return value("clean", name, variant, 8)


def image(name: str, variant: str, source: str) -> float:
    return value("images", name, variant, source)


def geometric(f: Callable[[str], float]) -> float:
    """Over the three variants."""
    return (f("B") * f("A") * f("BA")) ** (1 / 3)


def middle(*values: float) -> float:
    return float(np.median(values))


CASES = [(v, n) for v in VARIANTS for n in SIZES]
GAPS = ("bits", "class", "entropy", "individual", "difference")
DRAWN = ("conditional", "evaluated", "averaged", "difference_of_draws")


def over(fine: str, coarse: str) -> list[float]:
    return [at(fine, *case) / at(coarse, *case) for case in CASES]


def improved(name: str) -> float:
    return at(name, "B") / at(name, "BA")


def of(source: str, name: str, above: str, below: str) -> float:
    return image(name, above, source) / image(name, below, source)


WORDS = {"B": "B alone", "A": "A alone", "BA": "both factors"}
EXPECTED: dict[str, dict[str, float]] = {
    "A8": {
        "gap": middle(
            *(at("gap", *c) / min(at(name, *c) for name in GAPS) for c in CASES),
            *(at("drawn_gap", *c) / min(at(name, *c) for name in DRAWN) for c in CASES),
        ),
        "order": middle(
            *over("class", "bits"), *over("entropy", "class"), *over("individual", "entropy")
        ),
        "order of supersamples": middle(
            *over("evaluated", "conditional"),
            *over("evaluated", "averaged"),
            *over("difference_of_draws", "averaged"),
        ),
        "A from the sample": middle(*(value("memory", "counted", n) for n in (4, 5, 6))),
    },
    "A8b": {"A from the sample": middle(*(value("memory", "not_counted", n) for n in (4, 5, 6)))},
    "A8c": {
        "stored bits": float((np.log(at("adapters", "B")) / np.log(at("adapters"))) ** 0.5),
        "class": improved("class"),
        "entropy": improved("entropy"),
        "single samples": improved("individual"),
        "supersamples": improved("conditional"),
        "losses": improved("evaluated"),
        "differences": improved("difference"),
    },
    "A8d": {"CMI over entropy": geometric(lambda v: at("conditional", v) / at("entropy", v))},
    "A8f": {"B alone": improved("gap"), "A alone": at("gap", "A") / at("gap")},
    "A8g": {
        "B alone": improved("risk"),
        "A alone": at("risk", "A") / at("risk"),
        **{source: of(source, "gibbs_test", "B", "BA") for source in SOURCES},
    },
    "A8h": {
        "noisy labels": geometric(lambda v: at("difference_of_draws", v) / at("evaluated", v)),
        "fitted labels": geometric(
            lambda v: clean("difference_of_draws", v) / clean("evaluated", v)
        ),
    },
    "A8i": {"least bound": geometric(lambda v: min(at(b, v) for b in GAPS) / at("gap", v))},
    "A9": {
        f"{source}, {key}": x
        for source in SOURCES
        for key, x in (
            *((f"PAC-Bayes, {w}", image("pac_bayes", v, source)) for v, w in WORDS.items()),
            ("Occam", value("bounds", "32 bits", "B", source)),
        )
    },
    "A9b": {
        f"{source}, {words}": image("bound", v, source) / image("untouched", v, source)
        for source in SOURCES
        for v, words in WORDS.items()
    },
    "A9c": {source: of(source, "divergence", "B", "A") for source in SOURCES},
    "A9d": {source: of(source, "bound", "B of EVA", "B") for source in SOURCES},
    "A14": {
        "samples": middle(
            value("riskless"),
            *(abs(clean("interpolating_risk", v) - clean("risk", v)) for v in VARIANTS * 2),
        ),
        "supersamples": middle(
            *(
                abs(value("every", "interpolating_risk", v) - value("every", "risk", v))
                for v in VARIANTS
            )
        ),
    },
}


def entries(kind: str, one: str, other: str) -> Callable[[Trials], Trials]:
    """Exchange two entries of every result of a kind."""

    def exchanged(trials: Trials) -> Trials:
        for r in trials[kind]:
            result = r["result"]
            result[one], result[other] = result[other], result[one]
        return trials

    return exchanged


def labels(kind: str, axis: str, one: Any, other: Any) -> Callable[[Trials], Trials]:
    """Exchange two values of an axis."""
    names = {one: other, other: one}

    def exchanged(trials: Trials) -> Trials:
        for r in trials[kind]:
            r[axis] = names.get(r[axis], r[axis])
        return trials

    return exchanged


def results(one: str, other: str, *names: str) -> Callable[[Trials], Trials]:
    """Exchange these entries between two kinds of trials, of the same variant and seed."""

    def exchanged(trials: Trials) -> Trials:
        last = [r for r in trials[one] if r.get("n") in (LARGEST, 8)]
        for a, b in ((a, b) for a in last for b in trials[other]):
            if (a["variant"], a["seed"]) == (b["variant"], b["seed"]):
                for name in names:
                    ra, rb = a["result"], b["result"]
                    ra[name], rb[name] = rb[name], ra[name]
        return trials

    return exchanged


def risk_for_the_riskless(trials: Trials) -> Trials:
    trials["clean"][-1]["result"]["risk"] = 1.0
    return trials


EXCHANGES: dict[str, Callable[[Trials], Trials]] = {
    "B and A, problems": labels("noisy", "variant", "B", "A"),
    "B and both, problems": labels("noisy", "variant", "B", "BA"),
    "A and both, problems": labels("noisy", "variant", "A", "BA"),
    "the numbers of samples": labels("noisy", "n", 2, 3),
    "B and A, images": labels("images", "variant", "B", "A"),
    "B and both, images": labels("images", "variant", "B", "BA"),
    "A and both, images": labels("images", "variant", "A", "BA"),
    "random A and A of EVA": labels("images", "variant", "B", "B of EVA"),
    "digits and drawn images": labels("images", "images", *SOURCES),
    "training and test error of images": entries("images", "gibbs_train", "gibbs_test"),
    "certificate and PAC-Bayes": entries("images", "bound", "pac_bayes"),
    "certificate and test error before": entries("images", "bound", "untouched"),
    "bounds and errors": entries("images", "bounds", "test"),
    "gap and risk": entries("noisy", "gap", "risk"),
    "entropy and CMI": entries("noisy", "entropy", "conditional"),
    "e-CMI and ld-MI": entries("noisy", "evaluated", "difference_of_draws"),
    "e-CMI, both means": entries("noisy", "evaluated", "averaged"),
    "ld-MI exact and drawn": entries("noisy", "difference", "difference_of_draws"),
    "gaps exact and drawn": entries("noisy", "gap", "drawn_gap"),
    "class and entropy": entries("noisy", "class", "entropy"),
    "counted and not": entries("memory", "counted", "not_counted"),
    "labels fitted, e-CMI and ld-MI": entries("clean", "evaluated", "difference_of_draws"),
    "samples and supersamples": results("clean", "every", "risk"),
    "noisy and fitted labels": results("noisy", "clean", "difference_of_draws"),
    "a problem without risk": risk_for_the_riskless,
}
