"""Evidence of made-up trials, in which every value is another one: each check must get its own."""

import zlib
from typing import Any

import pytest

from proxies.families.generalization.claims import CLAIMS
from proxies.families.generalization.evidence import evidence
from proxies.families.generalization.tables import data, tables
from proxies.families.generalization.trials.chain import PUBLISHED
from proxies.families.generalization.trials.posterior import CONFIGS

SEEDS, VARIANTS, SIZES = (1000, 1001), ("B", "A", "BA"), (2, 3)
CANDIDATES = ("posterior, prior 1", "32 bits", "4 bits up to 3")
ENUMERATED = ("risk", "train", "gap", "bits", "class", "entropy", "individual", "conditional")
ENUMERATED += ("evaluated", "averaged", "difference", "difference_of_draws")
ENUMERATED += ("interpolating_risk", "drawn_gap", "drawn_gap_error")
CERTIFIED = ("numbers", "gibbs_train", "gibbs_test", "divergence", "pac_bayes", "bound", "mean_gap")


def value(*key: Any) -> float:
    """A number from 1 to 2 that belongs to this key alone."""
    return 1 + zlib.crc32(repr(key).encode()) / 2**32


def record(kind: str, names: tuple[str, ...], **point: Any) -> dict[str, Any]:
    """A trial whose results do not depend on the seed: a mean over seeds is each of them."""
    case = [v for k, v in point.items() if k != "seed"]
    return {**point, "result": {name: value(kind, name, *case) for name in names}}


@pytest.fixture
def trials() -> dict[str, Any]:
    digits = [record("digits", CERTIFIED, variant=v, seed=s) for v in CONFIGS for s in SEEDS]
    for r in digits:
        for part in ("test", "train", "bounds"):
            r["result"][part] = {c: value(part, c, r["variant"]) for c in CANDIDATES}
        r["result"]["by"] = "32 bits"
    points = [{"variant": v, "n": n, "seed": s} for v in VARIANTS for n in SIZES for s in SEEDS]
    eight = [{"variant": v, "n": 8, "seed": s} for v in VARIANTS for s in SEEDS]
    return {
        "digits": digits,
        "noisy": [record("noisy", ENUMERATED, **point) for point in points],
        "clean": [record("clean", ENUMERATED, **point) for point in eight],
        "every": [
            record("every", ("risk", "interpolating_risk"), variant=v, seed=s)
            for v in VARIANTS
            for s in SEEDS
        ],
        "memory": [record("memory", ("not_counted", "counted"), n=n) for n in (4, 5, 6)],
        "scale": [record("scale", VARIANTS, setting=name) for name in PUBLISHED],
    }


def at(name: str, variant: str = "BA", n: int = 3) -> float:
    return value("noisy", name, variant, n)


def test_every_check_gets_its_own_value(trials):
    measured = evidence(trials, 3)
    cases = [(v, n) for v in VARIANTS for n in SIZES]
    over, drawn = (
        [at(gap, *case) / min(at(name, *case) for name in names) for case in cases]
        for gap, names in (
            ("gap", ("bits", "class", "entropy", "individual", "difference")),
            ("drawn_gap", ("conditional", "evaluated", "averaged", "difference_of_draws")),
        )
    )
    clean = lambda name, v: value("clean", name, v, 8)
    tightness = lambda v: (
        min(at(b, v) for b in ("bits", "class", "entropy", "individual", "difference"))
        / at("gap", v)
    )
    geometric = lambda f: (f("B") * f("A") * f("BA")) ** (1 / 3)
    of_digits = lambda name, variant: value("digits", name, variant)
    expected = {
        "A8": {
            "gap": max(over + drawn),
            "order": max(
                at(fine, *case) / at(coarse, *case)
                for case in cases
                for fine, coarse in (
                    ("class", "bits"),
                    ("entropy", "class"),
                    ("individual", "entropy"),
                )
            ),
            "order of supersamples": max(
                at(fine, *case) / at(coarse, *case)
                for case in cases
                for fine, coarse in (
                    ("evaluated", "conditional"),
                    ("evaluated", "averaged"),
                    ("difference_of_draws", "averaged"),
                )
            ),
            "bits": max(at("bits", "BA", n) / at("bits", "B", n) for n in SIZES) / (7 / 3) ** 0.5,
            "tightness": geometric(tightness),
            "two gaps": max(
                abs(at("drawn_gap", *c) - at("gap", *c)) / at("drawn_gap_error", *c) for c in cases
            ),
            "ld-MI": max(clean("difference_of_draws", v) / clean("evaluated", v) for v in VARIANTS),
        },
        "A8b": {
            key: max(value("memory", name, n) for n in (4, 5, 6))
            for key, name in (("A not counted", "not_counted"), ("A counted", "counted"))
        },
        "A8c": {
            "gap over B alone": at("gap", "BA") / at("gap", "B"),
            "gap over A alone": at("gap", "BA") / at("gap", "A"),
            "risk over B alone": at("risk", "BA") / at("risk", "B"),
            "risk over A alone": at("risk", "BA") / at("risk", "A"),
            "digits over B alone": of_digits("gibbs_test", "BA") / of_digits("gibbs_test", "B"),
        },
        "A8d": {"CMI over entropy": geometric(lambda v: at("conditional", v) / at("entropy", v))},
        "A8e": {
            key: next(value("scale", "B", name) for name in PUBLISHED if word in name)
            for key, word in (("digits", "digits"), ("MNLI", "MNLI"), ("RTE", "RTE"))
        },
        "A9": {
            "validity": max(
                value("test", c, v) / value("bounds", c, v) for c in CANDIDATES for v in CONFIGS
            ),
            "PAC-Bayes, B alone": of_digits("pac_bayes", "B"),
            "PAC-Bayes, A alone": of_digits("pac_bayes", "A"),
            "PAC-Bayes, both factors": of_digits("pac_bayes", "BA"),
            "Occam": value("bounds", "32 bits", "B"),
            "divergence": of_digits("divergence", "B") / of_digits("divergence", "A"),
            "EVA": of_digits("bound", "B of EVA") / of_digits("bound", "B"),
        },
        "A14": {
            "samples": max(
                abs(clean("interpolating_risk", v) - clean("risk", v)) for v in VARIANTS
            ),
            "supersamples": max(
                abs(value("every", "interpolating_risk", v) - value("every", "risk", v))
                for v in VARIANTS
            ),
        },
    }
    assert {id: set(checks) for id, checks in measured.items()} == {
        claim.id: set(claim.keys) for claim in CLAIMS
    }
    for id, checks in expected.items():
        found = {key: m.high for key, m in measured[id].items() if m}
        # a few roundings of logarithms and roots of numbers from 1 to 2
        assert found == pytest.approx(checks, rel=1e-13), id


def test_tables_and_data_are_of_their_trials(trials):
    chain, scale, digits = tables(trials, 3).values()
    assert [row["gap"] for row in chain] == pytest.approx([at("gap", v) for v in VARIANTS])
    assert [row["its losses (e-CMI)"] for row in chain] == pytest.approx(
        [at("evaluated", v) for v in VARIANTS]
    )
    assert [row["BA"] for row in scale] == [value("scale", "BA", name) for name in PUBLISHED]
    assert [row["certificate"] for row in digits] == pytest.approx(
        [value("digits", "bound", v) for v in CONFIGS]
    )
    assert [r["gap"] for r in data(trials)["noisy"]] == [
        r["result"]["gap"] for r in trials["noisy"]
    ]
