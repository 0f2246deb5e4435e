"""A made-up world for the evidence of the learning-rate family: every initialization, pair of
learning rates, scale, network and step has an exponent of its own, and every trial is exact."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any
from unittest.mock import patch

import numpy as np

from loralab.claims import Measured
from loralab.memo import Memo
from proxies.families.lr_stability.trials import sweep
from proxies.instruments.coordinates import coordinates
from proxies.lr_stability import Config, measure
from theory.lr_stability import exponents as orders_of

SEEDS = 1
NAMES = {"init_a": "Init[A]", "init_b": "Init[B]"}
RANDOM = ("init_a", "init_b", "gaussian", "orthogonal", "init_ab", "pissa")
NINE = (*RANDOM, "eva", "eva_whitened", "pissa_aligned")
FIVE = ("Z_A", "Z_B", "delta1", "delta2", "delta3")
HALF, ONE, PLUS = (-0.5, -0.5), (-1.0, -1.0), (-1.0, 0.0)
RATES = {HALF: "learning rates n^-1/2", ONE: "learning rates n^-1", PLUS: "LoRA+"}
NETWORKS = {"mup": "plain network", "residual": "residual network"}
READ_OUTS = {"mup": "read-out of order 1/n", "standard": "read-out of order n^(-1/2)"}
MODELS = {"llama": "Llama", "gpt2": "GPT-2"}
SCALES = {"constant": 0.0, "= alpha/sqrt(r)": -0.5, "= alpha/r": -1.0}

# slopes of best learning rates in the width, and log of the loss there
SLOPES = {
    ("mup", "init_a"): -0.31,
    ("mup", "init_b"): -0.47,
    ("standard", "init_a"): -0.38,
    ("standard", "init_b"): -0.55,
    ("residual", "init_a"): -0.35,
    ("residual", "init_b"): -0.53,
}
FLOORS = {key: -50.0 + 0.7 * i**1.3 for i, key in enumerate(SLOPES)}
# log2 of the best at 2^10: inside every grid at every width, also where read-outs are exchanged
CENTRES = {"mup": -7.2, "standard": -7.3, "residual": -7.25}
CURVATURE, WIDEST = 4.0, {"mup": 13, "standard": 13, "residual": 12}


def own(*key: Any) -> float:
    """A number from 1 to 2 that belongs to this key alone."""
    return 1 + zlib.crc32(repr(key).encode()) / 2**32


def shift(seed: int, width: int) -> float:
    """Of the grid of a seed: another one for each seed and width."""
    return (0.03 if seed % 2 else -0.05) + 0.01 * np.log2(width) / 10


def optimum(readout: str, name: str, width: int) -> float:
    return CENTRES[readout] + SLOPES[readout, name] * (np.log2(width) - 10)


def log_loss(readout: str, name: str, width: int, log2_rate: float) -> float:
    away = log2_rate - optimum(readout, name, width)
    return CURVATURE * away**2 + FLOORS[readout, name]


def powers(
    width: int, seeds: Sequence[int], names: Sequence[str], exponents: Any, **_: Any
) -> list[Any]:
    one = {
        quantity: [
            [[width ** own(quantity, at, name, tuple(p)) for p in exponents] for name in names]
            for at in ("first", "last")
        ]
        for quantity in (*FIVE, "f")
    }
    return [one for _ in seeds]


def thresholds(
    width: int,
    seeds: Sequence[int],
    names: Sequence[str],
    rank: int,
    scale: float,
    network: str = "mup",
    **_: Any,
) -> list[Any]:
    power = round(float(np.log(scale) / np.log(rank)), 2)
    one = [
        own("width", network, name) * np.log2(width) + own("rank", name, power) * np.log2(rank)
        for name in names
    ]
    return [one for _ in seeds]


def first_step(
    seeds: Sequence[int], ranks: Sequence[int], power: float, network: str, **_: Any
) -> list[Any]:
    return [[own("first step", network, power) * np.log2(rank) for rank in ranks] for _ in seeds]


def losses(
    width: int,
    seeds: Sequence[int],
    names: Sequence[str],
    log2_rates: Sequence[float],
    readout: str,
    shifted: bool = False,
    **_: Any,
) -> list[Any]:
    moved = lambda seed: shift(seed, width) if shifted else 0.0
    return [
        [
            [
                np.exp(min(log_loss(readout, name, width, rate + moved(seed)), 300.0))
                for rate in log2_rates
            ]
            for name in names
        ]
        for seed in seeds
    ]


def features(
    config: Mapping[str, Any],
    width: int,
    scheme: str,
    exponents: Sequence[float],
    steps: int,
    rate: float,
    together: bool,
    **_: Any,
) -> dict[str, Any]:
    """Two layers, whose slopes lie as far above the mean as below it."""
    key = config["model_type"], scheme, tuple(exponents), rate, together
    return {
        layer: {
            q: [width ** (inside(q, step, *key) + away) for step in range(1, steps + 1)]
            for q in FIVE
        }
        for layer, away in (("one", -0.25), ("two", 0.25))
    }


def inside(quantity: str, step: int, *key: Any) -> float:
    return own("inside", quantity, step, *key)


RULES: dict[Callable[..., Any], Callable[..., Any]] = {
    sweep.powers: powers,
    sweep.thresholds: thresholds,
    sweep.first_step: first_step,
    sweep.losses: losses,
    coordinates: features,
}


class World(Memo):
    """Every trial is made up. `exchanged` values of arguments stand for each other: what is asked
    of one is answered with the other's result."""

    def __init__(self, exchanged: Mapping[Any, Any] | None = None) -> None:
        self.exchanged = dict(exchanged or {})

    def map(self, function: Callable[..., Any], trials: Any) -> list[Any]:
        return [RULES[function](**self._exchange(trial)) for trial in trials]

    def _exchange(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._exchange(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            whole = tuple(value)
            if whole in self.exchanged:
                return self.exchanged[whole]
            return [self._exchange(inner) for inner in value]
        known = isinstance(value, str | float) and value in self.exchanged
        return self.exchanged[value] if known else value


def world() -> World:
    return World()


def measured(world: World) -> Mapping[str, Mapping[str, Measured | None]]:
    with patch.object(sweep, "grid_shift", shift):
        return measure(Config(seeds=SEEDS, block=0, transformer=True), world).measured


def expected_grid() -> dict[str, float]:
    """L2: the median distance over the grid, of what the calculus does not call zero."""
    pairs = [(a, b) for a in (-1.5, -1.0, -0.5, 0.0) for b in (-1.5, -1.0, -0.5, 0.0)]
    away: dict[bool, list[float]] = {True: [], False: []}
    for name in NINE:
        for at, steps in (("first", 1), ("last", 6)):
            for quantity, order in orders_of(name, steps=steps)._asdict().items():
                for pair in pairs:
                    exponent = order(*map(Fraction, pair))
                    if exponent > -np.inf:
                        distance = abs(own(quantity, at, name, pair) - float(exponent))
                        away[quantity == "f"].append(distance)
    return {"features": float(np.median(away[False])), "output": float(np.median(away[True]))}


def expected_features() -> dict[str, dict[str, float]]:
    """L2b, L4 to L6, and the first step of L7."""
    labels = {**NAMES, "eva": "EVA"}

    def at(quantity: str, name: str, pair: tuple[float, float], step: str = "last") -> Any:
        after = ", first step" if step == "first" else ""
        key = f"{quantity}, {labels[name]}, {RATES[pair]}{after}"
        return {key: own(quantity, step, name, pair)}

    fast = at("Z_B", "init_b", HALF)
    return {
        "L2b": {"grows": own("Z_B", "last", "init_b", HALF), **fast},
        "L4": at("Z_A", "init_a", HALF)
        | at("Z_B", "init_a", HALF)
        | at("Z_A", "init_b", ONE)
        | at("Z_B", "init_b", ONE),
        "L5": at("delta1", "init_a", HALF)
        | at("delta2", "init_a", HALF)
        | at("delta1", "init_b", ONE)
        | at("delta2", "init_b", ONE)
        | at("delta3", "init_b", ONE),
        "L6": at("delta1", "init_a", PLUS)
        | at("delta2", "init_a", PLUS)
        | at("Z_A", "init_a", PLUS)
        | at("delta1", "init_b", PLUS)
        | at("delta2", "init_b", PLUS)
        | at("Z_A", "init_b", PLUS)
        | at("delta2", "init_a", ONE),
        "L7": {
            "largest learning rate, EVA, plain network": own("width", "mup", "eva"),
            "largest learning rate, EVA, residual network": own("width", "residual", "eva"),
            "largest learning rate, whitened EVA, plain network": own(
                "width", "mup", "eva_whitened"
            ),
        }
        | at("Z_B", "eva", HALF, "first")
        | at("Z_B", "init_a", HALF, "first"),
    }


def expected_stable() -> dict[str, float]:
    """L3."""
    slope = lambda network, name: own("width", network, name)
    at_rank_4 = 2 * (own("rank", "init_a", 0.0) - own("rank", "init_b", 0.0))
    return {
        f"largest learning rate, {words}, {where}": slope(network, name)
        for network, where in NETWORKS.items()
        for name, words in NAMES.items()
    } | {
        f"Init[A] over Init[B], {where}": 2
        ** (14 * (slope(network, "init_a") - slope(network, "init_b")) + at_rank_4)
        for network, where in NETWORKS.items()
    }


def expected_losses() -> dict[str, dict[str, float]]:
    toy = SLOPES["residual", "init_a"] - SLOPES["residual", "init_b"]
    return {
        **{
            id: {
                f"best learning rate, {words}, {READ_OUTS[readout]}": SLOPES[readout, name]
                for name, words in NAMES.items()
            }
            for id, readout in (("L8", "mup"), ("L8d", "standard"))
        },
        "L8b": {
            f"difference, {where}": SLOPES[readout, "init_b"] - SLOPES[readout, "init_a"]
            for readout, where in READ_OUTS.items()
        },
        "L8c": {"slope of the ratio": toy, "ratio": 2 ** (2 * toy)},  # 2 octaves above 2^10
        "L11": {
            f"{words}, {key}": value
            for name, words in NAMES.items()
            for key, value in expected_transfer(name).items()
        },
        "L14": {
            words: expected_lower(readout)
            for readout, words in (READ_OUTS | {"residual": "residual network"}).items()
        },
    }


def expected_transfer(name: str) -> dict[str, float]:
    """From the mean of 2^8 to 2^10, which is 2^9, to 2^13."""
    best = lambda octave: optimum("mup", name, 2**octave)
    away = lambda c: best(9) + 4 * c - best(13)
    nats = lambda c: CURVATURE * away(c) ** 2
    # every loss is below e^3, the most that counts, or counts as that
    capped = lambda c: min(nats(c) + FLOORS["mup", name], 3.0) - FLOORS["mup", name]
    return {
        "octaves": away(-0.5),
        "regret": nats(-0.5),
        "regret by exponent 0": capped(0) - nats(-0.5),
        "regret by exponent -1": capped(-1) - nats(-0.5),
    }


def expected_lower(readout: str) -> float:
    """The ratio of the losses at the places of the grid that are best over seeds."""
    width = 2 ** WIDEST[readout]
    ends = {"mup": (-11.5, -1.0), "standard": (-15.0, -3.0), "residual": (-15.5, -1.5)}[readout]
    grid = np.arange(ends[0], ends[1] + 0.1, 0.5)
    seeds = range(SEEDS * (8 if readout == "residual" else 3))

    def log_at_best(name: str) -> np.ndarray:
        logs = np.array(
            [[log_loss(readout, name, width, g + shift(s, width)) for s in seeds] for g in grid]
        )
        return logs[np.exp(logs.clip(max=300)).mean(1).argmin()]

    return float(np.exp((log_at_best("init_a") - log_at_best("init_b")).mean()))


def expected_inside() -> dict[str, dict[str, float]]:
    """L13, L13b and L13c."""
    found: dict[str, dict[str, float]] = {"L13": {}, "L13b": {}, "L13c": {}}
    for model, words in MODELS.items():

        def excess(scheme: str, pair: tuple[float, float], together: bool, m: str = model) -> Any:
            order = orders_of(scheme, steps=6)
            exact = lambda q: float(getattr(order, q)(*map(Fraction, pair)))
            return [inside(q, 6, m, scheme, pair, 0.3, together) - exact(q) for q in FIVE]

        cases = {
            "Init[A]": ("init_a", HALF),
            "Init[B]": ("init_b", ONE),
            "LoRA+ from Init[A]": ("init_a", PLUS),
            "LoRA+ from Init[B]": ("init_b", PLUS),
        }
        for key, case in cases.items():
            if key != "LoRA+ from Init[B]":
                found["L13"][f"{words}: {key}"] = max(map(abs, excess(*case, False)))
            found["L13c"][f"{words}: {key}"] = max(excess(*case, True))
        grown = lambda step, rate, m=model: inside("Z_B", step, m, "init_b", HALF, rate, False)
        found["L13b"] |= {
            f"{words}: grows": grown(6, 0.3),
            f"{words}: last step": grown(6, 0.3),
            f"{words}: first step": grown(1, 0.3),
            f"{words}: small k": grown(6, 0.3 / 10),
        }
    return found


EXPECTED: dict[str, dict[str, float]] = {
    "L2": expected_grid(),
    **expected_features(),
    "L3": expected_stable(),
    **expected_losses(),
    "L9": {
        **{f"Init[A], s {words}": own("rank", "init_a", power) for words, power in SCALES.items()},
        "Init[B], s constant": own("rank", "init_b", 0.0),
    },
    "L10": {where: own("first step", network, -0.5) for network, where in NETWORKS.items()},
    **expected_inside(),
}
# "grows" is a weaker criterion on the datum of the exponent
SAME = (
    frozenset({"L2b/grows", "L2b/Z_B, Init[B], learning rates n^-1/2"}),
    *(frozenset({f"L13b/{words}: grows", f"L13b/{words}: last step"}) for words in MODELS.values()),
)


def exchanged(*pairs: tuple[Any, Any]) -> Callable[[World], World]:
    both = {a: b for first, second in pairs for a, b in ((first, second), (second, first))}
    return lambda _: World(both)


EXCHANGES: dict[str, Callable[[World], World]] = {
    "Init[A] and Init[B]": exchanged(("init_a", "init_b")),
    "EVA and whitened EVA": exchanged(("eva", "eva_whitened")),
    "the plain and the residual network": exchanged(("mup", "residual")),
    "the two read-outs": exchanged(("mup", "standard")),
    "Llama and GPT-2": exchanged(("llama", "gpt2")),
    "learning rates n^-1/2 and n^-1": exchanged((HALF, ONE)),
    "LoRA+'s learning rates of A and of B": exchanged((PLUS, (0.0, -1.0))),
    "k = 0.3 and k = 0.03": exchanged((0.3, 0.3 / 10)),
    "the powers of the rank of SGD's scale": exchanged((-0.5, -1.0)),
}
