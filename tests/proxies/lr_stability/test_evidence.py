"""The family in a made-up world, in which every initialization, pair of learning rates, scale and
read-out has its own exponent: each check must get its own."""

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from loralab.memo import Memo
from proxies.families.lr_stability import evidence
from proxies.families.lr_stability.claims import CLAIMS
from proxies.families.lr_stability.claims.checks import BIG, NAMES, SCALES, SMALL
from proxies.families.lr_stability.trials import laws, plan, sweep
from proxies.lr_stability import Config, measure

LIMIT_A, LIMIT_B, LORA_PLUS = (-0.5, -0.5), (-1.0, -1.0), (-1.0, 0.0)
WIDEST = 14
CURVATURE = 0.4


def own(*key: Any) -> float:
    """A number from 0 to 1 that belongs to this key alone."""
    return zlib.crc32(repr(key).encode()) / 2**32


def optimum(readout: str, name: str, width: int) -> float:
    """log2 of the best learning rate, inside every grid."""
    low, high = plan.LOSSES[readout].log2_rates
    return (low + high) / 2 - (0.3 + own(readout, name) / 2) * (np.log2(width) - 10)


def powers(
    width: int, seeds: Sequence[int], names: Sequence[str], exponents: Any, **_: Any
) -> list[Any]:
    def size(quantity: str, at: str, name: str, pair: Sequence[float]) -> float:
        return width ** own(quantity, at, name, tuple(pair))

    one = {
        quantity: [
            [[size(quantity, at, name, pair) for pair in exponents] for name in names]
            for at in ("first", "last")
        ]
        for quantity in (*plan.FEATURES, "f")
    }
    return [one for _ in seeds]


def thresholds(
    width: int, seeds: Sequence[int], names: Sequence[str], rank: int, scale: float, **_: Any
) -> list[Any]:
    power = round(float(np.log(scale) / np.log(rank)), 2)
    one = [
        own("width", name) * np.log2(width) + own("rank", name, power) * np.log2(rank)
        for name in names
    ]
    return [one for _ in seeds]


def first_step(seeds: Sequence[int], ranks: Sequence[int], power: float, **_: Any) -> list[Any]:
    return [[own("first step", power) * np.log2(rank) for rank in ranks] for _ in seeds]


def losses(
    width: int,
    seeds: Sequence[int],
    names: Sequence[str],
    log2_rates: Sequence[float],
    readout: str,
    **_: Any,
) -> list[Any]:
    at = lambda rate, name: CURVATURE * (rate - optimum(readout, name, width)) ** 2 - 5
    one = [[min(np.exp(3), np.exp(at(rate, name))) for rate in log2_rates] for name in names]
    return [one for _ in seeds]


WORLD: dict[Callable[..., Any], Callable[..., Any]] = {
    laws.speed: lambda **_: [2.5] * 7,
    laws.exactness: lambda **_: {"difference": 3.5, "sigmas": 4.5},
    laws.theorems: lambda: {
        "wrong": 5.5,
        "largest": {"init_a": 6.5, "init_b": 7.5},
        "unique": 8.5,
        "cycle": 9.5,
    },
    sweep.powers: powers,
    sweep.thresholds: thresholds,
    sweep.first_step: first_step,
    sweep.losses: losses,
}


class World(Memo):
    def __init__(self) -> None:
        """No store: every trial is made up."""

    def map(self, function: Callable[..., Any], cells: Any) -> list[Any]:
        return [WORLD[function](**cell) for cell in cells]


def expected_slopes() -> dict[str, dict[str, float]]:
    at = lambda quantity, name, pair, step="last": own(quantity, step, name, pair)
    half, one, plus = "learning rates n^-1/2", "learning rates n^-1", "LoRA+"
    return {
        "L2b": {
            f"Z_B, Init[B], {half}": at("Z_B", "init_b", LIMIT_A),
            f"Z_B, Init[A], {half}": at("Z_B", "init_a", LIMIT_A),
        },
        "L4": {
            f"Z_A, Init[A], {half}": at("Z_A", "init_a", LIMIT_A),
            f"Z_B, Init[A], {half}": at("Z_B", "init_a", LIMIT_A),
            f"Z_A, Init[B], {one}": at("Z_A", "init_b", LIMIT_B),
            f"Z_B, Init[B], {one}": at("Z_B", "init_b", LIMIT_B),
        },
        "L5": {
            f"{q}, Init[B], {one}": at(q, "init_b", LIMIT_B) for q in ("delta1", "delta2", "delta3")
        },
        "L6": {
            **{
                f"{q}, {words}, {plus}": at(q, name, LORA_PLUS)
                for name, words in (("init_a", "Init[A]"), ("init_b", "Init[B]"))
                for q in ("delta1", "delta2", "Z_A")
            },
            f"delta2, Init[A], {one}": at("delta2", "init_a", LIMIT_B),
            f"Z_A, Init[A], {half}": at("Z_A", "init_a", LIMIT_A),
        },
        "L7": {
            "largest learning rate, EVA": own("width", "eva"),
            "largest learning rate, whitened EVA": own("width", "eva_whitened"),
            f"Z_B, EVA, {half}, first step": at("Z_B", "eva", LIMIT_A, "first"),
            f"Z_B, Init[A], {half}, first step": at("Z_B", "init_a", LIMIT_A, "first"),
        },
    }


def expected_losses() -> dict[str, dict[str, float]]:
    best = lambda readout, name: -0.3 - own(readout, name) / 2
    single = {
        f"best learning rate, {words}, read-out of order {order}": best(readout, name)
        for readout, order in (("mup", "1/n"), ("standard", "n^(-1/2)"))
        for name, words in (("init_a", "Init[A]"), ("init_b", "Init[B]"))
    }
    ratio = own("residual", "init_b") - own("residual", "init_a")
    return {
        "L8": single,
        "L8b": {
            **single,
            "difference, read-out of order 1/n": best("mup", "init_b") - best("mup", "init_a"),
            "difference, read-out of order n^(-1/2)": best("standard", "init_b")
            - best("standard", "init_a"),
        },
        "L8c": {"slope of the ratio": ratio / 2, "ratio": 2**ratio},  # 2 octaves above 2^10
        "L11": {
            f"{words}, {key}": value
            for name, words in NAMES.items()
            for key, value in expected_transfer(name).items()
        },
    }


def expected_transfer(name: str) -> dict[str, float]:
    tuned = {width: optimum("mup", name, width) for width in (*SMALL, *BIG)}

    def taken(width: int, c: float) -> float:
        """How far a learning rate taken on by n^c ends from the best one."""
        start = np.mean([tuned[small] - c * np.log2(small) for small in SMALL])
        return start + c * np.log2(width) - tuned[width]

    near, far = BIG
    nats = lambda width, c: CURVATURE * taken(width, c) ** 2
    return {
        "octaves": taken(near, -0.5),
        "regret 8 times as wide": nats(near, -0.5),
        "regret 16 times as wide": nats(far, -0.5),
        "regret by exponent 0": nats(far, 0) - nats(far, -0.5),
        "regret by exponent -1": nats(far, -1) - nats(far, -0.5),
    }


def test_every_check_gets_its_own_value():
    measured = measure(Config(seeds=5, transformer=False), World()).measured
    found = {
        id: {key: m.value for key, m in checks.items() if m} for id, checks in measured.items()
    }
    constant, root, inverse = (own("first step", power) for power in SCALES.values())
    expected: dict[str, dict[str, float]] = {
        "L1": {"closed form": 5.5, "Init[A]": 6.5, "Init[B]": 7.5, "LoRA+": 8.5, "SGD": 9.5},
        **expected_slopes(),
        "L3": {
            "largest learning rate, Init[A]": own("width", "init_a"),
            "largest learning rate, Init[B]": own("width", "init_b"),
            "difference": own("width", "init_b") - own("width", "init_a"),
        },
        **expected_losses(),
        "L9": {
            "Init[A], s constant": own("rank", "init_a", 0.0),
            "Init[A], s = alpha/sqrt(r)": own("rank", "init_a", -0.5),
            "Init[A], s = alpha/r": own("rank", "init_a", -1.0),
            "Init[B], s constant": own("rank", "init_b", 0.0),
        },
        "L10": {
            "s = alpha/sqrt(r)": root,
            "alpha/r minus alpha/sqrt(r)": inverse - root,
            "alpha/sqrt(r) minus constant": root - constant,
        },
        "L12": {"losses": 3.5, "covariance": 4.5, "time": 2.5},
    }
    assert {id: set(checks) for id, checks in measured.items()} == {
        claim.id: set(claim.keys) for claim in CLAIMS
    }
    for id, checks in expected.items():
        # logarithms of numbers below 2^30, a parabola through three of them
        assert found[id] == pytest.approx(checks, abs=1e-9), id
    assert not any(found[id] for id in ("L13", "L13b", "L13c")), "left out with the transformer"


def test_the_grid_is_compared_with_the_calculus_case_by_case():
    """Of L2, whose values are over the whole grid: its rows are those of the world."""
    names, pairs = ["init_b", "eva"], [LIMIT_B, LORA_PLUS]
    measured = plan.powers(World(), names, pairs, [1, 2])
    rows = evidence.predictions(measured)
    assert len(rows) == 2 * 2 * 6 * 2
    for row in rows:
        at = "first" if row["steps"] == 1 else "last"
        exponent = own(row["quantity"], at, row["initialization"], (row["c_A"], row["c_B"]))
        assert row["measured"] is None or row["measured"] == pytest.approx(exponent)
        assert row["largest"] == pytest.approx(2 ** (WIDEST * exponent))
    away = lambda features: [
        abs(row["measured"] - row["predicted"])
        for row in rows
        if row["measured"] is not None and (row["quantity"] != "f") == features
    ]
    assert {key: m.high for key, m in evidence.of_grid(measured)["L2"].items() if m} == {
        "features": max(away(True)),
        "share of features": np.mean(np.array(away(True)) <= 0.1),
        "mean over features": np.mean(away(True)),
        "output": max(away(False)),
        "zeros": sum(row["measured"] is None for row in rows),
    }
