"""A made-up world for the evidence of the generalization family: every result of every trial is a
number from 1 to 2 that belongs to it alone."""

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
SEEDS, VARIANTS, SIZES, LARGEST = (1000, 1001, 1002), ("B", "A", "BA"), (2, 3), 3
RISKLESS = ("B", 1001)  # the fitted problem that is learned without risk
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
    return {**point, "result": {name: value(kind, name, *point.values()) for name in names}}


def r_key(trial: dict[str, Any]) -> tuple[Any, ...]:
    return trial["variant"], trial["images"], trial["seed"]


def world() -> Trials:
    images = [
        record("images", CERTIFIED, variant=v, images=source, seed=s)
        for source in SOURCES
        for v in CONFIGS
        for s in SEEDS
    ]
    for r in images:
        for part in ("test", "train", "bounds"):
            r["result"][part] = {c: value(part, c, *r_key(r)) for c in CANDIDATES}
        r["result"]["by"] = "32 bits"
    points = [{"variant": v, "n": n, "seed": s} for v in VARIANTS for n in SIZES for s in SEEDS]
    eight = [{"variant": v, "n": 8, "seed": s} for v in VARIANTS for s in SEEDS]
    clean = [record("clean", ENUMERATED, **point) for point in eight]
    for r in clean:
        r["result"]["risk"] -= 1
    (riskless,) = (r["result"] for r in clean if (r["variant"], r["seed"]) == RISKLESS)
    riskless |= {"risk": 0, "interpolating_risk": value("riskless")}
    return {
        "images": images,
        "noisy": [record("noisy", ENUMERATED, **point) for point in points],
        "clean": clean,
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


Of = Callable[[str, int], float]  # a value of a variant and a seed


def at(name: str, variant: str, n: int = LARGEST, seed: int = SEEDS[0]) -> float:
    return value("noisy", name, variant, n, seed)


def noisy(name: str) -> Of:
    return lambda v, s: at(name, v, seed=s)


def clean(name: str) -> Of:
    return lambda v, s: value("clean", name, v, 8, s)


def image(name: str, source: str) -> Of:
    return lambda v, s: value("images", name, v, source, s)


def least(v: str, s: int) -> float:
    return min(noisy(name)(v, s) for name in GAPS)


def geometric(*values: float) -> float:
    return float(np.prod(values)) ** (1 / len(values))


def ratio(above: Of, below: Of) -> float:
    """Over all variants and seeds."""
    return geometric(*(above(v, s) / below(v, s) for v in VARIANTS for s in SEEDS))


def paired(f: Of, above: str, below: str) -> float:
    """One variant over another, over seeds."""
    return geometric(*(f(above, s) / f(below, s) for s in SEEDS))


def middle(*values: float) -> float:
    return float(np.median(values))


CASES = [(v, n, s) for v in VARIANTS for n in SIZES for s in SEEDS]
GAPS = ("bits", "class", "entropy", "individual", "difference")
DRAWN = ("conditional", "evaluated", "averaged", "difference_of_draws")


def over(fine: str, coarse: str) -> list[float]:
    return [at(fine, *case) / at(coarse, *case) for case in CASES]


def gaps() -> list[float]:
    """Each gap over the least of its bounds."""
    return [
        at(gap, *case) / min(at(name, *case) for name in names)
        for gap, names in (("gap", GAPS), ("drawn_gap", DRAWN))
        for case in CASES
    ]


WORDS = {"B": "B alone", "A": "A alone", "BA": "both factors"}
_FITTED = {
    (v, s): clean("difference_of_draws")(v, s) / clean("evaluated")(v, s)
    for v in VARIANTS
    for s in SEEDS
    if (v, s) != RISKLESS
}
ORDER = [*over("class", "bits"), *over("entropy", "class"), *over("individual", "entropy")]
ORDER_DRAWN = [
    *over("evaluated", "conditional"),
    *over("evaluated", "averaged"),
    *over("difference_of_draws", "averaged"),
]
EXPECTED: dict[str, dict[str, float]] = {
    "A8": {
        "gap": middle(*gaps()),
        "order": middle(*ORDER),
        "order of supersamples": middle(*ORDER_DRAWN),
        "A from the sample": middle(*(value("memory", "counted", n) for n in (4, 5, 6))),
    },
    "A8b": {"A from the sample": middle(*(value("memory", "not_counted", n) for n in (4, 5, 6)))},
    "A8c": {
        "stored bits": middle(
            *(
                (np.log(noisy("adapters")("B", s)) / np.log(noisy("adapters")("BA", s))) ** 0.5
                for s in SEEDS
            )
        ),
        **{
            key: paired(noisy(name), "B", "BA")
            for key, name in (
                ("class", "class"),
                ("entropy", "entropy"),
                ("single samples", "individual"),
                ("supersamples", "conditional"),
                ("losses", "evaluated"),
                ("differences", "difference"),
            )
        },
    },
    "A8d": {"CMI over entropy": ratio(noisy("conditional"), noisy("entropy"))},
    "A8f": {
        "B alone": paired(noisy("gap"), "B", "BA"),
        "A alone": paired(noisy("gap"), "A", "BA"),
    },
    "A8g": {
        "B alone": paired(noisy("risk"), "B", "BA"),
        "A alone": paired(noisy("risk"), "A", "BA"),
        **{source: paired(image("gibbs_test", source), "B", "BA") for source in SOURCES},
    },
    "A8h": {
        "noisy labels": ratio(noisy("difference_of_draws"), noisy("evaluated")),
        # variants of a seed first: the problem without risk is missing from one seed
        "fitted labels": geometric(
            *(geometric(*(x for (_, of), x in _FITTED.items() if of == s)) for s in SEEDS)
        ),
    },
    "A8i": {"least bound": ratio(least, noisy("gap"))},
    "A9": {
        f"{source}, {key}": float(np.mean([f(v, s) for s in SEEDS]))
        for source in SOURCES
        for key, v, f in (
            *((f"PAC-Bayes, {w}", v, image("pac_bayes", source)) for v, w in WORDS.items()),
            ("Occam", "B", lambda v, s, source=source: value("bounds", "32 bits", v, source, s)),
        )
    },
    "A9b": {
        f"{source}, {words}": geometric(
            *(image("bound", source)(v, s) / image("untouched", source)(v, s) for s in SEEDS)
        )
        for source in SOURCES
        for v, words in WORDS.items()
    },
    "A9c": {source: paired(image("divergence", source), "B", "A") for source in SOURCES},
    "A9d": {source: paired(image("bound", source), "B of EVA", "B") for source in SOURCES},
    "A14": {
        "samples": middle(
            value("riskless"),
            *(
                abs(clean("interpolating_risk")(v, s) - clean("risk")(v, s) + 1)
                for v in VARIANTS
                for s in SEEDS
                if (v, s) != RISKLESS
            ),
        ),
        "supersamples": middle(
            *(
                abs(value("every", "interpolating_risk", v, s) - value("every", "risk", v, s))
                for v in VARIANTS
                for s in SEEDS
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
    for r in trials["clean"]:
        r["result"]["risk"] = r["result"]["risk"] or 1.0
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
