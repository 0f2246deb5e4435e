"""OP10 to OP13; None for a check whose runs were not made or cannot be compared."""

from collections.abc import Callable, Mapping

import numpy as np

from loralab.claims import Measured
from loralab.numbers import numbers
from loralab.statistics import proportion
from proxies.families.matfac.evidence import paired
from proxies.families.matfac.trials import plan
from proxies.families.matfac.trials.plan import OPTIMIZERS, UNCONVERGED, Key
from proxies.families.matfac.trials.sweep import Sweep, Table

Sweeps = Mapping[Key, Sweep]
OneRate = Mapping[tuple[str, str], Mapping[str, Table]]
Statistic = Callable[[Sweep, Sweep], Measured | None]
Found = dict[str, dict[str, Measured | None]]


def comparisons(swept: Sweeps, one_rate: OneRate, too_large: Sweeps) -> Found:
    """By claim and key; the arguments are those of `evidence`."""
    wider = {
        optimizer: _wider(swept, optimizer, "direct", "gauss", "ill") for optimizer in OPTIMIZERS
    }
    return {
        **{id: _at_one_rate(one_rate, id) for id in plan.CONTROLS},
        "OP11": wider | {f"{name}, half a decade": m for name, m in wider.items()},
        **{id: _steps(swept, target) for id, target in plan.CONVERGED.items()},
        "OP12b": {
            optimizer: _compared(
                swept,
                paired.final_ratio,
                (UNCONVERGED, optimizer, "OP bias"),
                (UNCONVERGED, optimizer, "direct"),
            )
            for optimizer in OPTIMIZERS
        },
        "OP12c": {
            optimizer: _compared(
                swept,
                paired.final_ratio,
                (UNCONVERGED, optimizer, "OP bias"),
                (UNCONVERGED, "SGD", "ScaledGD"),
            )
            for optimizer in OPTIMIZERS
        },
        "OP13": {
            "linear diverged": _share(too_large, "OP linear", _diverged),
            "ReLU diverged": _share(too_large, "OP bias", _diverged),
            "ReLU dead": _share(too_large, "OP bias", _all_dead),
            "window": _wider(swept, "SGD", "OP linear", "gauss"),
        },
    }


def _at_one_rate(one_rate: OneRate, id: str) -> dict[str, Measured | None]:
    return {
        ", ".join(key): paired.one_rate_ratio(one_rate[key], plan.CONTROLS[id])
        if key in one_rate
        else None
        for key in plan.at_one_rate(id)
    }


def _steps(swept: Sweeps, target: str) -> dict[str, Measured | None]:
    """OP-LoRA against LoRA, for both criteria."""
    found = {
        optimizer: _compared(
            swept,
            paired.steps_ratio,
            (target, optimizer, "OP bias"),
            (target, optimizer, "direct"),
        )
        for optimizer in OPTIMIZERS
    }
    return found | {f"{name}, a fifth fewer": m for name, m in found.items()}


def _compared(sweeps: Sweeps, statistic: Statistic, first: Key, second: Key) -> Measured | None:
    known = first in sweeps and second in sweeps
    return statistic(sweeps[first], sweeps[second]) if known else None


def _wider(swept: Sweeps, optimizer: str, other: str, *targets: str) -> Measured | None:
    """OP-LoRA against the other method, over all targets or not at all."""
    keys = [(target, optimizer, method) for target in targets for method in ("OP bias", other)]
    if not all(key in swept for key in keys):
        return None
    found = [swept[key] for key in keys]
    return paired.wider(list(zip(found[::2], found[1::2], strict=True)))


def _share(
    too_large: Sweeps, method: str, condition: Callable[[Sweep], np.ndarray]
) -> Measured | None:
    """Of the problems of a sweep of one learning rate, those that meet a condition."""
    if ("gauss", "SGD", method) not in too_large:
        return None
    met = condition(too_large["gauss", "SGD", method])
    return proportion(int(met.sum()), len(met))


def _diverged(sweep: Sweep) -> np.ndarray:
    return np.isnan(numbers(sweep["final"])[0])


def _all_dead(sweep: Sweep) -> np.ndarray:
    return numbers(sweep["alive"])[0] == 0
