"""Evidence of made-up trials, in which every value is another one: each check must get its own."""

import zlib
from typing import Any

import numpy as np
import pytest

from proxies.families.matfac.claims import CLAIMS
from proxies.families.matfac.evidence import evidence
from proxies.families.matfac.tables import data, tables
from proxies.families.matfac.trials import plan

SEEDS, RATES, BEST = 7, 9, 4
LAWS = {
    "relu": ("one step", "telescoped", "switches"),
    "linear": ("one step", "telescoped", "switches"),
    "expansion": (
        "residual",
        "first slope",
        "second slope",
        "least eigenvalue",
        "larger eigenvalues",
    ),
    "conservation": ("ratio", "one step"),
    "balanced": ("error",),
    "adam": ("error", "error of signs", "multiplier"),
    "agree": ("same sign", "agreement", "error"),
    "oppose": ("same sign", "agreement", "error"),
    "scale": ("variance",),
    "bias": ("product", "merge"),
    "match": ("product", "merge"),
    "dead": ("difference",),
}


def value(*key: Any) -> float:
    """A number from 1 to 2 that belongs to this key alone."""
    return 1 + zlib.crc32(repr(key).encode()) / 2**32


def drawn(name: str, quantity: str) -> list[float]:
    return [value("law", name, quantity, i) for i in range(3)]


def table(*key: Any, rates: int = RATES) -> np.ndarray:
    """(learning rates, seeds), from 0.67e-4 to 1.33e-4."""
    draws = [[value(*key, i, seed) for seed in range(SEEDS)] for i in range(rates)]
    return np.array(draws) * 1e-4 / 1.5


def steps(*key: Any, rates: int = RATES) -> np.ndarray:
    """The fewest are not outermost."""
    found = table(*key, rates=rates)
    found[[0, -1]] *= 10
    return found


def made(group: str, key: plan.Key, rates: int = RATES) -> Any:
    return {
        "rates": [value(group, key, "rate", i) for i in range(rates)],
        "final": table(group, key, "final", rates=rates).tolist(),
        "steps": {
            bar: steps(group, key, bar, rates=rates).tolist() for bar in ("1e-2", "1e-4", "1e-8")
        },
        "alive": table(group, key, "alive", rates=rates).tolist(),
        "best": min(BEST, rates - 1),
        "edge": "",
        "open": [],
        "curve": {"step": [value(group, key)]},
    }


@pytest.fixture
def trials() -> dict[str, Any]:
    targets = plan.targets("synthetic", claims_only=False)
    too_large = {key: made("too large", key, 1) for key in plan.too_large(targets)}
    for method, diverged, dead in (("OP bias", 1, 2), ("OP linear", 4, 5)):
        result = too_large["gauss", "SGD", method]
        result["final"][0][:diverged] = [None] * diverged
        result["alive"][0][:dead] = [0.0] * dead
    return {
        "draws": {
            name: {quantity: drawn(name, quantity) for quantity in quantities}
            for name, quantities in LAWS.items()
        },
        "swept": {key: made("swept", key) for key in plan.keys(targets, claims_only=False)},
        "fixed": {key: made("fixed", key, 1) for key in plan.fixed(targets)},
        "too_large": too_large,
    }


def ratio(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.exp(np.log(first / second).mean()))


def final(target: str, optimizer: str, method: str) -> np.ndarray:
    return table("swept", (target, optimizer, method), "final")[BEST]


def soonest(target: str, optimizer: str, method: str) -> np.ndarray:
    found = steps("swept", (target, optimizer, method), "1e-4")
    return found[np.median(found, 1).argmin()]


def width(target: str, optimizer: str, method: str) -> float:
    """In decades, the mean over seeds."""
    good = table("swept", (target, optimizer, method), "final") <= 1e-4
    return float(good.sum(0).mean()) / 3


def fixed(target: str, optimizer: str) -> float:
    both = (
        table("fixed", (target, optimizer, method), "final", rates=1)[0]
        for method in ("OP bias", "direct")
    )
    return ratio(*both)


def wider(optimizer: str) -> float:
    return float(
        np.mean(
            [
                width(target, optimizer, "OP bias") - width(target, optimizer, "direct")
                for target in ("gauss", "ill")
            ]
        )
    )


def faster(optimizer: str) -> float:
    return ratio(*(soonest("gauss", optimizer, method) for method in ("OP bias", "direct")))


def test_every_check_gets_its_own_value(trials):
    measured = evidence(**trials)
    laws = {
        "OP1": {
            "one step, ReLU": ("relu", "one step"),
            "all steps, ReLU": ("relu", "telescoped"),
            "one step, linear": ("linear", "one step"),
            "all steps, linear": ("linear", "telescoped"),
        },
        "OP2": {
            "remainder": ("expansion", "residual"),
            "order after one term": ("expansion", "first slope"),
            "order after two terms": ("expansion", "second slope"),
        },
        "OP3": {
            "least eigenvalue": ("expansion", "least eigenvalue"),
            "larger eigenvalues": ("expansion", "larger eigenvalues"),
        },
        "OP4": {"drift": ("conservation", "ratio"), "one step": ("conservation", "one step")},
        "OP5": {"flow": ("balanced", "error")},
        "OP6": {"with epsilon": ("adam", "error"), "without epsilon": ("adam", "error of signs")},
        "OP7": {
            "agreeing": ("agree", "same sign"),
            "opposing": ("oppose", "same sign"),
            "hidden units": ("agree", "error"),
        },
        "OP9": {
            "zero, bias": ("bias", "product"),
            "zero, match": ("match", "product"),
            "merged": ("bias", "merge"),
        },
    }
    expected: dict[str, dict[str, float]] = {
        id: {key: float(np.median(drawn(*law))) for key, law in checks.items()}
        for id, checks in laws.items()
    }
    expected |= {
        "OP8": {"variance": float(np.mean(drawn("scale", "variance")))},
        "OP10": {
            "gauss, Adam": fixed("gauss", "Adam"),
            "gauss, SGD": fixed("gauss", "SGD"),
            "ill, Adam": fixed("ill", "Adam"),
            "ill, SGD": fixed("ill", "SGD"),
        },
        "OP11": {"SGD": wider("SGD"), "momentum": wider("momentum"), "Adam": wider("Adam")},
        "OP12": {
            "steps, momentum": faster("momentum"),
            "steps, Adam": faster("Adam"),
            "share, momentum": float(
                np.mean(final("ill", "momentum", "OP bias") < final("ill", "momentum", "direct"))
            ),
            "excess, Adam": ratio(final("ill", "Adam", "OP bias"), final("ill", "SGD", "ScaledGD")),
        },
        "OP13": {
            "dead network": float(np.median(drawn("dead", "difference"))),
            "linear diverged": 4 / SEEDS,
            "ReLU diverged": 1 / SEEDS,
            "ReLU dead": 2 / SEEDS,
            "window": width("gauss", "SGD", "OP bias") - width("gauss", "SGD", "OP linear"),
        },
    }
    assert {id: set(checks) for id, checks in measured.items()} == {
        claim.id: set(claim.keys) for claim in CLAIMS
    }
    for id, checks in expected.items():
        found = {key: m.value for key, m in measured[id].items() if m}
        # a few roundings of logarithms and of means of numbers up to ten
        assert found == pytest.approx(checks, rel=1e-12), id


def test_a_check_without_its_sweeps_is_not_measured(trials):
    nothing = evidence(trials["draws"], {}, {}, {})
    assert {id for id, checks in nothing.items() if None in checks.values()} == {
        "OP10",
        "OP11",
        "OP12",
        "OP13",
    }
    assert nothing["OP13"]["dead network"] is not None
    one_target = {key: made for key, made in trials["swept"].items() if key[0] == "gauss"}
    assert evidence(trials["draws"], one_target, {}, {})["OP11"]["SGD"] is None


def test_tables_and_lines_are_of_their_sweeps(trials):
    swept = trials["swept"]
    squares = {t: made("alternating", (t, "-", "-"), 1) for t in ("gauss", "ill", "well")}
    found = tables(swept, squares)
    assert [title.split(":")[0] for title in found] == ["gauss", "ill", "well"]
    rows = {
        (title.split(":")[0], row["optimizer"], row["method"]): row
        for title, records in found.items()
        for row in records
    }
    assert rows.keys() == swept.keys() | {(t, "-", "alternating least squares") for t in squares}
    for key in swept:
        assert rows[key]["final excess"] == np.median(final(*key))
        assert rows[key]["width"] == pytest.approx(width(*key))
        assert rows[key]["steps to 1e-4"] == np.median(soonest(*key))
        assert rows[key]["best learning rate"] == swept[key]["rates"][BEST]
    lines = {(s["target"], s["optimizer"], s["method"]): s for s in data(swept)["series"]}
    for key in swept:
        assert lines[key]["rates"] == swept[key]["rates"]
        medians = np.median(table("swept", key, "final"), 1)
        assert lines[key]["median"] == pytest.approx(medians.tolist(), rel=1e-12)
