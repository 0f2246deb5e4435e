"""OP10 to OP12 and the rest of OP13; None for a check whose sweeps were not run or cannot be
compared."""

from collections.abc import Callable, Mapping

import numpy as np

from loralab.claims import Measured
from loralab.numbers import numbers
from loralab.statistics import proportion
from proxies.families.matfac.evidence import paired
from proxies.families.matfac.trials.plan import FIXED, Key
from proxies.families.matfac.trials.sweep import Sweep

Sweeps = Mapping[Key, Sweep]
Statistic = Callable[[Sweep, Sweep], Measured | None]


def comparisons(
    swept: Sweeps, fixed: Sweeps, too_large: Sweeps
) -> dict[str, dict[str, Measured | None]]:
    """By claim and key; the arguments are those of `evidence`."""

    def against_lora(statistic: Statistic, target: str, optimizer: str) -> Measured | None:
        keys = (target, optimizer, "OP bias"), (target, optimizer, "direct")
        return _compared(swept, statistic, *keys)

    return {
        "OP10": {
            f"{target}, {optimizer}": _compared(
                fixed,
                paired.fixed_ratio,
                (target, optimizer, "OP bias"),
                (target, optimizer, "direct"),
            )
            for target, optimizer in FIXED
        },
        "OP11": {
            optimizer: _wider(swept, optimizer, "direct", "gauss", "ill")
            for optimizer in ("SGD", "momentum", "Adam")
        },
        "OP12": {
            "steps, momentum": against_lora(paired.steps_ratio, "gauss", "momentum"),
            "steps, Adam": against_lora(paired.steps_ratio, "gauss", "Adam"),
            "share, momentum": against_lora(paired.share_lower, "ill", "momentum"),
            "excess, Adam": _compared(
                swept, paired.final_ratio, ("ill", "Adam", "OP bias"), ("ill", "SGD", "ScaledGD")
            ),
        },
        "OP13": {
            "linear diverged": _share(too_large, "OP linear", _diverged),
            "ReLU diverged": _share(too_large, "OP bias", _diverged),
            "ReLU dead": _share(too_large, "OP bias", _all_dead),
            "window": _wider(swept, "SGD", "OP linear", "gauss"),
        },
    }


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
