"""A made-up world of matrix factorisation, in which every number belongs to one method, optimizer,
target, learning rate and seed.

The rule of a sweep with the key (target, optimizer, method): of 13 learning rates the one at `best`
ends lowest, the next higher one is the soonest at each threshold, and on each seed a number of
learning rates of its own, from the one below `best` on, ends at 1e-4 or less. The lowest learning
rate reaches no threshold and the highest one diverges. All choices are so clear that every resample
of the seeds makes the same one.
"""

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from proxies.families.matfac.evidence import evidence
from proxies.families.matfac.trials import plan

Trials = dict[str, Any]
SEEDS, RATES, LAST = 7, 13, 1000
PER_DECADE = {"OP bias": 6, "direct": 5, "OP linear": 4}
METHODS = {"OP": "OP bias", "LoRA": "direct"}
ONE_RATE = ("OP-LoRA", "LoRA", "LoRA, first step", "LoRA, last step")
QUANTITIES = {
    "relu": ("one step", "all steps"),
    "linear": ("one step", "all steps"),
    "expansion": ("remainder", "least eigenvalue", "larger eigenvalues"),
    "conservation": ("ratio", "one step"),
    "balanced": ("error",),
    "adam": ("error", "share of the bound"),
    "agree": ("growth",),
    "oppose": ("growth",),
    "oppose large": ("growth",),
    "agree, Adam": ("growth",),
    "oppose, Adam": ("growth",),
    "scale 32 32": ("variance",),
    "scale 32 2": ("variance",),
    "scale 8 32": ("variance",),
    "conditioning": ("spectrum", "generator", "least"),
}


def value(*key: Any) -> float:
    """A number from 1 to 2 that belongs to this key alone."""
    return 1 + zlib.crc32(repr(key).encode()) / 2**32


def choice(count: int, *key: Any) -> int:
    """A number from 0 to count - 1."""
    return int((value(*key) - 1) * count)


def best(key: plan.Key) -> int:
    return 4 + choice(4, key, "best")


def width(key: plan.Key, seed: int) -> int:
    """How many learning rates end at 1e-4 or less."""
    return 3 + choice(4, key, "width", seed)


def final(key: plan.Key, rate: int, seed: int) -> Any:
    if rate == RATES - 1:
        return None
    inside = best(key) - 1 <= rate < best(key) - 1 + width(key, seed)
    level = 1e-9 if rate == best(key) else 1e-6 if inside else 1e-2
    return level * value(key, "final", rate, seed)


def steps(key: plan.Key, bar: str, rate: int, seed: int) -> Any:
    if rate in (0, RATES - 1):
        return None
    return (100 if rate == best(key) + 1 else 400) * value(key, bar, rate, seed)


def table(rule: Callable[..., Any], *key: Any, rates: int = RATES) -> list[list[Any]]:
    return [[rule(*key, rate, seed) for seed in range(SEEDS)] for rate in range(rates)]


def swept(key: plan.Key) -> dict[str, Any]:
    return {
        "rates": [value(key, "rate", i) for i in range(RATES)],
        "per_decade": PER_DECADE.get(key[2], 3),
        "last": LAST,
        "final": table(final, key),
        "steps": {bar: table(steps, key, bar) for bar in ("1e-2", "1e-4", "1e-8")},
        "alive": table(lambda *name: value("alive", *name), key),
        "best": best(key),
        "edge": "",
        "open": [],
        "curve": {"step": [value(key)]},
    }


def too_large(method: str, diverged: int, dead: int) -> dict[str, Any]:
    """Of one learning rate: the first `diverged` seeds have no final loss, the last `dead` no live
    unit."""
    key = ("gauss", "SGD", method)
    final = [None if i < diverged else value(key, "f", i) for i in range(SEEDS)]
    alive = [0.5] * (SEEDS - dead) + [0.0] * dead
    return swept(key) | {"final": [final], "alive": [alive]}


def drawn(name: str, quantity: str) -> list[float]:
    if name == "oppose large":  # three of seven are negative
        return [-1.0, -2.0, -3.0, 1.0, 2.0, 3.0, 4.0]
    return [value(name, quantity, i) for i in range(3)]


def at_one_rate(target: str, optimizer: str, method: str, seed: int) -> float:
    return value("one rate", target, optimizer, method, seed)


def world() -> Trials:
    targets = plan.targets("synthetic", claims_only=False)
    return {
        "draws": {
            name: {quantity: drawn(name, quantity) for quantity in quantities}
            for name, quantities in QUANTITIES.items()
        },
        "swept": {key: swept(key) for key in plan.keys(targets, claims_only=False)},
        "one_rate": {
            key: {name: [[at_one_rate(*key, name, i) for i in range(SEEDS)]] for name in ONE_RATE}
            for key in [(t, o) for t in ("gauss", "ill") for o in ("Adam", "SGD")]
        },
        "too_large": {
            ("gauss", "SGD", "OP bias"): too_large("OP bias", 1, 4),
            ("gauss", "SGD", "OP linear"): too_large("OP linear", 5, 6),
        },
    }


def measured(trials: Trials) -> dict[str, dict[str, Any]]:
    return evidence(**trials)


def geometric(first: list[float], second: list[float]) -> float:
    return float(np.exp(np.mean(np.log(np.array(first) / np.array(second)))))


def _law(name: str, quantity: str) -> float:
    return float(np.median(drawn(name, quantity)))


def _one_rate(target: str, optimizer: str, other: str) -> float:
    return geometric(
        *(
            [at_one_rate(target, optimizer, name, i) for i in range(SEEDS)]
            for name in ("OP-LoRA", other)
        )
    )


def _steps(target: str, optimizer: str) -> float:
    keys = [(target, optimizer, method) for method in METHODS.values()]
    return geometric(*([steps(k, "1e-4", best(k) + 1, i) for i in range(SEEDS)] for k in keys))


def _final(first: plan.Key, second: plan.Key) -> float:
    return geometric(*([final(k, best(k), i) for i in range(SEEDS)] for k in (first, second)))


def _wider(optimizer: str, other: str, *targets: str) -> float:
    decades = lambda key: sum(width(key, i) for i in range(SEEDS)) / SEEDS / PER_DECADE[key[2]]
    return sum(
        decades((t, optimizer, "OP bias")) - decades((t, optimizer, other)) for t in targets
    ) / len(targets)


_WIDER = {name: _wider(name, "direct", "gauss", "ill") for name in ("SGD", "momentum", "Adam")}
_STEPS = {
    id: {name: _steps(target, name) for name in ("SGD", "momentum", "Adam")}
    for id, target in (("OP12", "gauss"), ("OP12d", "ill"))
}
_CONTROLS = {"OP10": "LoRA", "OP10b": "LoRA, first step", "OP10c": "LoRA, last step"}
EXPECTED = {
    "OP1": {
        "one step, ReLU": _law("relu", "one step"),
        "all steps, ReLU": _law("relu", "all steps"),
        "one step, linear": _law("linear", "one step"),
        "all steps, linear": _law("linear", "all steps"),
    },
    "OP2": {"remainder": _law("expansion", "remainder")},
    "OP3": {
        "least eigenvalue": _law("expansion", "least eigenvalue"),
        "larger eigenvalues": _law("expansion", "larger eigenvalues"),
    },
    "OP4": {"drift": _law("conservation", "ratio"), "one step": _law("conservation", "one step")},
    "OP5": {"flow": _law("balanced", "error")},
    "OP6": {
        "with epsilon": _law("adam", "error"),
        "without epsilon": _law("adam", "share of the bound"),
    },
    "OP7": {
        "agreeing": _law("agree", "growth"),
        "opposing": _law("oppose", "growth"),
        "opposing, large gradients": 3 / 7,
        "agreeing, Adam": _law("agree, Adam", "growth"),
        "opposing, Adam": _law("oppose, Adam", "growth"),
    },
    "OP8": {
        f"m = {m}, k = {k}": float(np.mean(drawn(f"scale {m} {k}", "variance")))
        for m, k in ((32, 32), (32, 2), (8, 32))
    },
    "OP17": {"spectrum": _law("conditioning", "spectrum")},
    "OP17b": {
        "condition number": _law("conditioning", "generator"),
        "least eigenvalue": _law("conditioning", "least"),
    },
    **{
        id: {
            f"{target}, {name}": _one_rate(target, name, other)
            for target in ("gauss", "ill")
            for name in (("SGD",) if id == "OP10c" else ("Adam", "SGD"))
        }
        for id, other in _CONTROLS.items()
    },
    "OP11": _WIDER | {f"{name}, half a decade": x for name, x in _WIDER.items()},
    **{
        id: steps | {f"{name}, a fifth fewer": x for name, x in steps.items()}
        for id, steps in _STEPS.items()
    },
    "OP12b": {
        name: _final(("ill", name, "OP bias"), ("ill", name, "direct"))
        for name in ("SGD", "momentum", "Adam")
    },
    "OP12c": {
        name: _final(("ill", name, "OP bias"), ("ill", "SGD", "ScaledGD"))
        for name in ("SGD", "momentum", "Adam")
    },
    "OP13": {
        "linear diverged": 5 / 7,
        "ReLU diverged": 1 / 7,
        "ReLU dead": 4 / 7,
        "window": _wider("SGD", "OP linear", "gauss"),
    },
}
SAME = (
    *(frozenset({f"OP11/{name}", f"OP11/{name}, half a decade"}) for name in _WIDER),
    *(
        frozenset({f"{id}/{name}", f"{id}/{name}, a fifth fewer"})
        for id, steps in _STEPS.items()
        for name in steps
    ),
)


def _exchanged(part: str, place: int, first: str, second: str) -> Callable[[Trials], Trials]:
    """The keys that have one name at a place of theirs get what those with the other have."""

    def exchange(trials: Trials) -> Trials:
        other = {first: second, second: first}
        renamed = lambda k: (*k[:place], other.get(k[place], k[place]), *k[place + 1 :])
        found = trials[part]
        return trials | {part: {key: found.get(renamed(key), found[key]) for key in found}}

    return exchange


def _entries(part: str, first: str, second: str) -> Callable[[Trials], Trials]:
    """Two entries of every trial of a part, exchanged."""

    def exchange(trials: Trials) -> Trials:
        return trials | {
            part: {
                key: made | {first: made[second], second: made[first]}
                for key, made in trials[part].items()
            }
        }

    return exchange


def _draws(first: str, second: str) -> Callable[[Trials], Trials]:
    def exchange(trials: Trials) -> Trials:
        found = trials["draws"]
        return trials | {"draws": found | {first: found[second], second: found[first]}}

    return exchange


def _bars(trials: Trials) -> Trials:
    for made in trials["swept"].values():
        bars = made["steps"]
        bars["1e-4"], bars["1e-8"] = bars["1e-8"], bars["1e-4"]
    return trials


def _negated(trials: Trials) -> Trials:
    large = trials["draws"]["oppose large"]
    large["growth"] = [-x for x in large["growth"]]
    return trials


def _rates_turned(trials: Trials) -> Trials:
    """The learning rates of the steps, the highest first."""
    for made in trials["swept"].values():
        made["steps"]["1e-4"].reverse()
        made["steps"]["1e-4"][0] = made["steps"]["1e-4"][5]
    return trials


EXCHANGES: dict[str, Callable[[Trials], Trials]] = {
    "OP-LoRA and LoRA, tuned": _exchanged("swept", 2, "OP bias", "direct"),
    "OP-LoRA and its linear network, tuned": _exchanged("swept", 2, "OP bias", "OP linear"),
    "LoRA and LoRA with a large A": _exchanged("swept", 2, "direct", "direct, large A"),
    "OP-LoRA's two initializations": _exchanged("swept", 2, "OP bias", "OP default"),
    "ScaledGD's two initializations": _exchanged("swept", 2, "ScaledGD", "Nyström + ScaledGD"),
    "two targets, tuned": _exchanged("swept", 0, "gauss", "ill"),
    "a third target": _exchanged("swept", 0, "ill", "well"),
    "Adam and momentum": _exchanged("swept", 1, "Adam", "momentum"),
    "SGD and momentum": _exchanged("swept", 1, "SGD", "momentum"),
    "two thresholds": _bars,
    "the order of the learning rates": _rates_turned,
    "OP-LoRA and LoRA, at one learning rate": _entries("one_rate", "OP-LoRA", "LoRA"),
    "LoRA and its first control": _entries("one_rate", "LoRA", "LoRA, first step"),
    "the two controls": _entries("one_rate", "LoRA, first step", "LoRA, last step"),
    "two targets, at one learning rate": _exchanged("one_rate", 0, "gauss", "ill"),
    "two optimizers, at one learning rate": _exchanged("one_rate", 1, "Adam", "SGD"),
    "ReLU and linear, too large": _exchanged("too_large", 2, "OP bias", "OP linear"),
    "diverged and dead": _entries("too_large", "final", "alive"),
    "ReLU and linear, laws": _draws("relu", "linear"),
    "agreeing and opposing": _draws("agree", "oppose"),
    "gradient descent and Adam": _draws("agree", "agree, Adam"),
    "opposing, Adam and gradient descent": _draws("oppose", "oppose, Adam"),
    "width and embedding": _draws("scale 32 2", "scale 8 32"),
    "the sign of a growth": _negated,
}
