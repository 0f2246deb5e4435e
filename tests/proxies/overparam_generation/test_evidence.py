"""Evidence of made-up trials, in which every value is another one: each check must get its own."""

import zlib
from typing import Any

import numpy as np
import pytest

from proxies.families.overparam_generation.claims import CLAIMS
from proxies.families.overparam_generation.evidence import evidence
from proxies.families.overparam_generation.tables import data, tables
from proxies.families.overparam_generation.trials.plan import Trials

SEEDS, BEST = 6, 6
RATES = [10 ** (i / 2) for i in range(-9, 1)]
FIXED, FAST, SLOW = 1, 5, 3  # where 1e-4, 1e-2 and 1e-3 are
METHODS, RANKS, TARGETS = ("LoRA", "OP-LoRA", "DoRA", "OP-DoRA"), (1, 2, 4), ("classes", "style")
SCORES = ("MMD", "MMD, unbiased", "CMMD", "CMMD, unbiased", "share")
STATED = 1_851_435_008


def value(*key: Any) -> float:
    """A number from 1 to 2 that belongs to this key alone."""
    return 1 + zlib.crc32(repr(key).encode()) / 2**32


def table(*key: Any) -> np.ndarray:
    """(learning rates, seeds)."""
    return np.array([[value(*key, i, seed) for seed in range(SEEDS)] for i in range(len(RATES))])


def distances(target: str, method: str, rank: int) -> np.ndarray:
    """They fall to the best learning rate and rise from there."""
    away = np.abs(np.arange(len(RATES)) - BEST) / (1 + value(method, rank) / 4)
    return table(target, method, rank, "MMD") * 1.5 ** away[:, None]


def made(*key: Any) -> Any:
    return {
        "rates": RATES,
        "validation": table(*key, "validation").tolist(),
        "test": {
            score: (distances(*key) if score == "MMD" else table(*key, score)).tolist()
            for score in SCORES
        },
        "best": BEST,
        "fixed": FIXED,
        "edge": "",
        "open": [],
        "shown": {"best": [[key]], "fixed": [["fixed", key]]},
        "parameters": value(*key, "parameters"),
        "alive": table(*key, "alive").tolist(),
    }


def records(name: str, *quantities: str) -> list[dict[str, Any]]:
    return [{q: value(name, q, i) for q in quantities} for i in range(3)]


@pytest.fixture
def trials() -> Trials:
    anchored = [f"{images} {score}" for images in ("target", "seen", "base") for score in SCORES]
    ends = ("equal", "opposite", "least beyond means", "most beyond means")
    return Trials(
        swept={
            (f"new {t}", method, rank): made(t, method, rank)
            for t in TARGETS
            for method in METHODS
            for rank in RANKS
        },
        anchors={
            f"new {t}": {
                "scores": records(t, *anchored, "ten times the shift"),
                "images": [[f"images of {t}"]],
            }
            for t in TARGETS
        },
        ends=records("ends", *ends),
        definition={
            "null": records("null", "biased", "unbiased"),
            "diversity": records("diversity", "CMMD", "MMD", "variance"),
            "pairs": records("pairs", "CMMD"),
        },
        counts={
            "overparam": [{"trained": n + 3} for n in (34_976, 65_600, 126_848)],
            "op_dora": [{"trained": n + 5} for n in (49_760, 80_384, 141_632)],
        },
        llama=STATED + 7,
        shares=[value("share", i) for i in range(3)],
    )


def geometric(values: np.ndarray) -> float:
    return float(np.exp(np.log(values).mean()))


def ratio(row: int, first: tuple[str, int], second: tuple[str, int], target: str) -> float:
    return geometric(distances(target, *first)[row] / distances(target, *second)[row])


def paired(row: int, target: str = "classes") -> dict[str, float]:
    return {
        f"OP-{plain}, rank {rank}": ratio(row, (f"OP-{plain}", rank), (plain, rank), target)
        for plain in ("LoRA", "DoRA")
        for rank in RANKS
    }


def good(method: str, rank: int) -> np.ndarray:
    found = distances("classes", method, rank)
    return found <= 1.5 * found[BEST]


def width(method: str, rank: int) -> float:
    return float(good(method, rank).sum(0).mean()) / 2


def highest(method: str, rank: int) -> float:
    tops = [max(i for i in range(len(RATES)) if column[i]) for column in good(method, rank).T]
    return float(np.log10(RATES)[tops].mean())


def lag(rank: int) -> float:
    """Decades from 1e-3 down to where OP-LoRA is as far as LoRA is there."""
    slow, falling = distances("classes", "LoRA", rank)[SLOW], distances("classes", "OP-LoRA", rank)
    found = []
    for wanted, curve in zip(np.log(slow), np.log(falling).T, strict=True):
        i = next(i for i in range(BEST + 1) if curve[i] <= wanted)
        share = (curve[i - 1] - wanted) / (curve[i - 1] - curve[i])
        found.append(-3 - (np.log10(RATES)[i - 1] + share / 2))
    return float(np.mean(found))


def median(name: str, quantity: str) -> float:
    return float(np.median([value(name, quantity, i) for i in range(3)]))


def mean(*key: Any, row: int) -> float:
    return float(table(*key)[row].mean())


def test_every_check_gets_its_own_value(trials):
    measured = evidence(trials)
    new, style = "classes", "style"
    rank_1, lora_1, lora_2 = (
        distances(new, *key)[BEST] for key in (("OP-LoRA", 1), ("LoRA", 1), ("LoRA", 2))
    )
    expected: dict[str, dict[str, float]] = {
        "OP14": {
            "equal sets": median("ends", "equal"),
            "opposite points": median("ends", "opposite"),
            "least beyond means": median("ends", "least beyond means"),
            "most beyond means": median("ends", "most beyond means"),
            "means of digits": median(new, "ten times the shift"),
            "null, biased": median("null", "biased"),
            "null, unbiased": median("null", "unbiased"),
        },
        "OP14b": {
            "rise": geometric(
                np.array(
                    [value("diversity", "MMD", i) / value("diversity", "CMMD", i) for i in range(3)]
                )
            )
        },
        "OP14c": {
            "new classes": median(new, "base CMMD"),
            "new style": median(style, "base CMMD"),
            "any two sets": max(value("pairs", "CMMD", i) for i in range(3)),
        },
        "OP15": {
            f"{method}, distance": float(distances(new, method, 1)[BEST].mean())
            for method in METHODS
        }
        | {f"{method}, share": mean(new, method, 4, "share", row=BEST) for method in METHODS},
        "OP15b": paired(FIXED)
        | {"rank 1 over rank 4": ratio(FIXED, ("OP-LoRA", 1), ("LoRA", 4), new)},
        "OP15c": paired(BEST),
        "OP15d": {
            "tuned, rank 1": geometric(rank_1 / np.sqrt(lora_1 * lora_2)),
            "1e-4, rank 1": ratio(FIXED, ("OP-LoRA", 1), ("LoRA", 2), new),
            "1e-4, rank 2": ratio(FIXED, ("OP-LoRA", 2), ("LoRA", 4), new),
        },
        "OP15i": {
            "OP-LoRA": ratio(BEST, ("OP-LoRA", 2), ("LoRA", 4), new),
            "OP-DoRA": ratio(BEST, ("OP-DoRA", 2), ("DoRA", 4), new),
            "LoRA": ratio(BEST, ("LoRA", 2), ("LoRA", 4), new),
        },
        "OP15e": {
            f"OP-{plain}, rank {rank}": width(f"OP-{plain}", rank) - width(plain, rank)
            for plain in ("LoRA", "DoRA")
            for rank in RANKS
        },
        "OP15f": {f"lag, rank {rank}": lag(rank) for rank in RANKS}
        | {
            f"highest, rank {rank}": highest("LoRA", rank) - highest("OP-LoRA", rank)
            for rank in RANKS
        },
        "OP15g": {f"rank {rank}": mean(new, "OP-LoRA", rank, "alive", row=FAST) for rank in RANKS},
        "OP15h": paired(FIXED, style),
        "OP15j": paired(BEST, style),
        "OP16": {"OP-LoRA": 3, "OP-DoRA": 5, "LLaMA-7B": 7},
        "OP16b": {"share": float(np.mean([value("share", i) for i in range(3)]))},
    }
    assert {id: set(checks) for id, checks in measured.items()} == {
        claim.id: set(claim.keys) for claim in CLAIMS
    }
    for id, checks in expected.items():
        found = {key: m.value for key, m in measured[id].items() if m}
        # a few roundings of logarithms and of means of numbers up to ten
        assert found == pytest.approx(checks, rel=1e-12, abs=1e-12), id


def test_a_check_without_its_sweeps_is_not_measured(trials):
    nothing = evidence(trials._replace(swept={}, shares=[]))
    for id, checks in nothing.items():
        assert set(checks.values()) == {None} or id.startswith(("OP14", "OP16")), id
    assert nothing["OP16b"] == {"share": None}


def test_tables_and_data_are_of_their_trials(trials):
    classes, style, anchors, pairs = tables(trials).values()
    for target, rows in (("classes", classes), ("style", style)):
        assert [row["method"] for row in rows] == ["DoRA", "OP-DoRA", "LoRA", "OP-LoRA"] * 3
        for row in rows:
            key = row["method"], row["rank"]
            found = distances(target, *key)
            assert row["MMD"] == pytest.approx(found[BEST].mean())
            assert row["MMD at 1e-4"] == pytest.approx(found[FIXED].mean())
            assert row["CMMD"] == pytest.approx(mean(target, *key, "CMMD", row=BEST))
    assert pairs == trials.definition["pairs"]
    assert anchors[2]["target"] == "new classes"
    means = {
        name: np.mean([value("classes", f"base {name}", i) for i in range(3)]) for name in SCORES
    }
    assert {name: anchors[2][name] for name in SCORES} == pytest.approx(means)
    found = data(trials)
    assert found["base"] == [["images of classes"]]
    for line in found["series"]:
        target = line["target"].removeprefix("new ")
        wanted = distances(target, line["method"], line["rank"]).mean(1)
        assert line["mean"] == pytest.approx(wanted.tolist())
